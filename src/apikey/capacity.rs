//! How much of its limits an API gives while it has trouble: less, the more of the calls that its
//! servers report it had no room for. The rule by which Google's clients hold themselves back (*Site
//! Reliability Engineering*, chapter 21), with K = 2: nothing is taken away until fewer than half of
//! the calls are accepted.

use crate::base::moment::Moment;

/// How much of the limits is given, in thousandths.
pub type Share = u16;

/// All of it.
pub const FULL: Share = 1000;
/// The least: a tenth.
pub const LEAST: Share = 100;
/// What comes back in a second: a twentieth of all.
const BACK_EACH_SECOND: i64 = 50;
/// How many calls are let through for each that is accepted.
const K: u64 = 2;

/// What is to be given after so many calls, so many of which were rejected.
#[must_use]
pub fn share(reported: u64, rejected: u64) -> Share {
    let accepted = reported.saturating_sub(rejected);
    let too_many = reported.saturating_sub(accepted.saturating_mul(K));
    let refused = u128::from(too_many) * u128::from(FULL) / (u128::from(reported) + 1);
    FULL.saturating_sub(u16::try_from(refused).unwrap_or(FULL)).clamp(LEAST, FULL)
}

/// The share of an API as it moves: down at once, and up again slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    from: Share,
    at: Moment,
    to: Share,
}

impl Course {
    /// As before anything was reported.
    #[must_use]
    pub const fn full(now: Moment) -> Self {
        Self { from: FULL, at: now, to: FULL }
    }

    /// What is given now. A clock that was set back gives nothing back.
    #[must_use]
    pub fn share(self, now: Moment) -> Share {
        let millis = (now.since(self.at).as_micros() / 1000).clamp(0, 60_000);
        let back = u16::try_from(millis * BACK_EACH_SECOND / 1000).unwrap_or(FULL);
        self.from.saturating_add(back).min(self.to)
    }

    /// The same after it was measured what is to be given.
    #[must_use]
    pub fn measured(self, to: Share, now: Moment) -> Self {
        Self { from: self.share(now).min(to), at: now, to }
    }

    /// Whether all is given, and will be.
    #[must_use]
    pub fn is_over(self, now: Moment) -> bool {
        self.to == FULL && self.share(now) == FULL
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::moment::Span;

    #[test]
    fn nothing_is_taken_away_until_fewer_than_half_are_accepted() {
        let cases = [
            (0, 0, 1000),
            (1, 0, 1000),
            (1, 1, 500), // One call says little: the rule's "+ 1".
            (1000, 0, 1000),
            (1000, 500, 1000),
            (1000, 501, 999),
            (1000, 600, 801),
            (1000, 750, 501),
            (1000, 900, 201),
            (100_000, 95_000, 101),
            (100_000, 99_000, 100),
            (100_000, 100_000, 100),
            (u64::MAX, u64::MAX, 100),
            (5, 9, 167), // More rejected than reported cannot be; it is all of them.
        ];
        for (reported, rejected, wanted) in cases {
            assert_eq!(share(reported, rejected), wanted, "{rejected} of {reported}");
        }
    }

    #[test]
    fn it_falls_at_once_and_comes_back_by_a_twentieth_each_second() {
        let begin = Moment::from_unix(1_000_000);
        let low = Course::full(begin).measured(100, begin);
        assert_eq!(low.share(begin), 100);
        assert_eq!(low.share(begin + Span::hours(1)), 100, "not before it is measured anew");
        let back = low.measured(FULL, begin);
        for (seconds, wanted) in [(0, 100), (1, 150), (10, 600), (17, 950), (18, 1000), (3600, 1000), (-60, 100)] {
            assert_eq!(back.share(begin + Span::seconds(seconds)), wanted, "{seconds}");
        }
        let again = back.measured(300, begin + Span::seconds(10));
        assert_eq!(again.share(begin + Span::seconds(10)), 300);
        assert!(!back.is_over(begin) && back.is_over(begin + Span::seconds(18)) && !again.is_over(begin));
    }
}
