//! Keys, APIs and plans are changed; quotas are topped up; many keys are ended at once.

use super::{Keys, call, token};
use crate::world::{Reply, Request, Server, each};
use keywright::base::moment::Span;
use serde_json::{Value, json};

fn patch(server: &Server, target: &str, token: &str, tag: Option<&str>, body: &Value) -> Reply {
    let mut request = Request::new("PATCH", target).bearer(token);
    if let Some(tag) = tag {
        request = request.field("if-match", tag);
    }
    server.send(&request.body("application/merge-patch+json", body.to_string()))
}

fn of(made: &Value) -> String {
    format!("/v1/keys/{}", made["id"].as_str().unwrap())
}

fn manager(server: &Server) -> String {
    token(server, "keys:any keys:read keys:change keys:revoke quotas:grant apis:read apis:manage")
}

#[test]
fn r026_a_key_is_changed_only_over_the_version_that_was_seen() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let (made, all) = (keys.key(&server, &app, json!({})), manager(&server));
        let seen = call(&server, "GET", &of(&made), &all, None);
        let tag = seen.field("etag").unwrap();
        let name = json!({"name": "other"});
        assert_eq!(patch(&server, &of(&made), &all, None, &name).status, 428);
        assert_eq!(patch(&server, &of(&made), &all, Some("\"9.9\""), &name).status, 412);
        assert_eq!(patch(&server, &of(&made), &all, Some("nonsense"), &name).status, 412);
        let changed = patch(&server, &of(&made), &all, Some(tag), &name);
        assert_eq!((changed.status, &changed.json()["name"]), (200, &json!("other")), "{}", changed.text());
        assert_eq!(patch(&server, &of(&made), &all, Some(tag), &name).status, 412, "it is another version now");
        let next = changed.field("etag").unwrap();
        let narrow = json!({"policy": {"v": 1, "ip": {"allow": ["192.0.2.1"]}}});
        assert_eq!(patch(&server, &of(&made), &all, Some(next), &narrow).status, 200);
        let told = keys.ask(&server, made["key"].as_str().unwrap(), json!({"request": {"ip": "203.0.113.9"}}));
        assert_eq!((&told["code"], &told["rule"]), (&json!("restricted"), &json!("ip")), "it takes hold at once");
        let events = server.events_of("api_key.changed");
        assert_eq!(events.len(), 2);
    });
}

#[test]
fn any_of_several_versions_that_are_named_may_be_the_one_that_is_there() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app, all) = (Keys::at(&server, json!({})), server.machine(), manager(&server));
        let made = keys.key(&server, &app, json!({}));
        let named = |name: &str| json!({"name": name});
        for (tag, status) in [
            ("\"9.9\", \"1.1\"", 200),
            ("\"1.1\",, \"9.9\"", 412),
            ("\"1.2\" , \"a,b\"", 200),
            ("W/\"1.3\"", 412),
            ("\"1.3\" \"9.9\"", 412),
            ("\"1.3\", *", 412),
            ("\"1.3", 412),
            ("", 412),
        ] {
            let reply = patch(&server, &of(&made), &all, Some(tag), &named(&format!("as of {}", tag.len())));
            assert_eq!(reply.status, status, "{tag:?} {}", reply.text());
        }
        let narrow = json!({"settings": {"expose_reason": true}});
        assert_eq!(patch(&server, "/v1/apis/docs", &all, Some("\"7\", \"8\""), &narrow).status, 412);
        assert_eq!(patch(&server, "/v1/apis/docs", &all, Some("\"7\", \"1\""), &narrow).status, 200);
    });
}

#[test]
fn what_of_a_key_may_not_be_changed_is_refused_by_its_member() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({"sensitivity": "critical"})), server.machine());
        let all = manager(&server);
        let ips = json!({"anywhere": false, "policy": {"v": 1, "ip": {"allow": ["192.0.2.1"]}}});
        let made = keys.key(&server, &app, ips);
        let late = (server.now() + Span::days(31)).to_string();
        for (body, member) in [
            (json!({"id": "key_1"}), "patch"),
            (json!({"key": "kw_live_x"}), "patch"),
            (json!({"scope": "docs.write"}), "patch"),
            (json!({"owner": {"type": "user", "id": "usr_1"}}), "patch"),
            (json!({"name": null}), "patch"),
            (json!({"name": ""}), "name"),
            (json!({"expires_at": late}), "expires_at"),
            (json!({"expires_at": null}), "expires_at"),
            (json!({"expires_at": "2001-01-01T00:00:00Z"}), "expires_at"),
            (json!({"policy": {"ip": null}}), "policy"),
            (json!({"policy": {"ip": {"allow": ["x"]}}}), "policy.ip.allow[0]"),
            (json!({"meta": {"a": "x".repeat(3000)}}), "meta"),
            (json!({"meta": {"a": {"b": "\u{0}"}}}), "meta"),
        ] {
            let reply = patch(&server, &of(&made), &all, Some("*"), &body);
            assert_eq!((reply.status, &reply.json()["member"]), (422, &json!(member)), "{body} {}", reply.text());
        }
        for plan in ["weather", "a\u{0}"] {
            assert_eq!(patch(&server, &of(&made), &all, Some("*"), &json!({"plan": plan})).status, 404);
        }
        let open = json!({"policy": {"ip": null}, "anywhere": true});
        assert_eq!(patch(&server, &of(&made), &all, Some("*"), &open).status, 200, "as somebody said");
        call(&server, "POST", &format!("{}/revoke", of(&made)), &all, None);
        assert_eq!(patch(&server, &of(&made), &all, Some("*"), &json!({"name": "x"})).status, 409);
    });
}

#[test]
fn whoever_has_only_their_own_keys_gives_them_no_plan_and_no_life_without_end() {
    each(|database| {
        let server = Server::on(database);
        let (_keys, own) = (Keys::at(&server, json!({})), token(&server, "keys:create keys:change quotas:grant"));
        let body = json!({"api": "docs", "name": "x", "anywhere": true});
        let made = call(&server, "POST", "/v1/keys", &own, Some(&body)).json();
        call(&server, "POST", "/v1/plans", &manager(&server), Some(&json!({"name": "big", "policy": {"v": 1}})));
        for body in [json!({"plan": "big"}), json!({"expires_at": null})] {
            assert_eq!(patch(&server, &of(&made), &own, Some("*"), &body).status, 422, "{body}");
        }
        assert_eq!(patch(&server, &of(&made), &own, Some("*"), &json!({"name": "y"})).status, 200);
        let grant =
            call(&server, "POST", &format!("{}/quotas/month/grants", of(&made)), &own, Some(&json!({"amount": 1})));
        assert_eq!(grant.status, 403, "nobody gives to themselves");
        let stranger = token(&server, "keys:read keys:change quotas:grant");
        assert_eq!(patch(&server, &of(&made), &stranger, Some("*"), &json!({"name": "z"})).status, 404);
    });
}

#[test]
fn an_api_and_a_plan_are_patched_over_what_was_seen_and_an_api_keeps_its_prefix() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app, all) = (Keys::at(&server, json!({})), server.machine(), manager(&server));
        let made = keys.key(&server, &app, json!({}));
        let api = |tag: Option<&str>, body: Value| patch(&server, "/v1/apis/docs", &all, tag, &body);
        assert_eq!(api(None, json!({"plan": null})).status, 428);
        assert_eq!(api(Some("\"1\""), json!({"prefix": "zz"})).json()["member"], json!("prefix"));
        assert_eq!(api(Some("\"1\""), json!({"audience": "https://x.example"})).json()["member"], json!("audience"));
        assert_eq!(api(Some("\"1\""), json!({"settings": {"nonsense": 1}})).json()["member"], json!("settings"));
        let changed = api(Some("\"1\""), json!({"settings": {"expose_reason": true}}));
        assert_eq!((changed.status, changed.field("etag")), (200, Some("\"2\"")), "{}", changed.text());
        assert_eq!(changed.json()["settings"]["scopes"], json!("docs.read docs.write"), "what is not said stays");
        assert_eq!(api(Some("\"2\""), json!({"settings": {"expose_reason": true}})).field("etag"), Some("\"2\""));
        let plan =
            json!({"name": "small", "policy": {"v": 1, "quota": [{"name": "month", "limit": 2, "per": "month"}]}});
        assert_eq!(call(&server, "POST", "/v1/plans", &all, Some(&plan)).status, 201);
        assert_eq!(api(Some("\"2\""), json!({"plan": "small"})).status, 200);
        server.follow_now();
        let text = made["key"].as_str().unwrap();
        let codes = || keys.ask(&server, text, json!({}))["code"].clone();
        assert_eq!([codes(), codes(), codes()], [json!("ok"), json!("ok"), json!("quota_exceeded")]);
        let more = json!({"policy": {"quota": [{"name": "month", "limit": 3, "per": "month"}]}});
        assert_eq!(patch(&server, "/v1/plans/small", &all, Some("\"1\""), &more).status, 200);
        server.follow_now();
        server.advance(Span::seconds(2));
        server.follow_now();
        assert_eq!([codes(), codes()], [json!("ok"), json!("quota_exceeded")]);
    });
}

#[test]
fn r070_a_quota_is_topped_up_for_its_period_taken_back_and_corrected() {
    each(|database| {
        let server = Server::on(database);
        let policy = json!({"v": 1, "quota": [{"name": "month", "limit": 2, "per": "month"}]});
        let (keys, app, all) = (Keys::with(&server, policy, json!({})), server.machine(), manager(&server));
        let made = keys.key(&server, &app, json!({}));
        let text = made["key"].as_str().unwrap();
        let code = || {
            server.advance(Span::seconds(2));
            server.follow_now();
            keys.ask(&server, text, json!({}))["code"].clone()
        };
        assert_eq!([code(), code(), code()], [json!("ok"), json!("ok"), json!("quota_exceeded")]);
        let grant = |amount: i64, word: Option<&str>| {
            let mut request = Request::new("POST", &format!("{}/quotas/month/grants", of(&made))).bearer(&all);
            if let Some(word) = word {
                request = request.field("idempotency-key", word);
            }
            server.send(&request.body("application/json", json!({"amount": amount, "reason": "a gift"}).to_string()))
        };
        let granted = grant(2, Some("once"));
        assert_eq!((granted.status, &granted.json()["remaining"]), (200, &json!(2)), "{}", granted.text());
        assert_eq!(grant(2, Some("once")).status, 409, "a request that is sent twice gives once");
        let other = keys.key(&server, &app, json!({}));
        let target = format!("{}/quotas/month/grants", of(&other));
        let request = Request::new("POST", &target).bearer(&all).field("idempotency-key", "once");
        let another = server.send(&request.body("application/json", json!({"amount": 1}).to_string()));
        assert_eq!(another.status, 200, "the same word for another key is another request: {}", another.text());
        assert_eq!(code(), json!("ok"));
        assert_eq!(grant(-2, None).json()["member"], json!("amount"), "never below what was used");
        assert_eq!(grant(-1, None).json()["remaining"], json!(0));
        assert_eq!(code(), json!("quota_exceeded"));
        assert_eq!(grant(0, None).status, 422);
        let used = json!({"used": 1});
        let corrected = call(&server, "PUT", &format!("{}/quotas/month/used", of(&made)), &all, Some(&used));
        assert_eq!(corrected.json()["remaining"], json!(2), "{}", corrected.text());
        assert_eq!(code(), json!("ok"));
        let listed = call(&server, "GET", &format!("{}/quotas", of(&made)), &all, None).json();
        assert_eq!((&listed["quotas"][0]["granted"], &listed["quotas"][0]["limit"]), (&json!(1), &json!(2)));
        let missing =
            call(&server, "POST", &format!("{}/quotas/year/grants", of(&made)), &all, Some(&json!({"amount": 1})));
        assert_eq!(missing.status, 404);
        assert_eq!(server.events_of("quota.granted").len(), 3);
        assert_eq!(server.events_of("quota.corrected").len(), 1);
        server.advance(Span::days(35));
        server.follow_now();
        let listed = call(&server, "GET", &format!("{}/quotas", of(&made)), &manager(&server), None).json();
        assert_eq!(listed["quotas"][0]["granted"], json!(0), "a grant is for its period");
    });
}

#[test]
fn many_keys_are_ended_by_what_they_have_in_common_after_a_look_at_how_many() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app, other) = (Keys::at(&server, json!({})), server.machine(), server.machine());
        let all = manager(&server);
        let theirs = keys.key(&server, &other, json!({"owner": {"type": "client", "id": other.id}}));
        let made: Vec<Value> = (0..3).map(|_| keys.key(&server, &app, json!({}))).collect();
        let revoke = |token: &str, body: Value| call(&server, "POST", "/v1/keys/revoke", token, Some(&body));
        assert_eq!(revoke(&all, json!({"dry_run": true})).status, 422, "nobody ends all keys by accident");
        let owner = json!({"type": "client", "id": app.id});
        let dry = revoke(&all, json!({"owner": owner, "dry_run": true})).json();
        assert_eq!(dry, json!({"dry_run": true, "count": 3, "more": false}));
        assert_eq!(keys.ask(&server, made[0]["key"].as_str().unwrap(), json!({}))["code"], "ok");
        let unused = revoke(&all, json!({"unused_for": "1d", "dry_run": true})).json();
        assert_eq!(unused["count"], json!(0));
        let stranger = token(&server, "keys:revoke");
        assert_eq!(revoke(&stranger, json!({"owner": owner})).json()["count"], json!(0), "none of theirs");
        let done = revoke(&all, json!({"owner": owner, "reason": "the contract ended"})).json();
        assert_eq!(done, json!({"dry_run": false, "count": 3, "more": false}));
        server.follow_now();
        for one in &made {
            assert_eq!(keys.ask(&server, one["key"].as_str().unwrap(), json!({}))["code"], "key_revoked");
        }
        assert_eq!(keys.ask(&server, theirs["key"].as_str().unwrap(), json!({}))["code"], "ok");
        assert_eq!(revoke(&all, json!({"owner": owner})).json()["count"], json!(0));
        assert_eq!(server.events_of("api_key.revoked").len(), 3);
    });
}

#[test]
fn an_end_that_is_as_good_as_none_needs_the_permission_for_none() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let far = json!({"expires_at": "9999-12-31T23:59:59Z"});
        let refused = keys.try_key(&server, &app, far.clone());
        assert_eq!((refused.status, &refused.json()["member"]), (422, &json!("expires_at")), "{}", refused.text());
        assert!(refused.text().contains("keys:no-expiry"), "{}", refused.text());
        let made = keys.key(&server, &app, json!({}));
        let refused = patch(&server, &of(&made), &manager(&server), Some("*"), &far);
        assert_eq!((refused.status, &refused.json()["member"]), (422, &json!("expires_at")), "{}", refused.text());
        let endless = token(&server, "keys:any keys:change keys:no-expiry");
        let changed = patch(&server, &of(&made), &endless, Some("*"), &far);
        assert_eq!(changed.status, 200, "{}", changed.text());
        let sooner = json!({"expires_at": "9000-01-01T00:00:00Z"});
        let changed = patch(&server, &of(&made), &manager(&server), Some("*"), &sooner);
        assert_eq!(changed.status, 200, "sooner than it was is never too late: {}", changed.text());
    });
}

#[test]
fn what_an_administrator_disabled_its_owner_does_not_enable() {
    each(|database| {
        let server = Server::on(database);
        let (keys, own) = (Keys::at(&server, json!({})), token(&server, "keys:create keys:revoke"));
        let body = json!({"api": "docs", "name": "x", "anywhere": true});
        let made = call(&server, "POST", "/v1/keys", &own, Some(&body)).json();
        let act = |token: &str, act: &str| call(&server, "POST", &format!("{}/{act}", of(&made)), token, None).status;
        assert_eq!((act(&own, "disable"), act(&own, "enable")), (200, 200), "what they did themselves they undo");
        assert_eq!((act(&own, "disable"), act(&keys.manager, "disable")), (200, 200));
        assert_eq!((act(&own, "enable"), act(&own, "disable"), act(&own, "enable")), (409, 200, 409));
        assert_eq!(keys.ask(&server, made["key"].as_str().unwrap(), json!({}))["code"], "key_disabled");
        assert_eq!((act(&keys.manager, "enable"), act(&own, "revoke")), (200, 200));
    });
}

#[test]
fn an_owner_has_only_so_many_keys_for_an_api() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("API_KEYS_PER_OWNER", "2"));
        let (keys, app, other) = (Keys::at(&server, json!({})), server.machine(), server.machine());
        let first = keys.key(&server, &app, json!({}));
        keys.key(&server, &app, json!({}));
        let refused = keys.try_key(&server, &app, json!({}));
        assert_eq!(refused.status, 409);
        assert!(refused.text().contains("(2)"), "{}", refused.text());
        keys.key(&server, &other, json!({"owner": {"type": "client", "id": other.id}}));
        call(&server, "POST", &format!("{}/revoke", of(&first)), &keys.manager, None);
        keys.key(&server, &app, json!({}));
    });
}

#[test]
fn a_successor_has_nothing_that_its_api_no_longer_offers() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app, all) = (Keys::at(&server, json!({})), server.machine(), manager(&server));
        let made = keys.key(&server, &app, json!({"scope": "docs.read docs.write"}));
        let narrow = json!({"settings": {"scopes": "docs.read"}});
        assert_eq!(patch(&server, "/v1/apis/docs", &all, Some("*"), &narrow).status, 200);
        let rotate = |made: &Value| call(&server, "POST", &format!("{}/rotate", of(made)), &keys.manager, None);
        let rotated = rotate(&made).json();
        assert_eq!(rotated["new"]["scope"], json!("docs.read"));
        let test_only = json!({"environments": ["test"]});
        assert_eq!(patch(&server, "/v1/apis/docs", &all, Some("*"), &test_only).status, 200);
        assert_eq!(rotate(&rotated["new"]).status, 409, "its environment is gone");
    });
}
