//! A signing key as it is remembered, and the states of its life.

use super::policy::Policy;
use crate::{
    base::{id::KeyId, moment::Moment},
    jose::Alg,
};

/// Where a key stands in its life. It moves down this list and never up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Published since it was made, so that everybody knows it before the first signature.
    Pending,
    /// It signs. There is one of each algorithm.
    Active {
        /// Since when.
        since: Moment,
    },
    /// It signs no longer, but tokens by it are still out.
    Retiring {
        /// Until when it stays published.
        until: Moment,
    },
    /// Published no longer; its private half is wiped.
    Gone,
}

impl State {
    /// Its name, as stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active { .. } => "active",
            Self::Retiring { .. } => "retiring",
            Self::Gone => "gone",
        }
    }

    /// Whether the key stands in the published set.
    #[must_use]
    pub const fn is_published(self) -> bool {
        match self {
            Self::Pending | Self::Active { .. } | Self::Retiring { .. } => true,
            Self::Gone => false,
        }
    }
}

/// A signing key as it is remembered, without its private half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its name, which tokens carry.
    pub kid: KeyId,
    /// Its algorithm.
    pub alg: Alg,
    /// Counts the keys of one algorithm, from 1. Together with the algorithm it is unique, so
    /// two nodes that sweep at once cannot both make the same successor.
    pub epoch: i32,
    /// When it was made, and published.
    pub created_at: Moment,
    /// From when on every copy of the set that anybody may still keep has it: settled when it was
    /// published, because only copies from before that lack it. A policy that changes later
    /// changes nothing about them.
    pub known_at: Moment,
    /// When it signed last, as far as that was written down. It may be a little later than that,
    /// and it lags behind by as much as counts wait to be written.
    pub signed_at: Option<Moment>,
    /// Where it stands.
    pub state: State,
}

impl KeyRecord {
    /// From when on it may sign: everybody has it, and it has been published for as long as the
    /// policy asks.
    #[must_use]
    pub fn may_sign(&self, policy: &Policy) -> Moment {
        self.known_at.max(self.created_at + policy.publish_before_use())
    }
}
