//! Points in time and lengths of time, as values that rules can compare.
//!
//! Nothing below the world's edge asks what time it is: a [`Moment`] is always handed in.

use chrono::{DateTime, SecondsFormat, TimeZone, Utc};
use std::{
    fmt,
    ops::{Add, Sub},
    sync::atomic::{AtomicI64, Ordering},
};

const MICROS: i64 = 1_000_000;

/// A point in time: microseconds since the Unix epoch, UTC. The resolution is what both
/// databases can store, so a value read back equals the value written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Moment(i64);

impl Moment {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// From whole seconds since the epoch (the `NumericDate` of RFC 7519 §2).
    #[must_use]
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds.saturating_mul(MICROS))
    }

    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Whole seconds since the epoch, rounded down: what goes into `iat`, `exp`, `auth_time`.
    #[must_use]
    pub const fn unix(self) -> i64 {
        self.0.div_euclid(MICROS)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// As chrono's type, for SQL and for printing; `None` outside chrono's years.
    #[must_use]
    pub fn to_utc(self) -> Option<DateTime<Utc>> {
        Utc.timestamp_micros(self.0).single()
    }

    /// From chrono's type, dropping what is finer than a microsecond.
    #[must_use]
    pub fn from_utc(at: DateTime<Utc>) -> Self {
        Self(at.timestamp_micros())
    }

    /// How long after `earlier` this is; negative where it is before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// RFC 3339 in UTC with whole seconds, for people and for JSON.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_utc() {
            Some(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::Secs, true)),
            None => write!(f, "{} s after the epoch", self.unix()),
        }
    }
}

/// A length of time, in microseconds; may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Span(i64);

/// By how much the clocks of our nodes may differ.
pub const CLOCKS: Span = Span::minutes(1);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From whole seconds.
    #[must_use]
    pub const fn seconds(n: i64) -> Self {
        Self(n.saturating_mul(MICROS))
    }
    /// From microseconds.
    #[must_use]
    pub const fn micros(n: i64) -> Self {
        Self(n)
    }
    /// From milliseconds.
    #[must_use]
    pub const fn millis(n: i64) -> Self {
        Self(n.saturating_mul(1000))
    }
    /// From minutes.
    #[must_use]
    pub const fn minutes(n: i64) -> Self {
        Self::seconds(n.saturating_mul(60))
    }
    /// From hours.
    #[must_use]
    pub const fn hours(n: i64) -> Self {
        Self::minutes(n.saturating_mul(60))
    }
    /// From days of 24 hours.
    #[must_use]
    pub const fn days(n: i64) -> Self {
        Self::hours(n.saturating_mul(24))
    }
    /// Whole seconds, rounded down: what goes into `expires_in`.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(MICROS)
    }
    /// Microseconds.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }
    /// The standard library's type, zero where this is negative.
    #[must_use]
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_micros(u64::try_from(self.0).unwrap_or(0))
    }
}

impl Add<Span> for Moment {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}
impl Sub<Span> for Moment {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}
impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// Where moments come from. Implemented at the world's edge only.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Moment;
}

/// The machine's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
        let at = Utc::now();
        Moment::from_utc(at)
    }
}

/// A clock that moves only when told to: for tests and rehearsals.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Starts at `at`.
    #[must_use]
    pub const fn at(at: Moment) -> Self {
        Self(AtomicI64::new(at.0))
    }
    /// Moves by `span` (back, where it is negative).
    pub fn advance(&self, span: Span) {
        self.0.fetch_add(span.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        Moment(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_down_on_both_sides_of_the_epoch() {
        assert_eq!(Moment::from_micros(1_999_999).unix(), 1);
        assert_eq!(Moment::from_micros(-1).unix(), -1);
    }

    #[test]
    fn arithmetic_at_the_ends_of_time_saturates() {
        let end = Moment::from_micros(i64::MAX);
        assert_eq!(end + Span::days(1), end);
        assert_eq!(Moment::from_unix(i64::MAX), end);
    }

    #[test]
    fn it_prints_as_rfc_3339() {
        assert_eq!(Moment::from_unix(1_700_000_000).to_string(), "2023-11-14T22:13:20Z");
    }
}
