//! What the database is asked: nothing for a key in memory, one statement for one that is not, and next to nothing by
//! somebody who tries thousands of keys a second.

use super::{
    api_keys::{Api, codes},
    busy::at_best,
    node::{Installation, Node},
    outage::Cluster,
};
use diesel::{Connection, PgConnection, connection::SimpleConnection};
use keywright::{
    apikey::text::{KeyText, RANDOM},
    base::entropy::OsEntropy,
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

/// A cluster of our own that counts statements, and an API on it.
fn counted() -> Option<(Cluster, Api)> {
    let cluster = Cluster::start()?;
    let mut c = PgConnection::establish(&cluster.url).unwrap();
    let loaded = c.batch_execute("CREATE EXTENSION pg_stat_statements; SELECT count(*) FROM pg_stat_statements");
    if let Err(why) = loaded {
        println!("skipped: pg_stat_statements is not there: {why}");
        return None;
    }
    let policy = json!({"v": 1, "rate": [{"name": "calls", "by": "key", "limit": 1_000_000, "per": "1s"}]});
    let api = Api::on(Installation::bare_on_postgres(&cluster.url), &policy);
    api.installation.meddle("SET search_path TO public; SELECT pg_stat_statements_reset()");
    Some((cluster, api))
}

/// Statements since they were last reset, and how often each was made; those that touch keys apart from all.
fn statements(api: &Api) -> (BTreeMap<String, u64>, u64) {
    let rows = api.installation.texts(
        "SELECT calls::text || ' ' || query AS text FROM public.pg_stat_statements \
         WHERE query NOT ILIKE '%pg_stat_statements%'",
    );
    let parsed = rows.iter().filter_map(|row| row.split_once(' ')).map(|(n, query)| (query, n.parse::<u64>().unwrap()));
    let (mut of_keys, mut all) = (BTreeMap::new(), 0);
    for (query, n) in parsed {
        all += n;
        if query.contains("api_keys") && !is_housekeeping(query) {
            *of_keys.entry(query.to_owned()).or_default() += n;
        }
    }
    (of_keys, all)
}

/// What is done every few seconds, or once in a while, whatever is asked: the uses of keys are written down, and it is
/// looked for keys that end soon. On a slow machine that falls into the middle.
fn is_housekeeping(query: &str) -> bool {
    query.starts_with("INSERT INTO key_uses") || query.contains("\"api_keys\".\"expires_at\" < $1")
}

fn reset(api: &Api) {
    api.installation.meddle("SELECT public.pg_stat_statements_reset()");
}

#[test]
fn a_key_in_memory_is_verified_without_a_query_and_one_that_is_not_with_one() {
    const KEYS: usize = 40;
    const HITS: usize = 4000;
    let Some((_cluster, api)) = counted() else { return };
    let (one, other) = (api.installation.serve(), api.installation.serve_elsewhere());
    let (mut here, mut there) = (one.client(), other.client());
    let manager = api.manager(&one);
    let keys: Vec<String> = (0..KEYS).map(|_| api.key(&mut here, &manager).1).collect();
    reset(&api);
    for key in &keys {
        // The first time on the other node, which has never heard of it.
        assert_eq!(api.ask(&mut there, key).unwrap().member("code"), "ok");
    }
    let (of_keys, _) = statements(&api);
    println!("{KEYS} misses: {of_keys:#?}");
    assert_eq!(of_keys.values().copied().collect::<Vec<_>>(), [KEYS as u64], "one statement for each miss");
    reset(&api);
    let began = Instant::now();
    for n in 0..HITS / 100 {
        assert!(api.ask_many(&mut there, &keys[n % KEYS], 100).unwrap().iter().all(|code| code == "ok"));
    }
    let took = began.elapsed();
    let (of_keys, all) = statements(&api);
    println!("{HITS} hits in {took:?}: {} statements about keys, {all} of any kind by both nodes", of_keys.len());
    assert!(of_keys.is_empty(), "{of_keys:#?}");
    // Both nodes read the change feed, write journal and counts, and say that they run.
    assert!(all < 60 * (took.as_secs() + 3), "{all} in {took:?}");
}

#[test]
fn r128_thousands_of_bad_keys_a_second_leave_the_database_quiet_and_good_callers_served() {
    const SECONDS: u64 = 6;
    let Some((_cluster, api)) = counted() else { return };
    let node = api.installation.serve();
    let manager = api.manager(&node);
    let (_, key) = api.key(&mut node.client(), &manager);
    assert_eq!(api.ask(&mut node.client(), &key).unwrap().member("code"), "ok");
    // A machine that is busy with something else is given another try.
    let p99 = at_best(Duration::from_secs(1), || storm((&api, &node), &key, SECONDS));
    assert!(p99 < Duration::from_secs(1), "{p99:?}");
}

/// Two attackers try keys for so long while somebody good calls; how long of a hundred of their calls the slowest but
/// one took.
fn storm((api, node): (&Api, &Node), key: &str, seconds: u64) -> Duration {
    reset(api);
    let (over, bad, began) = (AtomicBool::new(false), AtomicU64::new(0), Instant::now());
    let waits = thread::scope(|scope| {
        for attacker in 0..2 {
            let (over, bad) = (&over, &bad);
            scope.spawn(move || {
                let mut client = node.client();
                let due = Duration::from_millis(20);
                while !over.load(Ordering::Relaxed) {
                    let turn = Instant::now();
                    // Half of them of the right form to the last character of the checksum, by one attacker without an
                    // address and one with a thousand.
                    let items: Vec<_> = (0..100).map(|n| question(n, attacker)).collect();
                    let body = json!({"items": items}).to_string();
                    let reply = api.post(&mut client, "/v1/keys/verify/batch", &body).unwrap();
                    let codes = codes(&reply);
                    assert!(codes.iter().all(|code| code == "invalid_key" || code == "rate_limited"), "{codes:?}");
                    bad.fetch_add(codes.len() as u64, Ordering::Relaxed);
                    thread::sleep(due.saturating_sub(turn.elapsed()));
                }
            });
        }
        let (mut client, mut waits) = (node.client(), Vec::new());
        while began.elapsed() < Duration::from_secs(seconds) {
            let asked = Instant::now();
            let reply = api.ask(&mut client, key).unwrap();
            assert_eq!(reply.member("code"), "ok", "{}", reply.body);
            waits.push(asked.elapsed());
            thread::sleep(Duration::from_millis(5));
        }
        over.store(true, Ordering::Relaxed);
        waits
    });
    let (took, bad) = (began.elapsed(), bad.into_inner());
    told(api, waits, bad, took)
}

fn question(n: usize, attacker: usize) -> serde_json::Value {
    let good_form = || KeyText::mint("kw", "live", RANDOM, &OsEntropy).unwrap().text().expose().clone();
    let key = if n.is_multiple_of(2) { good_form() } else { format!("kw_live_{n}nonsense") };
    match attacker {
        0 => json!({"key": key}),
        _ => json!({"key": key, "request": {"ip": format!("198.51.100.{}", n % 250)}}),
    }
}

fn told(api: &Api, mut waits: Vec<Duration>, bad: u64, took: Duration) -> Duration {
    waits.sort();
    let (of_keys, all) = statements(api);
    let asked: u64 = of_keys.values().sum();
    let per_second = |n: u64| n as f64 / took.as_secs_f64();
    println!(
        "{:.0} bad keys a second: {:.0} look-ups and {:.0} statements of any kind a second; {} good calls: median {:?}, p99 {:?}",
        per_second(bad),
        per_second(asked),
        per_second(all),
        waits.len(),
        waits[waits.len() / 2],
        waits[waits.len() * 99 / 100]
    );
    assert!(bad > 1000, "the storm was no storm: {bad}");
    // What is let through for those who do not say whom they ask for is 500 a second and 2000 at once, for each address
    // two a second and 60 at once: the rest of the storm asks the database nothing.
    assert!(per_second(asked) < 1200.0 + 20_000.0 / took.as_secs_f64(), "{asked} look-ups in {took:?}");
    waits[waits.len() * 99 / 100]
}
