//! Which API a token is for: RFC 8707, RFC 9068.

use crate::world::{DOCS, ISSUER, MAIL, Server, each, header};
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn r047_rfc9068_the_token_of_a_person_has_these_claims_and_no_others() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let tokens = server.browser().tokens(&app, &ada);
        let claims = tokens.access_claims();
        let names: BTreeSet<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        let known = ["amr", "aud", "auth_time", "client_id", "exp", "grant_id", "iat", "iss", "jti", "scope", "sub"];
        assert_eq!(names, known.into());
        assert_eq!((&claims["sub"], &claims["client_id"]), (&json!(ada.id), &json!(app.id)));
        assert_eq!(claims["aud"], json!([DOCS, ISSUER]));
        assert_eq!(header(&tokens.access)["typ"], "at+jwt");
    });
}

#[test]
fn b11_a_token_is_for_the_apis_that_were_asked_for() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app().scope("docs.read mail.read"));
        let mut browser = server.browser();
        let attempt = app.begin().also("resource", DOCS).also("resource", MAIL);
        let callback = browser.approve(&attempt, &ada);
        let tokens = app.redeem(&attempt, callback.code()).tokens();
        assert_eq!(tokens.access_claims()["aud"], json!([DOCS, MAIL]));
        let one = app.refresh_with(&tokens.refresh, &[("resource", MAIL)]).tokens();
        assert_eq!(one.access_claims()["aud"], MAIL);
        let whole = app.refresh(&one.refresh).tokens();
        assert_eq!(whole.access_claims()["aud"], json!([DOCS, MAIL]));
    });
}

#[test]
fn at_redemption_the_apis_may_be_fewer_and_never_more() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app().scope("docs.read"));
        let mut browser = server.browser();
        let redeem = |attempt: &crate::world::Attempt, code: &str, resource: &str| {
            app.token(&[
                ("grant_type", "authorization_code"),
                ("code", code),
                ("code_verifier", &attempt.verifier),
                ("redirect_uri", "https://app.example/cb"),
                ("resource", resource),
            ])
        };
        let attempt = app.begin().also("resource", DOCS).also("resource", MAIL);
        let code = browser.approve(&attempt, &ada);
        assert_eq!(redeem(&attempt, code.code(), DOCS).tokens().access_claims()["aud"], DOCS);
        let attempt = app.begin().also("resource", DOCS);
        let code = browser.approve(&attempt, &ada);
        assert_eq!(redeem(&attempt, code.code(), MAIL).refusal(), (400, "invalid_target".to_owned()));
    });
}

#[test]
fn an_api_that_is_not_the_clients_goes_back_as_invalid_target() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app_with(|m| m["resources"] = json!([DOCS]));
        for resource in [MAIL, "https://nowhere.example/", "docs.example", "https://docs.example/#f"] {
            let attempt = app.begin().also("resource", resource);
            let callback = attempt.callback(&server.browser().open(&attempt.url()));
            assert_eq!(callback.error(), "invalid_target", "{resource}");
        }
    });
}

#[test]
fn r043_no_two_tokens_share_a_name() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        let names: BTreeSet<String> =
            (0..50).map(|_| machine.own_token(&[]).tokens().access_claims()["jti"].to_string()).collect();
        assert_eq!(names.len(), 50);
        assert!(names.iter().all(|name| name.len() == 24), "128 bits");
    });
}
