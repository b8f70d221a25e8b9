//! What other servers got wrong at the token, introspection and userinfo endpoints.

use crate::world::{DOCS, ISSUER, JWT_BEARER, Server, each, header, payload};
use keywright::{base::moment::Span, jose::Typ};
use serde_json::{Value, json};

fn without(claims: &Value, name: &str) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

#[test]
fn a01_a_redemption_without_the_verifier_gives_nothing_whatever_else_proves_the_client() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        for verifier in ["", "x", "plain"] {
            let attempt = app.begin();
            let callback = server.browser().approve(&attempt, &ada);
            let reply = app.redeem_with(callback.code(), verifier, &app.redirect_uri);
            assert_eq!(reply.status, 400, "{verifier}");
            assert!(matches!(reply.error().as_str(), "invalid_grant" | "invalid_request"), "{}", reply.text());
        }
        assert!(!server.recorded("token.issued"));
    });
}

#[test]
fn a05_a08_no_grant_gives_a_scope_or_an_api_that_the_client_has_not_registered() {
    each(|database| {
        let server = Server::on(database);
        let ada = server.person("ada");
        let narrow = |m: &mut Value| {
            m["scope"] = json!("openid docs.read");
            m["resources"] = json!([DOCS]);
            m["grant_types"] = json!(["authorization_code", "refresh_token", "client_credentials"]);
        };
        let app = server.web_app_with(narrow).scope("openid docs.read");
        let tokens = server.browser().tokens(&app, &ada);
        for scope in ["docs.write", "mail.read", "profile", "docs.read admin", "DOCS.READ"] {
            let attempt = app.clone().scope(scope).begin();
            assert_eq!(attempt.callback(&server.browser().open(&attempt.url())).error(), "invalid_scope", "{scope}");
            assert_eq!(app.own_token(&[("scope", scope)]).error(), "invalid_scope", "{scope}");
            assert_eq!(app.refresh_with(&tokens.refresh, &[("scope", scope)]).error(), "invalid_scope", "{scope}");
        }
        let other = ("resource", crate::world::MAIL);
        assert_eq!(app.own_token(&[other]).error(), "invalid_target");
        assert_eq!(app.refresh_with(&tokens.refresh, &[other]).error(), "invalid_target");
        assert_eq!(app.refresh(&tokens.refresh).status, 200, "and none of it cost the line");
    });
}

#[test]
fn a09_everything_ends_by_its_own_date_though_nothing_is_ever_swept() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        let tokens = browser.tokens(&app, &ada);
        let attempt = app.begin();
        let late = browser.approve(&attempt, &ada);
        server.advance(Span::seconds(60));
        assert_eq!(app.redeem(&attempt, late.code()).error(), "invalid_grant", "the code");
        server.advance(Span::seconds(240));
        assert!(!app.sees_live(&tokens.access), "the access token");
        assert_eq!(app.userinfo(&tokens.access).refusal(), (401, "invalid_token".to_owned()));
        assert_eq!(browser.visit("/account").title(), "Your account");
        server.advance(Span::hours(12));
        assert_eq!(browser.visit("/account").title(), "Sign in", "the session");
        assert_eq!(app.silently(&mut browser).error(), "login_required");
        server.advance(Span::days(30));
        assert_eq!(app.refresh(&tokens.refresh).error(), "invalid_grant", "the refresh token");
    });
}

#[test]
fn a10_whoever_is_disabled_fails_on_every_path() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        let tokens = browser.tokens(&app, &ada);
        let attempt = app.begin();
        let code = browser.approve(&attempt, &ada).code().to_owned();
        server.disable(&ada);
        assert_eq!(app.redeem(&attempt, &code).error(), "invalid_grant");
        assert_eq!(app.refresh(&tokens.refresh).error(), "invalid_grant");
        assert!(!app.sees_live(&tokens.access) && !app.sees_live(&tokens.refresh));
        assert_eq!(app.userinfo(&tokens.access).status, 401);
        assert_eq!(app.silently(&mut browser).error(), "login_required");
        assert_eq!(browser.visit("/account").title(), "Sign in");
        let mut fresh = server.browser();
        let shown = fresh.visit("/sign-in");
        let said = fresh.type_in(&shown, &ada);
        assert!(said.says("is not right"), "as for a wrong password: {}", said.words());
    });
}

#[test]
fn a20_the_memory_of_assertions_is_no_longer_than_an_assertion_lives() {
    each(|database| {
        let server = Server::on(database);
        let key = crate::world::Key::new();
        let app = server.machine_with(|m| {
            m["token_endpoint_auth_method"] = json!("private_key_jwt");
            m["jwks"] = key.jwks();
        });
        let app = app.with_key(&key);
        let kept = || database.backdoor().texts("SELECT CAST(count(*) AS TEXT) AS text FROM replay")[0].clone();
        for (name, exp) in [("far", 400), ("farther", 4_000_000), ("for ever", i64::MAX / 2)] {
            let claims = with(&app.assertion_claims(), "exp", json!(server.now().unix().saturating_add(exp)));
            let form = [
                ("grant_type", "client_credentials"),
                ("client_assertion_type", JWT_BEARER),
                ("client_assertion", &key.sign(&claims)),
            ];
            assert_eq!(server.post("/token", &form).refusal(), (401, "invalid_client".to_owned()), "{name}");
        }
        assert_eq!(kept(), "0", "what is refused is not remembered");
        assert_eq!(app.own_token(&[]).status, 200);
        assert_eq!(kept(), "1");
        server.advance(Span::minutes(8));
        server.sweep_now();
        assert_eq!(kept(), "0", "and what was accepted not for long");
    });
}

#[test]
fn a28_a29_a42_an_access_token_of_our_own_key_with_a_claim_missing_or_of_another_type_is_refused() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let good = payload(&server.browser().tokens(&app, &ada).access);
        let answer = |claims: &Value| {
            let token = server.forge(Typ::AccessToken, claims);
            (app.userinfo(&token).status, app.sees_live(&token))
        };
        assert_eq!(answer(&good), (200, true), "the very same claims are good");
        for name in ["iss", "aud", "exp", "iat", "sub", "client_id", "jti"] {
            assert_eq!(answer(&without(&good, name)), (401, false), "without {name}");
            for wrong in [Value::Null, json!({}), json!(true)] {
                assert_eq!(answer(&with(&good, name, wrong.clone())), (401, false), "{name}: {wrong}");
            }
        }
        let now = server.now().unix();
        for (name, wrong) in [
            ("nbf", json!("999")),
            ("nbf", json!(now + 3600)),
            ("exp", json!(now.to_string())),
            ("exp", json!(now)),
            ("exp", json!(-1)),
            ("exp", json!(1e300)),
            ("iat", json!(now + 3600)),
            ("iss", json!("https://id.example/")),
            ("iss", json!([ISSUER])),
            ("sub", json!(7)),
            ("aud", json!([ISSUER, 7])),
        ] {
            assert_eq!(answer(&with(&good, name, wrong.clone())), (401, false), "{name}: {wrong}");
        }
        let elsewhere = with(&good, "aud", json!("https://elsewhere.example/"));
        assert_eq!(answer(&elsewhere).0, 401, "for another API");
    });
}

#[test]
fn a35_our_own_endpoint_takes_no_token_that_is_not_for_it() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app, machine) = (server.person("ada"), server.web_app(), server.machine());
        let tokens = server.browser().tokens(&app, &ada);
        let plain = server.browser().tokens(&app.clone().scope("docs.read"), &ada);
        let (id, access) = (payload(&tokens.id), payload(&tokens.access));
        for (why, token) in [
            ("an ID token", tokens.id.clone()),
            ("a refresh token", tokens.refresh.clone()),
            ("one without openid", plain.access),
            ("a machine's", machine.own_token(&[]).tokens().access),
            ("claims of an ID token as access token", server.forge(Typ::AccessToken, &id)),
            ("claims of an access token as ID token", server.forge(Typ::IdToken, &access)),
            ("claims of an access token as logout token", server.forge(Typ::LogoutToken, &access)),
        ] {
            let reply = app.userinfo(&token);
            assert!(matches!(reply.status, 401 | 403), "{why}: {}", reply.text());
            assert!(reply.field("www-authenticate").unwrap().starts_with("Bearer"), "{why}");
        }
        assert_eq!(app.userinfo(&tokens.access).status, 200);
        assert_eq!(header(&tokens.access)["typ"], "at+jwt");
    });
}

#[test]
fn a31_a_secret_a_session_and_a_sealed_state_that_were_cut_or_grown_are_worth_nothing() {
    each(|database| {
        let server = Server::on(database);
        let (ada, machine) = (server.person("ada"), server.machine());
        let secret = machine.secret().to_owned();
        let n = secret.len();
        for wrong in
            [&secret[..n - 1], &secret[1..], &format!("{secret}0"), &format!("{secret} "), &secret.to_uppercase()]
        {
            let mut cut = machine.clone();
            cut.auth = crate::world::Auth::Basic((*wrong).to_owned());
            assert_eq!(cut.own_token(&[]).refusal(), (401, "invalid_client".to_owned()), "{wrong}");
        }
        assert_eq!(machine.own_token(&[]).status, 200);
        let mut browser = server.browser();
        browser.sign_in(&ada);
        let (name, value) = browser.cookies.iter().find(|(name, _)| name.contains("session")).unwrap();
        let (name, value) = (name.clone(), value.clone());
        let n = value.len();
        for wrong in
            [value[..n - 1].to_owned(), value[1..].to_owned(), format!("{value}0"), value.to_uppercase(), String::new()]
        {
            let mut other = browser.clone();
            other.cookies.insert(name.clone(), wrong.clone());
            assert_eq!(other.visit("/account").title(), "Sign in", "{wrong}");
        }
        assert_eq!(browser.visit("/account").title(), "Your account");
    });
}

#[test]
fn a23_a_token_that_is_revoked_in_one_way_is_not_live_again_by_another() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let tokens = server.browser().tokens(&app, &ada);
        app.revoke(&tokens.refresh);
        server.follow_now();
        assert!(!app.sees_live(&tokens.access), "its grant is revoked");
        app.revoke(&tokens.access);
        server.follow_now();
        assert!(!app.sees_live(&tokens.access), "and it itself too");
        let again = server.browser().tokens(&app, &ada);
        assert!(app.sees_live(&again.access) && !app.sees_live(&tokens.access), "a new grant changes nothing");
        assert_eq!(app.refresh(&tokens.refresh).error(), "invalid_grant");
    });
}
