//! One quota, spent by several servers that are killed again and again: never more is served than it allows, and no
//! kill loses more than one slice.

use super::{
    api_keys::Api,
    kills::seed,
    load::Dice,
    node::{Installation, postgres},
};
use serde_json::json;
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

fn kills() -> u64 {
    std::env::var("TEST_QUOTA_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(12)
}

/// What callers were told.
#[derive(Debug, Default)]
struct Told {
    /// Calls that passed.
    passed: AtomicU64,
    /// Calls of which no answer came, or that could not be said: they may have been spent.
    unsure: AtomicU64,
    /// Calls that were refused because the quota was used up.
    refused: AtomicU64,
}

impl Told {
    fn all(&self) -> [u64; 3] {
        [&self.passed, &self.unsure, &self.refused].map(|n| n.load(Ordering::SeqCst))
    }
}

/// Asks about the key until it is over: each call by itself, as gateways and resource servers do.
fn keep_asking(api: &Api, (address, key): (std::net::SocketAddr, &str), told: &Told, over: &AtomicBool) {
    let mut client = super::http::Client::new(address);
    while !over.load(Ordering::Relaxed) {
        match api.ask(&mut client, key) {
            Ok(reply) if reply.member("code") == "ok" => told.passed.fetch_add(1, Ordering::SeqCst),
            Ok(reply) if reply.member("code") == "quota_exceeded" => told.refused.fetch_add(1, Ordering::SeqCst),
            Ok(reply) => {
                assert!(reply.is_busy(), "{} {}", reply.status, reply.body);
                told.unsure.fetch_add(1, Ordering::SeqCst)
            }
            Err(_) => {
                thread::sleep(Duration::from_millis(10));
                told.unsure.fetch_add(1, Ordering::SeqCst)
            }
        };
    }
}

/// Spends what is left to the last, on all that live; how much that was.
fn spend_the_rest(api: &Api, nodes: &[super::node::Node], key: &str) -> u64 {
    let mut clients: Vec<_> = nodes.iter().map(super::node::Node::client).collect();
    let mut rest = 0;
    loop {
        let mut now = 0;
        for client in &mut clients {
            let codes = api.ask_many(client, key, 100).unwrap();
            assert_eq!(codes.len(), 100);
            assert!(codes.iter().all(|code| code == "ok" || code == "quota_exceeded"), "{codes:?}");
            now += codes.iter().filter(|code| *code == "ok").count() as u64;
        }
        rest += now;
        if now == 0 {
            return rest;
        }
    }
}

fn spent_by(api: &Api, processes: usize, limit: u64, database: &str) {
    let (kills, seed) = (kills(), seed());
    let mut dice = Dice(seed);
    let mut nodes: Vec<_> = (0..processes).map(|_| api.installation.serve_elsewhere()).collect();
    let (id, key) = api.key(&mut nodes[0].client(), &api.manager(&nodes[0]));
    let addresses: Vec<_> = nodes.iter().map(|node| node.address).collect();
    let (told, over) = (Told::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        for address in &addresses {
            let (told, over, key) = (&told, &over, &key);
            scope.spawn(move || {
                keep_asking(api, (*address, key), told, over);
            });
        }
        for _ in 0..kills {
            thread::sleep(Duration::from_millis(20 + dice.below(250)));
            let dies = dice.below(processes as u64) as usize;
            nodes[dies].kill();
            nodes[dies] = api.installation.serve_on(addresses[dies].port());
        }
        over.store(true, Ordering::Relaxed);
    });
    let [passed, unsure, refused] = told.all();
    println!(
        "{database}: {kills} kills of {processes}: {passed} passed, {unsure} without an answer, {refused} refused"
    );
    assert!(passed > kills, "the load was no load");
    // What is left is spent to the last, by all that live.
    let rest = spend_the_rest(api, &nodes, &key);
    let query = format!(
        "SELECT CAST(used AS text) AS text FROM quota_counters WHERE family_id = \
         (SELECT family_id FROM api_keys WHERE id = '{id}')"
    );
    let used: u64 = api.installation.texts(&query)[0].parse().unwrap();
    let served = passed + rest;
    // A kill loses the rest of a slice: a thousandth of the limit at most.
    let bound = kills * (limit / 1000).max(1) + unsure;
    println!(
        "{database}, seed {seed}: limit {limit}, counted {used}, served {served}: lost {} (at most {bound})",
        used.saturating_sub(served)
    );
    assert!(used <= limit, "more was counted than the limit");
    assert!(served <= used, "more was served than counted");
    assert!(used - served <= bound, "more was lost than slices");
    assert!(limit - used <= (limit / 1000).max(1), "the quota was not spent to its end");
}

fn quota(limit: u64) -> serde_json::Value {
    json!({"v": 1, "rate": [{"name": "calls", "by": "key", "limit": 1_000_000, "per": "1s"}],
           "quota": [{"name": "all", "limit": limit, "per": "once"}]})
}

#[test]
fn r070_four_processes_killed_again_and_again_never_serve_more_than_a_quota() {
    let Some(server) = postgres() else { return };
    let limit = 1200 * kills();
    let api = Api::on(Installation::bare_on_postgres(&server), &quota(limit));
    spent_by(&api, 4, limit, "Postgres");
}

#[test]
fn r070_a_process_on_sqlite_killed_again_and_again_never_serves_more_than_a_quota() {
    let limit = 600 * kills();
    let api = Api::on(Installation::bare_on_sqlite(), &quota(limit));
    spent_by(&api, 1, limit, "SQLite");
}
