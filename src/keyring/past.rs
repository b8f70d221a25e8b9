//! What is still out there from before: copies of the set that an earlier policy allowed to be kept
//! for longer, tokens that it allowed to live for longer, and times that some clock has shown.
//!
//! A policy speaks of what is handed out from now on. Whoever shortens it does not call back what
//! was handed out the minute before, so that has to be remembered until it has ended by itself.

use super::policy::Policy;
use crate::base::moment::{Moment, Span};
use serde::{Deserialize, Serialize};

/// How far back a clock may be set and is not believed at once. Beyond it the clock was wrong
/// before, and is believed now: a node that stood in next year for an hour must not stop the
/// rotation until then.
pub const MAX_STEP: Span = Span::hours(24);

/// For how long something may be on its way that was encrypted for us, by way of a browser that a person
/// leaves open: longer than the five minutes and the minute of leeway for which a client assertion is good.
pub(super) const ON_ITS_WAY: Span = Span::minutes(10);

/// What is still out there from before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// For how long the policy of late lets copies of the set be kept; none where none was seen.
    cache: Option<Span>,
    /// For how long it lets tokens live.
    life: Option<Span>,
    /// Until when copies may be kept that were handed out under policies before it.
    copies_until: Option<Moment>,
    /// Until when tokens may live that were signed under policies before it.
    tokens_until: Option<Moment>,
}

impl Past {
    /// The past as it looks to somebody who sees this policy in force now; `latest` is the latest
    /// time that any node has shown.
    #[must_use]
    pub fn under(self, policy: &Policy, latest: Option<Moment>, now: Moment) -> Self {
        let now = onward(latest, now);
        let shortened = |before: Option<Span>, now_in_force: Span, until: Option<Moment>| match before {
            Some(before) if before > now_in_force => until.max(Some(now + before)),
            Some(_) | None => until,
        };
        Self {
            copies_until: shortened(self.cache, policy.cache(), self.copies_until),
            tokens_until: shortened(self.life, policy.longest_token_life(), self.tokens_until),
            cache: Some(policy.cache()),
            life: Some(policy.longest_token_life()),
        }
    }

    /// From when on every copy has a key that is published at `at`.
    pub(super) fn known_at(&self, policy: &Policy, at: Moment) -> Moment {
        let own = at + policy.cache();
        self.copies_until.map_or(own, |until| until.max(own))
    }

    /// Until when a key has to stay in hand that is published to encrypt with no longer from `at` on: whoever
    /// has a copy encrypts by it for as long as they may go by that, and what they sent then has to arrive.
    pub(super) fn written_to_until(&self, policy: &Policy, at: Moment) -> Moment {
        self.known_at(policy, at) + ON_ITS_WAY
    }

    /// Until when a key has to stay published that signs no longer from `at` on.
    pub(super) fn needed_until(&self, policy: &Policy, at: Moment) -> Moment {
        let own = at + policy.retention();
        self.tokens_until.map_or(own, |until| own.max(until + policy.jwks_max_age()))
    }
}

/// The time to write down, where `latest` was written down before: time does not go back, but
/// where a clock was more than a day ahead ([`MAX_STEP`]) that was no time.
pub(super) fn onward(latest: Option<Moment>, now: Moment) -> Moment {
    match latest {
        Some(latest) if latest > now && latest.since(now) <= MAX_STEP => latest,
        Some(_) | None => now,
    }
}
