//! The authorization code grant: RFC 6749 §4.1, RFC 9700 §2.1.

use crate::world::{Server, each};
use keywright::base::moment::Span;

fn refused(reply: &crate::world::Reply) {
    assert_eq!(reply.refusal(), (400, "invalid_grant".to_owned()), "{}", reply.text());
}

#[test]
fn a_code_used_twice_gives_nothing_and_ends_what_it_gave() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let attempt = app.begin();
        let callback = server.browser().approve(&attempt, &ada);
        let tokens = app.redeem(&attempt, callback.code()).tokens();
        refused(&app.redeem(&attempt, callback.code()));
        server.follow_now();
        assert!(!app.sees_live(&tokens.access));
        refused(&app.refresh(&tokens.refresh));
        assert!(server.recorded("code.replayed"));
        assert_eq!(server.events_of("grant.revoked").len(), 1);
    });
}

#[test]
fn a_code_lives_a_minute() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        let (first, second) = (app.begin(), app.begin());
        let good = browser.approve(&first, &ada);
        server.advance(Span::seconds(59));
        assert_eq!(app.redeem(&first, good.code()).status, 200);
        let late = browser.approve(&second, &ada);
        server.advance(Span::seconds(60));
        refused(&app.redeem(&second, late.code()));
    });
}

#[test]
fn a_code_is_for_its_client_alone() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app, other) = (server.person("ada"), server.web_app(), server.web_app());
        let attempt = app.begin();
        let callback = server.browser().approve(&attempt, &ada);
        refused(&other.redeem(&attempt, callback.code()));
    });
}

#[test]
fn a_code_is_for_its_redirect_uri_alone() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app_with(|m| {
            m["redirect_uris"] = serde_json::json!(["https://app.example/cb", "https://app.example/other"])
        });
        let ada = server.person("ada");
        let mut browser = server.browser();
        for wrong in ["https://app.example/other", "https://app.example/CB"] {
            let attempt = app.begin();
            let callback = browser.approve(&attempt, &ada);
            refused(&app.redeem_with(callback.code(), &attempt.verifier, wrong));
        }
    });
}

#[test]
fn a31_a_code_that_was_cut_or_grown_is_none() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let attempt = app.begin();
        let callback = server.browser().approve(&attempt, &ada);
        let code = callback.code();
        for other in
            [&code[..code.len() - 1], &code[1..], &format!("{code}0"), &format!("{code} "), &code.to_uppercase()]
        {
            refused(&app.redeem(&attempt, other));
        }
        assert_eq!(app.redeem(&attempt, code).status, 200, "none of them cost the code");
    });
}

#[test]
fn a_person_or_client_that_was_disabled_meanwhile_gets_nothing() {
    each(|database| {
        let server = Server::on(database);
        let (ada, bob, app) = (server.person("ada"), server.person("bob"), server.web_app());
        let attempt = app.begin();
        let callback = server.browser().approve(&attempt, &ada);
        server.disable(&ada);
        refused(&app.redeem(&attempt, callback.code()));
        let attempt = app.begin();
        let callback = server.browser().approve(&attempt, &bob);
        server.disable_client(&app);
        assert_eq!(app.redeem(&attempt, callback.code()).refusal(), (401, "invalid_client".to_owned()));
    });
}

#[test]
fn a_refresh_token_is_only_for_those_who_registered_to_refresh() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app_with(|m| m["grant_types"] = serde_json::json!(["authorization_code"]));
        let tokens = server.browser().tokens(&app, &server.person("ada"));
        assert!(tokens.body.get("refresh_token").is_none());
    });
}

#[test]
fn without_openid_there_is_no_id_token() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app().scope("docs.read");
        let tokens = server.browser().tokens(&app, &server.person("ada"));
        assert!(tokens.body.get("id_token").is_none());
        assert_eq!(tokens.access_claims()["scope"], "docs.read");
        assert_eq!(app.userinfo(&tokens.access).status, 401);
    });
}
