//! RFC 7662: what a token is, told to those whom it concerns.

use crate::world::{DOCS, MAIL, Server, each, forged, header, payload};
use keywright::base::moment::Span;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn inactive() -> Value {
    json!({"active": false})
}

#[test]
fn its_client_and_its_api_are_told_what_an_access_token_is() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app, docs) = (server.person("ada"), server.web_app(), server.resource_server(DOCS));
        let tokens = server.browser().tokens(&app, &ada);
        for caller in [&app, &docs] {
            let told = caller.introspect(&tokens.access);
            let claims = tokens.access_claims();
            assert_eq!(told["active"], true);
            for name in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope"] {
                assert_eq!(told[name], claims[name], "{name}");
            }
            let names: BTreeSet<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
            assert!(!names.contains("grant_id") && names.contains("token_type"), "{names:?}");
        }
        let reply = docs.post("/introspect", &[("token", &tokens.access)]);
        assert_eq!(reply.field("cache-control"), Some("no-store"));
    });
}

#[test]
fn a06_another_api_and_another_client_are_told_nothing() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let (mail, other) = (server.resource_server(MAIL), server.web_app());
        let tokens = server.browser().tokens(&app, &ada);
        for token in [&tokens.access, &tokens.refresh] {
            assert_eq!(mail.introspect(token), inactive());
            assert_eq!(other.introspect(token), inactive());
        }
        let docs = server.resource_server(DOCS);
        assert_eq!(docs.introspect(&tokens.refresh), inactive(), "a refresh token is no API's business");
    });
}

#[test]
fn its_client_is_told_of_a_refresh_token() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let tokens = server.browser().tokens(&app, &ada);
        let told = app.introspect(&tokens.refresh);
        assert_eq!((&told["active"], &told["sub"]), (&json!(true), &json!(ada.id)));
        assert!(told["exp"].as_i64().unwrap() > server.now().unix());
    });
}

#[test]
fn whoever_cannot_prove_who_they_are_is_refused() {
    each(|database| {
        let server = Server::on(database);
        let public = server.public_app();
        assert_eq!(server.post("/introspect", &[("token", "x")]).refusal(), (401, "invalid_client".to_owned()));
        assert_eq!(public.post("/introspect", &[("token", "x")]).status / 100, 4);
        let machine = server.machine();
        assert_eq!(machine.post("/introspect", &[]).refusal(), (400, "invalid_request".to_owned()));
        let twice = machine.post("/introspect", &[("token", "x"), ("token", "y")]);
        assert_eq!(twice.refusal(), (400, "invalid_request".to_owned()));
    });
}

#[test]
fn r046_an_expired_token_is_not_active_whoever_sweeps_or_does_not() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        let tokens = machine.own_token(&[]).tokens();
        server.advance(Span::seconds(299));
        assert!(machine.sees_live(&tokens.access));
        server.advance(Span::seconds(1));
        assert_eq!(machine.introspect(&tokens.access), inactive());
    });
}

#[test]
fn a31_a42_to_a51_whatever_was_tampered_with_is_not_active() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        let token = machine.own_token(&[]).tokens().access;
        let (head, claims) = (header(&token), payload(&token));
        let with = |base: &Value, name: &str, value: Value| {
            let mut changed = base.clone();
            changed[name] = value;
            changed
        };
        let signature = token.rsplit('.').next().unwrap();
        let mut wrong = vec![
            forged(&token, &with(&head, "alg", json!("none")), &claims),
            forged(&token, &with(&head, "alg", json!("HS256")), &claims),
            forged(&token, &with(&head, "alg", json!("RS256")), &claims),
            forged(&token, &with(&head, "crit", json!(["exp"])), &claims),
            forged(&token, &with(&head, "zip", json!("DEF")), &claims),
            forged(&token, &with(&head, "jwk", json!({"kty": "EC"})), &claims),
            forged(&token, &with(&head, "kid", json!("../../etc/passwd")), &claims),
            forged(&token, &with(&head, "typ", json!("JWT")), &claims),
            forged(&token, &head, &with(&claims, "exp", json!(9_999_999_999_i64))),
            forged(&token, &head, &with(&claims, "nbf", json!("999"))),
            forged(&token, &head, &with(&claims, "exp", Value::Null)),
            token[..token.len() - 1].to_owned(),
            format!("{token}A"),
            format!("{token}="),
            format!("{token}.x"),
            token.replace(signature, ""),
            token.replace(signature, &signature[..40]),
            ".".repeat(5000),
            "a.".repeat(20_000),
            "x".repeat(9000),
        ];
        wrong.push(String::from_utf8(vec![b'{'; 4000]).unwrap());
        for token in wrong {
            assert_eq!(machine.introspect(&token), inactive(), "{}", &token[..token.len().min(80)]);
        }
        assert!(machine.sees_live(&token));
    });
}

#[test]
fn an_id_token_is_no_access_token() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let tokens = server.browser().tokens(&app, &ada);
        assert_eq!(app.introspect(&tokens.id), inactive());
        assert_eq!(app.userinfo(&tokens.id).status, 401);
    });
}

#[test]
fn a_node_that_has_not_heard_of_revocations_for_too_long_vouches_for_nothing() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        let tokens = machine.own_token(&[]).tokens();
        server.world.store.close();
        std::thread::sleep(std::time::Duration::from_millis(50));
        server.clock.advance(Span::seconds(11));
        let reply = machine.post("/introspect", &[("token", &tokens.access)]);
        assert_eq!(reply.status, 503, "{}", reply.text());
        assert!(reply.field("retry-after").is_some());
    });
}

/// Disabled and enabled at one moment is the hardest: an `iat` is in whole seconds.
#[test]
fn what_a_client_had_before_it_was_disabled_stays_dead_when_it_is_enabled_again() {
    each(|database| {
        let server = Server::on(database);
        let (machine, docs) = (server.machine(), server.resource_server(DOCS));
        let token = || machine.own_token(&[]).tokens().access;
        for meanwhile in [Span::ZERO, Span::minutes(3)] {
            let old = token();
            assert_eq!(docs.introspect(&old)["active"], true);
            server.disable_client(&machine);
            assert_eq!(docs.introspect(&old), inactive());
            server.advance(meanwhile);
            server.enable_client(&machine);
            assert_eq!(docs.introspect(&old), inactive(), "{meanwhile:?}");
            let new = token();
            assert!(payload(&new)["iat"].as_i64().unwrap() <= server.now().unix() + 60);
            assert_eq!(docs.introspect(&new)["active"], true, "{meanwhile:?}");
            server.advance(Span::minutes(2));
            assert_eq!(docs.introspect(&old), inactive());
            assert_eq!(docs.introspect(&new)["active"], true);
        }
        assert_eq!(payload(&token())["iat"], server.now().unix());
    });
}
