//! How long a key that was revoked on one node is still good on another, and one whose application was disabled.

use super::{
    api_keys::{Api, managed},
    busy::{LONG, at_best},
    kills::seed,
    load::Dice,
    node::{Installation, postgres},
};
use serde_json::{Value, json};
use std::{
    thread,
    time::{Duration, Instant},
};

/// However it is told.
const MOST: Duration = Duration::from_millis(1500);

fn revocations() -> usize {
    std::env::var("TEST_REVOCATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(20)
}

/// A policy whose limit of rate no test meets.
fn quick() -> Value {
    json!({"v": 1, "rate": [{"name": "calls", "by": "key", "limit": 1_000_000, "per": "1s"}]})
}

fn spread(api: &Api, how: &str) {
    let (one, other) = (api.installation.serve(), api.installation.serve_elsewhere());
    let (mut here, mut there) = (one.client(), other.client());
    let (n, mut dice) = (revocations(), Dice(seed()));
    let mut manager = api.manager(&one);
    let mut revoked = |at: usize| {
        if at.is_multiple_of(50) {
            manager = api.manager(&one);
        }
        let (id, key) = api.key(&mut here, &manager);
        let mut code = || api.ask(&mut there, &key).unwrap().member("code");
        // It is in the other node's memory, and good.
        assert_eq!((code().as_str(), code().as_str()), ("ok", "ok"));
        let began = Instant::now();
        let revoked = managed(&mut here, &format!("/v1/keys/{id}/revoke"), &manager, &json!({}));
        assert_eq!(revoked.status, 200, "{}", revoked.body);
        while code() == "ok" {
            assert!(began.elapsed() < LONG, "never refused");
            thread::sleep(Duration::from_millis(2));
        }
        let wait = began.elapsed();
        assert_eq!(code(), "key_revoked");
        // Not in step with whatever the other node does by the clock.
        thread::sleep(Duration::from_millis(dice.below(200)));
        wait
    };
    let most = at_best(MOST, || {
        let mut waits: Vec<Duration> = (0..n).map(&mut revoked).collect();
        waits.sort();
        let at = |percent: usize| waits[(waits.len() * percent / 100).min(waits.len() - 1)];
        println!("{how}, {n} keys: median {:?}, p90 {:?}, p99 {:?}, most {:?}", at(50), at(90), at(99), at(100));
        at(100)
    });
    assert!(most <= MOST, "{most:?}");
}

#[test]
fn r086_a_key_revoked_on_one_node_is_refused_by_the_other_with_notify() {
    let Some(server) = postgres() else { return };
    spread(&Api::on(Installation::bare_on_postgres(&server), &quick()), "with NOTIFY");
}

#[test]
fn r086_a_key_revoked_on_one_node_is_refused_by_the_other_when_notify_is_lost() {
    let Some(server) = postgres() else { return };
    let api = Api::on(Installation::bare_on_postgres(&server), &quick());
    api.installation.meddle("DROP TRIGGER tell_of_changes ON change_feed");
    spread(&api, "without NOTIFY");
}

/// How long the keys that a disabled application uses are still good, on both nodes; they are a
/// person's, who is not disabled.
fn disabled(api: &Api, how: &str) {
    let (one, other) = (api.installation.serve(), api.installation.serve_elsewhere());
    api.installation.cli(&["user", "add", "nora", "--without-password"], "");
    let app = api.installation.register(&json!({"client_name": "Application", "grant_types": ["client_credentials"],
        "response_types": [], "token_endpoint_auth_method": "client_secret_basic"}));
    let of = ["--api", "docs", "--owner", "user:nora", "--client", &app.id, "--name", "job", "--anywhere"];
    let made = api.installation.cli(&[&["api-key", "create"], &of[..]].concat(), "");
    let key = made["key"].as_str().unwrap();
    let (mut here, mut there) = (one.client(), other.client());
    let mut codes = || [&mut here, &mut there].map(|client| api.ask(client, key).unwrap().member("code"));
    let most = at_best(MOST, || {
        let mut waits = Vec::new();
        for _ in 0..5 {
            for (step, code) in [("disable", "key_disabled"), ("enable", "ok")] {
                assert_ne!(codes(), [code; 2]);
                api.installation.cli(&["client", step, &app.id], "");
                let began = Instant::now();
                while codes() != [code; 2] {
                    assert!(began.elapsed() < LONG, "{step} was never heard of");
                    thread::sleep(Duration::from_millis(2));
                }
                waits.push(began.elapsed());
            }
        }
        let most = *waits.iter().max().unwrap();
        println!("{how}, an application disabled and enabled: most {most:?} of {}", waits.len());
        most
    });
    assert!(most <= MOST, "{most:?}");
}

#[test]
fn keys_of_an_application_that_is_disabled_are_refused_by_every_node_with_notify() {
    let Some(server) = postgres() else { return };
    disabled(&Api::on(Installation::bare_on_postgres(&server), &quick()), "with NOTIFY");
}

#[test]
fn keys_of_an_application_that_is_disabled_are_refused_by_every_node_when_notify_is_lost() {
    let Some(server) = postgres() else { return };
    let api = Api::on(Installation::bare_on_postgres(&server), &quick());
    api.installation.meddle("DROP TRIGGER tell_of_changes ON change_feed");
    disabled(&api, "without NOTIFY");
}
