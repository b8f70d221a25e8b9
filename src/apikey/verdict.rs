//! What is told when a key is not good for a call: to who asked, and through a gateway to the client.
//!
//! One table: the word of the verify endpoint, the status, the challenge (RFC 6750 §3, RFC 9449
//! §7.1) and the type of the problem (RFC 9457) for every way of being refused.

use super::policy::{Level, Reason, Rule};
use crate::base::{moment::Span, scope::Scope};

/// The problem type of a quota or a rate that is used up (draft-ietf-httpapi-ratelimit-headers).
pub const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
/// The problem type of a key that was switched off for how it was used.
pub const ABNORMAL_USAGE: &str = "https://iana.org/assignments/http-problem-types#abnormal-usage-detected";
/// The problem type of a server that sheds load.
pub const REDUCED_CAPACITY: &str = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";
/// The problem type that adds nothing to the status.
pub const BLANK: &str = "about:blank";

/// Why a key is not good for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// There was no key.
    NoKey,
    /// It is no key of ours.
    Unknown,
    /// It is for another API.
    WrongAudience,
    /// It is for another environment.
    WrongEnvironment,
    /// It was ended for good.
    Revoked,
    /// It, its owner or its API is switched off.
    Disabled,
    /// It was switched off for how it was used.
    Suspended,
    /// It is not good yet.
    NotYetValid,
    /// It is not good any more.
    Expired,
    /// The call does not prove what it must.
    Binding,
    /// A restriction refuses it.
    Restricted {
        /// Which.
        rule: Rule,
        /// Whose.
        level: Level,
        /// Why.
        reason: Reason,
    },
    /// It may do less than the call wants.
    Scope {
        /// What the call wants.
        wanted: Scope,
    },
    /// The call costs more than a limit ever lets through at once: whoever asked made a mistake.
    TooCostly {
        /// The limit.
        name: String,
        /// What it lets through at once.
        burst: u32,
    },
    /// Limits of rate are used up.
    Rate {
        /// Their names.
        names: Vec<String>,
        /// When the same call can pass.
        retry_after: Span,
    },
    /// Limits of rate are used up that give less than they do, for the API has no room.
    Reduced {
        /// Their names.
        names: Vec<String>,
        /// When to try again.
        retry_after: Span,
    },
    /// A quota is used up.
    Quota {
        /// Its name.
        name: String,
        /// When it starts anew; `None` if never.
        retry_after: Option<Span>,
    },
}

/// The challenge of an answer with status 401 or 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A scheme alone: nothing was wrong with a key, for there was none.
    Plain,
    /// `invalid_token`.
    InvalidToken,
    /// `insufficient_scope`, with the scope that is wanted.
    InsufficientScope,
    /// `invalid_dpop_proof`, of the scheme `DPoP`.
    InvalidProof,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The word of the verify endpoint.
    pub code: &'static str,
    /// The status that the client of a gateway is answered with.
    pub status: u16,
    /// The challenge, where the answer has one.
    pub challenge: Option<Challenge>,
    /// The type of the problem.
    pub problem: &'static str,
}

impl Denied {
    /// What is told of it.
    #[must_use]
    pub const fn told(&self) -> Told {
        match self {
            Self::NoKey => told("invalid_key", 401, Some(Challenge::Plain), BLANK),
            Self::Unknown => unauthorized("invalid_key"),
            Self::WrongAudience => unauthorized("wrong_audience"),
            Self::WrongEnvironment => unauthorized("wrong_environment"),
            Self::Revoked => unauthorized("key_revoked"),
            Self::Disabled => unauthorized("key_disabled"),
            Self::NotYetValid => unauthorized("key_not_yet_valid"),
            Self::Expired => unauthorized("key_expired"),
            Self::Suspended => told("key_suspended", 429, None, ABNORMAL_USAGE),
            Self::Binding => told("binding_failed", 401, Some(Challenge::InvalidProof), BLANK),
            Self::Restricted { .. } => told("restricted", 403, None, BLANK),
            Self::Scope { .. } => told("insufficient_scope", 403, Some(Challenge::InsufficientScope), BLANK),
            Self::TooCostly { .. } => told("invalid_request", 400, None, BLANK),
            Self::Rate { .. } => told("rate_limited", 429, None, QUOTA_EXCEEDED),
            Self::Reduced { .. } => told("reduced_capacity", 503, None, REDUCED_CAPACITY),
            Self::Quota { .. } => told("quota_exceeded", 429, None, QUOTA_EXCEEDED),
        }
    }

    /// The same as the resource server of an API may know it: of a key for another API it must not
    /// learn that there is one.
    #[must_use]
    pub fn hidden(self) -> Self {
        if self == Self::WrongAudience { Self::Unknown } else { self }
    }

    /// The value of `WWW-Authenticate`, where the answer has one. `realm` is ours and needs no escaping.
    #[must_use]
    pub fn challenge(&self, realm: &str) -> Option<String> {
        let scheme = format!("Bearer realm=\"{realm}\"");
        Some(match (self.told().challenge?, self) {
            (Challenge::Plain, _) => scheme,
            (Challenge::InvalidToken, _) => format!("{scheme}, error=\"invalid_token\""),
            (Challenge::InvalidProof, _) => "DPoP error=\"invalid_dpop_proof\"".to_owned(),
            (Challenge::InsufficientScope, Self::Scope { wanted }) => {
                format!("{scheme}, error=\"insufficient_scope\", scope=\"{wanted}\"")
            }
            (Challenge::InsufficientScope, _) => format!("{scheme}, error=\"insufficient_scope\""),
        })
    }

    /// The restriction that refused, and the word for its reason.
    #[must_use]
    pub const fn rule(&self) -> Option<(Rule, &'static str)> {
        if let Self::Restricted { rule, reason, .. } = self { Some((*rule, reason.as_str())) } else { None }
    }

    /// The names of the limits that are used up (member `violated-policies`).
    #[must_use]
    pub fn violated(&self) -> Vec<&str> {
        if let Self::Rate { names, .. } | Self::Reduced { names, .. } = self {
            return names.iter().map(String::as_str).collect();
        }
        if let Self::Quota { name, .. } | Self::TooCostly { name, .. } = self { vec![name] } else { Vec::new() }
    }

    /// Whole seconds after which the same call can pass, rounded up, at least 1; `None` where waiting does not help.
    #[must_use]
    pub fn retry_after(&self) -> Option<i64> {
        let span = if let Self::Rate { retry_after, .. } | Self::Reduced { retry_after, .. } = self {
            Some(*retry_after)
        } else if let Self::Quota { retry_after, .. } = self {
            *retry_after
        } else {
            None
        };
        span.map(|span| (span + Span::micros(999_999)).as_seconds().max(1))
    }
}

const fn unauthorized(code: &'static str) -> Told {
    told(code, 401, Some(Challenge::InvalidToken), BLANK)
}

const fn told(code: &'static str, status: u16, challenge: Option<Challenge>, problem: &'static str) -> Told {
    Told { code, status, challenge, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_told_as_the_table_says() {
        let scope = Scope::parse("docs.read docs.write").unwrap();
        let key = "Bearer realm=\"docs\", error=\"invalid_token\"";
        let cases = [
            (Denied::NoKey, "invalid_key", 401, Some("Bearer realm=\"docs\""), BLANK),
            (Denied::Unknown, "invalid_key", 401, Some(key), BLANK),
            (Denied::WrongAudience, "wrong_audience", 401, Some(key), BLANK),
            (Denied::WrongEnvironment, "wrong_environment", 401, Some(key), BLANK),
            (Denied::Revoked, "key_revoked", 401, Some(key), BLANK),
            (Denied::Expired, "key_expired", 401, Some(key), BLANK),
            (Denied::NotYetValid, "key_not_yet_valid", 401, Some(key), BLANK),
            (Denied::Disabled, "key_disabled", 401, Some(key), BLANK),
            (Denied::Suspended, "key_suspended", 429, None, ABNORMAL_USAGE),
            (Denied::Binding, "binding_failed", 401, Some("DPoP error=\"invalid_dpop_proof\""), BLANK),
            (restricted(), "restricted", 403, None, BLANK),
            (
                Denied::Scope { wanted: scope },
                "insufficient_scope",
                403,
                Some("Bearer realm=\"docs\", error=\"insufficient_scope\", scope=\"docs.read docs.write\""),
                BLANK,
            ),
            (Denied::TooCostly { name: "burst".into(), burst: 40 }, "invalid_request", 400, None, BLANK),
            (rate(3_520_000), "rate_limited", 429, None, QUOTA_EXCEEDED),
            (
                Denied::Reduced { names: vec!["burst".into()], retry_after: Span::seconds(1) },
                "reduced_capacity",
                503,
                None,
                REDUCED_CAPACITY,
            ),
            (Denied::Quota { name: "month".into(), retry_after: None }, "quota_exceeded", 429, None, QUOTA_EXCEEDED),
        ];
        for (denied, code, status, challenge, problem) in cases {
            let told = denied.told();
            assert_eq!((told.code, told.status, told.problem), (code, status, problem), "{denied:?}");
            assert_eq!(denied.challenge("docs").as_deref(), challenge, "{denied:?}");
        }
    }

    #[test]
    fn waiting_is_rounded_up_and_never_nothing() {
        let cases = [(3_520_000, 4), (4_000_000, 4), (4_000_001, 5), (1, 1), (0, 1)];
        for (micros, seconds) in cases {
            assert_eq!(rate(micros).retry_after(), Some(seconds), "{micros}");
        }
        assert_eq!(restricted().retry_after(), None);
        assert_eq!(Denied::Quota { name: "all".into(), retry_after: None }.retry_after(), None);
    }

    #[test]
    fn a_resource_server_does_not_learn_of_keys_for_other_apis() {
        assert_eq!(Denied::WrongAudience.hidden(), Denied::Unknown);
        assert_eq!(Denied::WrongEnvironment.hidden(), Denied::WrongEnvironment);
        assert_eq!(restricted().rule(), Some((Rule::Ip, "attribute_missing")));
        assert_eq!(rate(1).violated(), ["burst"]);
    }

    fn restricted() -> Denied {
        Denied::Restricted { rule: Rule::Ip, level: Level::Key, reason: Reason::Missing }
    }

    fn rate(micros: i64) -> Denied {
        Denied::Rate { names: vec!["burst".into()], retry_after: Span::micros(micros) }
    }
}
