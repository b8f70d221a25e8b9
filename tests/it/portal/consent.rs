//! Consent: OpenID Connect Core §3.1.2.4, RFC 6749 §10.2, RFC 8252 §8.6; ASVS 5.0 §10.7. (That the
//! page lists who asks for what, and that a consent is remembered, is tested beside the endpoint.)

use crate::world::{App, Browser, ISSUER, Person, Server, each};
use keywright::base::moment::Span;
use serde_json::json;

fn signed_in(server: &Server) -> (Browser, Person) {
    let ada = server.person("ada");
    let mut browser = server.browser();
    browser.sign_in(&ada);
    (browser, ada)
}

fn asks(browser: &mut Browser, app: &App) -> bool {
    browser.visit(&app.begin().url()).title().starts_with("Allow")
}

#[test]
fn who_declines_is_asked_again_the_next_time_and_nothing_was_remembered() {
    each(|database| {
        let server = Server::on(database);
        let (mut browser, ada) = signed_in(&server);
        let app = server.web_app();
        let attempt = app.begin();
        let page = browser.visit(&attempt.url());
        let reply = browser.post(&page.form().press("Deny"));
        assert_eq!(reply.status, 303);
        let callback = attempt.callback(&reply);
        assert_eq!((callback.error(), callback.get("iss")), ("access_denied", Some(ISSUER)));
        assert!(callback.get("code").is_none());
        assert_eq!(app.silently(&mut browser).error(), "consent_required");
        assert!(asks(&mut browser, &app));
        assert!(browser.visit("/account/consents").says("You have not let any application"));
        assert_eq!(server.events_of("consent.denied")[0].data["user"], ada.id.as_str());
    });
}

#[test]
fn who_declines_more_keeps_what_they_allowed_before() {
    each(|database| {
        let server = Server::on(database);
        let (mut browser, ada) = signed_in(&server);
        let app = server.web_app();
        let tokens = browser.tokens(&app, &ada);
        let more = app.clone().scope("openid docs.read mail.read");
        let page = browser.visit(&more.begin().url());
        browser.post(&page.form().press("Deny"));
        assert!(app.silently(&mut browser).get("code").is_some());
        assert_eq!(app.refresh(&tokens.refresh).status, 200);
    });
}

#[test]
fn a_denial_by_form_post_arrives_there() {
    each(|database| {
        let server = Server::on(database);
        let (mut browser, _) = signed_in(&server);
        let attempt = server.web_app().begin().with("response_mode", "form_post");
        let page = browser.visit(&attempt.url());
        let callback = attempt.callback(&browser.post(&page.form().press("Deny")));
        assert_eq!(callback.error(), "access_denied");
    });
}

#[test]
fn what_is_new_is_marked_and_what_is_old_is_shown_too() {
    each(|database| {
        let server = Server::on(database);
        let (mut browser, ada) = signed_in(&server);
        let app = server.web_app();
        browser.tokens(&app, &ada);
        let page = browser.visit(&app.clone().scope("openid docs.read docs.write offline_access").begin().url());
        assert!(page.says("read your documents docs.read"), "{}", page.words());
        assert!(page.says("change your documents new docs.write"), "{}", page.words());
        assert!(page.says("keep this access while you are away"), "{}", page.words());
    });
}

#[test]
fn a_consent_is_for_that_person_that_client_and_that_much() {
    each(|database| {
        let server = Server::on(database);
        let (mut browser, ada) = signed_in(&server);
        let app = server.web_app();
        browser.tokens(&app, &ada);
        assert!(asks(&mut browser, &server.web_app()), "another client of the same name");
        assert!(asks(&mut browser, &app.clone().scope("openid docs.read mail.read")));
        assert!(!asks(&mut browser, &app.clone().scope("docs.read")), "less is no more");
        let mut other = server.browser();
        other.sign_in(&server.person("bob"));
        assert!(asks(&mut other, &app));
        let mut elsewhere = server.browser();
        elsewhere.sign_in(&ada);
        assert!(!asks(&mut elsewhere, &app), "the same person in another browser");
    });
}

#[test]
fn a_consent_that_was_withdrawn_is_asked_for_anew_with_all_of_it_as_new() {
    each(|database| {
        let server = Server::on(database);
        let (mut browser, ada) = signed_in(&server);
        let app = server.web_app();
        let tokens = browser.tokens(&app, &ada);
        let page = browser.visit("/account/consents");
        browser.submit(&page.form().press("Withdraw"));
        server.follow_now();
        assert_eq!(app.silently(&mut browser).error(), "consent_required");
        let page = browser.visit(&app.begin().url());
        assert!(page.says("read your documents new"), "{}", page.words());
        server.advance(Span::seconds(1));
        let fresh = browser.tokens(&app, &ada);
        assert!(app.sees_live(&fresh.access) && !app.sees_live(&tokens.access), "the old ones stay dead");
    });
}

#[test]
fn a_page_that_was_shown_before_a_withdrawal_gives_a_new_consent_and_a_code_from_before_gives_nothing() {
    each(|database| {
        let server = Server::on(database);
        let (mut browser, ada) = signed_in(&server);
        let app = server.web_app();
        browser.tokens(&app, &ada);
        server.advance(Span::seconds(1));
        let attempt = app.begin();
        let code = attempt.callback(&browser.open(&attempt.url())).code().to_owned();
        let page = browser.visit("/account/consents");
        browser.submit(&page.form().press("Withdraw"));
        server.follow_now();
        let reply = app.redeem(&attempt, &code);
        if reply.status == 200 {
            // Where the code is still redeemed, the consent page must have come back first.
            panic!("a code outlived the consent that it was issued under");
        }
        assert_eq!(reply.refusal(), (400, "invalid_grant".to_owned()));
    });
}

#[test]
fn who_is_somebody_else_signs_out_and_the_request_goes_on_for_whom_it_should() {
    each(|database| {
        let server = Server::on(database);
        let (mut browser, _) = signed_in(&server);
        let (bob, app) = (server.person("bob"), server.web_app());
        let attempt = app.begin();
        let page = browser.visit(&attempt.url());
        let page = browser.submit(&page.form().press("Not you"));
        assert_eq!(page.title(), "Sign in");
        assert_eq!(server.events_of("session.ended").len(), 1);
        let page = browser.type_in(&page, &bob);
        let callback = attempt.callback(&browser.submit(&page.form().press("Allow")));
        assert_eq!(app.redeem(&attempt, callback.code()).tokens().id_claims()["sub"], bob.id.as_str());
    });
}

#[test]
fn an_answer_that_is_none_allows_nothing() {
    each(|database| {
        let server = Server::on(database);
        let (mut browser, _) = signed_in(&server);
        let app = server.web_app();
        let page = browser.visit(&app.begin().url());
        for decision in ["", "yes", "ALLOW", "allow "] {
            let reply = browser.post(&page.form().fill("decision", decision));
            assert!(reply.location().starts_with("/consent?"), "{decision}: {}", reply.location());
        }
        assert_eq!(app.silently(&mut browser).error(), "consent_required");
    });
}

#[test]
fn what_a_client_says_of_itself_is_text_and_stands_behind_its_host() {
    each(|database| {
        let server = Server::on(database);
        let (mut browser, _) = signed_in(&server);
        let app = server.web_app_with(|m| {
            m["client_name"] = json!("<b>Your bank</b>\"'><img src=x>");
            m["redirect_uris"] = json!(["https://other.example:8443/cb"]);
        });
        let page = browser.visit(&app.begin().url());
        assert!(!page.text().contains("<img") && !page.text().contains("<b>Your bank"));
        assert_eq!(page.title(), "Allow other.example:8443?");
        let words = page.words();
        let place = |text: &str| words.find(text).unwrap_or_else(|| panic!("{text}: {words}"));
        assert!(place("other.example:8443") < place("Your bank"), "RFC 8252 §8.6: a name can be claimed by anyone");
    });
}

#[test]
fn an_application_on_this_computer_or_device_is_warned_of() {
    each(|database| {
        let server = Server::on(database);
        let (mut browser, _) = signed_in(&server);
        for (uri, warning) in [
            ("http://127.0.0.1/cb", "address is on this computer"),
            ("com.example.app:/cb", "is installed on your device"),
        ] {
            let app = server.web_app_with(|m| {
                m["application_type"] = json!("native");
                m["token_endpoint_auth_method"] = json!("none");
                m["redirect_uris"] = json!([uri]);
            });
            let page = browser.visit(&app.begin().url());
            assert!(page.says(warning), "{}", page.words());
        }
        let page = browser.visit(&server.web_app().begin().url());
        assert!(!page.says("computer") && !page.says("installed"), "{}", page.words());
    });
}

#[test]
fn whoever_declines_is_not_sent_to_an_address_that_was_taken_away_meanwhile() {
    each(|database| {
        let server = Server::on(database);
        let (mut browser, _) = signed_in(&server);
        let app = server.web_app();
        let page = browser.visit(&app.begin().url());
        server.advance(Span::seconds(1));
        server.change_client(&app, |metadata| metadata["redirect_uris"] = json!(["https://app.example/other"]));
        let reply = browser.post(&page.form().press("Deny"));
        assert_eq!((reply.status, reply.field("location")), (400, None), "{}", reply.words());
    });
}
