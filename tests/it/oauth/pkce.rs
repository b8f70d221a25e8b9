//! RFC 7636: proof of the one who began.

use crate::world::{Server, each};

#[test]
fn b03_a01_without_the_verifier_there_is_no_token() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let attempt = app.begin();
        let callback = server.browser().approve(&attempt, &ada);
        let reply = app.token(&[
            ("grant_type", "authorization_code"),
            ("code", callback.code()),
            ("redirect_uri", "https://app.example/cb"),
        ]);
        assert_eq!(reply.status, 400);
        assert!(matches!(reply.error().as_str(), "invalid_grant" | "invalid_request"), "{}", reply.text());
    });
}

#[test]
fn a_wrong_verifier_costs_the_code() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.public_app());
        let attempt = app.begin();
        let callback = server.browser().approve(&attempt, &ada);
        let wrong = "x".repeat(43);
        let reply = app.redeem_with(callback.code(), &wrong, "https://app.example/cb");
        assert_eq!(reply.refusal(), (400, "invalid_grant".to_owned()));
        assert_eq!(app.redeem(&attempt, callback.code()).refusal(), (400, "invalid_grant".to_owned()));
    });
}

#[test]
fn b03_a02_a_request_without_a_challenge_goes_back_as_an_error() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app();
        let mut browser = server.browser();
        let good = app.begin();
        for attempt in [
            good.clone().without("code_challenge"),
            good.clone().without("code_challenge_method"),
            good.clone().with("code_challenge_method", "plain"),
            good.clone().with("code_challenge_method", "s256"),
            good.clone().with("code_challenge", "short"),
            good.clone().with("code_challenge", &"x".repeat(44)),
            good.clone().with("code_challenge", &format!("{}=", "x".repeat(42))),
        ] {
            let callback = attempt.callback(&browser.open(&attempt.url()));
            assert_eq!(callback.error(), "invalid_request");
            assert!(callback.get("code").is_none());
        }
    });
}

#[test]
fn b05_a_challenge_that_comes_again_is_recorded() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        let attempt = app.begin();
        browser.approve(&attempt, &ada);
        assert!(!server.recorded("code.challenge_reused"));
        browser.approve(&attempt, &ada);
        assert!(server.recorded("code.challenge_reused"));
    });
}
