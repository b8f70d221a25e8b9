//! What is to be done about the keys there are: a total, deterministic function of the keys, the
//! policy and the time. Doing it and asking again at the same moment gives nothing more to do.

use super::{
    policy::Policy,
    record::{KeyRecord, State},
};
use crate::{
    base::{id::KeyId, moment::Moment},
    jose::Alg,
};

/// Whether somebody wants new keys sooner than the policy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Keys are replaced when their time has come.
    OnSchedule,
    /// An operator asked for new keys: a successor is published now, and signs as soon as
    /// everybody can know it.
    Requested,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a key.
    Create {
        /// Of this algorithm.
        alg: Alg,
        /// With this number.
        epoch: i32,
        /// In this state: pending, or active at once.
        state: State,
        /// For the audit log.
        why: &'static str,
    },
    /// Let a pending key sign, from now on.
    Promote {
        /// Which.
        kid: KeyId,
        /// For the audit log.
        why: &'static str,
    },
    /// Let a key sign no longer.
    Retire {
        /// Which.
        kid: KeyId,
        /// Until when it stays published.
        until: Moment,
        /// For the audit log.
        why: &'static str,
    },
    /// Publish a key no longer and wipe its private half: it is gone.
    Delete {
        /// Which.
        kid: KeyId,
        /// For the audit log.
        why: &'static str,
    },
}

impl Step {
    /// The reason, for the audit log.
    #[must_use]
    pub const fn why(&self) -> &'static str {
        match self {
            Self::Create { why, .. }
            | Self::Promote { why, .. }
            | Self::Retire { why, .. }
            | Self::Delete { why, .. } => why,
        }
    }
}

/// What to do now, in this order. Steps of one sweep belong into one transaction: between
/// a promotion and the retirement beside it two keys of an algorithm would sign.
#[must_use]
pub fn sweep(keys: &[KeyRecord], policy: &Policy, rotation: Rotation, now: Moment) -> Vec<Step> {
    let mut steps = Vec::new();
    for alg in Alg::ALL {
        // By age, so that the outcome does not depend on the order in which a database answers.
        let mut own: Vec<&KeyRecord> = keys.iter().filter(|key| key.alg == alg).collect();
        own.sort_by(|a, b| (a.epoch, &a.kid).cmp(&(b.epoch, &b.kid)));
        if policy.algs().contains(&alg) {
            steps.extend(renew(alg, &own, policy, rotation, now));
        } else {
            steps.extend(abandon(&own, policy, now));
        }
        steps.extend(own.iter().filter_map(|key| match key.state {
            State::Retiring { until } if until <= now => {
                Some(Step::Delete { kid: key.kid.clone(), why: "every token it signed has expired" })
            }
            State::Retiring { .. } | State::Pending | State::Active { .. } | State::Gone => None,
        }));
    }
    steps
}

/// The steps for an algorithm that is needed. `own` is sorted by age.
fn renew(alg: Alg, own: &[&KeyRecord], policy: &Policy, rotation: Rotation, now: Moment) -> Vec<Step> {
    let epoch = own.iter().map(|key| key.epoch).max().unwrap_or(0).saturating_add(1);
    let active: Vec<_> = own.iter().filter_map(|key| since(key).map(|since| (*key, since))).collect();
    let pending: Vec<_> = own.iter().copied().filter(|key| key.state == State::Pending).collect();

    // More than one of either cannot come from sweeps; a hand in the database can do it. The
    // youngest stays.
    let mut steps = Vec::new();
    let (successor, spare) =
        pending.split_last().map_or((None, pending.as_slice()), |(last, rest)| (Some(*last), rest));
    steps.extend(spare.iter().map(|key| delete(key, "a younger successor is published")));
    let (signing, extra) = active.split_last().map_or((None, active.as_slice()), |(last, rest)| (Some(*last), rest));
    steps.extend(extra.iter().map(|(key, _)| retire(key, policy, now, "a younger key of its algorithm signs")));

    match (signing, successor) {
        (None, None) => steps.push(Step::Create {
            alg,
            epoch,
            state: State::Active { since: now },
            why: "there is no key of this algorithm, and nobody can hold an older copy of it",
        }),
        (None, Some(successor)) => {
            steps.push(promote(successor, "no key of its algorithm signs, so waiting longer would stop all signing"));
        }
        (Some((old, _)), Some(successor)) => {
            if now >= successor.created_at + policy.publish_before_use() {
                steps.push(promote(successor, "it has been published for long enough that everybody can know it"));
                steps.push(retire(old, policy, now, "its successor signs"));
            }
        }
        (Some((_, since)), None) => {
            let due = now >= since + policy.rotation_period() - policy.publish_before_use();
            // A key that signs since this very moment is as new as anybody can ask for.
            let asked = rotation == Rotation::Requested && since < now;
            let why = match (due, asked) {
                (true, _) => Some("the key that signs comes to the end of its period"),
                (false, true) => Some("an operator asked for a rotation"),
                (false, false) => None,
            };
            steps.extend(why.map(|why| Step::Create { alg, epoch, state: State::Pending, why }));
        }
    }
    steps
}

/// The steps for an algorithm that is needed no longer.
fn abandon(own: &[&KeyRecord], policy: &Policy, now: Moment) -> Vec<Step> {
    let why = "its algorithm is needed no longer";
    own.iter()
        .filter_map(|key| match key.state {
            State::Pending => Some(delete(key, why)),
            State::Active { .. } => Some(retire(key, policy, now, why)),
            State::Retiring { .. } | State::Gone => None,
        })
        .collect()
}

const fn since(key: &KeyRecord) -> Option<Moment> {
    match key.state {
        State::Active { since } => Some(since),
        State::Pending | State::Retiring { .. } | State::Gone => None,
    }
}

fn promote(key: &KeyRecord, why: &'static str) -> Step {
    Step::Promote { kid: key.kid.clone(), why }
}

fn retire(key: &KeyRecord, policy: &Policy, now: Moment, why: &'static str) -> Step {
    Step::Retire { kid: key.kid.clone(), until: now + policy.retention(), why }
}

fn delete(key: &KeyRecord, why: &'static str) -> Step {
    Step::Delete { kid: key.kid.clone(), why }
}

#[cfg(test)]
mod tests;
