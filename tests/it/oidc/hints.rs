//! Who is meant: `login_hint`, `id_token_hint`, a `sub` asked for by value; and what a request may
//! not say twice. OpenID Connect Core §3.1.2.1, §3.1.2.2, §5.5.1.

use super::{Scene, scene};
use crate::world::{Attempt, Browser, Callback, Server, each, forged, header, payload};
use keywright::base::moment::Span;
use serde_json::json;

fn silent(browser: &mut Browser, attempt: Attempt) -> Callback {
    let attempt = attempt.with("prompt", "none");
    attempt.callback(&browser.open(&attempt.url()))
}

#[test]
fn a_login_hint_is_written_into_the_form_and_nothing_more() {
    each(|database| {
        let server = Server::on(database);
        let (_ada, bob, app) = (server.person("ada"), server.person("bob"), server.web_app());
        let mut browser = server.browser();
        for hint in ["ada", "\"><script>alert(1)</script>", "somebody@nowhere.example"] {
            let page = browser.visit(&app.begin().with("login_hint", hint).url());
            assert_eq!(page.form().field("username"), Some(hint));
            assert!(!page.text().contains("<script>alert"));
        }
        // It proves nothing: somebody else may sign in.
        let attempt = app.begin().with("login_hint", "ada");
        let callback = browser.approve(&attempt, &bob);
        assert_eq!(app.redeem(&attempt, callback.code()).tokens().id_claims()["sub"], bob.id.as_str());
    });
}

#[test]
fn an_id_token_hint_of_whoever_is_signed_in_goes_on_without_a_page() {
    each(|database| {
        let Scene { mut browser, tokens, app, server, .. } = scene(database);
        let callback = silent(&mut browser, app.begin().with("id_token_hint", &tokens.id));
        assert!(callback.get("code").is_some());
        server.advance(Span::hours(1));
        let callback = silent(&mut browser, app.begin().with("id_token_hint", &tokens.id));
        assert!(callback.get("code").is_some(), "one that has expired still names somebody");
    });
}

#[test]
fn an_id_token_hint_of_another_person_is_no_code_for_whoever_is_here() {
    each(|database| {
        let Scene { tokens, app, ada, server, .. } = scene(database);
        let bob = server.person("bob");
        let mut browser = server.browser();
        browser.tokens(&app, &bob);
        server.advance(Span::seconds(1));
        let asked = app.begin().with("id_token_hint", &tokens.id);
        assert_eq!(silent(&mut browser, asked.clone()).error(), "login_required");
        // With pages: the sign-in page, and whoever signs in must be the one.
        let page = browser.visit(&asked.url());
        assert_eq!(page.title(), "Sign in");
        let mut other = browser.clone();
        assert_eq!(asked.callback(&other.type_in(&page, &bob)).error(), "login_required");
        let callback = asked.callback(&browser.type_in(&page, &ada));
        assert_eq!(app.redeem(&asked, callback.code()).tokens().id_claims()["sub"], ada.id.as_str());
    });
}

#[test]
fn an_id_token_hint_that_is_not_ours_for_this_client_is_refused() {
    each(|database| {
        let Scene { mut browser, tokens, app, ada, server } = scene(database);
        let other = server.web_app();
        let others = browser.tokens(&other, &ada).id;
        let mut claims = payload(&tokens.id);
        claims["sub"] = json!("usr_somebody");
        let unsigned = {
            let mut head = header(&tokens.id);
            head["alg"] = json!("none");
            forged(&tokens.id, &head, &payload(&tokens.id))
        };
        for hint in [others, forged(&tokens.id, &header(&tokens.id), &claims), unsigned, tokens.access.clone()] {
            let callback = silent(&mut browser, app.begin().with("id_token_hint", &hint));
            assert_eq!(callback.error(), "invalid_request", "{hint}");
        }
    });
}

#[test]
fn a_sub_asked_for_by_value_is_the_only_one_answered_for() {
    each(|database| {
        let Scene { mut browser, app, ada, server, .. } = scene(database);
        let bob = server.person("bob");
        let wants = |sub: &str| app.begin().with("claims", &json!({"id_token": {"sub": {"value": sub}}}).to_string());
        assert!(silent(&mut browser, wants(&ada.id)).get("code").is_some());
        assert_eq!(silent(&mut browser, wants(&bob.id)).error(), "login_required");
        let two = json!({"id_token": {"sub": {"value": ada.id}}, "userinfo": {"sub": {"value": bob.id}}});
        let both = app.begin().with("claims", &two.to_string());
        assert_eq!(silent(&mut browser, both).error(), "invalid_request");
    });
}

#[test]
fn an_acr_that_nobody_here_reaches_fails_where_it_is_essential_and_only_there() {
    each(|database| {
        let Scene { mut browser, app, server: _server, .. } = scene(database);
        let asked = app.begin().with("acr_values", "urn:example:silver urn:example:bronze");
        let callback = silent(&mut browser, asked.clone());
        let claims = app.redeem(&asked, callback.code()).tokens().id_claims();
        assert!(claims.get("acr").is_none(), "none was reached, so none is claimed");
        let claims = |essential: bool| {
            json!({"id_token": {"acr": {"essential": essential, "values": ["urn:example:silver"]}}}).to_string()
        };
        assert!(silent(&mut browser, app.begin().with("claims", &claims(false))).get("code").is_some());
        let callback = silent(&mut browser, app.begin().with("claims", &claims(true)));
        assert_eq!(callback.error(), "unmet_authentication_requirements");
        let attempt = app.begin().with("claims", &claims(true));
        let callback = attempt.callback(&browser.visit(&attempt.url()));
        assert_eq!(callback.error(), "unmet_authentication_requirements", "no page could help");
    });
}

#[test]
fn a_parameter_of_openid_connect_that_is_sent_twice_is_refused() {
    each(|database| {
        let Scene { mut browser, tokens, app, server: _server, .. } = scene(database);
        let twice = [
            ("prompt", "none"),
            ("max_age", "600"),
            ("login_hint", "ada"),
            ("acr_values", "x"),
            ("claims", "{}"),
            ("id_token_hint", tokens.id.as_str()),
            ("response_mode", "query"),
            ("ui_locales", "en"),
            ("display", "page"),
        ];
        for (name, value) in twice {
            let attempt = app.begin().without("prompt").with(name, value).also(name, value);
            let callback = attempt.callback(&browser.open(&attempt.url()));
            assert_eq!(callback.error(), "invalid_request", "{name}");
        }
        let attempt = app.begin().also("nonce", "another");
        assert_eq!(attempt.callback(&browser.open(&attempt.url())).error(), "invalid_request");
    });
}
