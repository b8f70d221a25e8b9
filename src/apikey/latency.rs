//! How long calls took, counted in buckets of half an octave: quantiles within a fifth of the truth
//! from numbers that add up.

use crate::base::moment::Span;
use std::collections::BTreeMap;

/// Buckets: the first up to half a millisecond, each other up to the root of two times more than the
/// one before, the last without an end.
pub const BUCKETS: u8 = 32;

/// Microseconds up to which the buckets of even number reach, the first doubled and doubled again.
const FIRST: u64 = 500;
/// The same of the one after each: the first by the root of two.
const SECOND: u64 = 707;

/// Microseconds up to which a bucket reaches.
fn reach(bucket: u8) -> u64 {
    let begin = if bucket.is_multiple_of(2) { FIRST } else { SECOND };
    begin << (bucket.min(BUCKETS) / 2)
}

/// The bucket of a call that took as long.
#[must_use]
pub fn bucket(took: Span) -> u8 {
    let micros = u64::try_from(took.as_micros()).unwrap_or(0);
    (0..BUCKETS - 1).find(|bucket| micros <= reach(*bucket)).unwrap_or(BUCKETS - 1)
}

/// How long the quickest took of those that are slower than so many in a hundred; `None` of none.
#[must_use]
pub fn quantile(calls: &BTreeMap<u8, u64>, percent: u64) -> Option<Span> {
    let all: u64 = calls.values().fold(0, |sum, n| sum.saturating_add(*n));
    let wanted = all.saturating_mul(percent.min(100)).div_ceil(100).max(1);
    let mut seen = 0u64;
    for (bucket, n) in calls {
        seen = seen.saturating_add(*n);
        if seen >= wanted {
            // The middle of a bucket, as ratios go, lies a quarter of an octave below its end.
            let middle = reach(*bucket).saturating_mul(841) / 1000;
            return Some(Span::micros(i64::try_from(middle).unwrap_or(i64::MAX)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_begins_where_the_one_before_ends() {
        let cases =
            [(0, 0), (500, 0), (501, 1), (707, 1), (708, 2), (1000, 2), (1001, 3), (1_000_000, 22), (i64::MAX, 31)];
        for (micros, wanted) in cases {
            assert_eq!(bucket(Span::micros(micros)), wanted, "{micros}");
        }
        assert_eq!(bucket(Span::micros(-1)), 0);
    }

    #[test]
    fn quantiles_are_within_a_fifth_of_the_truth() {
        let mut calls = BTreeMap::new();
        let took = |n: i64| 700 + n * 37;
        for n in 0..10_000 {
            *calls.entry(bucket(Span::micros(took(n)))).or_default() += 1;
        }
        for percent in [1, 50, 95, 99, 100] {
            let told = quantile(&calls, percent).unwrap().as_micros();
            let truth = took(100 * i64::try_from(percent).unwrap() - 1);
            assert!((told - truth).abs() * 5 <= truth, "p{percent}: {told} for {truth}");
        }
        assert_eq!(quantile(&BTreeMap::new(), 50), None);
    }
}
