//! private_key_jwt: RFC 7523, OpenID Connect Core §9.

use crate::world::{ISSUER, JWT_BEARER, Key, Server, each};
use serde_json::{Value, json};

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

#[test]
fn b12_a_signed_assertion_proves_the_client() {
    each(|database| {
        let server = Server::on(database);
        let (app, key) = server.keyed();
        assert_eq!(app.own_token(&[]).status, 200);
        let claims = app.assertion_claims();
        for good in [
            key.sign(&with(&claims, "aud", json!([ISSUER]))),
            key.sign(&with(&app.assertion_claims(), "nbf", claims["iat"].clone())),
            key.sign_under(&json!({"typ": "client-authentication+jwt"}), &app.assertion_claims()),
        ] {
            assert_eq!(server.show(&good).status, 200, "{}", server.show(&good).text());
        }
    });
}

#[test]
fn a12_an_assertion_is_good_once_on_all_nodes_together() {
    each(|database| {
        let (one, two) = (Server::on(database), Server::on(database));
        let (app, key) = one.keyed();
        let assertion = key.sign(&app.assertion_claims());
        assert_eq!(one.show(&assertion).status, 200);
        assert_eq!(two.show(&assertion).refusal(), (401, "invalid_client".to_owned()));
        assert_eq!(one.show(&assertion).refusal(), (401, "invalid_client".to_owned()));
        assert!(one.recorded("client.assertion_replayed"));
        let events = one.events_of("client.assertion_replayed");
        assert!(events.iter().all(|e| e.data["jti"].as_str().is_some_and(|jti| !jti.is_empty())), "{events:?}");
    });
}

#[test]
fn an_assertion_shown_over_and_over_fills_no_audit() {
    each(|database| {
        let server = Server::on(database);
        let (app, key) = server.keyed();
        let assertion = key.sign(&app.assertion_claims());
        assert_eq!(server.show(&assertion).status, 200);
        for _ in 0..40 {
            assert_eq!(server.show(&assertion).refusal(), (401, "invalid_client".to_owned()));
        }
        assert_eq!(server.events_of("client.assertion_replayed").len(), 30, "what one network may cause at once");
    });
}

#[test]
fn a12_many_at_once_find_it_good_once() {
    each(|database| {
        let (one, two) = (Server::on(database), Server::on(database));
        let (app, key) = one.keyed();
        let assertion = key.sign(&app.assertion_claims());
        let good = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..16)
                .map(|n| if n % 2 == 0 { &one } else { &two })
                .map(|server| (server.address, &assertion))
                .map(|(address, assertion)| {
                    scope.spawn(move || {
                        let form = [
                            ("grant_type", "client_credentials"),
                            ("client_assertion_type", JWT_BEARER),
                            ("client_assertion", assertion),
                        ];
                        crate::world::post("/token", &form).send(address).status == 200
                    })
                })
                .collect();
            tries.into_iter().filter(|_| true).map(|t| t.join().unwrap()).filter(|good| *good).count()
        });
        assert_eq!(good, 1);
    });
}

#[test]
fn a20_a28_a29_a42_each_claim_must_be_there_and_right() {
    each(|database| {
        let server = Server::on(database);
        let (app, key) = server.keyed();
        let now = server.now().unix();
        for (name, value) in [
            ("aud", json!("https://other.example")),
            ("aud", json!(format!("{ISSUER}/token"))),
            ("aud", json!([ISSUER, "https://other.example"])),
            ("aud", json!([])),
            ("aud", Value::Null),
            ("exp", json!(now + 361)),
            ("exp", json!(now - 61)),
            ("exp", json!((now + 60).to_string())),
            ("exp", Value::Null),
            ("nbf", json!("999")),
            ("nbf", json!(now + 3600)),
            ("iat", json!(now + 3600)),
            ("jti", Value::Null),
            ("jti", json!(7)),
            ("iss", json!("cli_other")),
            ("iss", Value::Null),
            ("sub", json!("cli_other")),
            ("sub", Value::Null),
        ] {
            let mut claims = with(&app.assertion_claims(), name, value.clone());
            if value.is_null() {
                let without = claims.as_object_mut().unwrap();
                assert_eq!(server.show(&key.sign(&Value::Object(without.clone()))).status, 401, "{name} null");
                without.remove(name);
            }
            let reply = server.show(&key.sign(&claims));
            assert_eq!(reply.refusal(), (401, "invalid_client".to_owned()), "{name}: {value}");
        }
    });
}

#[test]
fn a46_a48_a49_the_header_decides_nothing() {
    each(|database| {
        let server = Server::on(database);
        let (app, key) = server.keyed();
        let thief = Key::new();
        let own = thief.jwks()["keys"][0].clone();
        let good = key.sign(&app.assertion_claims());
        let parts: Vec<&str> = good.split('.').collect();
        let none = format!("{}.{}.", crate::world::jwt::base64(r#"{"alg":"none"}"#), parts[1]);
        for wrong in [
            thief.sign(&app.assertion_claims()),
            thief.sign_under(&json!({"jwk": own, "kid": key.jwks()["keys"][0]["kid"]}), &app.assertion_claims()),
            thief.sign_under(&json!({"jku": "https://thief.example/jwks"}), &app.assertion_claims()),
            key.sign_under(&json!({"typ": "at+jwt"}), &app.assertion_claims()),
            none,
            format!("{}.{}", parts[0], parts[1]),
            "x".repeat(9000),
        ] {
            let reply = server.show(&wrong);
            assert!(matches!(reply.status, 400 | 401), "{}", reply.text());
        }
    });
}

#[test]
fn half_an_assertion_or_another_kind_is_none() {
    each(|database| {
        let server = Server::on(database);
        let (app, key) = server.keyed();
        let assertion = key.sign(&app.assertion_claims());
        let grant = ("grant_type", "client_credentials");
        for form in [
            vec![grant, ("client_assertion", assertion.as_str())],
            vec![grant, ("client_assertion_type", JWT_BEARER)],
            vec![
                grant,
                ("client_assertion", assertion.as_str()),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
            ],
            vec![
                grant,
                ("client_assertion", assertion.as_str()),
                ("client_assertion_type", JWT_BEARER),
                ("client_secret", "x"),
            ],
            vec![
                grant,
                ("client_assertion", assertion.as_str()),
                ("client_assertion_type", JWT_BEARER),
                ("client_id", "cli_other"),
            ],
            vec![grant, ("client_id", app.id.as_str())],
        ] {
            let reply = server.post("/token", &form);
            assert!(matches!(reply.status, 400 | 401), "{form:?}: {}", reply.text());
        }
        assert_eq!(server.show(&assertion).status, 200, "none of them cost the assertion");
    });
}

#[test]
fn an_assertion_serves_every_endpoint_that_asks_for_a_client() {
    each(|database| {
        let server = Server::on(database);
        let (app, _) = server.keyed();
        let token = app.own_token(&[]).tokens().access;
        assert!(app.sees_live(&token));
        assert_eq!(app.revoke(&token).status, 200);
        assert!(!app.sees_live(&token));
    });
}
