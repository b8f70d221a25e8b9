//! What a limit of rate should be, from what was measured: how much room it leaves, whether it is too
//! strict or too loose, and which one we would choose.
//!
//! What is measured are minutes, so what is advised is so many calls a minute: of what happened
//! within one nobody knows.

use super::policy::rate::Rate;
use crate::base::moment::{Moment, Span};

/// The fewest minutes with calls of which one in a hundred says anything.
const LEAST_MINUTES: u64 = 100;
/// The shortest time from the first such minute to the last: a week has other days than Monday.
const LEAST_TIME: Span = Span::days(6);
/// What we advise is so many times what was called in all but the busiest minutes.
const ROOM: u64 = 2;
/// A limit is too strict that is not above what is called by a quarter, in percent.
const STRICT: u64 = 125;
/// A limit is too loose that is more than ten times what is called.
const LOOSE: u64 = 10;
/// A limit is too strict that refuses one call in so many.
const REFUSES: u64 = 100;

/// What was called, in the minutes in which anything was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Minutes with calls.
    pub minutes: u64,
    /// When the first of them began.
    pub first: Moment,
    /// When the last of them began.
    pub last: Moment,
    /// Calls in all of them, also those that a limit of rate has refused.
    pub calls: u64,
    /// Calls that a limit of rate has refused.
    pub refused: u64,
    /// Calls of a minute that 99 in a hundred do not exceed.
    pub p99: u64,
    /// Calls of the busiest minute.
    pub most: u64,
}

impl Measured {
    /// Whether it is enough to say anything of.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.minutes >= LEAST_MINUTES && self.last.since(self.first) >= LEAST_TIME
    }
}

/// What is to be said of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Too little was called to say anything.
    TooLittle,
    /// There is no limit of this kind.
    NoLimit,
    /// Who behaves as always is refused, or nearly.
    TooStrict,
    /// It would let many times more through than was ever called.
    TooLoose,
    /// It leaves room, and not too much.
    Fits,
}

impl Finding {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLittle => "too_little_data",
            Self::NoLimit => "no_limit",
            Self::TooStrict => "too_strict",
            Self::TooLoose => "too_loose",
            Self::Fits => "fits",
        }
    }
}

/// What is advised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What is to be said of the limit.
    pub finding: Finding,
    /// Calls a minute that we would allow; `None` where too little is known.
    pub per_minute: Option<u64>,
    /// How much of the limit was left in all but the busiest minutes, in percent: less than nothing
    /// where bursts carried more. `None` without a limit or without calls.
    pub headroom: Option<i64>,
}

/// Calls a minute that a limit lets through in the long run.
#[must_use]
pub fn per_minute(rate: &Rate) -> u64 {
    let per = u64::try_from(rate.per.as_micros()).unwrap_or(u64::MAX).max(1);
    u64::from(rate.limit).saturating_mul(60_000_000).div_ceil(per)
}

/// What is to be said of a limit to which this was called.
#[must_use]
pub fn advise(measured: Option<&Measured>, limit: Option<&Rate>) -> Advice {
    let Some(measured) = measured else {
        return Advice { finding: Finding::TooLittle, per_minute: None, headroom: None };
    };
    let limit = limit.map(per_minute);
    let headroom = limit.map(|limit| {
        let used = measured.p99.saturating_mul(100).div_ceil(limit.max(1));
        100i64.saturating_sub(i64::try_from(used).unwrap_or(i64::MAX))
    });
    if !measured.is_enough() {
        return Advice { finding: Finding::TooLittle, per_minute: None, headroom };
    }
    let finding = match limit {
        None => Finding::NoLimit,
        Some(limit) if is_strict(measured, limit) => Finding::TooStrict,
        Some(limit) if limit > measured.p99.saturating_mul(LOOSE) => Finding::TooLoose,
        Some(_) => Finding::Fits,
    };
    Advice { finding, per_minute: Some(rounded(measured.p99.saturating_mul(ROOM))), headroom }
}

fn is_strict(measured: &Measured, limit: u64) -> bool {
    let refuses = measured.refused.saturating_mul(REFUSES) >= measured.calls;
    refuses || measured.p99.saturating_mul(STRICT) > limit.saturating_mul(100)
}

/// Two digits and noughts behind them, never less.
fn rounded(n: u64) -> u64 {
    let mut unit = 1u64;
    while n / unit >= 100 {
        unit = unit.saturating_mul(10);
    }
    n.div_ceil(unit).saturating_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apikey::policy::rate::By;

    fn measured(p99: u64, refused: u64) -> Measured {
        let (first, last) = (Moment::from_unix(0), Moment::from_unix(10 * 86_400));
        Measured { minutes: 1000, first, last, calls: 100_000, refused, p99, most: p99 * 2 }
    }

    fn limit(limit: u32, per: Span) -> Rate {
        Rate { name: "a".into(), by: By::Family, limit, per, burst: limit }
    }

    #[test]
    fn a_limit_is_too_strict_fits_or_is_too_loose_by_what_was_called() {
        let cases = [
            (measured(60, 0), limit(1, Span::seconds(1)), Finding::TooStrict, 120, 0),
            (measured(48, 0), limit(1, Span::seconds(1)), Finding::Fits, 96, 20),
            (measured(49, 0), limit(1, Span::seconds(1)), Finding::TooStrict, 98, 18),
            (measured(48, 1000), limit(10, Span::seconds(1)), Finding::TooStrict, 96, 92),
            (measured(48, 999), limit(8, Span::seconds(1)), Finding::Fits, 96, 90),
            (measured(48, 0), limit(481, Span::minutes(1)), Finding::TooLoose, 96, 90),
            (measured(5678, 0), limit(1_000_000, Span::hours(1)), Finding::Fits, 12_000, 65),
            (measured(120, 0), limit(1, Span::seconds(1)), Finding::TooStrict, 240, -100),
        ];
        for (measured, limit, finding, per_minute, headroom) in cases {
            let wanted = Advice { finding, per_minute: Some(per_minute), headroom: Some(headroom) };
            assert_eq!(advise(Some(&measured), Some(&limit)), wanted, "{measured:?} {limit:?}");
        }
    }

    #[test]
    fn nothing_is_advised_of_what_was_called_too_little_or_for_too_short_a_time() {
        let second = limit(1, Span::seconds(1));
        let (all, none) = (measured(60, 0), Advice { finding: Finding::TooLittle, per_minute: None, headroom: None });
        assert_eq!(advise(None, Some(&second)), none);
        for few in [Measured { minutes: 99, ..all }, Measured { last: Moment::from_unix(5 * 86_400), ..all }] {
            assert_eq!(advise(Some(&few), Some(&second)), Advice { headroom: Some(0), ..none });
        }
        let free = advise(Some(&all), None);
        assert_eq!(free, Advice { finding: Finding::NoLimit, per_minute: Some(120), headroom: None });
    }

    #[test]
    fn what_is_advised_has_two_digits_and_is_never_less() {
        for (n, wanted) in [(0, 0), (7, 7), (99, 99), (100, 100), (101, 110), (12_001, 13_000)] {
            assert_eq!(rounded(n), wanted, "{n}");
        }
    }
}
