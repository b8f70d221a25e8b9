//! A key of ours as it is remembered, and the states of its life.

use super::policy::Policy;
use crate::{
    base::{id::KeyId, moment::Moment},
    jose::Purpose,
};

/// Where a key stands in its life. It moves down this list and never up.
///
/// Of a key that signs, others have to know it before we use it; of a key that others encrypt for, we have
/// to hold it before they use it. So the first is published while it is pending and while it retires, and
/// the second only in between; both are held from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Everybody who has to gets to know it: of one that signs all others, for it is published; of one that
    /// decrypts all our nodes.
    Pending,
    /// It signs, or is the one that is published to encrypt with. There is one of each algorithm.
    Active {
        /// Since when.
        since: Moment,
    },
    /// It signs no longer, but tokens by it are still out; or it is published no longer, but copies of the set
    /// that hold it are.
    Retiring {
        /// Until when it stays in hand, and one that signed stays published.
        until: Moment,
    },
    /// Neither published nor in hand; its private half is wiped.
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

    /// Whether the key is in hand.
    #[must_use]
    pub const fn is_held(self) -> bool {
        match self {
            Self::Pending | Self::Active { .. } | Self::Retiring { .. } => true,
            Self::Gone => false,
        }
    }
}

/// A key as it is remembered, without its private half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its name, which tokens carry.
    pub kid: KeyId,
    /// What it is for: its algorithm, and with it its use.
    pub alg: Purpose,
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
    /// From when on it may take over. One that signs: everybody has it, and it has been published for as long
    /// as the policy asks. One that decrypts: our nodes have held it for as long.
    #[must_use]
    pub fn may_begin(&self, policy: &Policy) -> Moment {
        let led = self.created_at + policy.publish_before_use();
        match self.alg {
            Purpose::Signs(_) => self.known_at.max(led),
            Purpose::Decrypts(_) => led,
        }
    }

    /// Whether it stands in the published set.
    #[must_use]
    pub const fn is_published(&self) -> bool {
        match (self.alg, self.state) {
            (Purpose::Signs(_), State::Pending | State::Active { .. } | State::Retiring { .. })
            | (Purpose::Decrypts(_), State::Active { .. }) => true,
            (Purpose::Decrypts(_), State::Pending | State::Retiring { .. }) | (_, State::Gone) => false,
        }
    }
}
