//! Sign-out at an application's request: OpenID Connect RP-Initiated Logout 1.0.

use super::{Scene, scene};
use crate::world::{App, Browser, Reply, Request, Tokens, each, encode, forged, header, payload};
use keywright::base::moment::Span;
use serde_json::json;

const BYE: &str = "https://app.example/bye";

fn target(pairs: &[(&str, &str)]) -> String {
    format!("/end_session?{}", encode(pairs))
}

fn is_here(browser: &mut Browser) -> bool {
    browser.open("/account").status == 200
}

fn asks(page: &Reply) {
    assert_eq!((page.status, page.title().as_str()), (200, "Sign out?"), "{}", page.text());
}

fn refused(app: &App, tokens: &Tokens) {
    assert_eq!(app.refresh(&tokens.refresh).refusal(), (400, "invalid_grant".to_owned()));
}

#[test]
fn with_an_id_token_of_this_very_session_it_is_done_at_once() {
    each(|database| {
        let Scene { mut browser, tokens, server, .. } = scene(database);
        let pairs = [("id_token_hint", tokens.id.as_str()), ("post_logout_redirect_uri", BYE), ("state", "a b&c=d")];
        let reply = browser.open(&target(&pairs));
        assert_eq!(reply.status, 303);
        assert_eq!(reply.location(), "https://app.example/bye?state=a+b%26c%3Dd");
        assert!(reply.all("set-cookie").any(|c| c.contains("session=;") && c.contains("Max-Age=0")));
        assert!(!is_here(&mut browser));
        assert_eq!(server.events_of("session.ended").len(), 1);
    });
}

#[test]
fn the_session_is_dead_at_the_server_and_not_only_in_the_browser() {
    each(|database| {
        let Scene { mut browser, tokens, app, server, .. } = scene(database);
        let mut thief = browser.clone();
        browser.open(&target(&[("id_token_hint", &tokens.id)]));
        assert!(!is_here(&mut thief));
        assert_eq!(app.silently(&mut thief).error(), "login_required");
        server.follow_now();
        assert!(!app.sees_live(&tokens.access));
        assert_eq!(app.refresh(&tokens.refresh).error(), "invalid_grant", "without offline_access");
    });
}

#[test]
fn without_a_state_none_is_sent_and_without_an_address_our_own_page_says_it() {
    each(|database| {
        let Scene { mut browser, tokens, server: _server, .. } = scene(database);
        let mut other = browser.clone();
        let pairs = [("id_token_hint", tokens.id.as_str()), ("post_logout_redirect_uri", BYE)];
        assert_eq!(browser.open(&target(&pairs)).location(), BYE);
        // Nobody is signed in there any more, and that is as good.
        assert_eq!(other.open(&target(&[("id_token_hint", &tokens.id), ("state", "x")])).title(), "Signed out");
    });
}

#[test]
fn an_expired_hint_is_good_enough_to_leave() {
    each(|database| {
        let Scene { mut browser, tokens, server, .. } = scene(database);
        server.advance(Span::hours(3));
        let pairs = [("id_token_hint", tokens.id.as_str()), ("post_logout_redirect_uri", BYE)];
        assert_eq!(browser.open(&target(&pairs)).location(), BYE);
        assert!(!is_here(&mut browser));
    });
}

#[test]
fn whoever_cannot_show_a_token_of_this_session_has_the_person_asked() {
    each(|database| {
        let Scene { tokens, app, server, .. } = scene(database);
        let bob = server.person("bob");
        let mut browser = server.browser();
        browser.tokens(&app, &bob);
        let mut claims = payload(&tokens.id);
        claims["sub"] = json!(bob.id);
        let made_up = forged(&tokens.id, &header(&tokens.id), &claims);
        for pairs in [
            &[][..],
            &[("client_id", app.id.as_str()), ("post_logout_redirect_uri", BYE)],
            &[("id_token_hint", tokens.id.as_str()), ("post_logout_redirect_uri", BYE)],
            &[("id_token_hint", &made_up), ("client_id", &app.id), ("post_logout_redirect_uri", BYE)],
            &[("id_token_hint", "x.y.z")],
            &[("id_token_hint", &tokens.access)],
        ] {
            let page = browser.open(&target(pairs));
            asks(&page);
            assert!(page.says("bob Example"), "{}", page.words());
            assert!(is_here(&mut browser), "{pairs:?}");
        }
    });
}

#[test]
fn the_person_may_stay_or_leave_and_then_goes_where_the_client_wanted() {
    each(|database| {
        let Scene { mut browser, app, server, .. } = scene(database);
        let pairs = [("client_id", app.id.as_str()), ("post_logout_redirect_uri", BYE), ("state", "s1")];
        let page = browser.open(&target(&pairs));
        asks(&page);
        assert!(page.says("Notes asks to sign you out"), "{}", page.words());
        let stays = browser.post(&page.form().press("Stay"));
        assert_eq!((stays.status, stays.location()), (303, "/account"));
        assert!(is_here(&mut browser));
        let leaves = browser.post(&page.form().press("Sign out"));
        assert_eq!((leaves.status, leaves.location()), (303, "https://app.example/bye?state=s1"));
        assert!(!is_here(&mut browser));
        assert_eq!(server.events_of("session.ended").len(), 1);
    });
}

#[test]
fn the_answer_to_the_question_must_come_from_our_page_in_this_session() {
    each(|database| {
        let Scene { mut browser, app, ada, server, .. } = scene(database);
        let page = browser.open(&target(&[("client_id", &app.id)]));
        let form = page.form().press("Sign out");
        let mut stranger = server.browser();
        stranger.sign_in(&ada);
        let theirs = stranger.open("/end_session").form().field("csrf").unwrap().to_owned();
        for csrf in ["", "x", theirs.as_str()] {
            assert_eq!(browser.post(&form.clone().fill("csrf", csrf)).status, 403, "{csrf}");
        }
        let pairs = [("decision", "sign_out"), ("csrf", form.field("csrf").unwrap())];
        for (field, value) in [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")] {
            let request = Request::new("POST", "/end_session").form(&encode(&pairs)).field(field, value);
            assert_eq!(browser.send(request).status, 403, "{field}");
        }
        assert!(is_here(&mut browser));
        assert!(!server.recorded("session.ended"));
    });
}

#[test]
fn an_address_that_is_not_registered_byte_for_byte_is_not_gone_to_and_ends_nothing() {
    each(|database| {
        let Scene { mut browser, tokens, app, server: _server, .. } = scene(database);
        for uri in [
            "https://app.example/bye/",
            "https://app.example/BYE",
            "https://app.example/bye?x",
            "https://app.example:443/bye",
            "https://app.example/cb",
            "https://app.example.evil.example/bye",
            "https://evil.example/",
            "//evil.example",
            "javascript:alert(1)",
            "/account",
        ] {
            for named in [("id_token_hint", tokens.id.as_str()), ("client_id", app.id.as_str())] {
                let reply = browser.open(&target(&[named, ("post_logout_redirect_uri", uri)]));
                assert_eq!((reply.status, reply.field("location")), (400, None), "{uri}");
                assert!(!reply.text().contains("evil"), "nothing is echoed");
            }
        }
        let nameless = browser.open(&target(&[("post_logout_redirect_uri", BYE)]));
        assert_eq!((nameless.status, nameless.field("location")), (400, None), "whose would it be?");
        assert!(is_here(&mut browser));
    });
}

#[test]
fn a_hint_of_one_client_and_the_name_of_another_go_nowhere() {
    each(|database| {
        let Scene { mut browser, tokens, server, .. } = scene(database);
        let other = server.web_app();
        let reply = browser.open(&target(&[("id_token_hint", &tokens.id), ("client_id", &other.id)]));
        assert_eq!((reply.status, reply.field("location")), (400, None), "RP-Initiated Logout §2");
        let reply = browser.open(&target(&[("client_id", "nobody"), ("post_logout_redirect_uri", BYE)]));
        assert_eq!((reply.status, reply.field("location")), (400, None));
        assert!(is_here(&mut browser));
    });
}

#[test]
fn a_parameter_twice_ends_nothing() {
    each(|database| {
        let Scene { mut browser, tokens, server: _server, .. } = scene(database);
        let hint = ("id_token_hint", tokens.id.as_str());
        for twice in [&[hint, hint][..], &[hint, ("state", "a"), ("state", "b")]] {
            let reply = browser.open(&target(twice));
            assert_eq!((reply.status, reply.field("location")), (400, None));
        }
        assert!(is_here(&mut browser));
    });
}

#[test]
fn a_post_of_the_client_goes_on_as_a_get_that_comes_with_our_cookies() {
    each(|database| {
        let Scene { mut browser, tokens, server, .. } = scene(database);
        let pairs = [("id_token_hint", tokens.id.as_str()), ("post_logout_redirect_uri", BYE), ("state", "x")];
        // As from another site: without cookies, which are SameSite=Lax.
        let request = Request::new("POST", "/end_session").form(&encode(&pairs)).field("Origin", "https://app.example");
        let reply = server.send(&request);
        assert_eq!(reply.status, 303);
        assert!(!reply.location().contains(&tokens.id), "the token is sealed on the way");
        let reply = browser.open(reply.location());
        assert_eq!((reply.status, reply.location()), (303, "https://app.example/bye?state=x"));
        assert!(!is_here(&mut browser));
    });
}

#[test]
fn nobody_can_write_the_sealed_request_and_an_old_one_says_nothing() {
    each(|database| {
        let Scene { mut browser, tokens, server, .. } = scene(database);
        let pairs = [("id_token_hint", tokens.id.as_str()), ("post_logout_redirect_uri", BYE)];
        let sealed = server.post("/end_session", &pairs).location().to_owned();
        asks(&browser.open("/end_session?request=x"));
        asks(&browser.open(&format!("{}AAAAAAAA", &sealed[..sealed.len() - 8])));
        server.advance(Span::minutes(61));
        asks(&browser.open(&sealed));
        assert!(is_here(&mut browser));
    });
}

/// What hangs from a session that nobody used for a day goes on: whoever signs out ends that as well.
#[test]
fn an_idle_session_is_signed_out_of_like_any_other() {
    each(|database| {
        let Scene { mut browser, tokens, app, server, .. } = scene(database);
        server.advance(Span::hours(25));
        let mut other = browser.clone();
        assert!(!is_here(&mut other));
        assert_eq!(browser.open(&target(&[("id_token_hint", &tokens.id)])).title(), "Signed out");
        server.follow_now();
        refused(&app, &tokens);
        assert_eq!(server.events_of("session.ended").len(), 1);
    });
}

#[test]
fn whoever_has_an_idle_session_is_asked_without_a_name_and_may_end_it() {
    each(|database| {
        let Scene { mut browser, tokens, app, server, .. } = scene(database);
        server.advance(Span::hours(25));
        let page = browser.open(&target(&[("client_id", &app.id), ("post_logout_redirect_uri", BYE)]));
        asks(&page);
        assert!(!page.says("ada Example"), "{}", page.words());
        assert!(!server.recorded("session.ended"));
        assert_eq!(browser.post(&page.form().press("Sign out").fill("csrf", "x")).status, 403);
        assert_eq!(browser.post(&page.form().press("Sign out")).location(), BYE);
        server.follow_now();
        refused(&app, &tokens);
    });
}

#[test]
fn a_sign_out_reaches_what_was_granted_before_the_session_was_idle() {
    each(|database| {
        let Scene { mut browser, tokens, app, ada, server } = scene(database);
        server.advance(Span::hours(25));
        browser.sign_in(&ada);
        let next = app.refresh(&tokens.refresh).tokens();
        let page = browser.open("/end_session");
        asks(&page);
        browser.post(&page.form().press("Sign out"));
        server.follow_now();
        refused(&app, &next);
    });
}

#[test]
fn whoever_signs_in_over_an_idle_session_of_somebody_else_ends_it() {
    each(|database| {
        let Scene { mut browser, tokens, app, server, .. } = scene(database);
        server.advance(Span::hours(25));
        browser.sign_in(&server.person("bob"));
        server.follow_now();
        refused(&app, &tokens);
        assert_eq!(server.events_of("session.ended")[0].data["how"], "replaced");
    });
}
