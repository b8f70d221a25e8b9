//! `prompt` and `max_age`: OpenID Connect Core §3.1.2.1, §3.1.2.6, with `iss` of RFC 9207.

use super::{Scene, scene};
use crate::world::{Server, each, payload};
use keywright::base::moment::Span;

#[test]
fn prompt_none_shows_no_page_and_says_what_page_would_be_needed() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        // State and `iss` are looked at with every callback.
        let callback = app.silently(&mut browser);
        assert_eq!((callback.error(), callback.address.as_str()), ("login_required", "https://app.example/cb"));
        browser.sign_in(&ada);
        assert_eq!(app.silently(&mut browser).error(), "consent_required");
        browser.approve(&app.begin(), &ada);
        assert!(app.silently(&mut browser).get("code").is_some());
    });
}

#[test]
fn prompt_none_in_a_form_post_answers_there_too() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app();
        let attempt = app.begin().with("prompt", "none").with("response_mode", "form_post");
        let page = server.browser().open(&attempt.url());
        assert_eq!((page.status, page.field("location")), (200, None));
        let callback = attempt.callback(&page);
        assert_eq!((callback.error(), callback.address.as_str()), ("login_required", "https://app.example/cb"));
    });
}

#[test]
fn prompt_none_ends_with_the_session_of_the_browser() {
    each(|database| {
        let Scene { mut browser, app, server, .. } = scene(database);
        server.advance(Span::hours(13));
        assert_eq!(app.silently(&mut browser).error(), "login_required", "it was not used for twelve hours");
    });
}

#[test]
fn prompt_login_asks_for_the_password_again_though_somebody_is_signed_in() {
    each(|database| {
        let Scene { mut browser, tokens, app, ada, server } = scene(database);
        server.advance(Span::minutes(5));
        let attempt = app.begin().with("prompt", "login");
        let page = browser.visit(&attempt.url());
        assert_eq!(page.title(), "Sign in");
        // Going around the page leads back to it.
        assert_eq!(browser.visit(&attempt.url()).title(), "Sign in");
        let callback = attempt.callback(&browser.type_in(&page, &ada));
        let again = app.redeem(&attempt, callback.code()).tokens().id_claims();
        let before = tokens.id_claims();
        assert_eq!(again["auth_time"].as_i64().unwrap() - before["auth_time"].as_i64().unwrap(), 300);
        assert_eq!(again["sid"], before["sid"], "the same session goes on");
    });
}

#[test]
fn prompt_login_is_not_satisfied_by_a_wrong_password_or_by_leaving_the_page_out() {
    each(|database| {
        let Scene { mut browser, app, server, .. } = scene(database);
        server.advance(Span::minutes(5));
        let page = browser.visit(&app.begin().with("prompt", "login").url());
        let form = page.form().fill("username", "ada").fill("password", "not this one at all");
        assert_eq!(browser.post(&form).status, 200, "no redirect");
        // The other pages take the state of the interaction too, and lead back.
        let sealed = page.form().field("interaction").unwrap().to_owned();
        for other in ["/consent", "/select-account"] {
            let page = browser.visit(&format!("{other}?interaction={sealed}"));
            assert!(["Sign in", "Choose an account"].contains(&page.title().as_str()), "{other}: {}", page.title());
        }
    });
}

#[test]
fn prompt_consent_asks_again_though_all_of_it_was_consented_to() {
    each(|database| {
        let Scene { mut browser, app, server, .. } = scene(database);
        server.advance(Span::seconds(1));
        let attempt = app.begin().with("prompt", "consent");
        let page = browser.visit(&attempt.url());
        assert!(page.title().starts_with("Allow"), "{}", page.title());
        let after = browser.submit(&page.form().press("Allow"));
        assert!(attempt.callback(&after).get("code").is_some());
        assert!(app.silently(&mut browser).get("code").is_some(), "and only then");
    });
}

#[test]
fn prompt_consent_asks_for_a_first_party_client_too() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app_with(|m| m["first_party"] = true.into());
        let ada = server.person("ada");
        let mut browser = server.browser();
        browser.sign_in(&ada);
        let page = browser.visit(&app.begin().with("prompt", "consent").url());
        assert!(page.title().starts_with("Allow"), "{}", page.title());
    });
}

#[test]
fn prompt_select_account_offers_the_account_and_another() {
    each(|database| {
        let Scene { mut browser, tokens, app, server, .. } = scene(database);
        let bob = server.person("bob");
        server.advance(Span::seconds(1));
        let attempt = app.begin().with("prompt", "select_account");
        let page = browser.visit(&attempt.url());
        assert_eq!(page.title(), "Choose an account");
        assert!(page.says("ada Example") && page.says("app.example"), "{}", page.words());
        let mut same = browser.clone();
        let callback = attempt.callback(&same.submit(&page.form().press("ada Example")));
        let again = app.redeem(&attempt, callback.code()).tokens().id_claims();
        assert_eq!((&again["sub"], &again["sid"]), (&tokens.id_claims()["sub"], &tokens.id_claims()["sid"]));

        server.advance(Span::seconds(1));
        let attempt = app.begin().with("prompt", "select_account");
        let page = browser.visit(&attempt.url());
        let page = browser.submit(&page.form().press("another account"));
        assert_eq!(page.title(), "Sign in");
        assert_eq!(app.silently(&mut browser).error(), "login_required", "ada has left");
        let page = browser.type_in(&page, &bob);
        let callback = attempt.callback(&browser.submit(&page.form().press("Allow")));
        assert_eq!(app.redeem(&attempt, callback.code()).tokens().id_claims()["sub"], bob.id.as_str());
    });
}

#[test]
fn several_prompts_are_all_obeyed() {
    each(|database| {
        let Scene { mut browser, app, ada, server, .. } = scene(database);
        server.advance(Span::seconds(1));
        let attempt = app.begin().with("prompt", "login consent");
        let page = browser.visit(&attempt.url());
        assert_eq!(page.title(), "Sign in");
        let page = browser.type_in(&page, &ada);
        assert!(page.title().starts_with("Allow"), "{}", page.title());
        let after = browser.submit(&page.form().press("Allow"));
        assert!(attempt.callback(&after).get("code").is_some());
    });
}

#[test]
fn max_age_counts_from_the_last_sign_in() {
    each(|database| {
        let Scene { mut browser, app, ada, server, .. } = scene(database);
        server.advance(Span::minutes(10));
        let young = |most: &str| app.begin().with("max_age", most).with("prompt", "none");
        let attempt = young("600");
        assert!(attempt.callback(&browser.open(&attempt.url())).get("code").is_some(), "not older than that");
        let attempt = young("599");
        assert_eq!(attempt.callback(&browser.open(&attempt.url())).error(), "login_required");
        let attempt = app.begin().with("max_age", "599");
        let page = browser.visit(&attempt.url());
        assert_eq!(page.title(), "Sign in");
        let now = server.now().unix();
        let callback = attempt.callback(&browser.type_in(&page, &ada));
        assert_eq!(app.redeem(&attempt, callback.code()).tokens().id_claims()["auth_time"], now);
    });
}

#[test]
fn max_age_of_zero_asks_for_the_password_and_ends_when_it_was_given() {
    each(|database| {
        let Scene { mut browser, app, ada, server, .. } = scene(database);
        server.advance(Span::seconds(2));
        let attempt = app.scope("openid docs.read docs.write").begin().with("max_age", "0");
        let page = browser.visit(&attempt.url());
        assert_eq!(page.title(), "Sign in");
        let form = page.form().fill("username", &ada.name).fill("password", &ada.password);
        let reply = browser.post(&form);
        // Reading the next page takes a while, and nobody is sent back for that.
        server.advance(Span::seconds(30));
        let page = browser.follow(reply);
        let after = browser.submit(&page.form().press("Allow"));
        assert!(attempt.callback(&after).get("code").is_some());
    });
}

#[test]
fn the_clients_own_default_max_age_counts_where_the_request_has_none() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app_with(|m| {
            m["default_max_age"] = 60.into();
            m["first_party"] = true.into();
        });
        let ada = server.person("ada");
        let mut browser = server.browser();
        browser.sign_in(&ada);
        assert!(app.silently(&mut browser).get("code").is_some());
        server.advance(Span::seconds(61));
        assert_eq!(app.silently(&mut browser).error(), "login_required");
        let attempt = app.begin().with("prompt", "none").with("max_age", "600");
        assert!(attempt.callback(&browser.open(&attempt.url())).get("code").is_some());
    });
}

#[test]
fn a_refreshed_token_never_pretends_a_newer_sign_in() {
    each(|database| {
        let Scene { mut browser, tokens, app, ada, server } = scene(database);
        server.advance(Span::minutes(5));
        let attempt = app.begin().with("prompt", "login");
        let callback = browser.approve(&attempt, &ada);
        app.redeem(&attempt, callback.code()).tokens();
        let refreshed = app.refresh(&tokens.refresh).tokens();
        assert_eq!(payload(&refreshed.id)["auth_time"], tokens.id_claims()["auth_time"], "OpenID Connect Core §12.2");
    });
}
