//! Keys, APIs and plans, managed over HTTP.

use super::{Keys, call, token};
use crate::world::{DOCS, Server, each};
use keywright::base::moment::Span;
use serde_json::json;

#[test]
fn r023_a_key_is_shown_once_and_stored_nowhere() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.try_key(&server, &app, json!({}));
        assert_eq!(made.field("cache-control"), Some("no-store"));
        let made = made.json();
        let text = made["key"].as_str().unwrap();
        let shown = call(&server, "GET", &format!("/v1/keys/{}", made["id"].as_str().unwrap()), &keys.manager, None);
        assert!(!shown.text().contains(text) && shown.json()["hint"].as_str().unwrap().starts_with("kw_live_"));
        assert!(server.recorded("api_key.created"));
        let found = database.backdoor().texts("SELECT hint AS text FROM api_keys");
        assert!(!found.is_empty() && !found.concat().contains(text));
    });
}

#[test]
fn a_request_sent_twice_makes_one_key() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let body = json!({"api": "docs", "name": "a", "anywhere": true, "owner": {"type": "client", "id": app.id}});
        let send = || {
            let request = crate::world::Request::new("POST", "/v1/keys").bearer(&keys.manager);
            server.send(&request.field("idempotency-key", "one").body("application/json", body.to_string()))
        };
        let (first, second) = (send(), send());
        assert_eq!((first.status, second.status), (201, 409));
        assert_eq!(second.json()["key_id"], first.json()["id"]);
        assert!(second.json()["key"].is_null());
    });
}

#[test]
fn what_cannot_be_is_refused_by_its_member() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        for (more, status, member) in [
            (json!({"scope": "docs.admin"}), 422, json!("scope")),
            (json!({"environment": "prod"}), 422, json!("environment")),
            (json!({"anywhere": false}), 422, json!("policy")),
            (json!({"kind": "public"}), 422, json!("kind")),
            (json!({"policy": {"v": 1, "ip": {"allow": ["nonsense"]}}}), 422, json!("policy.ip.allow[0]")),
            (json!({"policy": {"v": 1, "binding": {"x5t": "A".repeat(43)}}}), 422, json!("policy.binding.x5t")),
            (json!({"family_policy": {"v": 1, "binding": {"x5t": "A".repeat(43)}}}), 422, json!("policy.binding.x5t")),
            (json!({"meta": {"a": "\u{0}"}}), 422, json!("meta")),
            (json!({"meta": {"a": [{"b\u{0}": 1}]}}), 422, json!("meta")),
            (json!({"expires_at": "tomorrow"}), 422, json!("expires_at")),
            (json!({"expires_in": 0}), 422, json!("expires_at")),
            (json!({"owner": {"type": "client", "id": "nobody"}}), 422, json!("owner")),
            (json!({"api": "weather"}), 404, json!(null)),
            (json!({"api": "docs\u{0}"}), 404, json!(null)),
            (json!({"plan": "free\u{0}"}), 404, json!(null)),
            (json!({"user_id": "usr_1"}), 400, json!(null)),
        ] {
            let reply = keys.try_key(&server, &app, more.clone());
            assert_eq!((reply.status, &reply.json()["member"]), (status, &member), "{more} {}", reply.text());
        }
    });
}

#[test]
fn r025_r081_r083_r084_a_rotation_overlaps_and_ends() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let old = keys.key(&server, &app, json!({}));
        let at = |act: &str| format!("/v1/keys/{}/{act}", old["id"].as_str().unwrap());
        let rotated = call(&server, "POST", &at("rotate"), &keys.manager, Some(&json!({"overlap": "1h"})));
        assert_eq!(rotated.status, 201, "{}", rotated.text());
        server.follow_now();
        let rotated = rotated.json();
        let told = keys.ask(&server, old["key"].as_str().unwrap(), json!({}));
        assert!(told["key"]["deprecated_until"].is_string(), "whoever uses it is told");
        assert_eq!(keys.ask(&server, rotated["new"]["key"].as_str().unwrap(), json!({}))["code"], "ok");
        let finish = |body| call(&server, "POST", &at("finish"), &keys.manager, Some(&body));
        assert_eq!(finish(json!({})).status, 409, "it was used a moment ago");
        server.advance(Span::minutes(61));
        server.follow_now();
        assert_eq!(keys.ask(&server, old["key"].as_str().unwrap(), json!({}))["code"], "key_expired");
        assert_eq!(keys.ask(&server, rotated["new"]["key"].as_str().unwrap(), json!({}))["code"], "ok");
    });
}

#[test]
fn a_key_is_switched_off_and_on_and_ended_for_good() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let text = made["key"].as_str().unwrap();
        for (act, status, code) in [
            ("disable", 200, "key_disabled"),
            ("enable", 200, "ok"),
            ("revoke", 200, "key_revoked"),
            ("revoke", 200, "key_revoked"),
            ("enable", 409, "key_revoked"),
        ] {
            let target = format!("/v1/keys/{}/{act}", made["id"].as_str().unwrap());
            assert_eq!(call(&server, "POST", &target, &keys.manager, None).status, status, "{act}");
            assert_eq!(keys.ask(&server, text, json!({}))["code"], code, "{act}");
        }
        let ended = super::asked_by(&server, &keys.docs, "/v1/keys/verify", &json!({"key": text}));
        assert_eq!(ended.json()["code"], "key_revoked");
        assert_eq!(server.events_of("api_key.revoked").len(), 1);
        assert!(server.recorded("api_key.used_after_end"));
    });
}

#[test]
fn the_keys_of_an_owner_who_is_disabled_are_refused() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        assert_eq!(keys.ask(&server, made["key"].as_str().unwrap(), json!({}))["code"], "ok");
        server.disable_client(&app);
        server.follow_now();
        assert_eq!(keys.ask(&server, made["key"].as_str().unwrap(), json!({}))["code"], "key_disabled");
    });
}

#[test]
fn a_changed_api_takes_hold_at_once_and_only_over_the_version_that_was_seen() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let put = |version: &str, policy: serde_json::Value| {
            let body = json!({"name": "docs", "audience": DOCS, "policy": policy, "settings": {"scopes": "docs.read"}});
            let request = crate::world::Request::new("PUT", "/v1/apis/docs").bearer(&keys.manager);
            server.send(&request.field("if-match", version).body("application/json", body.to_string()))
        };
        let narrow = || json!({"v": 1, "ip": {"allow": ["203.0.113.9/32"]}});
        assert_eq!(put("\"7\"", narrow()).status, 412);
        assert_eq!(put("\"1\"", json!({"v": 1, "nonsense": 1})).status, 422);
        let changed = put("\"1\"", narrow());
        assert_eq!((changed.status, changed.field("etag")), (200, Some("\"2\"")));
        server.follow_now();
        assert_eq!(keys.ask(&server, made["key"].as_str().unwrap(), json!({}))["code"], "restricted");
        assert_eq!(call(&server, "POST", "/v1/apis/docs/disable", &keys.manager, None).status, 200);
        server.follow_now();
        assert_eq!(keys.ask(&server, made["key"].as_str().unwrap(), json!({}))["code"], "key_disabled");
    });
}

#[test]
fn a_client_that_is_enabled_again_manages_no_keys_with_a_token_of_before() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine_with(|metadata| {
            metadata["scope"] = json!("keys:read");
            metadata["resources"] = json!([server.issuer]);
        });
        let token = || machine.own_token(&[]).tokens().access;
        let listed = |token: &str| call(&server, "GET", "/v1/keys", token, None).status;
        let old = token();
        assert_eq!(listed(&old), 200);
        server.disable_client(&machine);
        assert_eq!(listed(&old), 401);
        server.enable_client(&machine);
        assert_eq!((listed(&old), listed(&token())), (401, 200));
    });
}

#[test]
fn what_no_name_can_be_names_no_api_and_no_plan() {
    each(|database| {
        let server = Server::on(database);
        let keys = Keys::at(&server, json!({}));
        for target in ["/v1/apis/docs%00", "/v1/apis/a%0Ab", "/v1/plans/a%00b", "/v1/plans/%7F"] {
            assert_eq!(call(&server, "GET", target, &keys.manager, None).status, 404, "{target}");
        }
        let owner = json!({"type": "client", "id": server.machine().id});
        let key = json!({"api": "docs", "name": "x", "anywhere": true, "owner": owner, "meta": {"a": "\u{0}"}});
        let claim = call(&server, "POST", "/v1/keys/claims", &keys.manager, Some(&json!({"key": key})));
        assert_eq!((claim.status, &claim.json()["member"]), (422, &json!("meta")), "{}", claim.text());
    });
}

#[test]
fn the_prefix_of_an_api_stays_where_it_is_left_out_also_for_those_who_may_not_look() {
    each(|database| {
        let server = Server::on(database);
        let keys = Keys::at(&server, json!({}));
        let body = json!({"name": "maps", "audience": "https://maps.example", "prefix": "mp"});
        assert_eq!(call(&server, "POST", "/v1/apis", &keys.manager, Some(&body)).status, 201);
        let manages = token(&server, "apis:manage");
        let put = |body: serde_json::Value| {
            let request = crate::world::Request::new("PUT", "/v1/apis/maps").bearer(&manages).field("if-match", "*");
            server.send(&request.body("application/json", body.to_string()))
        };
        let said = |more: serde_json::Value| {
            let mut body = json!({"name": "maps", "audience": "https://maps.example"});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            put(body)
        };
        let kept = said(json!({"environments": ["live"]}));
        assert_eq!((kept.status, &kept.json()["prefix"]), (200, &json!("mp")), "{}", kept.text());
        assert_eq!(said(json!({"prefix": "kw"})).json()["member"], "prefix", "and is never another");
    });
}

#[test]
fn a_token_that_is_for_a_resource_server_too_manages_no_keys() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine_with(|metadata| {
            metadata["scope"] = json!("keys:read");
            metadata["resources"] = json!([server.issuer, crate::world::DOCS]);
        });
        let machine = machine.scope("keys:read");
        let listed = |resources: &[&str]| {
            let mut form = vec![("scope", "keys:read")];
            form.extend(resources.iter().map(|one| ("resource", *one)));
            call(&server, "GET", "/v1/keys", &machine.own_token(&form).tokens().access, None)
        };
        let refused = listed(&[&server.issuer, crate::world::DOCS]);
        assert_eq!(refused.status, 401, "{}", refused.text());
        assert!(refused.field("www-authenticate").unwrap().contains("invalid_token"));
        assert_eq!(listed(&[&server.issuer]).status, 200);
    });
}

#[test]
fn what_has_ended_is_listed_for_those_who_verify_offline() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let target = format!("/v1/keys/{}/revoke", made["id"].as_str().unwrap());
        call(&server, "POST", &target, &keys.manager, None);
        let basic = crate::world::jwt::base64_standard(format!("{}:{}", keys.docs.id, keys.docs.secret()));
        let ask = |query: &str| {
            let request = crate::world::get(&format!("/v1/revocations{query}"));
            server.send(&request.field("authorization", format!("Basic {basic}")))
        };
        let told = ask("").json();
        assert_eq!((&told["ended"][0]["key_id"], &told["ended"][0]["state"]), (&made["id"], &json!("revoked")));
        assert_eq!(ask(&format!("?since={}", server.now().unix() + 1)).json()["ended"], json!([]));
        let mail = server.resource_server(crate::world::MAIL);
        let theirs = crate::world::jwt::base64_standard(format!("{}:{}", mail.id, mail.secret()));
        let request = crate::world::get("/v1/revocations").field("authorization", format!("Basic {theirs}"));
        assert_eq!(server.send(&request).json()["ended"], json!([]), "of another API nothing is told");
        assert_eq!(ask("?since=x").status, 400);
        assert_eq!(server.get("/v1/revocations").status, 401);
    });
}

#[test]
fn lists_come_in_pages_and_hold_only_what_is_ones_own() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let mut made: Vec<_> = (0..5).map(|_| keys.key(&server, &app, json!({}))["id"].clone()).collect();
        let mut seen = Vec::new();
        let mut target = "/v1/keys?limit=2".to_owned();
        loop {
            let page = call(&server, "GET", &target, &keys.manager, None).json();
            seen.extend(page["keys"].as_array().unwrap().iter().map(|key| key["id"].clone()));
            let Some(next) = page["next"].as_str() else { break };
            target = format!("/v1/keys?limit=2&after={next}");
        }
        // Within a millisecond there is no first and second.
        made.sort_by_key(ToString::to_string);
        assert_eq!(seen, made);
        let stranger = token(&server, "keys:read");
        assert_eq!(call(&server, "GET", "/v1/keys", &stranger, None).json()["keys"], json!([]));
        for bad in ["?limit=0", "?limit=9999", "?after=%20", "?state=gone", "?limit=1&limit=2"] {
            assert_eq!(call(&server, "GET", &format!("/v1/keys{bad}"), &keys.manager, None).status, 400, "{bad}");
        }
    });
}

#[test]
fn whoever_has_made_and_ended_many_keys_of_late_makes_none_for_a_while_and_not_for_ever() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("api_keys.per_owner", "1"));
        let _keys = Keys::at(&server, json!({}));
        let scope = "keys:create keys:revoke";
        let machine = server.machine_with(|metadata| {
            metadata["scope"] = json!(scope);
            metadata["resources"] = json!([server.issuer]);
        });
        let machine = machine.scope(scope);
        let token = || machine.own_token(&[("scope", scope)]).tokens().access;
        let own = token();
        let make = |own: &str| {
            call(&server, "POST", "/v1/keys", own, Some(&json!({"api": "docs", "name": "job", "anywhere": true})))
        };
        for n in 0..10 {
            let made = make(&own);
            assert_eq!(made.status, 201, "{n}: {}", made.text());
            let second = make(&own);
            assert_eq!(second.status, 409);
            assert!(second.text().contains("revoke one first"), "{}", second.text());
            let revoke = format!("/v1/keys/{}/revoke", made.json()["id"].as_str().unwrap());
            assert_eq!(call(&server, "POST", &revoke, &own, None).status, 200);
        }
        let held = make(&own);
        assert_eq!(held.status, 409);
        assert!(held.text().contains("within 30 days"), "{}", held.text());
        server.advance(Span::days(30));
        assert_eq!(make(&token()).status, 201);
    });
}
