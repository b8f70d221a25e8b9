//! An API key becomes a token of a few minutes (RFC 8693), and the token ends with the key.

use super::{Keys, call};
use crate::world::{App, DOCS, ISSUER, MAIL, Reply, Request, Server, each, header, payload};
use keywright::base::moment::Span;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const API_KEY: &str = "urn:keywright:token-type:api-key";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// An exchange of this key, with these parameters beside it.
pub fn exchange(server: &Server, key: &str, more: &[(&str, &str)]) -> Reply {
    let mut form = vec![("grant_type", EXCHANGE), ("subject_token", key), ("subject_token_type", API_KEY)];
    form.extend_from_slice(more);
    server.post("/token", &form)
}

fn text(made: &Value) -> &str {
    made["key"].as_str().unwrap()
}

fn access(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn r053_a_key_becomes_a_token_of_five_minutes_for_its_api() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({"scope": "docs.read docs.write"}));
        let reply = exchange(&server, text(&made), &[("resource", DOCS), ("scope", "docs.read")]);
        let token = access(&reply);
        assert_eq!(reply.field("cache-control"), Some("no-store"));
        let body = reply.json();
        assert_eq!(
            (&body["token_type"], &body["expires_in"], &body["scope"], &body["issued_token_type"]),
            (&json!("Bearer"), &json!(300), &json!("docs.read"), &json!(ACCESS_TOKEN))
        );
        assert!(body.get("refresh_token").is_none() && body.get("id_token").is_none());
        let claims = payload(&token);
        let names: BTreeSet<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        let wanted = ["amr", "aud", "client_id", "exp", "fam", "iat", "iss", "jti", "key_id", "scope", "sub"];
        assert_eq!(names, wanted.into());
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!(DOCS)));
        assert_eq!((&claims["sub"], &claims["client_id"]), (&json!(app.id), &json!(app.id)));
        assert_eq!((&claims["key_id"], &claims["fam"]), (&made["id"], &made["family"]));
        assert_eq!(claims["amr"], json!(["api_key"]));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
        assert_eq!((&header(&token)["typ"], &header(&token)["alg"]), (&json!("at+jwt"), &json!("ES256")));
        let told = keys.docs.introspect(&token);
        assert_eq!(
            (&told["active"], &told["key_id"], &told["token_type"]),
            (&json!(true), &made["id"], &json!("Bearer"))
        );
        let rows = server.events_of("api_key.exchanged");
        assert_eq!(rows.len(), 1);
        assert_eq!((&rows[0].data["jti"], &rows[0].data["scope"]), (&claims["jti"], &json!("docs.read")));
        assert!(!format!("{:?}", rows[0].data).contains(text(&made)));
        let document = server.get("/.well-known/openid-configuration").json();
        assert!(document["grant_types_supported"].as_array().unwrap().contains(&json!(EXCHANGE)));
    });
}

#[test]
fn r053_it_is_for_nobody_else_and_allows_no_more_than_the_key() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        for (more, error) in [
            (&[("resource", MAIL)][..], "invalid_target"),
            (&[("audience", MAIL)], "invalid_target"),
            (&[("resource", DOCS), ("resource", MAIL)], "invalid_target"),
            (&[("resource", ISSUER)], "invalid_target"),
            (&[("scope", "docs.write")], "invalid_scope"),
            (&[("scope", "docs.read keys:any")], "invalid_scope"),
            (&[("actor_token", "x"), ("actor_token_type", API_KEY)], "invalid_request"),
            (&[("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")], "invalid_request"),
        ] {
            let reply = exchange(&server, text(&made), more);
            assert_eq!(reply.refusal(), (400, error.to_owned()), "{more:?}");
        }
        for audience in ["docs", DOCS] {
            access(&exchange(&server, text(&made), &[("audience", audience)]));
        }
        assert_eq!(server.events_of("api_key.exchanged").len(), 2);
        let bare = server.post("/token", &[("grant_type", EXCHANGE), ("subject_token", text(&made))]);
        assert_eq!(bare.refusal(), (400, "invalid_request".to_owned()));
    });
}

#[test]
fn r053_keys_that_are_no_servers_or_no_good_are_not_exchanged_and_all_hear_the_same() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({"public_keys": true})), server.machine());
        let verifier = keys.key(&server, &app, json!({"kind": "verifier", "scope": ""}));
        let public = keys.key(
            &server,
            &app,
            json!({"kind": "public", "policy": {"v": 1, "referrer": {"allow": ["https://app.example"]}}}),
        );
        let (revoked, disabled) = (keys.key(&server, &app, json!({})), keys.key(&server, &app, json!({})));
        let expired = keys.key(&server, &app, json!({"expires_in": 60}));
        for (made, step) in [(&revoked, "revoke"), (&disabled, "disable")] {
            let target = format!("/v1/keys/{}/{step}", made["id"].as_str().unwrap());
            assert_eq!(call(&server, "POST", &target, &keys.manager, Some(&json!({}))).status, 200);
        }
        server.advance(Span::seconds(61));
        let unknown = exchange(&server, "kw_live_nonsense", &[]);
        assert_eq!(unknown.refusal(), (400, "invalid_grant".to_owned()));
        for made in [&verifier, &public, &revoked, &disabled, &expired] {
            let reply = exchange(&server, text(made), &[("resource", MAIL), ("scope", "docs.write")]);
            assert_eq!(reply.text(), unknown.text(), "{made}");
        }
        assert!(server.recorded("api_key.used_after_end"));
    });
}

#[test]
fn r053_a_token_ends_with_its_key_and_with_the_overlap() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let brief = keys.key(&server, &app, json!({"expires_in": 100}));
        assert_eq!(exchange(&server, text(&brief), &[]).json()["expires_in"], 100);
        let made = keys.key(&server, &app, json!({}));
        let target = format!("/v1/keys/{}/rotate", made["id"].as_str().unwrap());
        let rotated = call(&server, "POST", &target, &keys.manager, Some(&json!({"overlap": "2m"})));
        assert_eq!(rotated.status / 100, 2, "{}", rotated.text());
        server.follow_now();
        let token = access(&exchange(&server, text(&made), &[]));
        let claims = payload(&token);
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 120);
        assert!(keys.docs.sees_live(&token));
        let target = format!("/v1/keys/{}/finish", made["id"].as_str().unwrap());
        assert_eq!(call(&server, "POST", &target, &keys.manager, Some(&json!({"force": true}))).status, 200);
        server.follow_now();
        assert!(!keys.docs.sees_live(&token), "the overlap was ended early");
        assert_eq!(exchange(&server, text(&made), &[]).error(), "invalid_grant");
    });
}

#[test]
fn r048_r055_whatever_ends_the_key_ends_its_tokens() {
    each(|database| {
        let server = Server::on(database);
        let keys = Keys::at(&server, json!({}));
        let token_of = |app: &App, more: Value| {
            let made = keys.key(&server, app, more);
            let token = access(&exchange(&server, text(&made), &[]));
            assert!(keys.docs.sees_live(&token), "{}", keys.docs.introspect(&token));
            (made, token)
        };
        for step in ["revoke", "disable"] {
            let (made, token) = token_of(&server.machine(), json!({}));
            let target = format!("/v1/keys/{}/{step}", made["id"].as_str().unwrap());
            assert_eq!(call(&server, "POST", &target, &keys.manager, Some(&json!({}))).status, 200);
            assert_eq!(keys.docs.introspect(&token), json!({"active": false}), "{step}");
        }
        let (owner, ada, used_by) = (server.machine(), server.person("ada"), server.machine());
        let (_, of_owner) = token_of(&owner, json!({}));
        let (_, of_ada) = token_of(&owner, json!({"owner": {"type": "user", "id": ada.id}}));
        let (_, of_application) =
            token_of(&owner, json!({"owner": {"type": "user", "id": ada.id}, "client_id": used_by.id}));
        assert_eq!(payload(&of_ada)["sub"], ada.id.as_str());
        assert_eq!(payload(&of_ada)["client_id"], payload(&of_ada)["key_id"], "nobody else asked for it");
        server.disable_client(&used_by);
        assert!(!keys.docs.sees_live(&of_application));
        server.disable_client(&owner);
        assert!(!keys.docs.sees_live(&of_owner));
        assert!(keys.docs.sees_live(&of_ada));
        server.disable(&ada);
        assert!(!keys.docs.sees_live(&of_ada));
        let (_, token) = token_of(&server.machine(), json!({}));
        let api = call(&server, "POST", "/v1/apis/docs/disable", &keys.manager, Some(&json!({})));
        assert_eq!(api.status, 200, "{}", api.text());
        server.follow_now();
        assert!(!keys.docs.sees_live(&token));
    });
}

/// As with a client's own tokens: disabled and enabled at one moment is the hardest.
#[test]
fn what_a_client_had_for_a_key_before_it_was_disabled_stays_dead_when_it_is_enabled_again() {
    each(|database| {
        let server = Server::on(database);
        let keys = Keys::at(&server, json!({}));
        let (owner, asks) = (server.machine(), server.machine());
        let made = keys.key(&server, &owner, json!({}));
        for client in [&asks, &owner] {
            let token = || {
                let form = [("grant_type", EXCHANGE), ("subject_token", text(&made)), ("subject_token_type", API_KEY)];
                access(&if client.id == owner.id { server.post("/token", &form) } else { client.post("/token", &form) })
            };
            let old = token();
            assert_eq!(payload(&old)["client_id"], client.id.as_str());
            assert!(keys.docs.sees_live(&old));
            server.disable_client(client);
            assert!(!keys.docs.sees_live(&old));
            server.enable_client(client);
            assert!(!keys.docs.sees_live(&old));
            let new = token();
            assert!(payload(&new)["iat"].as_i64().unwrap() <= server.now().unix() + 60);
            assert!(keys.docs.sees_live(&new));
            server.advance(Span::minutes(2));
            assert!(!keys.docs.sees_live(&old) && keys.docs.sees_live(&new));
        }
    });
}

#[test]
fn r020_a_token_of_a_key_manages_nothing_and_tells_nothing_of_a_person() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let ada = server.person("ada");
        let made = keys.key(&server, &app, json!({"owner": {"type": "user", "id": ada.id}}));
        let token = access(&exchange(&server, text(&made), &[]));
        assert_eq!(call(&server, "GET", "/v1/keys", &token, None).status, 401);
        assert_eq!(app.userinfo(&token).refusal(), (401, "invalid_token".to_owned()));
        // Even one that is for this server, which is never issued.
        let mut claims = payload(&token);
        claims["aud"] = json!(ISSUER);
        claims["scope"] = json!("openid keys:read keys:create");
        let forged = server.forge(keywright::jose::Typ::AccessToken, &claims);
        assert_eq!(call(&server, "GET", "/v1/keys", &forged, None).status, 401);
    });
}

#[test]
fn whoever_shows_a_client_must_prove_it_and_it_is_named_in_the_token() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app, other) = (Keys::at(&server, json!({})), server.machine(), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let form = [("grant_type", EXCHANGE), ("subject_token", text(&made)), ("subject_token_type", API_KEY)];
        let reply = other.token(&form);
        assert_eq!(payload(&access(&reply))["client_id"], other.id.as_str());
        assert_eq!(payload(&access(&reply))["sub"], app.id.as_str());
        let wrong = [("client_id", other.id.as_str()), ("client_secret", "kw_cs_wrong")];
        assert_eq!(exchange(&server, text(&made), &wrong).refusal(), (401, "invalid_client".to_owned()));
        let token = access(&reply);
        assert_eq!(other.revoke(&token).status, 200);
        server.follow_now();
        assert!(!keys.docs.sees_live(&token));
    });
}

#[test]
fn a_key_with_a_quota_is_exchanged_only_where_its_api_says_so_and_pays_for_it() {
    each(|database| {
        let server = Server::on(database);
        let policy = json!({"v": 1, "rate": [{"name": "burst", "by": "family", "limit": 100, "per": "1s"}],
            "quota": [{"name": "month", "limit": 10, "per": "month"}]});
        let (keys, app) = (Keys::with(&server, policy.clone(), json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        assert_eq!(exchange(&server, text(&made), &[]).refusal(), (400, "invalid_grant".to_owned()));
        let change = |settings: Value| {
            let api = json!({"name": "docs", "audience": DOCS, "policy": policy, "settings": settings});
            let put = Request::new("PUT", "/v1/apis/docs").bearer(&keys.manager).field("if-match", "*");
            let put = server.send(&put.body("application/json", api.to_string()));
            assert_eq!(put.status, 200, "{}", put.text());
            server.follow_now();
        };
        change(json!({"scopes": "docs.read", "exchange": "metered", "exchange_cost": 4}));
        for _ in 0..2 {
            access(&exchange(&server, text(&made), &[]));
        }
        let reply = exchange(&server, text(&made), &[]);
        assert_eq!(reply.status, 429, "eight of ten are used: {}", reply.text());
        assert_eq!(keys.ask(&server, text(&made), json!({}))["quota"][0]["remaining"], 1);
        change(json!({"scopes": "docs.read", "exchange": "never"}));
        assert_eq!(exchange(&server, text(&made), &[]).error(), "invalid_grant");
    });
}

#[test]
fn what_restricts_a_key_is_asked_at_the_exchange_and_travels_in_the_token() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let restricted = |policy: Value| keys.key(&server, &app, json!({"policy": policy}));
        let here = json!({"allow": ["127.0.0.0/8"]});
        let made = restricted(json!({"v": 1, "ip": here}));
        let claims = payload(&access(&exchange(&server, text(&made), &[])));
        assert_eq!(claims["restrictions"], json!([{"ip": here}]));
        for policy in [
            json!({"v": 1, "ip": {"allow": ["203.0.113.0/24"]}}),
            json!({"v": 1, "routes": [{"path": "/a"}]}),
            json!({"v": 1, "referrer": {"allow": ["https://app.example"]}}),
            json!({"v": 1, "referrer": {"allow": ["https://app.example"], "missing": "allow"}}),
        ] {
            let made = restricted(policy.clone());
            assert_eq!(exchange(&server, text(&made), &[]).refusal(), (400, "invalid_grant".to_owned()), "{policy}");
        }
        let networks: Vec<String> = (0..200).map(|n| format!("127.0.{n}.0/24")).collect();
        let long = restricted(json!({"v": 1, "ip": {"allow": networks}}));
        assert_eq!(exchange(&server, text(&long), &[]).error(), "invalid_grant");
    });
}

#[test]
fn exchanges_count_against_the_limits_of_the_key() {
    each(|database| {
        let server = Server::on(database);
        let rate = json!({"v": 1, "rate": [{"name": "minute", "by": "key", "limit": 3, "per": "60s"}]});
        let (keys, app) = (Keys::with(&server, rate, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let answers: Vec<u16> = (0..5).map(|_| exchange(&server, text(&made), &[]).status).collect();
        assert_eq!(answers, [200, 200, 200, 429, 429]);
        assert!(exchange(&server, text(&made), &[]).field("retry-after").is_some());
    });
}
