//! One limit of a key, asked about on one node and on two that count in Redis, through all that may befall Redis.

use super::{
    api_keys::Api,
    busy::{LONG, within},
    node::{Installation, Node, postgres},
    redis_server::Redis,
};
use serde_json::{Value, json};
use std::{
    ops::RangeInclusive,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

fn per_key(limit: u32, per: &str) -> Value {
    json!({"v": 1, "rate": [{"name": "calls", "by": "key", "limit": limit, "per": per}]})
}

/// Two nodes that know of one another.
fn two(api: &Api) -> [Node; 2] {
    let nodes = [api.installation.serve(), api.installation.serve_elsewhere()];
    // Each says every five seconds that it runs, and hears then how many there are.
    let said = || api.installation.texts("SELECT CAST(seen_at AS text) AS text FROM nodes ORDER BY name");
    let at_first = said();
    assert_eq!(at_first.len(), 2);
    let again = || said().iter().zip(&at_first).all(|(now, before)| now != before);
    assert!(within(LONG, again), "{at_first:?}, {:?}", said());
    // The answer to that is on its way.
    thread::sleep(Duration::from_secs(1));
    nodes
}

/// How many of so many questions about one key pass, asked by four callers at once, each of its own node in turn; and
/// how long it took.
fn passed(api: &Api, nodes: &[Node], key: &str, n: u32) -> (u32, Duration) {
    let (passed, began) = (AtomicU32::new(0), Instant::now());
    thread::scope(|scope| {
        for at in 0..4 {
            let (passed, node) = (&passed, &nodes[at % nodes.len()]);
            scope.spawn(move || {
                let mut client = node.client();
                for _ in 0..n / 4 {
                    let reply = api.ask(&mut client, key).unwrap();
                    assert_eq!(reply.status, 200, "{}", reply.body);
                    let code = reply.member("code");
                    assert!(code == "ok" || code == "rate_limited", "{code}");
                    passed.fetch_add(u32::from(code == "ok"), Ordering::SeqCst);
                }
            });
        }
    });
    (passed.into_inner(), began.elapsed())
}

/// How many may pass at five a minute: the sixth is due after twelve seconds.
fn of_five(took: Duration) -> RangeInclusive<u32> {
    5..=5 + took.as_secs() as u32 / 12
}

#[test]
fn r069_a_key_at_five_a_minute_lets_five_of_a_thousand_through_on_one_node() {
    let api = Api::on(Installation::bare_on_sqlite(), &per_key(5, "60s"));
    let node = api.installation.serve();
    let (_, key) = api.key(&mut node.client(), &api.manager(&node));
    let (passed, took) = passed(&api, &[node], &key, 1000);
    println!("one node: {passed} of 1000 in {took:?}");
    assert!(of_five(took).contains(&passed), "{passed} in {took:?}");
}

#[test]
fn r069_a_key_at_five_a_minute_lets_five_of_a_thousand_through_on_two_nodes_together() {
    let (Some(server), Some(redis)) = (postgres(), Redis::own()) else { return };
    let mut installation = Installation::bare_on_postgres(&server);
    installation.settings.push(("KEYWRIGHT_LIMITS_REDIS_URL", redis.url().expose().clone()));
    // What becomes of a limit while Redis is slow is tested below.
    installation.settings.push(("KEYWRIGHT_LIMITS_REDIS_DEADLINE", "5s".to_owned()));
    let api = Api::on(installation, &per_key(5, "60s"));
    let nodes = two(&api);
    let manager = api.manager(&nodes[0]);
    for round in 0..3 {
        let (_, key) = api.key(&mut nodes[0].client(), &manager);
        let (passed, took) = passed(&api, &nodes, &key, 1000);
        println!("two nodes, key {round}: {passed} of 1000 in {took:?}");
        assert!(of_five(took).contains(&passed), "{passed} in {took:?}");
    }
}

/// Says that it is over, also where a claim did not hold: or they would ask for ever.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Keeps asking both nodes about one key while something is done to Redis; how many passed, and the most that may have:
/// a fifth more than the limit, and what is added to it meanwhile.
fn under_questions(api: &Api, nodes: &[Node], limit: u32, what: impl FnOnce()) -> (u32, f64) {
    let (_, key) = api.key(&mut nodes[0].client(), &api.manager(&nodes[0]));
    let (passed, asked, over, began) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false), Instant::now());
    thread::scope(|scope| {
        for at in 0..4 {
            let (passed, asked, over, key, node) = (&passed, &asked, &over, &key, &nodes[at % 2]);
            scope.spawn(move || {
                let mut client = node.client();
                while !over.load(Ordering::Relaxed) {
                    let reply = api.ask(&mut client, key).unwrap();
                    assert_eq!(reply.status, 200, "{}", reply.body);
                    passed.fetch_add(u32::from(reply.member("code") == "ok"), Ordering::SeqCst);
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let _over = Over(&over);
        // In the middle of it, on a slow machine too.
        assert!(within(LONG, || asked.load(Ordering::SeqCst) > limit / 10));
        what();
        assert!(within(LONG, || asked.load(Ordering::SeqCst) > limit * 2));
        over.store(true, Ordering::Relaxed);
    });
    let limit = f64::from(limit);
    (passed.into_inner(), limit * 1.2 + limit * began.elapsed().as_secs_f64() / 3600.0)
}

#[test]
fn r069_whatever_befalls_redis_a_limit_is_overrun_by_a_fifth_at_most() {
    const LIMIT: u32 = 600;
    let (Some(server), Some(mut redis)) = (postgres(), Redis::own()) else { return };
    let mut installation = Installation::bare_on_postgres(&server);
    installation.settings.push(("KEYWRIGHT_LIMITS_REDIS_URL", redis.url().expose().clone()));
    let api = Api::on(installation, &per_key(LIMIT, "1h"));
    let nodes = two(&api);
    let soon = || thread::sleep(Duration::from_millis(120));
    let back = || thread::sleep(Duration::from_millis(2500));
    for what in [
        "is killed",
        "is killed and comes back empty",
        "hangs and goes on",
        "forgets everything",
        "forgets its scripts",
    ] {
        let (passed, most) = under_questions(&api, &nodes, LIMIT, || {
            soon();
            match what {
                "is killed" => redis.kill(),
                "is killed and comes back empty" => {
                    redis.kill();
                    soon();
                    assert!(redis.start());
                }
                "hangs and goes on" => {
                    redis.hang();
                    back();
                    redis.go_on();
                }
                "forgets everything" => {
                    for _ in 0..5 {
                        redis.command(&["FLUSHALL"]);
                        soon();
                    }
                }
                _ => drop(redis.command(&["SCRIPT", "FLUSH"])),
            }
            back();
        });
        println!("Redis {what} in the middle: {passed} passed of a limit of {LIMIT} (at most {most:.0})");
        assert!(f64::from(passed) <= most, "Redis {what}: {passed} of {LIMIT}");
        // Never closed either: at least what one node's share is.
        assert!(passed >= LIMIT / 2, "Redis {what}: only {passed} of {LIMIT}");
        if what == "is killed" {
            assert!(redis.start());
            back();
        }
    }
}
