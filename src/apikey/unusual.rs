//! Whether a key reads far more than it usually does: somebody else may have it, and copy what it can reach.
//!
//! The key is compared with itself and with nobody else. Bytes of answers, as resource servers report
//! them, are summed by stretches of five minutes. What is usual is as much as 95 of 100 stretches of
//! the last week had, of those in which anything was read; or what the same hour had on most days,
//! where that is more, so that a nightly copy is no alarm. Ten times that is unusual.

use crate::base::moment::{Moment, Span};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The stretch of time whose bytes are compared.
pub const STRETCH: Span = Span::minutes(5);
/// How far back it is looked for what is usual.
pub const HISTORY: Span = Span::days(7);
/// What was read so lately is no history yet: else what is unusual would soon be usual.
pub const LATELY: Span = Span::hours(1);
/// Stretches in which something was read before anything is said of a key: two hours of use.
pub const LEARNING: usize = 24;
/// How many times the usual is unusual.
pub const TIMES: u64 = 10;
/// So many bytes in a stretch are nothing to speak of, whatever is usual.
pub const LEAST: u64 = 256 * 1024;
/// An alert is over when nothing was unusual for so long.
pub const QUIET: Span = Span::minutes(15);
/// The name of this detector.
pub const EGRESS: &str = "egress";

/// What a key read in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minute {
    /// When it began.
    pub at: Moment,
    /// Bytes of answers.
    pub bytes: u64,
}

/// What is usual for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usual {
    /// Bytes in a stretch.
    pub bytes: u64,
    /// From how many stretches that was learned.
    pub stretches: u64,
}

/// Why a key's use is unusual: numbers that anybody can check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Bytes of answers in five minutes.
    pub bytes: u64,
    /// As many are usual.
    pub usual: u64,
    /// From how many stretches of five minutes that was learned.
    pub stretches: u64,
}

impl Evidence {
    /// How many times the usual it is.
    #[must_use]
    pub const fn times(&self) -> u64 {
        let usual = if self.usual == 0 { 1 } else { self.usual };
        self.bytes / usual
    }
}

/// Which stretch of the clock a moment is in.
const fn stretch_of(at: Moment) -> i64 {
    at.micros().div_euclid(STRETCH.as_micros())
}

/// What is usual by what was read; `None` while too little is known of the key.
#[must_use]
pub fn usual(history: &[Minute], now: Moment) -> Option<Usual> {
    let counts = |minute: &&Minute| minute.bytes > 0 && minute.at >= now - HISTORY && minute.at < now - LATELY;
    let mut stretches: BTreeMap<i64, u64> = BTreeMap::new();
    for minute in history.iter().filter(counts) {
        let sum = stretches.entry(stretch_of(minute.at)).or_default();
        *sum = sum.saturating_add(minute.bytes);
    }
    if stretches.len() < LEARNING {
        return None;
    }
    let mut sorted: Vec<u64> = stretches.values().copied().collect();
    sorted.sort_unstable();
    // The nearest rank: no number that never was.
    let rank = (sorted.len() * 95).div_ceil(100).saturating_sub(1);
    let most_of_them = sorted.get(rank).copied().unwrap_or(u64::MAX);
    let bytes = most_of_them.max(at_this_hour(&stretches, now));
    Some(Usual { bytes, stretches: u64::try_from(sorted.len()).unwrap_or(u64::MAX) })
}

/// What a stretch of this hour had at most on the day in the middle, of the days of the history by
/// how much that was; days without use count.
fn at_this_hour(stretches: &BTreeMap<i64, u64>, now: Moment) -> u64 {
    let hour = Span::hours(1);
    let mut most: Vec<u64> = (1..=HISTORY.as_seconds() / 86_400)
        .map(|day| {
            let at = now - Span::days(day);
            let within = stretch_of(at - hour)..=stretch_of(at + hour);
            stretches.range(within).map(|(_, bytes)| *bytes).max().unwrap_or(0)
        })
        .collect();
    most.sort_unstable();
    most.get(most.len() / 2).copied().unwrap_or(0)
}

/// Whether so many bytes in a stretch are unusual, and why.
#[must_use]
pub fn judge(bytes: u64, usual: Usual) -> Option<Evidence> {
    let unusual = bytes >= LEAST && bytes >= usual.bytes.saturating_mul(TIMES);
    unusual.then_some(Evidence { bytes, usual: usual.bytes, stretches: usual.stretches })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_unix(1_800_000_000);

    /// So many bytes each minute of the last days, but not of the last hour.
    fn steady(days: i64, bytes: u64) -> Vec<Minute> {
        (61..days * 1440).map(|n| Minute { at: NOW - Span::minutes(n), bytes }).collect()
    }

    fn stretch(bytes: u64) -> impl Fn(i64) -> Minute {
        move |ago| Minute { at: NOW - Span::minutes(ago), bytes }
    }

    #[test]
    fn r016_fifty_times_the_usual_is_unusual_and_five_times_is_not() {
        let usual = usual(&steady(7, 20_000), NOW).unwrap();
        assert_eq!((usual.bytes, usual.stretches > 1900), (100_000, true));
        let evidence = judge(5_000_000, usual).unwrap();
        assert_eq!((evidence.times(), evidence.usual), (50, 100_000));
        assert!(judge(999_999, usual).is_none() && judge(1_000_000, usual).is_some());
    }

    #[test]
    fn nothing_is_said_of_a_key_that_is_not_known_yet_or_of_trifles() {
        assert_eq!(usual(&[], NOW), None);
        let few: Vec<Minute> = (0..23).map(|n| stretch(1000)(70 + 5 * n)).collect();
        assert_eq!(usual(&few, NOW), None);
        let enough: Vec<Minute> = (0..24).map(|n| stretch(1000)(70 + 5 * n)).collect();
        let little = usual(&enough, NOW).unwrap();
        assert!(judge(LEAST - 1, little).is_none() && judge(LEAST, little).is_some());
    }

    #[test]
    fn what_was_read_in_the_last_hour_or_before_the_week_is_not_usual() {
        let mut history = steady(7, 20_000);
        history.extend((0..60).map(stretch(1_000_000_000)));
        history.extend((7 * 1440 + 1..9 * 1440).map(stretch(1_000_000_000)));
        assert_eq!(usual(&history, NOW).unwrap().bytes, 100_000);
    }

    #[test]
    fn what_is_read_at_this_hour_on_most_days_is_usual_and_what_was_read_once_is_not() {
        let nightly = |days: std::ops::Range<i64>| -> Vec<Minute> {
            let copies = days.map(|day| stretch(1_000_000_000)(day * 1440));
            steady(7, 20_000).into_iter().chain(copies).collect()
        };
        assert!(usual(&nightly(1..7), NOW).unwrap().bytes >= 1_000_000_000);
        assert_eq!(usual(&nightly(3..4), NOW).unwrap().bytes, 100_000);
    }

    #[test]
    fn a_rare_peak_does_not_hide_a_theft() {
        let mut history = steady(7, 20_000);
        history.extend((0..50).map(|n| stretch(1_000_000_000)(3000 + 60 * n + 7)));
        assert_eq!(usual(&history, NOW).unwrap().bytes, 100_000);
    }
}
