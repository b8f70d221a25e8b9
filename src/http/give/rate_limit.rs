//! The fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11, RFC 9651)
//! and `Retry-After` (RFC 9110 §10.2.3): texts from values, nothing else.

use crate::{
    base::{digest::base64, moment::Span},
    limit::{Outcome, Rule},
};
use actix_web::http::{
    StatusCode,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use std::fmt::Write;

/// The greatest integer of structured fields (RFC 9651 §3.3.1).
const GREATEST: u64 = 999_999_999_999_999;
/// The most that is ever told to be left: nobody is invited to send more than this at once.
const MOST_LEFT: u64 = 100_000;
/// The longest that a window is told to last: a day, whatever the limit.
const LONGEST: i64 = 86_400;
/// From this on a window is long, and its end is spread.
const LONG: i64 = 3600;

/// A limit that a request met, and what is left of it.
#[derive(Clone, Copy, Debug)]
pub struct Limit<'a> {
    /// The name of its policy.
    pub name: &'a str,
    /// What is counted; `None` for requests.
    pub unit: Option<&'a str>,
    /// How many units it allows.
    pub quota: u64,
    /// In how long.
    pub window: Span,
    /// Whose share it is, where that can be told.
    pub partition: Option<&'a [u8]>,
    /// Units that are left.
    pub remaining: u64,
    /// Time until there are more: until one is there, where none is left, else until all are.
    pub until_more: Span,
}

impl<'a> Limit<'a> {
    /// A rule, after a take.
    #[must_use]
    pub fn after(name: &'a str, rule: Rule, outcome: &Outcome) -> Self {
        Self {
            name,
            unit: None,
            quota: rule.burst().into(),
            window: rule.full_after(),
            partition: None,
            remaining: outcome.remaining.into(),
            until_more: if outcome.remaining == 0 {
                outcome.retry_after.max(one_more(rule, outcome))
            } else {
                outcome.reset
            },
        }
    }
}

/// Time until one unit is there, when the last was just taken.
fn one_more(rule: Rule, outcome: &Outcome) -> Span {
    let used_up = Span::micros(rule.full_after().as_micros() - rule.interval().as_micros());
    Span::micros((outcome.reset.as_micros() - used_up.as_micros()).max(0))
}

/// How much of the spread of 5 % is added to a long wait: 0 none, 255 all. A dice's byte.
pub type Jitter = u8;

/// Seconds to wait, rounded up, at least one; long ones spread by up to 5 %, so that not all who
/// were turned away come back at once.
#[must_use]
pub fn seconds(wait: Span, jitter: Jitter) -> i64 {
    let micros = wait.as_micros().max(0);
    let whole = (micros / 1_000_000).saturating_add(i64::from(micros % 1_000_000 != 0)).max(1);
    let spread = if whole < LONG { 0 } else { whole / 20 * i64::from(jitter) / 255 };
    whole.saturating_add(spread)
}

/// The value of `RateLimit-Policy`: stays the same while the policies do.
#[must_use]
pub fn policy(limits: &[Limit<'_>]) -> String {
    list(limits, |out, limit| {
        let _ = write!(out, ";q={}", limit.quota.min(GREATEST));
        if let Some(unit) = limit.unit {
            out.push_str(";qu=");
            string(out, unit);
        }
        let window = limit.window.as_micros().max(0).div_euclid(1_000_000);
        // A window shorter than a second cannot be told.
        if window > 0 {
            let _ = write!(out, ";w={window}");
        }
    })
}

/// The value of `RateLimit`: what is left now.
#[must_use]
pub fn left(limits: &[Limit<'_>], jitter: Jitter) -> String {
    list(limits, |out, limit| {
        let t = seconds(limit.until_more, jitter).min(LONGEST);
        let _ = write!(out, ";r={};t={t}", limit.remaining.min(MOST_LEFT));
    })
}

/// Puts the fields on an answer, but not on a redirection: a client could wait before it follows.
/// `wait` is for those who are turned away; `Retry-After` is never earlier than the end of a window
/// that is used up.
pub fn put(fields: &mut HeaderMap, status: StatusCode, limits: &[Limit<'_>], wait: Option<Span>, jitter: Jitter) {
    if status.is_redirection() {
        return;
    }
    let mut set = |name: HeaderName, value: String| {
        // The texts are of ASCII that can be seen.
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::try_from(value)) {
            fields.insert(name, value);
        }
    };
    set(HeaderName::from_static("ratelimit-policy"), policy(limits));
    set(HeaderName::from_static("ratelimit"), left(limits, jitter));
    if let Some(wait) = wait {
        let used_up = limits
            .iter()
            .filter(|limit| limit.remaining == 0)
            .map(|limit| limit.until_more.min(Span::seconds(LONGEST)));
        set(header::RETRY_AFTER, seconds(used_up.fold(wait, Span::max), jitter).to_string());
    }
}

/// A list of items that are strings with parameters.
fn list(limits: &[Limit<'_>], parameters: impl Fn(&mut String, &Limit<'_>)) -> String {
    let mut out = String::new();
    for limit in limits {
        if !out.is_empty() {
            out.push_str(", ");
        }
        string(&mut out, limit.name);
        parameters(&mut out, limit);
        if let Some(partition) = limit.partition {
            let _ = write!(out, ";pk=:{}:", base64(partition));
        }
    }
    out
}

/// A string (RFC 9651 §3.3.3): what is not ASCII that can be seen has no place in one.
fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => out.push('_'),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::moment::Moment, limit};

    fn sample(name: &str) -> Limit<'_> {
        Limit {
            name,
            unit: None,
            quota: 100,
            window: Span::minutes(1),
            partition: None,
            remaining: 50,
            until_more: Span::millis(29_001),
        }
    }

    #[test]
    fn the_fields_are_those_of_the_draft() {
        let (burst, daily) =
            (sample("burst"), Limit { quota: 1000, window: Span::days(1), remaining: 412, ..sample("daily") });
        assert_eq!(policy(&[burst, daily]), r#""burst";q=100;w=60, "daily";q=1000;w=86400"#);
        assert_eq!(left(&[burst, daily], 0), r#""burst";r=50;t=30, "daily";r=412;t=30"#);
        let partitioned = Limit { unit: Some("content-bytes"), partition: Some(b"App-999"), ..sample("per user") };
        assert_eq!(policy(&[partitioned]), r#""per user";q=100;qu="content-bytes";w=60;pk=:QXBwLTk5OQ==:"#);
        assert_eq!(left(&[partitioned], 9), r#""per user";r=50;t=30;pk=:QXBwLTk5OQ==:"#);
        assert_eq!(policy(&[Limit { window: Span::millis(10), ..sample("x") }]), r#""x";q=100"#);
    }

    #[test]
    fn no_name_can_leave_its_string() {
        for (name, wanted) in [
            (r#"a";r=9;x=""#, r#""a\";r=9;x=\"""#),
            (r"back\slash", r#""back\\slash""#),
            ("line\r\nSet-Cookie: a", r#""line__Set-Cookie: a""#),
            ("täglich", r#""t_glich""#),
            ("", r#""""#),
        ] {
            assert_eq!(left(&[sample(name)], 0), format!("{wanted};r=50;t=30"));
        }
    }

    #[test]
    fn nobody_is_invited_to_a_flood() {
        let huge = Limit { quota: u64::MAX, remaining: u64::MAX, until_more: Span::days(30), ..sample("huge") };
        assert_eq!(left(&[huge], 0), r#""huge";r=100000;t=86400"#);
        assert_eq!(policy(&[huge]), r#""huge";q=999999999999999;w=60"#);
    }

    #[test]
    fn waits_are_rounded_up_and_long_ones_are_spread_by_a_twentieth() {
        for (wait, jitter, wanted) in [
            (Span::ZERO, 255, 1),
            (Span::millis(1), 255, 1),
            (Span::millis(59_001), 255, 60),
            (Span::hours(1), 0, 3600),
            (Span::hours(1), 255, 3780),
            (Span::hours(1), 128, 3690),
        ] {
            assert_eq!(seconds(wait, jitter), wanted, "{wait:?} {jitter}");
        }
    }

    #[test]
    fn redirections_carry_nothing_and_retry_after_is_no_earlier_than_the_end_of_the_window() {
        let mut fields = HeaderMap::new();
        let used_up = Limit { remaining: 0, until_more: Span::seconds(40), ..sample("burst") };
        put(&mut fields, StatusCode::FOUND, &[used_up], Some(Span::seconds(5)), 0);
        assert!(fields.is_empty());
        put(&mut fields, StatusCode::TOO_MANY_REQUESTS, &[used_up], Some(Span::seconds(5)), 0);
        let get = |name: &str| fields.get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(get("retry-after"), "40");
        assert_eq!(get("ratelimit"), r#""burst";r=0;t=40"#);
        assert_eq!(get("ratelimit-policy"), r#""burst";q=100;w=60"#);
    }

    #[test]
    fn after_a_take_it_says_what_is_left_and_when_there_is_more() {
        let (rule, now) = (Rule::every(Span::seconds(10), 3), Moment::from_unix(1000));
        let mut tat = None;
        for wanted in ["r=2;t=10", "r=1;t=20", "r=0;t=10", "r=0;t=10"] {
            let got = limit::take(tat, rule, now, 1);
            tat = Some(got.tat);
            assert_eq!(left(&[Limit::after("k", rule, &got)], 0), format!(r#""k";{wanted}"#));
        }
    }
}
