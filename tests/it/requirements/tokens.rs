//! R24 and R43 to R48: what a token is made of, how long it lives, and how it ends.

use crate::world::{Server, each, header, payload};
use keywright::{
    base::{
        digest::from_base64url,
        entropy::OsEntropy,
        moment::{ManualClock, Span},
    },
    config::Config,
    oauth::issue::token_name,
};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};

fn names(claims: &Value) -> BTreeSet<&str> {
    claims.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn r024_plain_http_is_refused_unless_the_address_is_loopback() {
    let load = |issuer: &str, listen: &str| {
        let variables = [
            ("KEYWRIGHT_SERVER_ISSUER", issuer),
            ("KEYWRIGHT_SERVER_LISTEN", listen),
            ("KEYWRIGHT_KEK", &"4b".repeat(32)),
        ];
        Config::load(None, variables.map(|(n, v)| (n.to_owned(), v.to_owned())).into_iter())
    };
    for issuer in
        ["http://id.example", "http://10.0.0.1", "http://localhost.evil.example", "http://127.0.0.1.evil.example"]
    {
        let refused = load(issuer, "127.0.0.1:8080").unwrap_err().to_string();
        assert!(refused.contains("issuer") && refused.contains("https"), "{issuer}: {refused}");
    }
    assert!(load("http://127.0.0.1:8080", "0.0.0.0:8080").is_err(), "http for everybody");
    assert!(load("http://127.0.0.1:8080", "127.0.0.1:8080").is_ok());
    assert!(load("https://id.example", "0.0.0.0:8080").is_ok(), "a proxy ends TLS");
}

#[test]
fn r043_a_hundred_thousand_tokens_have_as_many_names_of_128_bits() {
    let names: HashSet<String> = (0..100_000).map(|_| token_name(&OsEntropy).unwrap()).collect();
    assert_eq!(names.len(), 100_000);
    assert!(names.iter().all(|name| from_base64url(name).is_some_and(|bytes| bytes.len() == 16)));
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        let jti = payload(&machine.own_token(&[]).tokens().access)["jti"].as_str().unwrap().to_owned();
        assert_eq!(from_base64url(&jti).unwrap().len(), 16, "and that is the name a token gets");
    });
}

#[test]
fn r044_tokens_are_signed_by_es256_eddsa_or_rs256_and_never_by_none_or_a_shared_secret() {
    each(|database| {
        let server = Server::on(database);
        let document = server.get("/.well-known/openid-configuration").json();
        let members: Vec<_> = document.as_object().unwrap().iter().filter(|(n, _)| n.contains("signing_alg")).collect();
        assert!(members.len() >= 2, "{members:?}");
        for (name, algs) in members {
            for alg in algs.as_array().unwrap() {
                let alg = alg.as_str().unwrap();
                assert!(alg != "none" && !alg.starts_with("HS"), "{name}: {alg}");
            }
        }
        for alg in ["none", "HS256", "HS512"] {
            let asked = json!({
                "redirect_uris": ["https://app.example/cb"], "id_token_signed_response_alg": alg,
            });
            assert!(server.try_register(&asked).is_err(), "{alg}");
        }
        let ada = server.person("ada");
        let app = server.web_app_with(|m| m["id_token_signed_response_alg"] = json!("RS256"));
        let tokens = server.browser().tokens(&app, &ada);
        assert_eq!((&header(&tokens.id)["alg"], &header(&tokens.access)["alg"]), (&json!("RS256"), &json!("ES256")));
        let keys = server.get("/jwks").json();
        let rsa = keys["keys"].as_array().unwrap().iter().find(|key| key["kty"] == "RSA").unwrap();
        assert!(from_base64url(rsa["n"].as_str().unwrap()).unwrap().len() >= 256, "2048 bits");
    });
}

#[test]
fn r045_the_name_of_a_token_is_the_same_at_introspection_and_in_the_audit() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app, machine) = (server.person("ada"), server.web_app(), server.machine());
        let of_ada = server.browser().tokens(&app, &ada).access;
        let own = machine.own_token(&[]).tokens().access;
        let rows = server.events_of("token.issued");
        for (app, token) in [(&app, &of_ada), (&machine, &own)] {
            let jti = payload(token)["jti"].clone();
            assert_eq!(app.introspect(token)["jti"], jti);
            assert_eq!(rows.iter().filter(|row| row.data["jti"] == jti).count(), 1);
            assert_eq!(app.revoke(token).status, 200);
            assert!(server.events_of("token.revoked").iter().any(|row| row.data["jti"] == jti));
        }
        let stored = database
            .backdoor()
            .texts("SELECT payload AS text FROM (SELECT CAST(payload AS TEXT) AS payload FROM grants) g");
        assert!(stored.iter().all(|row| !row.contains(&of_ada)), "the token itself is not kept");
    });
}

#[test]
fn r046_each_kind_of_token_lives_as_long_as_was_said_to_the_second() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        let tokens = browser.tokens(&app, &ada);
        for (what, claims) in [("access", tokens.access_claims()), ("ID", tokens.id_claims())] {
            assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300, "{what}");
        }
        assert_eq!(tokens.body["expires_in"], 300);
        let short = server.machine_with(|m| m["access_token_lifetime"] = json!(60));
        let claims = short.own_token(&[]).tokens().access_claims();
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60, "its own");
        let (good, late) = (app.begin(), app.begin());
        let (first, second) = (browser.approve(&good, &ada), browser.approve(&late, &ada));
        server.advance(Span::seconds(59));
        assert_eq!(app.redeem(&good, first.code()).status, 200, "a code, in its last second");
        server.advance(Span::seconds(1));
        assert_eq!(app.redeem(&late, second.code()).error(), "invalid_grant", "and after it");
    });
}

#[test]
fn r047_an_id_token_names_the_person_and_the_sign_in_and_tells_nothing_else_of_them() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app().scope("openid profile email docs.read"));
        let tokens = server.browser().tokens(&app, &ada);
        let id = tokens.id_claims();
        let known = ["amr", "at_hash", "aud", "auth_time", "exp", "iat", "iss", "nonce", "sid", "sub"];
        assert!(names(&id).iter().all(|name| known.contains(name) || *name == "acr"), "{id}");
        for (what, claims) in [("ID token", id), ("access token", tokens.access_claims())] {
            let text = claims.to_string();
            for personal in ["ada@example.org", "ada Example", "\"ada\"", &ada.password] {
                assert!(!text.contains(personal), "{personal} in the {what}: {text}");
            }
        }
        assert_eq!(app.userinfo(&tokens.access).json()["email"], "ada@example.org", "that is for userinfo");
    });
}

#[test]
fn r048_what_was_revoked_is_refused_at_every_endpoint_and_a_grant_takes_its_tokens_along() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let one = server.browser().tokens(&app, &ada);
        let next = app.refresh(&one.refresh).tokens();
        assert_eq!(app.revoke(&next.refresh).status, 200);
        server.follow_now();
        for token in [&one.access, &next.access] {
            assert_eq!(app.introspect(token), json!({"active": false}));
            assert_eq!(app.userinfo(token).refusal(), (401, "invalid_token".to_owned()));
        }
        for token in [&one.refresh, &next.refresh] {
            assert_eq!(app.introspect(token), json!({"active": false}));
            assert_eq!(app.refresh(token).refusal(), (400, "invalid_grant".to_owned()));
        }
        let clock: &ManualClock = &server.clock;
        clock.advance(Span::hours(2));
        server.sweep_now();
        assert_eq!(app.refresh(&next.refresh).error(), "invalid_grant", "also after what is old was deleted");
    });
}

#[test]
fn r078_what_was_revoked_is_remembered_for_as_long_as_it_would_have_lived_and_no_longer() {
    each(|database| {
        let (server, other) = (Server::on(database), Server::on(database));
        let (machine, docs) = (server.machine(), server.resource_server(crate::world::DOCS));
        let tokens: Vec<String> = (0..100).map(|_| machine.own_token(&[]).tokens().access).collect();
        for token in &tokens {
            assert_eq!(machine.revoke(token).status, 200);
        }
        other.follow_now();
        let remembered = |server: &Server| server.world.revocations.len();
        assert_eq!((remembered(&server), remembered(&other)), (100, 100));
        let stored = || database.backdoor().texts("SELECT subject AS text FROM change_feed WHERE kind = 'token'").len();
        assert_eq!(stored(), 100);
        server.advance(Span::minutes(4));
        other.follow_now();
        assert!(!docs.sees_live(&tokens[0]));
        assert_eq!((remembered(&server), stored()), (100, 100), "none is forgotten while it is good");
        // Once they are over, both nodes and the database forget them by themselves.
        server.advance(Span::minutes(2));
        let until = std::time::Instant::now() + std::time::Duration::from_secs(120);
        while (remembered(&server), remembered(&other), stored()) != (0, 0, 0) {
            assert!(std::time::Instant::now() < until, "{:?}", (remembered(&server), remembered(&other), stored()));
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        assert!(!docs.sees_live(&tokens[0]), "nor is a token good again for that");
    });
}

#[test]
fn r078_a_mass_revocation_leaves_nothing_behind_once_the_last_token_has_expired() {
    each(|database| {
        let (server, other) = (Server::on(database), Server::on(database));
        let (ada, docs) = (server.person("ada"), server.resource_server(crate::world::DOCS));
        let app = server.web_app();
        let mut tokens: Vec<_> = (0..8).map(|_| server.browser().tokens(&app, &ada)).collect();
        server.advance(Span::minutes(2));
        tokens[0] = app.refresh(&tokens[0].refresh).tokens();
        server.disable(&ada);
        let stored = || database.backdoor().texts("SELECT subject AS text FROM change_feed WHERE kind = 'grant'").len();
        let sweep = || {
            for node in [&server, &other] {
                node.sweep_now();
                node.world.revocations.forget_expired(node.now());
            }
        };
        let remembered = || (server.world.revocations.len(), other.world.revocations.len(), stored());
        other.follow_now();
        server.follow_now();
        assert_eq!(remembered(), (8, 8, 8));
        server.advance(Span::minutes(4));
        sweep();
        // Those of before have expired, that of the refresh has not.
        assert_eq!(remembered(), (1, 1, 1));
        assert!(!docs.sees_live(&tokens[0].access));
        server.advance(Span::minutes(3));
        sweep();
        assert_eq!(remembered(), (0, 0, 0));
        assert!(!docs.sees_live(&tokens[0].access), "nor is a token good again for that");
        assert_eq!(app.refresh(&tokens[0].refresh).error(), "invalid_grant");
    });
}
