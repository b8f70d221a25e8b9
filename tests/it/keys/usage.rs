//! What resource servers report of calls, and what follows from it: what there is to see of a key,
//! quotas of bytes, limits that give less while an API has no room.

use super::{Keys, asked_by, call, exchange::exchange, token};
use crate::world::{Database, MAIL, Server, each};
use keywright::{
    base::moment::Span,
    flow::api_keys::{capacity, upkeep},
};
use serde_json::{Value, json};

/// Reports these items as the API's own server; the answer.
fn report(server: &Server, keys: &Keys, items: Value) -> Value {
    let reply = asked_by(server, &keys.docs, "/v1/usage", &json!({ "items": items }));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn used(server: &Server, id: &Value, query: &str) -> Value {
    let target = format!("/v1/keys/{}/usage{query}", id.as_str().unwrap());
    let reply = call(server, "GET", &target, &token(server, "keys:any keys:read"), None);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// A server, an API without a limit that is met, and a key.
fn scene(db: &Database, policy: Value) -> (Server, Keys, Value) {
    let server = Server::on(db);
    let mut all = json!({"v": 1, "rate": [{"name": "burst", "by": "key", "limit": 100_000, "per": "1s"}]});
    all.as_object_mut().unwrap().extend(policy.as_object().unwrap().clone());
    let keys = Keys::with(&server, all, json!({}));
    let app = server.machine();
    let made = keys.key(&server, &app, json!({}));
    (server, keys, made)
}

fn text(made: &Value) -> &str {
    made["key"].as_str().unwrap()
}

#[test]
fn r101_calls_of_a_key_are_there_by_the_minute_the_hour_and_the_day() {
    each(|db| {
        let (server, keys, made) = scene(db, json!({}));
        for (advance, calls) in [(Span::ZERO, 3), (Span::minutes(1), 2), (Span::hours(1), 4)] {
            server.advance(advance);
            for _ in 0..calls {
                assert_eq!(keys.ask(&server, text(&made), json!({}))["code"], "ok");
            }
        }
        server.run(upkeep::end(&server.world));
        let calls = |step: &str| -> Vec<u64> {
            let told = used(&server, &made["id"], &format!("?step={step}"));
            assert_eq!((&told["total"]["calls"], &told["total"]["outcomes"]), (&json!(9), &json!({"ok": 9})));
            told["steps"].as_array().unwrap().iter().map(|one| one["calls"].as_u64().unwrap()).collect()
        };
        assert_eq!((calls("1m"), calls("1h"), calls("1d")), (vec![3, 2, 4], vec![5, 4], vec![9]));
    });
}

#[test]
fn r102_the_share_of_errors_is_of_what_was_reported_and_each_report_counts_once() {
    each(|db| {
        let (server, keys, made) = scene(db, json!({}));
        let item = |n: usize, status: u16| json!({"id": format!("r{n}"), "key_id": made["id"], "status": status});
        let statuses = [200, 200, 200, 204, 404, 200, 503, 200];
        let items: Vec<Value> = statuses.iter().enumerate().map(|(n, status)| item(n, *status)).collect();
        let first = report(&server, &keys, json!(items));
        assert_eq!(first, json!({"counted": 8, "repeated": 0, "refused": []}));
        // Sent again, as after an answer that was lost, with one that is new; and one twice in one message.
        let again = [items.clone(), vec![item(8, 200), item(8, 200)]].concat();
        assert_eq!(report(&server, &keys, json!(again)), json!({"counted": 1, "repeated": 9, "refused": []}));
        let total = &used(&server, &made["id"], "")["total"];
        assert_eq!((&total["reported"], &total["calls"]), (&json!(9), &json!(0)), "reports are no calls");
        assert_eq!(
            (&total["errors_4xx"], &total["errors_5xx"], &total["error_rate"]),
            (&json!(1), &json!(1), &json!(0.222))
        );
    });
}

#[test]
fn r103_how_long_calls_took_is_there_on_average_and_at_three_quantiles() {
    each(|db| {
        let (server, keys, made) = scene(db, json!({}));
        let item = |n: u32| json!({"id": n.to_string(), "key_id": made["id"], "status": 200, "duration_ms": f64::from(n) + 0.5});
        report(&server, &keys, (0..1000).map(item).collect());
        let latency = used(&server, &made["id"], "")["total"]["latency"].clone();
        assert_eq!(latency["avg_ms"], 499);
        for (name, truth) in [("p50_ms", 500.0), ("p95_ms", 950.0), ("p99_ms", 990.0)] {
            let told = latency[name].as_f64().unwrap();
            assert!((told - truth).abs() <= truth / 5.0, "{name}: {told} for {truth}");
        }
    });
}

#[test]
fn r108_bytes_in_and_out_are_summed() {
    each(|db| {
        let (server, keys, made) = scene(db, json!({}));
        let item = |n: u32| json!({"id": n.to_string(), "key_id": made["id"], "status": 200, "bytes_in": 10, "bytes_out": 1_000_000_000});
        report(&server, &keys, (0..30).map(item).collect());
        let total = &used(&server, &made["id"], "")["total"];
        assert_eq!((&total["bytes_in"], &total["bytes_out"]), (&json!(300), &json!(30_000_000_000_u64)));
    });
}

#[test]
fn only_the_server_of_an_api_reports_on_its_keys_and_only_what_was_of_late() {
    each(|db| {
        let (server, keys, made) = scene(db, json!({}));
        let item = |id: &str, at: &str| json!({"id": id, "key_id": made["id"], "status": 200, "at": at});
        // The clock stands at the beginning of 2026.
        let told = report(
            &server,
            &keys,
            json!([
                item("late", "2025-12-30T00:00:01Z"),
                item("too_late", "2025-12-29T23:59:59Z"),
                item("future", "2026-01-01T00:02:00Z"),
                {"id": "no", "key_id": "key_unknown", "status": 200},
            ]),
        );
        let reasons: Vec<_> = told["refused"].as_array().unwrap().iter().map(|one| one["reason"].clone()).collect();
        assert_eq!(
            (&told["counted"], reasons.as_slice()),
            (&json!(1), &[json!("too_old"), json!("in_future"), json!("unknown_key")][..])
        );
        let items = json!({"items": [item("mine", "2026-01-01T00:00:00Z")]});
        let mail = asked_by(&server, &server.resource_server(MAIL), "/v1/usage", &items).json();
        assert_eq!((&mail["counted"], &mail["refused"][0]["reason"]), (&json!(0), &json!("unknown_key")));
        let plain = asked_by(&server, &server.machine(), "/v1/usage", &items);
        assert_eq!(plain.status / 100, 4, "serves no API");
        let app = server.machine();
        let verifier = keys.key(&server, &app, json!({"kind": "verifier", "scope": ""}));
        let told = call(&server, "POST", "/v1/usage", text(&verifier), Some(&items));
        assert_eq!(told.json()["counted"], 1, "a key that asks reports too");
        assert_eq!(call(&server, "POST", "/v1/usage", text(&made), Some(&items)).status, 401);
    });
}

#[test]
fn reports_that_make_no_sense_are_refused_all_together() {
    each(|db| {
        let (server, keys, made) = scene(db, json!({}));
        let good = json!({"id": "good", "key_id": made["id"], "status": 200});
        let many = |n: usize| json!({"items": (0..n).map(|n| json!({"id": n.to_string(), "key_id": made["id"], "status": 200})).collect::<Vec<_>>()});
        for (body, status) in [
            (json!({"items": [good, {"id": "bad", "key_id": made["id"], "status": 1000}]}), 400),
            (json!({"items": [good], "more": 1}), 400),
            (json!({"items": [{"id": "x", "key_id": made["id"], "status": 200, "route": "/"}]}), 400),
            (many(1001), 400),
            (many(1000), 200),
            (json!({"items": []}), 200),
        ] {
            let reply = asked_by(&server, &keys.docs, "/v1/usage", &body);
            assert_eq!(reply.status, status, "{}", reply.text());
        }
        assert_eq!(used(&server, &made["id"], "")["total"]["reported"], 1000);
    });
}

#[test]
fn r070_a_quota_of_bytes_is_charged_by_reports_and_refuses_on_every_node() {
    each(|db| {
        let quota = json!({"quota": [{"name": "egress", "limit": 1000, "per": "month", "unit": "content-bytes"}]});
        let (server, keys, made) = scene(db, quota);
        let other = Server::on(db);
        let left = |server: &Server| keys.ask(server, text(&made), json!({}))["quota"][0].clone();
        assert_eq!((&left(&server)["remaining"], &left(&other)["unit"]), (&json!(1000), &json!("content-bytes")));
        let item = |id: &str, bytes: u64, at: &str| json!([{"id": id, "key_id": made["id"], "status": 200, "bytes_out": bytes, "at": at}]);
        report(&server, &keys, item("a", 600, "2026-01-01T00:00:00Z"));
        report(&server, &keys, item("a", 600, "2026-01-01T00:00:00Z"));
        assert_eq!(left(&server)["remaining"], 400, "charged once");
        // A call of last month belongs there.
        report(&server, &keys, item("b", 900, "2025-12-31T23:59:59Z"));
        assert_eq!(keys.ask(&server, text(&made), json!({}))["code"], "ok");
        // What was under way goes beyond it; what comes after is refused: here at once, there in a few seconds.
        report(&server, &keys, item("c", 5000, "2026-01-01T00:00:00Z"));
        let told = keys.ask(&server, text(&made), json!({}));
        assert_eq!((&told["code"], &told["violated"]), (&json!("quota_exceeded"), &json!(["egress"])));
        assert_eq!(keys.ask(&server, text(&made), json!({"dry_run": true}))["code"], "quota_exceeded");
        other.advance(Span::seconds(5));
        assert_eq!(keys.ask(&other, text(&made), json!({}))["code"], "quota_exceeded");
        assert_eq!(server.events_of("quota.warned").len(), 3, "at 80 and at 100 %, and of last month at 80");
        let shown = call(&server, "GET", &format!("/v1/keys/{}", made["id"].as_str().unwrap()), &keys.manager, None);
        assert_eq!(shown.json()["quota"][0]["remaining"], 0);
        // A new month is a new quota.
        server.advance(Span::days(31));
        assert_eq!(left(&server)["remaining"], 1000);
    });
}

/// Reports so many calls, so many of which failed.
fn bear(server: &Server, keys: &Keys, made: &Value, (round, all, failed): (usize, usize, usize)) {
    let item = |n: usize| {
        let status = if n < failed { 503 } else { 200 };
        json!({"id": format!("{round}.{n}"), "key_id": made["id"], "status": status})
    };
    report(server, keys, (0..all).map(item).collect());
    server.run(capacity::measure(&server.world)).unwrap();
}

/// How many calls at once pass, and how the first that does not is told.
fn burst(server: &Server, keys: &Keys, key: &str) -> (usize, Value) {
    for n in 0..1000 {
        let told = keys.ask(server, key, json!({}));
        if told["code"] != "ok" {
            return (n, told);
        }
    }
    (1000, Value::Null)
}

#[test]
fn r124_the_limits_of_an_api_without_room_fall_to_a_tenth_and_come_back_slowly() {
    each(|db| {
        // A unit a second, ten at once.
        let rate = json!({"rate": [{"name": "calls", "by": "key", "limit": 60, "per": "60s", "burst": 10}]});
        let (server, keys, made) = scene(db, rate);
        let plan = json!({"name": "gold", "policy": {"v": 1, "guaranteed": true}});
        assert_eq!(call(&server, "POST", "/v1/plans", &keys.manager, Some(&plan)).status, 201);
        let app = server.machine();
        let gold = keys.key(&server, &app, json!({"plan": "gold"}));
        // Half of the calls fail: nothing is taken away.
        bear(&server, &keys, &made, (0, 1000, 500));
        let (passed, told) = burst(&server, &keys, text(&made));
        assert_eq!((passed, &told["code"], &told["retry_after_s"]), (10, &json!("rate_limited"), &json!(1)));
        // 95 of 100 fail.
        server.advance(Span::minutes(3));
        bear(&server, &keys, &made, (1, 1000, 950));
        let (passed, told) = burst(&server, &keys, text(&made));
        assert_eq!((passed, &told["code"], &told["violated"]), (10, &json!("reduced_capacity"), &json!(["calls"])));
        let wait = told["retry_after_s"].as_i64().unwrap();
        assert!((10..=16).contains(&wait), "a unit in ten seconds, and callers are spread: {wait}");
        server.advance(Span::seconds(9));
        assert_eq!(keys.ask(&server, text(&made), json!({}))["code"], "reduced_capacity", "not yet");
        server.advance(Span::seconds(1));
        assert_eq!(keys.ask(&server, text(&made), json!({}))["code"], "ok");
        assert_eq!(keys.ask(&server, text(&made), json!({}))["code"], "reduced_capacity");
        // A plan that is guaranteed has all.
        let (passed, told) = burst(&server, &keys, text(&gold));
        assert_eq!((passed, &told["code"]), (10, &json!("rate_limited")));
        assert!(server.world.metrics.render().contains("keywright_apis_throttled 1"));
        // Nothing fails any more: a twentieth comes back each second, all of it in eighteen.
        server.advance(Span::minutes(3));
        server.run(capacity::measure(&server.world)).unwrap();
        let (_, told) = burst(&server, &keys, text(&made));
        assert_eq!(told["code"], "reduced_capacity");
        server.advance(Span::seconds(18));
        server.run(capacity::measure(&server.world)).unwrap();
        let (_, told) = burst(&server, &keys, text(&made));
        assert_eq!(told["code"], "rate_limited");
        assert!(server.world.metrics.render().contains("keywright_apis_throttled 0"));
    });
}

#[test]
fn an_exchange_that_an_api_has_no_room_for_is_for_later_and_no_word_against_the_key() {
    each(|db| {
        let rate = json!({"rate": [{"name": "calls", "by": "key", "limit": 60, "per": "60s", "burst": 10}]});
        let (server, keys, made) = scene(db, rate);
        bear(&server, &keys, &made, (0, 1000, 950));
        assert_eq!(burst(&server, &keys, text(&made)).1["code"], "reduced_capacity");
        let refused = exchange(&server, text(&made), &[]);
        assert_eq!(refused.refusal(), (429, "temporarily_unavailable".to_owned()), "{}", refused.text());
        let wait: i64 = refused.field("retry-after").unwrap().parse().unwrap();
        assert!((10..=16).contains(&wait), "as callers are told: {wait}");
    });
}

#[test]
fn an_api_that_does_not_want_it_keeps_its_limits_whatever_is_reported() {
    each(|db| {
        let server = Server::on(db);
        let rate = json!({"v": 1, "rate": [{"name": "calls", "by": "key", "limit": 60, "per": "60s", "burst": 10}]});
        let keys = Keys::with(&server, rate, json!({"adaptive": false}));
        let app = server.machine();
        let made = keys.key(&server, &app, json!({}));
        bear(&server, &keys, &made, (0, 1000, 1000));
        let (passed, told) = burst(&server, &keys, text(&made));
        assert_eq!((passed, &told["code"], &told["retry_after_s"]), (10, &json!("rate_limited"), &json!(1)));
    });
}

#[test]
fn a_clock_that_steps_back_neither_opens_limits_and_quotas_nor_shuts_them_for_long() {
    each(|db| {
        let policy = json!({
            "rate": [{"name": "minute", "by": "key", "limit": 2, "per": "60s"}],
            "quota": [{"name": "day", "limit": 5, "per": "day"}],
        });
        let (server, keys, made) = scene(db, policy);
        server.advance(Span::hours(10));
        let code = || keys.ask(&server, text(&made), json!({}))["code"].clone();
        assert_eq!([code(), code(), code()], ["ok", "ok", "rate_limited"]);
        server.clock.advance(Span::hours(-1));
        assert_eq!(code(), "rate_limited", "what was used stays used");
        // The bucket is full again a minute later, not an hour.
        server.advance(Span::minutes(1));
        assert_eq!([code(), code(), code()], ["ok", "ok", "rate_limited"]);
        server.advance(Span::minutes(1));
        assert_eq!([code(), code()], ["ok", "quota_exceeded"], "five in the day, by whatever clock");
    });
}

#[test]
fn reports_are_remembered_for_as_long_as_they_may_come_and_no_longer() {
    each(|db| {
        let (server, keys, made) = scene(db, json!({}));
        report(&server, &keys, json!([{"id": "a", "key_id": made["id"], "status": 200}]));
        let remembered = || {
            let rows = db.backdoor().texts("SELECT CAST(count(*) AS text) AS text FROM usage_reports");
            server.sweep_now();
            rows[0].clone()
        };
        server.advance(Span::hours(48));
        assert_eq!((remembered(), remembered()), ("1".to_owned(), "1".to_owned()));
        server.advance(Span::minutes(3));
        assert_eq!((remembered(), remembered()), ("1".to_owned(), "0".to_owned()));
    });
}
