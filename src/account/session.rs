//! A signed-in browser: what is known of it, and when it is over (ASVS 5.0 7.3).

use crate::base::{
    id::{SessionId, UserId},
    moment::{Moment, Span},
};
use std::net::IpAddr;

/// What an operator decides about sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPolicy {
    /// It ends when it was not used for this long.
    pub idle: Span,
    /// It ends this long after the sign-in, used or not.
    pub absolute: Span,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self { idle: Span::hours(24), absolute: Span::days(14) }
    }
}

/// How somebody proved who they are, in the words of RFC 8176.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Amr {
    /// A password.
    Pwd,
}

impl Amr {
    /// The word in `amr`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pwd => "pwd",
        }
    }
    /// Reads the word; `None` for one that this server does not use.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        (word == "pwd").then_some(Self::Pwd)
    }
}

/// A session, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its public handle, the `sid` of OpenID Connect logout; not the cookie.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// When they proved who they are: `auth_time`.
    pub auth_time: Moment,
    /// When it was last used, to within [`Session::TOUCH_EVERY`].
    pub seen_at: Moment,
    /// How they proved who they are.
    pub amr: Vec<Amr>,
    /// The browser's own description of itself at the sign-in, for the person to recognise it.
    pub agent: Option<String>,
    /// Where it signed in from.
    pub address: Option<IpAddr>,
    /// When it was ended.
    pub ended_at: Option<Moment>,
}

/// Whether a session may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It may.
    Live,
    /// It was ended.
    Ended,
    /// It was not used for too long.
    Idle,
    /// The sign-in is too long ago.
    Expired,
}

impl Session {
    /// How coarsely its last use is written down, so that not every request writes.
    pub const TOUCH_EVERY: Span = Span::minutes(1);

    /// Whether it may be used.
    #[must_use]
    pub fn life(&self, policy: &SessionPolicy, now: Moment) -> Life {
        if self.ended_at.is_some() {
            Life::Ended
        } else if now >= self.auth_time + policy.absolute {
            Life::Expired
        } else if now >= self.seen_at + policy.idle {
            Life::Idle
        } else {
            Life::Live
        }
    }

    /// Whether it may be used, yes or no.
    #[must_use]
    pub fn live(&self, policy: &SessionPolicy, now: Moment) -> bool {
        self.life(policy, now) == Life::Live
    }

    /// When it ends if nobody uses it again.
    #[must_use]
    pub fn ends_at(&self, policy: &SessionPolicy) -> Moment {
        let by_itself = (self.auth_time + policy.absolute).min(self.seen_at + policy.idle);
        self.ended_at.map_or(by_itself, |ended| ended.min(by_itself))
    }

    /// Whether this use should be written down.
    #[must_use]
    pub fn wants_touch(&self, now: Moment) -> bool {
        now >= self.seen_at + Self::TOUCH_EVERY
    }

    /// Whether the sign-in is recent enough for `max_age` (OpenID Connect Core §3.1.2.1). Both
    /// sides are whole seconds, as clients see them.
    #[must_use]
    pub fn within(&self, max_age: Span, now: Moment) -> bool {
        now.unix().saturating_sub(self.auth_time.unix()) <= max_age.as_seconds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let at = Moment::from_unix(1_000_000);
        Session {
            id: SessionId::from_u128(1),
            user: UserId::from_u128(2),
            auth_time: at,
            seen_at: at,
            amr: vec![Amr::Pwd],
            agent: None,
            address: None,
            ended_at: None,
        }
    }

    #[test]
    fn it_ends_by_itself_when_idle_or_old() {
        let policy = SessionPolicy { idle: Span::hours(1), absolute: Span::hours(8) };
        let mut session = session();
        let start = session.auth_time;
        assert_eq!(session.life(&policy, start + Span::minutes(59)), Life::Live);
        assert_eq!(session.life(&policy, start + Span::hours(1)), Life::Idle);
        session.seen_at = start + Span::minutes(7 * 60 + 30);
        assert_eq!(session.life(&policy, start + Span::hours(8) + Span::seconds(-1)), Life::Live);
        assert_eq!(session.life(&policy, start + Span::hours(8)), Life::Expired);
        assert_eq!(session.ends_at(&policy), start + Span::hours(8));
        session.ended_at = Some(start);
        assert_eq!(session.life(&policy, start), Life::Ended);
    }

    #[test]
    fn max_age_zero_asks_for_this_very_second() {
        let session = session();
        assert!(session.within(Span::ZERO, session.auth_time + Span::millis(400)));
        assert!(!session.within(Span::ZERO, session.auth_time + Span::seconds(1)));
    }

    #[test]
    fn it_is_touched_at_most_once_a_minute() {
        let session = session();
        assert!(!session.wants_touch(session.seen_at + Span::seconds(59)));
        assert!(session.wants_touch(session.seen_at + Span::seconds(60)));
    }
}
