//! What an API key is for, what it may do, and what it never may: R2 to R6, R17, R18, R20, R50, R62 and their like.

use crate::{
    keys::{Keys, asked_by, call, token},
    world::{App, Request, Server, each},
};
use keywright::{base::moment::Span, flow::api_keys::usage};
use serde_json::{Value, json};

/// How many of so many calls in one go pass, and the code of the last.
fn passed(server: &Server, keys: &Keys, key: &str, calls: usize) -> (usize, String) {
    let (mut good, mut last) = (0, String::new());
    let mut left = calls;
    while left > 0 {
        let some = left.min(100);
        let body = json!({"items": vec![json!({"key": key}); some]});
        let told = asked_by(server, &keys.docs, "/v1/keys/verify/batch", &body).json();
        let codes: Vec<&str> =
            told["items"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
        good += codes.iter().filter(|code| **code == "ok").count();
        last = (*codes.last().unwrap()).to_owned();
        left -= some;
    }
    (good, last)
}

fn text(made: &Value) -> &str {
    made["key"].as_str().unwrap()
}

fn plan(server: &Server, keys: &Keys, name: &str, policy: &Value) {
    let added = call(server, "POST", "/v1/plans", &keys.manager, Some(&json!({"name": name, "policy": policy})));
    assert_eq!(added.status, 201, "{}", added.text());
}

#[test]
fn r002_a_free_plan_of_a_thousand_a_day_lets_a_thousand_through_and_counts_what_it_refuses() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::with(&server, json!({}), json!({})), server.machine());
        let free = json!({"v": 1, "rate": [{"name": "pace", "by": "family", "limit": 10_000, "per": "1s"}],
            "quota": [{"name": "day", "limit": 1000, "per": "day"}]});
        plan(&server, &keys, "free", &free);
        let made = keys.key(&server, &app, json!({"plan": "free"}));
        assert_eq!(passed(&server, &keys, text(&made), 1001), (1000, "quota_exceeded".to_owned()));
        server.run(usage::flush(&server.world)).unwrap();
        let counted = database.backdoor().texts(
            "SELECT outcome || ' ' || CAST(SUM(calls) AS TEXT) AS text FROM usage_minutes GROUP BY outcome ORDER BY outcome",
        );
        assert_eq!(counted, ["ok 1000", "quota_exceeded 1"]);
    });
}

#[test]
fn r003_r054_a_key_that_may_read_does_not_write() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({"scope": "docs.read"}));
        let ask = |scope: &str| keys.ask(&server, text(&made), json!({"scopes": [scope]}))["code"].clone();
        assert_eq!((ask("docs.read"), ask("docs.write")), (json!("ok"), json!("insufficient_scope")));
    });
}

#[test]
fn r004_a_partners_key_has_a_plan_and_names_the_addresses_it_is_used_from() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        plan(&server, &keys, "partner", &json!({"v": 1, "quota": [{"name": "month", "limit": 2, "per": "month"}]}));
        let ip = json!({"v": 1, "ip": {"allow": ["203.0.113.0/24"]}});
        let made = keys.key(&server, &app, json!({"plan": "partner", "policy": ip, "anywhere": false}));
        assert_eq!(made["policy"]["ip"]["allow"], json!(["203.0.113.0/24"]));
        let ask = |ip: &str| keys.ask(&server, text(&made), json!({"request": {"ip": ip}}))["code"].clone();
        assert_eq!(ask("198.51.100.7"), "restricted", "which costs nothing");
        assert_eq!([ask("203.0.113.9"), ask("203.0.113.9")], [json!("ok"), json!("ok")]);
        assert_eq!(ask("203.0.113.9"), "quota_exceeded");
    });
}

#[test]
fn r005_a_public_key_cannot_write_and_names_its_pages() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({"public_keys": true})), server.machine());
        let pages = json!({"v": 1, "referrer": {"allow": ["https://app.example"]}});
        let try_with = |scope: &str, policy: &Value| {
            keys.try_key(&server, &app, json!({"kind": "public", "scope": scope, "policy": policy}))
        };
        let writing = try_with("docs.write", &pages);
        assert_eq!((writing.status, &writing.json()["member"]), (422, &json!("scope")));
        assert_eq!(try_with("docs.read", &json!({})).status, 422, "it would be good anywhere");
        let made = try_with("docs.read", &pages);
        assert_eq!(made.status, 201, "{}", made.text());
    });
}

#[test]
fn r006_a_server_key_names_its_addresses_or_says_that_everywhere_is_meant() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let refused = keys.try_key(&server, &app, json!({"anywhere": false}));
        assert_eq!((refused.status, &refused.json()["member"]), (422, &json!("policy")));
        let ip = json!({"v": 1, "ip": {"allow": ["203.0.113.9"]}});
        assert_eq!(keys.try_key(&server, &app, json!({"anywhere": false, "policy": ip})).status, 201);
        assert_eq!(keys.try_key(&server, &app, json!({"anywhere": true})).status, 201);
    });
}

#[test]
fn r017_a_call_that_costs_more_than_is_left_spends_nothing() {
    each(|database| {
        let server = Server::on(database);
        let budget = json!({"v": 1, "quota": [{"name": "budget", "limit": 15, "per": "once"}]});
        let (keys, app) = (Keys::with(&server, budget, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let ask = |cost: u32| keys.ask(&server, text(&made), json!({"cost": cost}))["code"].clone();
        assert_eq!(
            (ask(10), ask(10), ask(5), ask(1)),
            (json!("ok"), json!("quota_exceeded"), json!("ok"), json!("quota_exceeded"))
        );
    });
}

#[test]
fn r018_where_nobody_says_anything_of_rate_twenty_a_second_pass() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::with(&server, json!({}), json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let mut good = 0;
        for tenth in 0..100 {
            good += passed(&server, &keys, text(&made), 20).0;
            server.advance(Span::millis(100));
            if tenth % 20 == 0 {
                server.follow_now();
            }
        }
        assert!((236..=240).contains(&good), "40 at once and 20 a second for ten seconds: {good} of 2000");
    });
}

#[test]
fn r020_an_api_key_opens_no_page_and_manages_nothing() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let id = made["id"].as_str().unwrap();
        for (method, target) in [
            ("GET", "/userinfo".to_owned()),
            ("GET", "/account".to_owned()),
            ("GET", "/account/keys".to_owned()),
            ("POST", "/account/profile".to_owned()),
            ("POST", "/account/password".to_owned()),
            ("POST", "/v1/keys".to_owned()),
            ("GET", format!("/v1/keys/{id}")),
            ("POST", format!("/v1/keys/{id}/rotate")),
            ("POST", format!("/v1/keys/{id}/revoke")),
            ("PUT", "/v1/apis/docs".to_owned()),
            ("POST", "/v1/plans".to_owned()),
        ] {
            let plain = Request::new(method, &target);
            for request in [plain.clone().bearer(text(&made)), plain.field("x-api-key", text(&made))] {
                let reply = server.send(&request);
                assert_ne!(reply.status / 100, 2, "{method} {target}: {}", reply.text());
            }
        }
        assert_eq!(keys.ask(&server, text(&made), json!({}))["code"], "ok", "nothing was done to it");
    });
}

#[test]
fn r026_whoever_has_every_scope_but_that_for_all_finds_nothing_of_somebody_elses() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let stranger = token(&server, "keys:read keys:create keys:rotate keys:revoke apis:read");
        let shown = |id: &str| call(&server, "GET", &format!("/v1/keys/{id}"), &stranger, None);
        let (theirs, none) = (shown(made["id"].as_str().unwrap()), shown("key_none"));
        assert_eq!((theirs.status, none.status), (404, 404));
        assert_eq!(theirs.json()["detail"], none.json()["detail"], "it does not exist");
        assert_eq!(call(&server, "GET", "/v1/keys", &stranger, None).json()["keys"], json!([]));
    });
}

#[test]
fn r050_r113_a_key_is_for_one_environment() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        for (own, other) in [("live", "test"), ("test", "live")] {
            let made = keys.key(&server, &app, json!({"environment": own}));
            assert!(text(&made).starts_with(&format!("kw_{own}_")), "{own}");
            let ask = |env: &str| keys.ask(&server, text(&made), json!({"env": env}))["code"].clone();
            assert_eq!((ask(own), ask(other)), (json!("ok"), json!("wrong_environment")));
        }
    });
}

#[test]
fn r062_r063_a_key_without_scope_reads_nothing_and_one_that_reads_does_not_write() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let of = |scope: &str| keys.key(&server, &app, json!({"scope": scope}));
        let (nothing, reader, writer) = (of(""), of("docs.read"), of("docs.write"));
        let ask = |made: &Value, scope: &str| keys.ask(&server, text(made), json!({"scopes": [scope]}))["code"].clone();
        assert_eq!(ask(&nothing, "docs.read"), "insufficient_scope");
        assert_eq!((ask(&reader, "docs.read"), ask(&reader, "docs.write")), (json!("ok"), json!("insufficient_scope")));
        assert_eq!((ask(&writer, "docs.write"), ask(&writer, "docs.read")), (json!("ok"), json!("insufficient_scope")));
    });
}

#[test]
fn r086_a_revoked_key_is_refused_by_the_other_node_as_soon_as_it_hears_of_it() {
    each(|database| {
        let (one, other) = (Server::on(database), Server::on(database));
        let (keys, app) = (Keys::at(&one, json!({})), one.machine());
        let made = keys.key(&one, &app, json!({}));
        other.follow_now();
        let ask = |server: &Server| keys.ask(server, text(&made), json!({}))["code"].clone();
        assert_eq!((ask(&one), ask(&other)), (json!("ok"), json!("ok")), "both have it in memory");
        let revoke = format!("/v1/keys/{}/revoke", made["id"].as_str().unwrap());
        assert_eq!(call(&one, "POST", &revoke, &keys.manager, None).status, 200);
        assert_eq!(ask(&one), "key_revoked", "at once where it was done");
        other.follow_now();
        assert_eq!(ask(&other), "key_revoked");
        let enable = format!("/v1/keys/{}/enable", made["id"].as_str().unwrap());
        assert_eq!(call(&one, "POST", &enable, &keys.manager, None).status, 409, "for good");
    });
}

#[test]
fn r076_r080_every_key_ends_and_sooner_where_a_stolen_one_does_more_harm() {
    for (sensitivity, ends) in [("normal", "2027-01-01"), ("critical", "2026-01-31")] {
        each(|database| {
            let server = Server::on(database);
            let (keys, app) = (Keys::at(&server, json!({"sensitivity": sensitivity})), server.machine());
            let made = keys.key(&server, &app, json!({}));
            assert!(made["expires_at"].as_str().unwrap().starts_with(ends), "{sensitivity}: {}", made["expires_at"]);
            let longer = json!({"expires_at": "2026-03-01T00:00:00Z"});
            let status = if sensitivity == "critical" { 422 } else { 201 };
            assert_eq!(keys.try_key(&server, &app, longer).status, status, "{sensitivity}");
        });
    }
}

/// Limits that count for somebody: two keys of one owner, and one of another.
fn three(server: &Server, policy: Value) -> (Keys, [Value; 3]) {
    let keys = Keys::with(server, policy, json!({}));
    let (ann, bob) = (server.machine(), server.machine());
    let of = |owner: &App| keys.key(server, owner, json!({}));
    let made = [of(&ann), of(&ann), of(&bob)];
    (keys, made)
}

fn asked_from(server: &Server, keys: &Keys, made: &Value, ip: &str, calls: usize) -> usize {
    let ask = || keys.ask(server, text(made), json!({"request": {"ip": ip}}))["code"].clone();
    (0..calls).filter(|_| ask() == "ok").count()
}

#[test]
fn r125_two_people_behind_one_address_share_its_limit_and_no_other() {
    each(|database| {
        let server = Server::on(database);
        let net = json!({"v": 1, "rate": [{"name": "net", "by": "ip", "limit": 5, "per": "60s"},
            {"name": "own", "by": "user", "limit": 4, "per": "60s"}]});
        let (keys, [ann, _, bob]) = three(&server, net);
        assert_eq!(asked_from(&server, &keys, &ann, "203.0.113.9", 10), 4, "her own");
        assert_eq!(asked_from(&server, &keys, &bob, "203.0.113.9", 10), 1, "what she left of the address");
        assert_eq!(asked_from(&server, &keys, &bob, "203.0.113.10", 10), 3, "what he has left, from another");
    });
}

#[test]
fn r126_two_keys_of_one_owner_have_a_limit_each_that_counts_for_keys() {
    each(|database| {
        let server = Server::on(database);
        let rate = json!({"v": 1, "rate": [{"name": "each", "by": "key", "limit": 2, "per": "60s"}]});
        let (keys, made) = three(&server, rate);
        assert_eq!(made.map(|one| passed(&server, &keys, text(&one), 10).0), [2, 2, 2]);
    });
}

#[test]
fn r127_the_keys_of_an_owner_share_a_limit_that_counts_for_owners_and_a_better_plan_raises_it() {
    each(|database| {
        let server = Server::on(database);
        let (keys, ann) = (Keys::with(&server, json!({}), json!({})), server.machine());
        let by_user =
            |limit: u32| json!({"v": 1, "rate": [{"name": "tier", "by": "user", "limit": limit, "per": "60s"}]});
        plan(&server, &keys, "free", &by_user(3));
        plan(&server, &keys, "premium", &by_user(9));
        let of = |plan: &str| keys.key(&server, &ann, json!({"plan": plan}));
        let (first, second) = (of("free"), of("free"));
        assert_eq!((passed(&server, &keys, text(&first), 2).0, passed(&server, &keys, text(&second), 9).0), (2, 1));
        let better = passed(&server, &keys, text(&of("premium")), 20).0;
        assert!((6..=9).contains(&better), "{better}");
    });
}

#[test]
fn r064_who_floods_is_refused_and_others_are_served() {
    each(|database| {
        let server = Server::on(database);
        let rate = json!({"v": 1, "rate": [{"name": "each", "by": "family", "limit": 20, "per": "1s"}]});
        let (keys, [flood, _, other]) = three(&server, rate);
        let mut served = 0;
        for _ in 0..10 {
            passed(&server, &keys, text(&flood), 200);
            served += usize::from(keys.ask(&server, text(&other), json!({}))["code"] == "ok");
            server.advance(Span::millis(100));
        }
        assert_eq!(served, 10);
        assert_eq!(keys.ask(&server, text(&flood), json!({}))["valid"], json!(true), "and the flood gets its twenty");
    });
}

#[test]
fn r064_while_one_key_floods_every_call_of_another_is_answered_and_the_flood_gets_its_share() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("server.workers", "2"));
        let rate = json!({"v": 1, "rate": [{"name": "each", "by": "family", "limit": 300, "per": "1h"}]});
        let (keys, [flood, _, other]) = three(&server, rate);
        let over = std::sync::atomic::AtomicBool::new(false);
        let (flooded, served) = std::thread::scope(|scope| {
            let floods: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let (mut sent, mut passing) = (0, 0);
                        while !over.load(std::sync::atomic::Ordering::Relaxed) || sent < 1000 {
                            passing += passed(&server, &keys, text(&flood), 100).0;
                            sent += 100;
                        }
                        (sent, passing)
                    })
                })
                .collect();
            let answers = (0..300).map(|_| keys.try_ask(&server, text(&other), json!({})));
            let served = answers.filter(|reply| reply.status == 200 && reply.json()["code"] == "ok").count();
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            (floods.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>(), served)
        });
        let (sent, passing) = flooded.iter().fold((0, 0), |(a, b), (sent, passing)| (a + sent, b + passing));
        // The clock stands still: of thousands as many as the limit lets through at once, and of the other all.
        assert!(sent >= 4000, "{sent}");
        assert_eq!((passing, served), (300, 300), "of {sent}");
    });
}

#[test]
fn r070_a_quota_starts_anew_with_its_period() {
    each(|database| {
        let server = Server::on(database);
        let month = json!({"v": 1, "rate": [{"name": "pace", "by": "key", "limit": 1000, "per": "1s"}],
            "quota": [{"name": "month", "limit": 50, "per": "month"}]});
        let (keys, app) = (Keys::with(&server, month, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        assert_eq!(passed(&server, &keys, text(&made), 100), (50, "quota_exceeded".to_owned()));
        server.advance(Span::days(31));
        server.follow_now();
        assert_eq!(passed(&server, &keys, text(&made), 100).0, 50);
    });
}

#[test]
fn r074_a_key_with_office_hours_is_refused_at_night() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let hours = json!({"v": 1, "time": {"windows": [{"from": "08:00", "to": "18:00", "tz": "Europe/Berlin"}]}});
        let made = keys.key(&server, &app, json!({"policy": hours, "not_before": "2026-01-01T00:00:00Z"}));
        let told = keys.ask(&server, text(&made), json!({}));
        assert_eq!((&told["code"], &told["rule"]), (&json!("restricted"), &json!("time")), "one in the morning");
        server.advance(Span::hours(8));
        server.follow_now();
        assert_eq!(keys.ask(&server, text(&made), json!({}))["code"], "ok", "nine");
    });
}

#[test]
fn r075_a_key_for_some_countries_is_refused_from_others_and_from_nowhere() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({"trust_country": true})), server.machine());
        let made = keys.key(&server, &app, json!({"policy": {"v": 1, "geo": {"allow": ["DE", "FR"]}}}));
        let ask = |call: Value| {
            let told = keys.ask(&server, text(&made), json!({"request": call}));
            (told["code"].clone(), told["rule"].clone())
        };
        assert_eq!(ask(json!({"country": "DE"})), (json!("ok"), json!(null)));
        assert_eq!(ask(json!({"country": "RU"})), (json!("restricted"), json!("geo")));
        assert_eq!(ask(json!({})), (json!("restricted"), json!("geo")));
    });
}
