//! What a resource server is told.

use super::{Keys, asked_by, call};
use crate::world::{MAIL, Server, each};
use keywright::base::moment::Span;
use serde_json::{Value, json};

#[test]
fn a_good_key_is_told_with_its_owner_and_its_scopes_and_never_its_text() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({"meta": {"tier": 3}}));
        let text = made["key"].as_str().unwrap();
        let told = keys.ask(&server, text, json!({"scopes": ["docs.read"], "request": {"ip": "203.0.113.9"}}));
        assert_eq!((&told["valid"], &told["code"]), (&json!(true), &json!("ok")));
        assert_eq!(told["owner"], json!({"type": "client", "id": app.id}));
        assert_eq!(
            (&told["key"]["id"], &told["scopes"], &told["meta"]["tier"]),
            (&made["id"], &json!(["docs.read"]), &json!(3))
        );
        assert_eq!(told["limits"][0]["remaining"], 99);
        assert!(!told.to_string().contains(text) && text.starts_with("kw_live_"));
    });
}

#[test]
fn whoever_serves_another_api_learns_nothing() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let mail = server.resource_server(MAIL);
        let body = json!({"key": made["key"]});
        let (theirs, unknown) = (
            asked_by(&server, &mail, "/v1/keys/verify", &body).json(),
            asked_by(&server, &mail, "/v1/keys/verify", &json!({"key": "kw_live_nonsense"})).json(),
        );
        assert_eq!((&theirs["code"], &theirs["valid"]), (&json!("invalid_key"), &json!(false)));
        assert_eq!(theirs.as_object().unwrap().len(), unknown.as_object().unwrap().len());
        let plain = server.machine();
        assert_eq!(asked_by(&server, &plain, "/v1/keys/verify", &body).status / 100, 4, "serves no API");
    });
}

#[test]
fn a_key_that_asks_proves_a_resource_server_and_is_good_for_nothing_else() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let asking = keys.key(&server, &app, json!({"kind": "verifier", "scope": ""}));
        let body = json!({"key": made["key"]});
        let told = call(&server, "POST", "/v1/keys/verify", asking["key"].as_str().unwrap(), Some(&body));
        assert_eq!(told.json()["code"], "ok");
        let told = call(&server, "POST", "/v1/keys/verify", made["key"].as_str().unwrap(), Some(&body));
        assert_eq!(told.status, 401, "a key for calls does not ask");
        assert_eq!(keys.ask(&server, asking["key"].as_str().unwrap(), json!({}))["code"], "invalid_key");
        let managed = call(&server, "GET", "/v1/keys", asking["key"].as_str().unwrap(), None);
        assert_eq!(managed.status, 401, "and no key manages keys");
    });
}

#[test]
fn r071_r072_r073_each_restriction_refuses_and_names_itself() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let cases = [
            (
                json!({"ip": {"allow": ["203.0.113.0/24"]}}),
                json!({"ip": "203.0.113.9"}),
                json!({"ip": "198.51.100.1"}),
                "ip",
            ),
            (
                json!({"referrer": {"allow": ["https://app.example"]}}),
                json!({"origin": "https://app.example"}),
                json!({"origin": "https://evil.example"}),
                "referrer",
            ),
            (
                json!({"user_agent": {"require": true, "deny": ["*sqlmap*"]}}),
                json!({"user_agent": "curl/8"}),
                json!({"user_agent": "x sqlmap y"}),
                "user_agent",
            ),
            (
                json!({"routes": [{"methods": ["GET"], "path": "/v1/**"}]}),
                json!({"method": "GET", "path": "/v1/a"}),
                json!({"method": "GET", "path": "/v1/%2e%2e/x"}),
                "route",
            ),
        ];
        for (mut policy, good, bad, rule) in cases {
            policy["v"] = json!(1);
            let made = keys.key(&server, &app, json!({"policy": policy}));
            let text = made["key"].as_str().unwrap();
            assert_eq!(keys.ask(&server, text, json!({"request": good}))["code"], "ok", "{rule}");
            let told = keys.ask(&server, text, json!({"request": bad}));
            assert_eq!((&told["code"], &told["rule"]), (&json!("restricted"), &json!(rule)));
            let told = keys.ask(&server, text, json!({}));
            assert_eq!(
                (&told["rule"], &told["reason"]),
                (&json!(rule), &json!("attribute_missing")),
                "nothing was said"
            );
        }
    });
}

#[test]
fn r069_a_rate_of_five_in_a_minute_lets_five_of_a_thousand_through() {
    each(|database| {
        let server = Server::on(database);
        let rate = json!({"v": 1, "rate": [{"name": "minute", "by": "key", "limit": 5, "per": "60s"}]});
        let (keys, app) = (Keys::with(&server, rate, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let question = json!({"key": made["key"]});
        let mut passed = 0;
        for _ in 0..10 {
            let body = json!({"items": vec![question.clone(); 100]});
            let told = asked_by(&server, &keys.docs, "/v1/keys/verify/batch", &body).json();
            passed += told["items"].as_array().unwrap().iter().filter(|one| one["code"] == "ok").count();
        }
        assert_eq!(passed, 5);
        let told = keys.ask(&server, made["key"].as_str().unwrap(), json!({}));
        assert_eq!((&told["code"], &told["violated"]), (&json!("rate_limited"), &json!(["minute"])));
        assert!(told["retry_after_s"].as_i64().unwrap() <= 12);
    });
}

#[test]
fn a_question_that_makes_no_sense_is_refused_and_costs_nothing() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let text = made["key"].as_str().unwrap();
        for (more, status) in [
            (json!({"cost": 0}), 400),
            (json!({"cost": -1}), 400),
            (json!({"cost": 4_294_967_296_u64}), 400),
            (json!({"cost": 101}), 400),
            (json!({"owner": "me"}), 400),
            (json!({"scopes": ["a\"b"]}), 400),
            (json!({"request": {"ip": 4}}), 400),
        ] {
            let reply = keys.try_ask(&server, text, more.clone());
            assert_eq!(
                (reply.status, reply.field("content-type")),
                (status, Some("application/problem+json")),
                "{more}"
            );
        }
        assert_eq!(keys.ask(&server, text, json!({}))["limits"][0]["remaining"], 99);
    });
}

#[test]
fn a_dry_run_tells_the_same_and_spends_nothing() {
    each(|database| {
        let server = Server::on(database);
        let rate = json!({"v": 1, "rate": [{"name": "one", "by": "key", "limit": 1, "per": "1h"}]});
        let (keys, app) = (Keys::with(&server, rate, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let text = made["key"].as_str().unwrap();
        for _ in 0..3 {
            assert_eq!(keys.ask(&server, text, json!({"dry_run": true}))["code"], "ok");
        }
        assert_eq!(keys.ask(&server, text, json!({}))["code"], "ok");
        assert_eq!(keys.ask(&server, text, json!({}))["code"], "rate_limited");
    });
}

#[test]
fn rfc7662_a_key_is_introspected_by_the_server_of_its_api_and_by_nobody_else() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let text = made["key"].as_str().unwrap();
        let told = keys.docs.introspect(text);
        assert_eq!((&told["active"], &told["token_type"]), (&json!(true), &json!("api_key")));
        assert_eq!((&told["sub"], &told["key_id"], &told["scope"]), (&json!(app.id), &made["id"], &json!("docs.read")));
        for other in [&app, &server.resource_server(MAIL)] {
            assert_eq!(other.introspect(text), json!({"active": false}));
        }
        let bound = keys.key(&server, &app, json!({"policy": {"v": 1, "ip": {"allow": ["203.0.113.9"]}}}));
        let told = keys.docs.introspect(bound["key"].as_str().unwrap());
        assert_eq!(told, json!({"active": false}), "nobody said where the call came from");
        assert_eq!(keys.docs.introspect("kw_live_nonsense"), json!({"active": false}));
    });
}

#[test]
fn a_batch_with_one_question_that_makes_no_sense_spends_nothing_and_one_too_costly_is_told_by_itself() {
    each(|database| {
        let server = Server::on(database);
        let rate = json!({"v": 1, "rate": [{"name": "minute", "by": "key", "limit": 2, "per": "60s"}]});
        let (keys, app) = (Keys::with(&server, rate, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let (good, bad) = (json!({"key": made["key"]}), json!({"key": made["key"], "cost": 0}));
        let costly = json!({"key": made["key"], "cost": 3});
        let ask = |items: Value| asked_by(&server, &keys.docs, "/v1/keys/verify/batch", &json!({"items": items}));
        assert_eq!(ask(json!([good, good, bad])).status, 400);
        let told = ask(json!([good, costly, good])).json();
        let codes: Vec<&Value> = told["items"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
        assert_eq!(codes, ["ok", "invalid_request", "ok"]);
    });
}

#[test]
fn a_key_whose_application_is_disabled_is_refused_wherever_it_is_shown_though_its_owner_is_not() {
    each(|database| {
        let (server, other) = (Server::on(database), Server::on(database));
        let keys = Keys::at(&server, json!({}));
        let (app, ada) = (server.machine(), server.person("ada"));
        let owned = json!({"owner": {"type": "user", "id": ada.id}});
        let mut of_app = owned.clone();
        of_app["client_id"] = json!(app.id);
        let (made, apart) = (keys.key(&server, &app, of_app), keys.key(&server, &app, owned));
        let (text, apart) = (made["key"].as_str().unwrap(), apart["key"].as_str().unwrap());
        let codes = || {
            other.follow_now();
            [&server, &other].map(|node| keys.ask(node, text, json!({}))["code"].as_str().unwrap().to_owned())
        };
        assert_eq!(codes(), ["ok", "ok"], "both have it in memory");
        assert!(keys.docs.sees_live(text));
        server.disable_client(&app);
        assert_eq!(codes(), ["key_disabled", "key_disabled"]);
        assert!(!keys.docs.sees_live(text), "nor is it active at introspection");
        assert_eq!(super::exchange::exchange(&server, text, &[]).refusal(), (400, "invalid_grant".to_owned()));
        assert_eq!(keys.ask(&server, apart, json!({}))["code"], "ok", "another key of the same person");
        let id = keywright::base::id::ClientId::parse(&app.id).unwrap();
        server
            .run(keywright::flow::manage_clients::enable(&server.world, &id, keywright::audit::Actor::System))
            .unwrap();
        server.follow_now();
        assert_eq!(codes(), ["ok", "ok"]);
    });
}

#[test]
fn a_verdict_may_be_kept_for_as_long_as_the_api_says_unless_somebody_wrote_a_limit() {
    each(|database| {
        let server = Server::on(database);
        let keys = Keys::with(&server, json!({}), json!({"verdict_max_age": 5}));
        let app = server.machine();
        let kept = |more: Value| {
            let made = keys.key(&server, &app, more);
            let told = keys.ask(&server, made["key"].as_str().unwrap(), json!({}));
            assert_eq!((&told["code"], &told["limits"][0]["name"].is_string()), (&json!("ok"), &true), "{told}");
            told["cache"]["max_age"].clone()
        };
        assert_eq!(kept(json!({})), 5, "it has the usual limit alone");
        let rate = json!({"v": 1, "rate": [{"name": "own", "by": "key", "limit": 9, "per": "1s"}]});
        let quota = json!({"v": 1, "quota": [{"name": "month", "limit": 9, "per": "month"}]});
        assert_eq!(kept(json!({"policy": rate})), 0);
        assert_eq!(kept(json!({"policy": quota})), 0);
        let hours = json!({"v": 1, "time": {"windows": [{"from": "00:00", "to": "23:59", "tz": "UTC"}]}});
        assert_eq!(kept(json!({"policy": hours})), 0, "its hours may end sooner");
        assert_eq!(kept(json!({"expires_in": 60})), 5);
        assert_eq!(kept(json!({"expires_in": 3})), 3, "and so does it itself");
    });
}

#[test]
fn no_limit_of_an_owners_own_makes_room_in_the_usual_one() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::with(&server, json!({}), json!({})), server.machine());
        let own = json!([{"name": "default", "by": "family", "limit": 1000, "per": "1s", "burst": 2}]);
        let made = keys.key(&server, &app, json!({"family_policy": {"v": 1, "rate": own}}));
        let passes = |_: &u32| {
            server.advance(Span::millis(2));
            keys.ask(&server, made["key"].as_str().unwrap(), json!({}))["code"] == "ok"
        };
        let passed = (0..150).filter(passes).count();
        // Forty at once, and twenty in each second.
        assert!((40..=47).contains(&passed), "{passed}");
    });
}
