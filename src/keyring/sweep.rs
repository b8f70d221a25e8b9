//! What is to be done about the keys there are: a total, deterministic function of the keys, the
//! policy and the time. Doing it and asking again at the same moment gives nothing more to do.
//!
//! Two things are compared with the clock as it is, so that a clock that was set back delays them:
//! whether a key may sign, and whether it may go. What is written down follows the latest time that
//! was ever seen ([`onward`]), so that a clock that was set back cannot make either come too early.

use super::{
    past::{MAX_STEP, Past, onward},
    policy::Policy,
    record::{KeyRecord, State},
};
use crate::{
    base::{id::KeyId, moment::Moment},
    jose::Alg,
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
        alg: Alg,
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
    /// Let a pending key sign, from now on.
    Promote {
        /// Which.
        kid: KeyId,
        /// Since when it signs.
        since: Moment,
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
    pub idle: &'a BTreeSet<Alg>,
}

/// What to do now, in this order. Steps of one sweep belong into one transaction: between
/// a promotion and the retirement beside it two keys of an algorithm would sign.
#[must_use]
pub fn sweep(facts: &Facts<'_>, rotation: Rotation) -> Vec<Step> {
    let mut steps = Vec::new();
    for alg in Alg::ALL {
        let own = facts.own(alg);
        if facts.policy.algs().contains(&alg) {
            steps.extend(facts.renew(alg, &own, rotation));
        } else {
            steps.extend(facts.abandon(&own));
        }
        steps.extend(own.iter().filter_map(|key| match key.state {
            State::Retiring { until } if until <= facts.now => Some(delete(key, "every token it signed has expired")),
            State::Retiring { .. } | State::Pending | State::Active { .. } | State::Gone => None,
        }));
    }
    steps
}

/// What to do where a key has to go now: it, and what lets something else sign at once where it was
/// the one that signs. Nothing where there is no such key, or it is gone already.
#[must_use]
pub fn revoke(facts: &Facts<'_>, kid: &KeyId) -> Vec<Step> {
    let Some(key) = facts.keys.iter().find(|key| &key.kid == kid && key.state.is_published()) else {
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
    fn own(&self, alg: Alg) -> Vec<&KeyRecord> {
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

    /// The steps for an algorithm that is needed. `own` is sorted by age.
    fn renew(&self, alg: Alg, own: &[&KeyRecord], rotation: Rotation) -> Vec<Step> {
        let active: Vec<_> = own.iter().filter_map(|key| since(key).map(|since| (*key, since))).collect();
        let pending: Vec<_> = own.iter().copied().filter(|key| key.state == State::Pending).collect();

        // More than one of either cannot come from sweeps; a hand in the database can do it. The
        // youngest stays.
        let mut steps = Vec::new();
        let (successor, spare) =
            pending.split_last().map_or((None, pending.as_slice()), |(last, rest)| (Some(*last), rest));
        steps.extend(spare.iter().map(|key| delete(key, "a younger successor is published")));
        let (signing, extra) =
            active.split_last().map_or((None, active.as_slice()), |(last, rest)| (Some(*last), rest));
        steps.extend(extra.iter().map(|(key, _)| self.retire(key, "a younger key of its algorithm signs")));

        match (signing, successor) {
            (None, Some(successor)) if self.idle.contains(&alg) => {
                if self.now >= successor.may_sign(self.policy) {
                    steps.push(self.promote(successor, "everybody can know the first key of its algorithm"));
                }
            }
            (None, None) => steps.push(self.create(alg, Begin::Signing, "there is no key of this algorithm")),
            (None, Some(successor)) => steps.push(
                self.promote(successor, "no key of its algorithm signs, so waiting longer would stop all signing"),
            ),
            (Some(_), Some(successor)) if self.was_no_time(successor.created_at) => {
                let why = "its successor was made by a clock that was far ahead";
                steps.push(delete(successor, "it was made by a clock that was far ahead"));
                steps.push(self.create(alg, Begin::Published, why));
            }
            (Some((old, _)), Some(successor)) => {
                if self.now >= successor.may_sign(self.policy) {
                    steps.push(
                        self.promote(successor, "it has been published for long enough that everybody can know it"),
                    );
                    steps.push(self.retire(old, "its successor signs"));
                }
            }
            (Some((_, since)), None) => {
                let why = self.successor_is_wanted(since, rotation);
                steps.extend(why.map(|why| self.create(alg, Begin::Published, why)));
            }
        }
        steps
    }

    /// Why a key that signs since then needs a successor now, if it does.
    fn successor_is_wanted(&self, since: Moment, rotation: Rotation) -> Option<&'static str> {
        let due = self.now >= since + self.policy.rotation_period() - self.policy.publish_before_use();
        // A key that signs since this very moment is as new as anybody can ask for.
        let asked = rotation == Rotation::Requested && since < self.at();
        match (due || self.was_no_time(since), asked) {
            (true, _) => Some("the key that signs comes to the end of its period"),
            (false, true) => Some("an operator asked for a rotation"),
            (false, false) => None,
        }
    }

    /// The steps for an algorithm that is needed no longer.
    fn abandon(&self, own: &[&KeyRecord]) -> Vec<Step> {
        let why = "its algorithm is needed no longer";
        own.iter()
            .filter_map(|key| match key.state {
                State::Pending => Some(delete(key, why)),
                State::Active { .. } => Some(self.retire(key, why)),
                State::Retiring { .. } | State::Gone => None,
            })
            .collect()
    }

    /// The number, the time and the moment of being known of a key that is published now.
    #[must_use]
    pub fn publish(&self, alg: Alg) -> (i32, Moment, Moment) {
        let last = self.keys.iter().filter(|key| key.alg == alg).map(|key| key.epoch).max().unwrap_or(0);
        let at = self.at();
        (last.saturating_add(1), at, self.past.known_at(self.policy, at))
    }

    fn create(&self, alg: Alg, begin: Begin, why: &'static str) -> Step {
        let (epoch, at, known_at) = self.publish(alg);
        let state = match begin {
            Begin::Signing => State::Active { since: at },
            Begin::Published => State::Pending,
        };
        Step::Create { alg, epoch, state, at, known_at, why }
    }

    fn promote(&self, key: &KeyRecord, why: &'static str) -> Step {
        Step::Promote { kid: key.kid.clone(), since: self.at(), why }
    }

    fn retire(&self, key: &KeyRecord, why: &'static str) -> Step {
        // Its last token was signed by a clock that may have been set back since.
        let at = onward(self.latest.max(key.signed_at), self.now);
        Step::Retire { kid: key.kid.clone(), until: self.past.needed_until(self.policy, at), why }
    }
}

/// How a new key begins.
#[derive(Clone, Copy)]
enum Begin {
    /// It signs at once, because nothing else does.
    Signing,
    /// It is published, and signs later.
    Published,
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
