//! A rotation is watched: whether the new key is used, and who would be cut off if the old one ended.

use super::{Keys, call, token};
use crate::{
    commands,
    world::{Server, each},
};
use keywright::{
    base::moment::Span,
    flow::api_keys::{tally::Tally, usage},
};
use serde_json::{Value, json};

fn used(server: &Server, keys: &Keys, made: &Value, (ip, ua): (&str, &str)) {
    let call = json!({"request": {"ip": ip, "user_agent": ua}});
    assert_eq!(keys.ask(server, made["key"].as_str().unwrap(), call)["code"], "ok");
}

fn rotated(server: &Server, keys: &Keys, old: &Value) -> Value {
    let target = format!("/v1/keys/{}/rotate", old["id"].as_str().unwrap());
    let reply = call(server, "POST", &target, &keys.manager, Some(&json!({"overlap": "24h"})));
    assert_eq!(reply.status, 201, "{}", reply.text());
    server.follow_now();
    reply.json()["new"].clone()
}

#[test]
fn r085_a_rotation_tells_of_the_first_use_of_the_new_key_and_of_the_last_of_the_old_one() {
    each(|database| {
        let (server, elsewhere) = (Server::on(database), Server::on(database));
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let old = keys.key(&server, &app, json!({}));
        let shown = |made: &Value, by: &str| {
            let target = format!("/v1/keys/{}/rotation", made["id"].as_str().unwrap());
            call(&server, "GET", &target, by, None)
        };
        assert_eq!(shown(&old, &keys.manager).status, 409, "it was not rotated");
        let start = server.now();
        used(&server, &keys, &old, ("203.0.113.9", "partner-sync/1"));
        let new = rotated(&server, &keys, &old);
        let told = shown(&old, &keys.manager).json();
        assert_eq!(told["overlapping"], true);
        assert_eq!((&told["old"]["id"], &told["new"]["id"]), (&old["id"], &new["id"]));
        assert_eq!(told["new"]["first_used_at"], Value::Null, "nobody has changed to it yet");
        assert_eq!(told["old"]["last_used_at"], json!(start.to_string()));
        assert_eq!(told["places"], json!([]), "what was before the rotation does not count");

        server.advance(Span::minutes(1));
        for _ in 0..3 {
            used(&server, &keys, &old, ("203.0.113.9", "partner-sync/1"));
        }
        used(&server, &keys, &new, ("203.0.113.9", "partner-sync/2"));
        let changed = server.now();
        // Somebody who was forgotten, at another node.
        server.advance(Span::hours(2));
        elsewhere.follow_now();
        used(&elsewhere, &keys, &old, ("2001:db8::7", "cron"));
        used(&server, &keys, &new, ("203.0.113.9", "partner-sync/2"));
        elsewhere.run(usage::flush(&elsewhere.world)).unwrap();
        let manager = || token(&server, "keys:any keys:read");
        let reply = shown(&old, &manager());
        assert_eq!((reply.status, reply.field("cache-control")), (200, Some("no-store")));
        let told = reply.json();
        assert_eq!(shown(&new, &manager()).json(), told, "the same by either of its keys");
        let now = server.now().to_string();
        assert_eq!(told["new"]["first_used_at"], json!(changed.to_string()));
        assert_eq!(told["new"]["last_used_at"], json!(now));
        assert_eq!(
            (&told["old"]["last_used_at"], &told["old"]["last_used_ip"], &told["old"]["last_used_ua"]),
            (&json!(now), &json!("2001:db8::7"), &json!("cron"))
        );
        assert_eq!(
            told["places"],
            json!([
                {"ip": "203.0.113.9", "ua": "partner-sync/1", "calls": 3, "last_used_at": changed.to_string()},
                {"ip": "2001:db8::7", "ua": "cron", "calls": 1, "last_used_at": now},
            ])
        );
        assert!(!told.to_string().contains(old["key"].as_str().unwrap()));
        assert_eq!(shown(&old, &token(&server, "keys:read")).status, 404, "nobody else's");
        server.advance(Span::hours(25));
        let told = shown(&old, &manager()).json();
        assert_eq!((&told["overlapping"], &told["places"]), (&json!(false), &json!([])), "that was long ago");
    });
}

#[test]
fn a_key_used_from_everywhere_shows_some_places_and_counts_the_rest() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let old = keys.key(&server, &app, json!({}));
        rotated(&server, &keys, &old);
        for n in 0..50 {
            used(&server, &keys, &old, (&format!("203.0.113.{n}"), "bot"));
        }
        let target = format!("/v1/keys/{}/rotation", old["id"].as_str().unwrap());
        let told = call(&server, "GET", &target, &keys.manager, None).json();
        assert_eq!((told["places"].as_array().unwrap().len(), &told["elsewhere"]), (32, &json!(18)));
        let waiting: &Tally = &server.world.api_keys.tally;
        assert!(waiting.take().places.is_empty(), "all of it is written");
    });
}

#[test]
fn the_successor_of_a_key_that_is_not_good_yet_is_good_no_sooner_and_lives_as_long() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let begins = server.now() + Span::minutes(2);
        let old = keys.key(&server, &app, json!({"not_before": begins.to_string()}));
        let code = |made: &Value| keys.ask(&server, made["key"].as_str().unwrap(), json!({}))["code"].clone();
        assert_eq!(code(&old), "key_not_yet_valid");
        let new = rotated(&server, &keys, &old);
        assert_eq!((&new["not_before"], &new["expires_at"]), (&old["not_before"], &old["expires_at"]));
        assert_eq!(code(&new), "key_not_yet_valid", "a rotation makes nothing good that was not");
        server.advance(Span::minutes(3));
        server.follow_now();
        assert_eq!(code(&new), "ok");
        let next = rotated(&server, &keys, &new);
        assert_eq!((&next["not_before"], code(&next)), (&Value::Null, json!("ok")), "its beginning is past");
        let ends = server.now() + Span::days(365);
        assert_eq!(next["expires_at"], json!(ends.to_string()), "as long as it was good, not since it was made");
    });
}

#[test]
fn a_key_and_its_successor_share_what_the_limits_of_their_own_policy_let_through() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = |by: &str| {
            let rate = json!([{"name": "few", "by": by, "limit": 3, "per": "1h"}]);
            keys.key(&server, &app, json!({"policy": {"v": 1, "rate": rate}}))
        };
        let codes = |made: &Value, n: usize| -> Vec<Value> {
            (0..n).map(|_| keys.ask(&server, made["key"].as_str().unwrap(), json!({}))["code"].clone()).collect()
        };
        for by in ["family", "user", "client", "api"] {
            let old = made(by);
            assert_eq!(codes(&old, 2), ["ok", "ok"], "{by}");
            let new = rotated(&server, &keys, &old);
            assert_eq!(codes(&new, 2), ["ok", "rate_limited"], "{by}: a rotation refills nothing");
            assert_eq!(codes(&old, 1), ["rate_limited"], "{by}");
        }
        let old = made("key");
        assert_eq!(codes(&old, 4), ["ok", "ok", "ok", "rate_limited"]);
        assert_eq!(codes(&rotated(&server, &keys, &old), 1), ["ok"], "what is counted for each key stays so");
    });
}

#[test]
fn r085_the_command_line_shows_a_rotation() {
    commands::each(|it| {
        it.json(&["api", "add", "--name", "docs", "--audience", "https://docs.example", "--scope", "docs.read"], "");
        let client = it.json(&["client", "add", "--name", "partner", "--grant", "client_credentials"], "");
        let owner = format!("client:{}", client["client_id"].as_str().unwrap());
        let make = ["api-key", "create", "--api", "docs", "--owner", &owner, "--name", "job"];
        let old = it.json(&[&make[..], &["--anywhere"]].concat(), "");
        let asks = it.json(&[&make[..], &["--kind", "verifier"]].concat(), "");
        let id = old["id"].as_str().unwrap();
        assert_eq!(it.failure(&["api-key", "rotation", id], "").0, 1, "it was not rotated");
        let new = it.json(&["api-key", "rotate", id], "");
        let serving = it.serve();
        for (made, ua) in [(&old, "old-program"), (&new, "new-program")] {
            let call = json!({"key": made["key"], "request": {"ip": "203.0.113.9", "user_agent": ua}});
            let ask = ureq::post(it.at("/v1/keys/verify")).header("X-API-Key", asks["key"].as_str().unwrap());
            let told = ask.header("Content-Type", "application/json").send(call.to_string()).unwrap();
            assert!(told.into_body().read_to_string().unwrap().contains("\"ok\""));
        }
        // What was counted is written before the end.
        serving.end();
        let told = it.json(&["api-key", "rotation", id], "");
        assert!(told["new"]["first_used_at"].is_string() && told["old"]["last_used_at"].is_string(), "{told}");
        assert_eq!(
            (&told["old"]["last_used_ip"], &told["old"]["last_used_ua"]),
            (&json!("203.0.113.9"), &json!("old-program"))
        );
        assert_eq!((&told["places"][0]["calls"], told["places"].as_array().unwrap().len()), (&json!(1), 1));
        let words = String::from_utf8(it.run(&["api-key", "rotation", id], "").stdout).unwrap();
        assert!(words.contains("1 calls") && words.contains("old-program"), "{words}");
    });
}
