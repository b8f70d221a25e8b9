//! Refresh tokens: RFC 6749 §6, RFC 9700 §4.14.

use crate::world::{App, Browser, DOCS, MAIL, Person, Reply, Server, Tokens, each};
use keywright::base::moment::Span;
use serde_json::json;

struct Line {
    server: Server,
    app: App,
    ada: Person,
    browser: Browser,
    tokens: Tokens,
}

fn line(database: &crate::world::Database) -> Line {
    line_with(database, "openid docs.read docs.write offline_access")
}

fn line_with(database: &crate::world::Database, scope: &str) -> Line {
    let server = Server::on(database);
    let (ada, app) = (server.person("ada"), server.web_app().scope(scope));
    let mut browser = server.browser();
    let tokens = browser.tokens(&app, &ada);
    Line { app, ada, browser, tokens, server }
}

fn refused(reply: &Reply) {
    assert_eq!(reply.refusal(), (400, "invalid_grant".to_owned()), "{}", reply.text());
}

#[test]
fn each_use_gives_another_and_the_newest_is_the_one_that_is_good() {
    each(|database| {
        let line = line(database);
        let mut token = line.tokens.refresh.clone();
        for _ in 0..4 {
            line.server.advance(Span::minutes(10));
            let next = line.app.refresh(&token).tokens();
            assert_ne!(next.refresh, token);
            assert!(line.app.sees_live(&next.access) && line.app.sees_live(&next.refresh));
            assert!(!line.app.sees_live(&token));
            token = next.refresh;
        }
        assert_eq!(line.server.events_of("token.refreshed").len(), 4);
    });
}

#[test]
fn b10_a_retry_within_the_grace_gets_the_very_same_successor() {
    each(|database| {
        let line = line(database);
        let first = line.app.refresh(&line.tokens.refresh).tokens();
        line.server.advance(Span::seconds(29));
        let again = line.app.refresh(&line.tokens.refresh).tokens();
        assert_eq!(again.refresh, first.refresh);
        assert_ne!(again.access, first.access);
        assert!(line.server.recorded("token.replayed_in_grace"));
        assert_eq!(line.app.refresh(&again.refresh).status, 200);
    });
}

#[test]
fn b10_a_use_after_the_grace_ends_the_line_and_is_recorded() {
    each(|database| {
        let line = line(database);
        let next = line.app.refresh(&line.tokens.refresh).tokens();
        line.server.advance(Span::seconds(30));
        refused(&line.app.refresh(&line.tokens.refresh));
        line.server.follow_now();
        refused(&line.app.refresh(&next.refresh));
        assert!(!line.app.sees_live(&next.access));
        let events = line.server.events_of("token.reused");
        assert_eq!((&events[0].data["presented"], &events[0].data["current"]), (&1.into(), &2.into()));
        assert!(line.server.recorded("grant.revoked"));
    });
}

#[test]
fn b10_the_one_before_the_last_is_no_retry() {
    each(|database| {
        let line = line(database);
        let second = line.app.refresh(&line.tokens.refresh).tokens();
        let third = line.app.refresh(&second.refresh).tokens();
        refused(&line.app.refresh(&line.tokens.refresh));
        refused(&line.app.refresh(&third.refresh));
    });
}

#[test]
fn without_grace_a_second_use_ends_the_line_at_once() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("tokens.refresh_grace", "0s"));
        let (ada, app) = (server.person("ada"), server.web_app());
        let tokens = server.browser().tokens(&app, &ada);
        let next = app.refresh(&tokens.refresh).tokens();
        server.advance(Span::seconds(1));
        refused(&app.refresh(&tokens.refresh));
        refused(&app.refresh(&next.refresh));
    });
}

#[test]
fn another_client_cannot_use_it_and_does_no_harm() {
    each(|database| {
        let line = line(database);
        let other = line.server.web_app();
        refused(&other.refresh(&line.tokens.refresh));
        let next = line.app.refresh(&line.tokens.refresh).tokens();
        line.server.advance(Span::minutes(1));
        refused(&other.refresh(&line.tokens.refresh));
        assert_eq!(line.app.refresh(&next.refresh).status, 200);
    });
}

#[test]
fn a31_whatever_is_changed_cut_or_grown_is_no_token_and_does_no_harm() {
    each(|database| {
        let line = line(database);
        let token = line.tokens.refresh.as_str();
        let other = line.server.browser().tokens(&line.app, &line.ada).refresh;
        // The body of one line under the head of another, with a checksum that is right.
        let crossed = {
            let body = format!("{}{}", &token[..34], &other[34..other.len() - 6]);
            format!("{body}{}", keywright::base::credential::checksum(&body))
        };
        for wrong in [&token[..token.len() - 1], &token[1..], &format!("{token}A"), "", "kw_rt_", &crossed] {
            let reply = line.app.refresh(wrong);
            assert_eq!(reply.status, 400, "{wrong}");
            assert!(!line.app.sees_live(if wrong.is_empty() { "x" } else { wrong }));
        }
        assert_eq!(line.app.refresh(token).status, 200);
    });
}

#[test]
fn r046_it_ends_when_it_is_not_used() {
    each(|database| {
        let line = line(database);
        line.server.advance(Span::days(29));
        let next = line.app.refresh(&line.tokens.refresh).tokens();
        line.server.advance(Span::days(29));
        let next = line.app.refresh(&next.refresh).tokens();
        line.server.advance(Span::days(30));
        refused(&line.app.refresh(&next.refresh));
        assert!(!line.app.sees_live(&next.refresh));
    });
}

#[test]
fn r077_it_ends_however_much_it_is_used() {
    each(|database| {
        let line = line(database);
        let mut token = line.tokens.refresh.clone();
        for _ in 0..8 {
            line.server.advance(Span::days(11));
            token = line.app.refresh(&token).tokens().refresh;
        }
        line.server.advance(Span::days(2));
        refused(&line.app.refresh(&token));
    });
}

#[test]
fn a_narrower_scope_is_for_once_and_the_line_keeps_the_whole() {
    each(|database| {
        let line = line(database);
        let less = line.app.refresh_with(&line.tokens.refresh, &[("scope", "docs.read")]).tokens();
        assert_eq!(less.scope(), "docs.read");
        let whole = line.app.refresh(&less.refresh).tokens();
        assert!(whole.scope().contains("docs.write"), "{}", whole.scope());
    });
}

#[test]
fn a_wider_scope_is_refused_and_costs_nothing() {
    each(|database| {
        let line = line_with(database, "openid docs.read");
        for scope in ["docs.read docs.write", "mail.read", "profile"] {
            let reply = line.app.refresh_with(&line.tokens.refresh, &[("scope", scope)]);
            assert_eq!(reply.refusal(), (400, "invalid_scope".to_owned()), "{scope}");
        }
        assert_eq!(line.app.refresh(&line.tokens.refresh).status, 200);
    });
}

#[test]
fn an_id_token_comes_with_it_that_tells_of_the_same_sign_in() {
    each(|database| {
        let line = line(database);
        line.server.advance(Span::minutes(20));
        let next = line.app.refresh(&line.tokens.refresh).tokens();
        let (before, after) = (line.tokens.id_claims(), next.id_claims());
        for name in ["iss", "sub", "aud", "auth_time", "sid"] {
            assert_eq!(before[name], after[name], "{name}");
        }
        assert_eq!(after["iat"].as_i64().unwrap() - before["iat"].as_i64().unwrap(), 1200);
    });
}

#[test]
fn it_ends_with_the_password() {
    each(|database| {
        let mut line = line(database);
        let page = line.browser.visit("/account/password");
        let form = page.form().fill("current_password", &line.ada.password);
        let form = form.fill("new_password", "seven amber kites over Lisbon");
        let page = line.browser.submit(&form.fill("new_password_again", "seven amber kites over Lisbon"));
        assert!(page.says("Your password is changed"), "{}", page.words());
        line.server.follow_now();
        refused(&line.app.refresh(&line.tokens.refresh));
        assert!(!line.app.sees_live(&line.tokens.access));
        assert_eq!(line.browser.visit("/account").title(), "Your account", "this browser stays signed in");
    });
}

#[test]
fn it_ends_when_the_person_signs_out_everywhere() {
    each(|database| {
        let mut line = line(database);
        let page = line.browser.visit("/account/sessions");
        line.browser.submit(&page.form().press("Sign out everywhere"));
        line.server.follow_now();
        refused(&line.app.refresh(&line.tokens.refresh));
        assert!(!line.app.sees_live(&line.tokens.access));
    });
}

#[test]
fn it_ends_when_the_person_withdraws_their_consent() {
    each(|database| {
        let mut line = line(database);
        let page = line.browser.visit("/account/consents");
        assert!(page.says("Notes") && page.says("app.example"), "{}", page.words());
        let page = line.browser.submit(&page.form().press("Withdraw"));
        assert!(page.says("no longer has access"), "{}", page.words());
        line.server.follow_now();
        refused(&line.app.refresh(&line.tokens.refresh));
        assert!(!line.app.sees_live(&line.tokens.access));
        assert_eq!(line.app.silently(&mut line.browser).error(), "consent_required");
    });
}

#[test]
fn a10_it_ends_when_the_person_is_disabled() {
    each(|database| {
        let line = line(database);
        line.server.disable(&line.ada);
        refused(&line.app.refresh(&line.tokens.refresh));
        assert!(!line.app.sees_live(&line.tokens.access));
        assert_eq!(line.app.userinfo(&line.tokens.access).status, 401);
    });
}

#[test]
fn a10_a_disabled_client_cannot_refresh() {
    each(|database| {
        let line = line(database);
        line.server.disable_client(&line.app);
        assert_eq!(line.app.refresh(&line.tokens.refresh).refusal(), (401, "invalid_client".to_owned()));
    });
}

#[test]
fn with_offline_access_it_outlives_the_browser_session_and_without_it_does_not() {
    each(|database| {
        for (scope, lives) in [("openid docs.read offline_access", true), ("openid docs.read", false)] {
            let name = if lives { "ada" } else { "bob" };
            let server = Server::on(database);
            let (person, app) = (server.person(name), server.web_app().scope(scope));
            let mut browser = server.browser();
            let tokens = browser.tokens(&app, &person);
            let page = browser.visit("/end_session");
            browser.submit(&page.form().press("Sign out"));
            server.follow_now();
            assert_eq!(app.refresh(&tokens.refresh).status == 200, lives, "{scope}");
        }
    });
}

/// Whoever operates a client may take an API away from it and give it back; that is no reuse of a token.
#[test]
fn a_client_that_an_api_was_taken_from_keeps_its_refresh_token() {
    each(|database| {
        let line = line_with(database, "docs.read");
        line.server.advance(Span::minutes(1));
        line.server.change_client(&line.app, |metadata| metadata["resources"] = json!([MAIL]));
        for _ in 0..2 {
            let reply = line.app.refresh(&line.tokens.refresh);
            assert_eq!(reply.refusal(), (400, "invalid_target".to_owned()), "{}", reply.text());
            line.server.advance(Span::minutes(1));
        }
        assert!(!line.server.recorded("token.refreshed"), "nothing was used up");
        line.server.change_client(&line.app, |metadata| metadata["resources"] = json!([DOCS, MAIL]));
        let next = line.app.refresh(&line.tokens.refresh).tokens();
        assert_eq!(line.app.refresh(&next.refresh).status, 200);
        assert!(!line.server.recorded("token.reused"));
    });
}
