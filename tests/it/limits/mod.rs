//! Limits that several nodes count together in a real Redis, and what becomes of them when it is
//! killed, hangs, forgets or is told the wrong time.

use crate::world::{
    Redis,
    busy::{LONG, at_best, taken, within},
    database::each,
};
use keywright::{
    base::{
        fault::Stop,
        moment::{Clock, Moment, Span, SystemClock},
    },
    cluster::{Counters, Exhausted, Take},
    limit::{Outcome, Rule},
    store::{Tx, nodes},
};
use std::{
    ops::RangeInclusive,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

mod endpoints;

/// 5 in a minute.
fn five() -> Rule {
    Rule::new(5, Span::minutes(1), 5)
}

/// 5 at once, and none that is due again while a test runs.
fn five_a_day() -> Rule {
    Rule::new(5, Span::days(1), 5)
}

/// How many of many pass at five in a minute until now: the sixth is due after twelve seconds, on a slow machine.
fn of_five(since: Instant) -> RangeInclusive<u32> {
    5..=5 + since.elapsed().as_secs() as u32 / 12
}

fn now() -> Moment {
    SystemClock.now()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A key that no other test has.
fn key(name: &str) -> String {
    format!("{name} {} {}", std::process::id(), now().micros())
}

/// So many takes of one unit, by these nodes in turn; how many pass.
async fn passed(nodes: &[&Counters], key: &str, rule: Rule, n: usize) -> u32 {
    let mut passed = 0;
    for node in nodes.iter().cycle().take(n) {
        passed += u32::from(node.take(key, rule, now(), 1).await.allowed);
    }
    passed
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    assert!(within(LONG, holds), "{what}");
}

#[test]
fn r123_r128_five_of_a_thousand_in_one_second_pass_on_one_node_and_on_two_together() {
    let (alone, begun) = (Counters::local(100), Instant::now());
    let through = run(passed(&[&alone], "k", five(), 1000));
    assert!(of_five(begun).contains(&through), "{through}");
    let Some(redis) = Redis::any() else { return };
    let (a, b) = (redis.node(2), redis.node(2));
    for (nodes, name) in [(&[&a][..], "one node"), (&[&a, &b], "two nodes")] {
        let begun = Instant::now();
        let through = run(passed(nodes, &key(name), five(), 1000));
        assert!(of_five(begun).contains(&through), "{name}: {through}");
    }
}

/// The example that is copied everywhere: members that are whole seconds, and one counter for all.
#[test]
fn the_common_sorted_set_of_seconds_lets_a_thousand_through_and_ours_does_not() {
    let Some(redis) = Redis::any() else { return };
    let mut connection = redis::Client::open(redis.url().expose().as_str()).unwrap().get_connection().unwrap();
    let (set, second) = (key("zset"), now().unix());
    let mut let_through = 0;
    for _ in 0..1000 {
        let mut pipe = redis::pipe();
        pipe.cmd("ZADD").arg(&set).arg(second).arg(second).ignore();
        pipe.cmd("ZREMRANGEBYSCORE").arg(&set).arg(0).arg(second - 60).ignore();
        pipe.cmd("ZCARD").arg(&set).cmd("EXPIRE").arg(&set).arg(60).ignore();
        let (members,): (u32,) = pipe.query(&mut connection).unwrap();
        let_through += u32::from(members <= 5);
    }
    assert_eq!(let_through, 1000);
    let node = redis.node(1);
    for name in ["ann", "bob"] {
        assert_eq!(run(passed(&[&node], &key(name), five_a_day(), 1000)), 5);
    }
}

#[test]
fn the_script_answers_what_the_arithmetic_in_memory_does() {
    let Some(redis) = Redis::any() else { return };
    let (shared, alone) = (redis.node(1), Counters::local(100));
    // Each counts by a clock of its own: what comes back in a second is due at one before it is at the other.
    let close = |a: Span, b: Span| (a.as_micros() - b.as_micros()).abs() < 2_000_000;
    let asked = async |rule: Rule, costs: &[u32]| {
        let (key, begun, mut outcomes) = (key("script"), Instant::now(), Vec::new());
        for cost in costs {
            outcomes.push((
                shared.take(&key, rule, now(), *cost).await,
                alone.take(&key, rule, now(), *cost).await,
                *cost,
            ));
        }
        (outcomes, begun.elapsed())
    };
    run(async {
        for (rule, costs) in [
            (Rule::new(60, Span::minutes(1), 7), &[1, 2, 3, 1, 1, 9][..]),
            (Rule::every(Span::hours(1), 3), &[3, 1, 4]),
            (Rule::new(1_000_000, Span::days(30), 1000), &[1000, 1]),
            (Rule::new(1, Span::days(365), 12), &[1, 11, 12]),
        ] {
            let (mut outcomes, mut took) = asked(rule, costs).await;
            for _ in 0..50 {
                if took > Duration::from_millis(900) {
                    (outcomes, took) = asked(rule, costs).await;
                }
            }
            for (got, wanted, cost) in outcomes {
                let show = |o: Outcome| (o.allowed, o.remaining);
                assert_eq!(show(got), show(wanted), "{rule:?} {cost} in {took:?}");
                assert!(
                    close(got.retry_after, wanted.retry_after) && close(got.reset, wanted.reset),
                    "{got:?} {wanted:?} in {took:?}"
                );
            }
        }
    });
}

#[test]
fn of_64_threads_on_two_nodes_exactly_the_burst_gets_through() {
    let Some(redis) = Redis::any() else { return };
    let (nodes, key, through) = ([redis.node(2), redis.node(2)], key("threads"), AtomicU32::new(0));
    thread::scope(|scope| {
        for n in 0..64 {
            let (node, key, through) = (&nodes[n % 2], &key, &through);
            scope.spawn(move || {
                through.fetch_add(run(passed(&[node], key, Rule::every(Span::hours(1), 10), 20)), Ordering::SeqCst);
            });
        }
    });
    assert!(!nodes.iter().any(Counters::degraded), "each was waited for");
    assert_eq!(through.into_inner(), 10);
}

#[test]
fn of_several_limits_all_are_charged_or_none() {
    let Some(redis) = Redis::any() else { return };
    let (a, b) = (redis.node(2), redis.node(2));
    let (wide, narrow) = (key("wide"), key("narrow"));
    let (five, one) = (Rule::every(Span::hours(1), 5), Rule::every(Span::hours(1), 1));
    run(async {
        let wanted = || [Take::one(&wide, five), Take::one(&narrow, one)];
        let mut first = wanted();
        assert_eq!(a.take_all(&mut first, now()).await, Ok(()));
        for _ in 0..10 {
            let Err(Exhausted { index, retry_after }) = b.take_all(&mut wanted(), now()).await else { panic!() };
            assert_eq!((index, retry_after.as_seconds() / 60), (1, 59));
        }
        assert_eq!(b.take(&wide, five, now(), 1).await.remaining, 3);
        a.give_back_all(&first, now()).await;
        assert_eq!(b.take_all(&mut wanted(), now()).await, Ok(()));
        assert_eq!(a.take(&wide, five, now(), 1).await.remaining, 2);
    });
}

#[test]
fn when_redis_is_killed_and_comes_back_empty_no_more_than_a_fifth_too_many_pass() {
    let Some(mut redis) = Redis::own() else { return };
    let (a, b) = (redis.node(2), redis.node(2));
    let (key, rule) = (key("killed"), Rule::new(100, Span::days(1), 100));
    let before = run(passed(&[&a, &b], &key, rule, 50));
    assert_eq!(before, 50);
    redis.kill();
    let during = run(passed(&[&a, &b], &key, rule, 500));
    assert!(a.degraded() && b.degraded());
    assert!((40..=70).contains(&during), "{during}");
    redis.start();
    wait_until("they count together again", || !a.degraded() && !b.degraded());
    let after = run(passed(&[&a, &b], &key, rule, 500));
    assert!(before + during + after <= 120, "{before} {during} {after}");
}

#[test]
fn a_redis_that_hangs_costs_one_deadline_and_then_nothing() {
    const DEADLINE: Duration = Duration::from_millis(100);
    let Some(redis) = Redis::own() else { return };
    let node = redis.node_within(DEADLINE, 1);
    let (key, rule) = (key("hangs"), Rule::new(1_000_000, Span::minutes(1), 1_000_000));
    let took = |n| {
        taken(|| {
            run(passed(&[&node], &key, rule, n));
        })
    };
    let first = at_best(DEADLINE * 4, || {
        // The first that waits finds it in order; on a busy machine it may not have been.
        redis.go_on();
        wait_until("it is found again", || {
            took(10);
            !node.degraded()
        });
        redis.hang();
        let first = took(1);
        assert!(node.degraded() && first >= DEADLINE - Duration::from_millis(1), "{first:?}");
        first
    });
    assert!(first < DEADLINE * 4, "{first:?}");
    // Twice it is looked for meanwhile, and no request waits for that.
    let longest = at_best(Duration::from_millis(400), || {
        let (begun, mut longest) = (Instant::now(), Duration::ZERO);
        while begun.elapsed() < Duration::from_millis(2500) {
            longest = longest.max(took(10));
        }
        longest
    });
    assert!(longest < Duration::from_millis(400), "{longest:?}: an attempt to connect takes half a second");
    redis.go_on();
    wait_until("it is found again", || !node.degraded());
}

#[test]
fn what_redis_forgets_the_nodes_remember() {
    let Some(redis) = Redis::own() else { return };
    let (a, b) = (redis.node(2), redis.node(2));
    let key = key("forgets");
    assert_eq!(run(passed(&[&a, &b], &key, five_a_day(), 100)), 5);
    redis.command(&["SCRIPT", "FLUSH"]);
    assert_eq!(run(passed(&[&a, &b], &key, five_a_day(), 10)), 0);
    redis.command(&["FLUSHALL"]);
    assert_eq!(run(passed(&[&a, &b], &key, five_a_day(), 10)), 0);
    assert!(!a.degraded() && !b.degraded());
}

#[test]
fn what_a_node_remembers_counts_though_one_that_knew_nothing_began_the_counter_anew() {
    let Some(redis) = Redis::own() else { return };
    let (a, b) = (redis.node(2), redis.node(2));
    let (key, rule) = (key("begun anew"), Rule::new(100, Span::days(1), 100));
    assert_eq!(run(passed(&[&a], &key, rule, 80)), 80);
    redis.command(&["FLUSHALL"]);
    assert_eq!(run(passed(&[&b], &key, rule, 5)), 5, "it never heard of the other eighty");
    assert_eq!(run(passed(&[&a, &b], &key, rule, 100)), 20);
    // What others gave back is not taken again: the counter is the same.
    run(b.give_back_all(&[Take { cost: 10, ..Take::one(&key, rule) }], now()));
    assert_eq!(run(passed(&[&a, &b], &key, rule, 100)), 10);
}

#[test]
fn a_clock_set_back_shuts_nobody_out_for_longer_than_a_bucket() {
    let Some(redis) = Redis::own() else { return };
    let node = redis.node(1);
    let key = key("clock");
    // As if Redis' clock had been a day ahead.
    let tat = (now() + Span::days(1)).micros().to_string();
    redis.command(&["SET", &format!("keywright:limit:{key}"), &tat]);
    let refused = run(node.take(&key, five(), now(), 1));
    assert!(!refused.allowed && refused.retry_after <= Span::seconds(12) && refused.reset <= Span::minutes(1));
    // As if this node's had been.
    let rule = Rule::every(Span::millis(20), 3);
    let other = self::key("clock of the node");
    run(node.take(&other, rule, now() + Span::days(1), 3));
    thread::sleep(Duration::from_millis(200));
    assert!(run(node.take(&other, rule, now(), 1)).allowed);
}

#[test]
fn where_redis_is_away_from_the_beginning_each_node_counts_its_share() {
    let Some(mut redis) = Redis::own() else { return };
    redis.kill();
    let node = Counters::shared(100, &redis.url(), LONG).unwrap();
    node.nodes_alive(2);
    assert!(node.degraded());
    assert_eq!(run(passed(&[&node], "k", five_a_day(), 1000)), 2);
    redis.start();
    wait_until("it is found", || !node.degraded());
}

#[test]
fn nodes_know_how_many_they_are() {
    each(|db| {
        let alive = |name: &'static str| {
            let say = move |tx: &mut Tx<'_>| -> Result<u32, Stop<()>> { Ok(tx.nodes().alive(name)?) };
            db.store.write_blocking("say_alive", say).unwrap()
        };
        assert_eq!(alive("a"), 1);
        let two = if db.is_sqlite() { 1 } else { 2 };
        assert_eq!((alive("b"), alive("a")), (two, two));
        db.clock.advance(nodes::ALIVE + Span::seconds(1));
        assert_eq!(alive("a"), 1);
        assert_eq!(alive("b"), two);
        let gone = |tx: &mut Tx<'_>| -> Result<(), Stop<()>> { Ok(tx.nodes().gone("b")?) };
        db.store.write_blocking("say_gone", gone).unwrap();
        assert_eq!(alive("a"), 1);
    });
}
