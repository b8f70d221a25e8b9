//! What is to be done about the keys there are: a total, deterministic function of the keys, the
//! policy and the time. Doing it and asking again at the same moment gives nothing more to do.
//!
//! Two things are compared with the clock as it is, so that a clock that was set back delays them:
//! whether a key may take over, and whether it may go. What is written down follows the latest time that
//! was ever seen ([`onward`]), so that a clock that was set back cannot make either come too early.

use super::{
    past::{MAX_STEP, Past, onward},
    policy::Policy,
    record::{KeyRecord, State},
    why::why,
};
use crate::{
    base::{id::KeyId, moment::Moment},
    jose::Purpose,
};
use std::collections::BTreeSet;

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
        alg: Purpose,
        /// With this number.
        epoch: i32,
        /// In this state: pending, or active at once.
        state: State,
        /// When it is made.
        at: Moment,
        /// From when on every copy of the set has it.
        known_at: Moment,
        /// For the audit log.
        why: &'static str,
    },
    /// Let a pending key take over: it signs, or is published to encrypt with, from now on.
    Promote {
        /// Which.
        kid: KeyId,
        /// Since when.
        since: Moment,
        /// For the audit log.
        why: &'static str,
    },
    /// Let a key sign no longer, or be published to encrypt with no longer.
    Retire {
        /// Which.
        kid: KeyId,
        /// Until when it stays in hand, and one that signed stays published.
        until: Moment,
        /// For the audit log.
        why: &'static str,
    },
    /// As [`Step::Delete`], before its time: an operator wants whatever it signed to be refused.
    Revoke {
        /// Which.
        kid: KeyId,
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
            Self::Revoke { .. } => "an operator ended it",
        }
    }
}

/// What is known when it is asked what is due.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// All keys, in any order.
    pub keys: &'a [KeyRecord],
    /// How long keys live.
    pub policy: &'a Policy,
    /// What is still out there from before, the policy itself taken into account: [`Past::under`].
    pub past: &'a Past,
    /// The latest time that any node has shown, where one was written down.
    pub latest: Option<Moment>,
    /// The time.
    pub now: Moment,
    /// Algorithms that a key is held of and that nothing is signed with yet: one that is published
    /// for later may wait until everybody can know it.
    pub idle: &'a BTreeSet<Purpose>,
}

/// What to do now, in this order. Steps of one sweep belong into one transaction: between
/// a promotion and the retirement beside it two keys of an algorithm would sign.
#[must_use]
pub fn sweep(facts: &Facts<'_>, rotation: Rotation) -> Vec<Step> {
    let mut steps = Vec::new();
    for alg in Purpose::ALL {
        let own = facts.own(alg);
        if facts.policy.algs().contains(&alg) {
            steps.extend(facts.renew(alg, &own, rotation));
        } else {
            steps.extend(facts.abandon(alg, &own, rotation));
        }
        steps.extend(own.iter().filter_map(|key| match key.state {
            State::Retiring { until } if until <= facts.now => Some(delete(key, why(alg).over)),
            State::Retiring { .. } | State::Pending | State::Active { .. } | State::Gone => None,
        }));
    }
    steps
}

/// What to do where a key has to go now: it, and what lets something else sign at once where it was
/// the one that signs. Nothing where there is no such key, or it is gone already.
#[must_use]
pub fn revoke(facts: &Facts<'_>, kid: &KeyId) -> Vec<Step> {
    let Some(key) = facts.keys.iter().find(|key| &key.kid == kid && key.state.is_held()) else {
        return Vec::new();
    };
    let mut steps = vec![Step::Revoke { kid: kid.clone() }];
    if facts.policy.algs().contains(&key.alg) {
        let mut keys = facts.keys.to_vec();
        keys.iter_mut().filter(|key| &key.kid == kid).for_each(|key| key.state = State::Gone);
        let without = Facts { keys: &keys, idle: &BTreeSet::new(), ..*facts };
        steps.extend(without.renew(key.alg, &without.own(key.alg), Rotation::OnSchedule));
    }
    steps
}

impl Facts<'_> {
    /// The keys of an algorithm by age, so that the outcome does not depend on the order in which a
    /// database answers.
    fn own(&self, alg: Purpose) -> Vec<&KeyRecord> {
        let mut own: Vec<&KeyRecord> = self.keys.iter().filter(|key| key.alg == alg).collect();
        own.sort_by(|a, b| (a.epoch, &a.kid).cmp(&(b.epoch, &b.kid)));
        own
    }

    /// The time that is written down.
    fn at(&self) -> Moment {
        onward(self.latest, self.now)
    }

    /// Whether a time that was written down was none: by a clock that was far ahead and is right again.
    fn was_no_time(&self, at: Moment) -> bool {
        at.since(self.now) > MAX_STEP
    }

    /// Of the keys of an algorithm, sorted by age, the one that has its place and the one that waits for it,
    /// and the steps that leave no more than these. More than one of either cannot come from sweeps; a hand
    /// in the database can do it. The youngest stays.
    fn one_of_each<'k>(&self, alg: Purpose, own: &[&'k KeyRecord]) -> OneOfEach<'k> {
        let active: Vec<_> = own.iter().filter_map(|key| since(key).map(|since| (*key, since))).collect();
        let pending: Vec<_> = own.iter().copied().filter(|key| key.state == State::Pending).collect();
        let (successor, spare) =
            pending.split_last().map_or((None, pending.as_slice()), |(last, rest)| (Some(*last), rest));
        let (signing, extra) =
            active.split_last().map_or((None, active.as_slice()), |(last, rest)| (Some(*last), rest));
        let spare = spare.iter().map(|key| delete(key, why(alg).spare));
        let extra = extra.iter().map(|(key, _)| self.retire(key, why(alg).younger));
        OneOfEach { signing, successor, steps: spare.chain(extra).collect() }
    }

    /// The steps for an algorithm that is needed. `own` is sorted by age.
    fn renew(&self, alg: Purpose, own: &[&KeyRecord], rotation: Rotation) -> Vec<Step> {
        let OneOfEach { signing, successor, mut steps } = self.one_of_each(alg, own);
        match (signing, successor) {
            (None, Some(successor)) if self.idle.contains(&alg) => {
                if self.now >= successor.may_begin(self.policy) {
                    steps.push(self.promote(successor, "everybody can know the first key of its algorithm"));
                }
            }
            (None, None) => steps.push(self.create(alg, Begin::AtOnce, "there is no key of this algorithm")),
            (None, Some(successor)) => steps.push(self.promote(successor, why(alg).alone)),
            (Some(_), Some(successor)) if self.was_no_time(successor.created_at) => {
                let why = "its successor was made by a clock that was far ahead";
                steps.push(delete(successor, "it was made by a clock that was far ahead"));
                steps.push(self.create(alg, Begin::Waiting, why));
            }
            (Some((old, _)), Some(successor)) => {
                if self.now >= successor.may_begin(self.policy) {
                    steps.push(self.promote(successor, why(alg).waited));
                    steps.push(self.retire(old, why(alg).succeeded));
                }
            }
            (Some((_, since)), None) => {
                let wanted = self.successor_is_wanted(alg, since, rotation);
                steps.extend(wanted.map(|why| self.create(alg, Begin::Waiting, why)));
            }
        }
        steps
    }

    /// Why a key that is in its place since then needs a successor now, if it does.
    fn successor_is_wanted(&self, alg: Purpose, since: Moment, rotation: Rotation) -> Option<&'static str> {
        let due = self.now >= since + self.policy.rotation_period() - self.policy.publish_before_use();
        // A key that is there since this very moment is as new as anybody can ask for.
        let asked = rotation == Rotation::Requested && since < self.at();
        match (due || self.was_no_time(since), asked) {
            (true, _) => Some(why(alg).due),
            (false, true) => Some("an operator asked for a rotation"),
            (false, false) => None,
        }
    }

    /// The steps for an algorithm that is needed no longer. `own` is sorted by age.
    fn abandon(&self, alg: Purpose, own: &[&KeyRecord], rotation: Rotation) -> Vec<Step> {
        let why = "its algorithm is needed no longer";
        let OneOfEach { signing, successor, mut steps } = self.one_of_each(alg, own);
        let signing = signing.filter(|(key, since)| self.is_given_up(key, *since, rotation));
        let successor = successor.filter(|key| self.is_given_up(key, key.created_at, rotation));
        steps.extend(signing.map(|(key, _)| self.retire(key, why)));
        steps.extend(successor.map(|key| delete(key, why)));
        steps
    }

    /// Whether nobody needs it any more. One to encrypt with is needed because the settings say so, and those
    /// of two nodes may differ for a while: so that they do not make and end keys in turn, it goes only when
    /// somebody asks for a rotation, or nobody has replaced it although it was time.
    fn is_given_up(&self, key: &KeyRecord, since: Moment, rotation: Rotation) -> bool {
        let overdue = since + self.policy.rotation_period() + self.policy.publish_before_use();
        match key.alg {
            Purpose::Signs(_) => true,
            Purpose::Decrypts(_) => rotation == Rotation::Requested || self.now >= overdue || self.was_no_time(since),
        }
    }

    /// The number, the time and the moment of being known of a key that is published now.
    #[must_use]
    pub fn publish(&self, alg: Purpose) -> (i32, Moment, Moment) {
        let last = self.keys.iter().filter(|key| key.alg == alg).map(|key| key.epoch).max().unwrap_or(0);
        let at = self.at();
        (last.saturating_add(1), at, self.past.known_at(self.policy, at))
    }

    fn create(&self, alg: Purpose, begin: Begin, why: &'static str) -> Step {
        let (epoch, at, known_at) = self.publish(alg);
        let state = match begin {
            Begin::AtOnce => State::Active { since: at },
            Begin::Waiting => State::Pending,
        };
        Step::Create { alg, epoch, state, at, known_at, why }
    }

    fn promote(&self, key: &KeyRecord, why: &'static str) -> Step {
        Step::Promote { kid: key.kid.clone(), since: self.at(), why }
    }

    fn retire(&self, key: &KeyRecord, why: &'static str) -> Step {
        // Its last token was signed by a clock that may have been set back since.
        let at = onward(self.latest.max(key.signed_at), self.now);
        let until = match key.alg {
            Purpose::Signs(_) => self.past.needed_until(self.policy, at),
            Purpose::Decrypts(_) => self.past.written_to_until(self.policy, at),
        };
        Step::Retire { kid: key.kid.clone(), until, why }
    }
}

/// What is left of an algorithm where there was too much of it.
struct OneOfEach<'k> {
    /// The one that has its place, and since when.
    signing: Option<(&'k KeyRecord, Moment)>,
    /// The one that waits for it.
    successor: Option<&'k KeyRecord>,
    /// What ends the others.
    steps: Vec<Step>,
}

/// How a new key begins.
#[derive(Clone, Copy)]
enum Begin {
    /// It takes its place at once, because nothing else is there.
    AtOnce,
    /// It is there, and takes its place later.
    Waiting,
}

const fn since(key: &KeyRecord) -> Option<Moment> {
    match key.state {
        State::Active { since } => Some(since),
        State::Pending | State::Retiring { .. } | State::Gone => None,
    }
}

fn delete(key: &KeyRecord, why: &'static str) -> Step {
    Step::Delete { kid: key.kid.clone(), why }
}

#[cfg(test)]
mod tests;
