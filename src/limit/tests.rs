//! Tests of the buckets: what a limit allows over any sequence of moments.

use super::*;
use proptest::prelude::*;

fn at(micros: i64) -> Moment {
    Moment::from_unix(1_000_000) + Moment::from_micros(micros).since(Moment::EPOCH)
}

#[test]
fn a_burst_passes_and_then_one_for_each_interval() {
    let rule = Rule::new(60, Span::minutes(1), 3);
    let mut tat = None;
    for left in [2, 1, 0] {
        let got = take(tat, rule, at(0), 1);
        assert!(got.allowed);
        assert_eq!(got.remaining, left);
        tat = Some(got.tat);
    }
    let refused = take(tat, rule, at(0), 1);
    assert!(!refused.allowed);
    assert_eq!((refused.retry_after, refused.reset), (Span::seconds(1), Span::seconds(3)));
    assert!(!take(tat, rule, at(999_999), 1).allowed);
    assert!(take(tat, rule, at(1_000_000), 1).allowed);
}

#[test]
fn what_is_given_back_can_be_taken_again_but_never_more_than_the_burst() {
    let rule = Rule::every(Span::seconds(10), 2);
    let once = take(None, rule, at(0), 1);
    let twice = take(Some(once.tat), rule, at(0), 1);
    assert_eq!(give_back(twice.tat, rule, at(0), 1), once.tat);
    let empty = give_back(once.tat, rule, at(0), 5);
    assert_eq!(empty, at(0));
    assert_eq!(take(Some(empty), rule, at(0), 1).remaining, 1);
}

#[test]
fn more_than_the_burst_is_never_allowed_and_takes_nothing() {
    let rule = Rule::every(Span::seconds(1), 2);
    let refused = take(None, rule, at(0), 3);
    assert!(!refused.allowed);
    assert_eq!(refused.remaining, 2);
    assert_eq!(refused.retry_after, Span::seconds(2));
}

#[test]
fn a_clock_set_back_shuts_nobody_out_for_longer_than_a_bucket() {
    let rule = Rule::every(Span::seconds(1), 5);
    let later = take(None, rule, at(0) + Span::days(1), 5).tat;
    let refused = take(Some(later), rule, at(0), 1);
    assert!(!refused.allowed);
    assert_eq!(refused.retry_after, Span::seconds(1));
}

#[test]
fn a_rule_of_zeros_is_a_rule_of_ones() {
    let rule = Rule::new(0, Span::ZERO, 0);
    assert!(take(None, rule, at(0), 1).allowed);
    assert_eq!(rule.burst(), 1);
}

#[test]
fn the_shares_of_all_nodes_are_no_more_than_the_whole_and_never_nothing() {
    let whole = Rule::new(60, Span::minutes(1), 10);
    let share = whole.share(4);
    assert_eq!((share.interval(), share.burst()), (Span::seconds(4), 2));
    assert_eq!((whole.share(0), whole.share(1)), (whole, whole));
    assert_eq!(whole.share(11).burst(), 1);
}

#[test]
fn a_bucket_that_is_used_up_is_used_up_in_every_share() {
    let whole = Rule::every(Span::seconds(10), 6);
    let used_up = take(None, whole, at(0), 6).tat;
    for nodes in 1..=6 {
        assert!(!take(Some(used_up), whole.share(nodes), at(0), 1).allowed, "{nodes}");
    }
}

proptest! {
    /// In any stretch of time no more gets through than the burst and what the rate adds.
    #[test]
    fn never_more_than_burst_and_rate(
        limit in 1u32..200,
        period in 1i64..100_000_000,
        burst in 1u32..50,
        steps in proptest::collection::vec((0i64..3_000_000, 1u32..4), 1..200),
    ) {
        let rule = Rule::new(limit, Moment::from_micros(period).since(Moment::EPOCH), burst);
        let (mut now, mut tat) = (0i64, None);
        let mut passed: Vec<(i64, u64)> = Vec::new();
        for (step, cost) in steps {
            now += step;
            let got = take(tat, rule, at(now), cost);
            prop_assert!(got.remaining <= burst);
            prop_assert!(got.reset <= rule.full_after());
            if got.allowed {
                passed.push((now, u64::from(cost)));
                tat = Some(got.tat);
            }
        }
        let interval = u64::try_from(rule.interval().as_micros()).unwrap();
        for (i, (start, _)) in passed.iter().enumerate() {
            let mut sum = 0;
            for (end, cost) in &passed[i..] {
                sum += cost;
                let elapsed = u64::try_from(end - start).unwrap();
                prop_assert!(sum <= u64::from(burst) + elapsed / interval, "{sum} in {elapsed} µs");
            }
        }
    }

    /// Who waits as long as they are told gets through; who comes a microsecond early does not.
    #[test]
    fn retry_after_is_exact(
        interval in 2i64..10_000_000,
        (burst, cost) in (1u32..20).prop_flat_map(|burst| (Just(burst), 1..=burst)),
        taken in 1u32..40,
    ) {
        let rule = Rule::every(Moment::from_micros(interval).since(Moment::EPOCH), burst);
        let mut tat = None;
        for _ in 0..taken {
            tat = Some(take(tat, rule, at(0), 1).tat);
        }
        let got = take(tat, rule, at(0), cost);
        if !got.allowed {
            let then = at(0) + got.retry_after;
            prop_assert!(take(tat, rule, then, cost).allowed);
            prop_assert!(!take(tat, rule, Moment::from_micros(then.micros() - 1), cost).allowed);
        }
    }
}

/// The limiter that is copied most: a sorted set whose members are whole seconds, counted after
/// what is older than the window is dropped. Requests of one second are one member.
struct SecondsAsMembers(std::collections::BTreeSet<i64>);

impl SecondsAsMembers {
    fn allows(&mut self, now: Moment, limit: usize) -> bool {
        self.0.insert(now.unix());
        self.0 = self.0.split_off(&(now.unix() - 60 + 1));
        self.0.len() <= limit
    }
}

#[test]
fn of_a_thousand_in_one_second_five_pass_where_a_set_of_seconds_lets_all_through() {
    let rule = Rule::new(5, Span::minutes(1), 5);
    let (mut tat, mut passed, mut wrongly) = (None, 0, 0);
    let mut set = SecondsAsMembers(std::collections::BTreeSet::new());
    for n in 0..1000 {
        let got = take(tat, rule, at(n * 1000), 1);
        tat = Some(got.tat);
        passed += u32::from(got.allowed);
        wrongly += u32::from(set.allows(at(n * 1000), 5));
    }
    assert_eq!((passed, wrongly), (5, 1000));
}

#[test]
fn of_a_hundred_a_second_for_a_minute_nine_pass_where_a_set_of_seconds_lets_five_hundred_through() {
    let rule = Rule::new(5, Span::minutes(1), 5);
    let (mut tat, mut passed, mut wrongly) = (None, 0, 0);
    let mut set = SecondsAsMembers(std::collections::BTreeSet::new());
    for n in 0..6000 {
        let got = take(tat, rule, at(n * 10_000), 1);
        tat = Some(got.tat);
        passed += u32::from(got.allowed);
        wrongly += u32::from(set.allows(at(n * 10_000), 5));
    }
    // The burst, and one each 12 s after it: at 12, 24, 36 and 48.
    assert_eq!((passed, wrongly), (9, 500));
}

/// The numbers that the documents name.
#[test]
fn the_published_figures_hold() {
    // 1000 an hour: all at one instant, and the next after 3.6 s.
    let hour = Rule::new(1000, Span::hours(1), 1000);
    let (mut tat, mut passed) = (None, 0);
    for _ in 0..1000 {
        let got = take(tat, hour, at(0), 1);
        tat = Some(got.tat);
        passed += u32::from(got.allowed);
    }
    assert_eq!(passed, 1000);
    assert_eq!(take(tat, hour, at(80_000), 1).retry_after, Span::millis(3520));
    // 20 a second and 40 at once, asked ten thousand times a second for three: the burst and what the rate adds.
    let second = Rule::new(20, Span::seconds(1), 40);
    let (mut tat, mut passed) = (None, 0);
    for n in 0..30_000 {
        let got = take(tat, second, at(n * 100), 1);
        tat = Some(got.tat);
        passed += u32::from(got.allowed);
    }
    assert_eq!(passed, 99, "the hundredth would pass at the third second exactly");
}
