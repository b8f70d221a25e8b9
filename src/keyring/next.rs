//! What comes next in the life of a key, and when: for people to look at.

use super::{
    policy::Policy,
    record::{KeyRecord, State},
};
use crate::{base::moment::Moment, jose::Purpose};

/// What comes next in the life of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It signs, from then on.
    Signs(Moment),
    /// It is published to encrypt with, from then on.
    Published(Moment),
    /// Its successor is published then.
    Succeeded(Moment),
    /// Its successor takes its place, from then on.
    Retires(Moment),
    /// It leaves our hands then, and the published set where it stands in it.
    Goes(Moment),
}

impl Next {
    /// The step in one word, for programs.
    #[must_use]
    pub const fn step(self) -> &'static str {
        match self {
            Self::Signs(_) => "sign",
            Self::Published(_) => "publish",
            Self::Succeeded(_) => "publish_successor",
            Self::Retires(_) => "retire",
            Self::Goes(_) => "remove",
        }
    }

    /// When.
    #[must_use]
    pub const fn at(self) -> Moment {
        match self {
            Self::Signs(at) | Self::Published(at) | Self::Succeeded(at) | Self::Retires(at) | Self::Goes(at) => at,
        }
    }
}

/// What comes next for this one of all keys, if nobody asks for anything before.
#[must_use]
pub fn next(key: &KeyRecord, all: &[KeyRecord], policy: &Policy) -> Option<Next> {
    match key.state {
        State::Pending => Some(match key.alg {
            Purpose::Signs(_) => Next::Signs(key.may_begin(policy)),
            Purpose::Decrypts(_) => Next::Published(key.may_begin(policy)),
        }),
        State::Active { since } => {
            let successor = all.iter().filter(|one| one.alg == key.alg && one.state == State::Pending);
            Some(match successor.max_by_key(|one| one.epoch) {
                Some(successor) => Next::Retires(successor.may_begin(policy)),
                None => Next::Succeeded(match key.alg {
                    Purpose::Signs(_) => since + policy.rotation_period() - policy.publish_before_use(),
                    Purpose::Decrypts(_) => since + policy.rotation_period(),
                }),
            })
        }
        State::Retiring { until } => Some(Next::Goes(until)),
        State::Gone => None,
    }
}
