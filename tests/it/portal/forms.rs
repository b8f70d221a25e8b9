//! Forms are taken only from our own pages, shown to this browser in this session, while they are
//! open: ASVS 5.0 §3.5, RFC 9700 §4.7, Fetch Metadata; decision 1 about sealed sign-ins.

use super::sign_in::is_here;
use crate::world::{App, Browser, Database, Person, Reply, Request, Server, each, encode};
use keywright::base::moment::Span;
use serde_json::json;

struct Scene {
    server: Server,
    ada: Person,
    app: App,
    browser: Browser,
}

fn scene(database: &Database) -> Scene {
    let server = Server::on(database);
    let (ada, app) = (server.person("ada"), server.web_app());
    let mut browser = server.browser();
    browser.tokens(&app, &ada);
    server.advance(Span::seconds(1));
    Scene { server, ada, app, browser }
}

/// Every form that changes something, filled in and ready to be sent.
fn all_forms(scene: &mut Scene) -> Vec<crate::world::html::Form> {
    let Scene { browser, app, ada, server: _server, .. } = scene;
    let mut forms = Vec::new();
    let mut from = |url: &str, press: &str| browser.visit(url).form().press(press);
    forms.push(from("/sign-in", "Sign in").fill("username", &ada.name).fill("password", &ada.password));
    forms.push(from(&app.begin().with("prompt", "consent").url(), "Allow"));
    forms.push(from(&app.begin().with("prompt", "consent").url(), "Deny"));
    forms.push(from(&app.begin().with("prompt", "consent").url(), "Not you"));
    forms.push(from(&app.begin().with("prompt", "select_account").url(), "another account"));
    forms.push(from("/account/profile", "Save").fill("nickname", "changed"));
    let new = "seven amber kites over Lisbon";
    let password = from("/account/password", "Change").fill("current_password", &ada.password);
    forms.push(password.fill("new_password", new).fill("new_password_again", new));
    forms.push(from("/account/sessions", "Sign out everywhere"));
    forms.push(from("/account/consents", "Withdraw"));
    forms.push(from("/end_session", "Sign out"));
    forms
}

fn forged(reply: &Reply, why: &str) {
    assert_eq!((reply.status, reply.field("location")), (403, None), "{why}: {}", reply.words());
    assert!(reply.all("set-cookie").next().is_none(), "{why}");
}

/// What was recorded, without the keys that the server makes by itself, sooner or later.
fn recorded(scene: &Scene) -> Vec<String> {
    let kinds = scene.server.events().into_iter().map(|event| event.kind);
    kinds.filter(|kind| kind != "key.created").collect()
}

/// Nothing has come of all that.
fn untouched(scene: &mut Scene, before: &[String]) {
    assert!(is_here(&mut scene.browser));
    assert_eq!(recorded(scene), before);
}

#[test]
fn a_form_without_its_token_or_with_another_is_refused_and_changes_nothing() {
    each(|database| {
        let mut scene = scene(database);
        let forms = all_forms(&mut scene);
        let before = recorded(&scene);
        let mut stranger = scene.server.browser();
        let theirs = stranger.open("/sign-in").form().field("csrf").unwrap().to_owned();
        let own = scene.browser.open("/sign-in").form().field("csrf").unwrap().to_owned();
        for form in forms {
            let good = form.field("csrf").unwrap().to_owned();
            for wrong in ["", "x", theirs.as_str(), &good[1..], &good.to_lowercase()] {
                forged(&scene.browser.post(&form.clone().fill("csrf", wrong)), &format!("{} {wrong}", form.action));
            }
            if form.action != "/sign-in" {
                forged(&scene.browser.post(&form.clone().fill("csrf", &own)), "one from before the sign-in");
            }
        }
        untouched(&mut scene, &before);
    });
}

#[test]
fn a_form_from_another_site_is_refused_though_it_has_the_right_token() {
    each(|database| {
        let mut scene = scene(database);
        let forms = all_forms(&mut scene);
        let before = recorded(&scene);
        for form in forms {
            let pairs: Vec<(&str, &str)> = form.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            for (field, value) in [
                ("Origin", "https://evil.example"),
                ("Origin", "null"),
                ("Origin", "http://id.example"),
                ("Origin", "https://id.example:8443"),
                ("Origin", "https://id.example.evil.example"),
                ("Sec-Fetch-Site", "cross-site"),
                ("Sec-Fetch-Site", "same-site"),
            ] {
                let request = Request::new("POST", &form.action).form(&encode(&pairs)).field(field, value);
                forged(&scene.browser.send(request), &format!("{} {field} {value}", form.action));
            }
        }
        untouched(&mut scene, &before);
    });
}

#[test]
fn a_form_from_another_site_costs_a_browser_none_of_its_cookies() {
    each(|database| {
        let Scene { server, app, .. } = scene(database);
        // None of its cookies comes along, and one that is set would take the place of what it has.
        let long = app.begin().with("padding", &"p".repeat(7000));
        let forms = [
            ("/account/profile", "nickname=x".to_owned()),
            ("/account/password", String::new()),
            ("/account/sessions", "end=x".to_owned()),
            ("/account/consents", String::new()),
            ("/account/keys/new", "name=x".to_owned()),
            ("/claim", "code=x".to_owned()),
            ("/sign-in", "username=ada".to_owned()),
            ("/consent", String::new()),
            ("/select-account", String::new()),
            ("/end_session", String::new()),
            ("/authorize", app.begin().query()),
            ("/authorize", long.query()),
        ];
        for (path, form) in &forms {
            for (field, value) in
                [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")]
            {
                let reply = server.browser().send(Request::new("POST", path).form(form).field(field, value));
                assert!(reply.all("set-cookie").next().is_none(), "{path} {field} {value}: {}", reply.head());
            }
        }
        // A request that is too long to be asked again by GET gets no page, which would be of no use to the browser.
        let request = Request::new("POST", "/authorize").form(&long.query()).field("Origin", "https://app.example");
        assert_eq!(long.callback(&server.browser().send(request)).error(), "invalid_request");
        // A browser that lost its cookies on our own page gets another one.
        let own = Request::new("POST", "/account/profile").form("nickname=x").field("Origin", "https://id.example");
        let reply = server.browser().send(own.field("Sec-Fetch-Site", "same-origin"));
        assert!(reply.all("set-cookie").any(|cookie| cookie.contains("kw_browser=")), "{}", reply.head());
    });
}

#[test]
fn what_one_person_was_shown_another_cannot_answer() {
    each(|database| {
        let Scene { server, app, mut browser, .. } = scene(database);
        let bob = server.person("bob");
        let consent = browser.visit(&app.begin().with("prompt", "consent").url()).form().press("Allow");
        let profile = browser.visit("/account/profile").form().fill("nickname", "ada's");
        // In another tab of the same browser somebody else signs in.
        browser.sign_in(&bob);
        forged(&browser.post(&consent), "ada's consent");
        forged(&browser.post(&profile), "ada's profile");
        assert!(!server.recorded("user.profile_changed"));
    });
}

#[test]
fn only_forms_are_read() {
    each(|database| {
        let Scene { server, mut browser, .. } = scene(database);
        for path in ["/sign-in", "/consent", "/select-account", "/account/profile", "/account/password", "/end_session"]
        {
            for media_type in ["application/json", "text/plain", "multipart/form-data; boundary=x", ""] {
                let request =
                    Request::new("POST", path).body(media_type, "csrf=x").field("Origin", "https://id.example");
                assert_eq!(browser.send(request).status, 415, "{path} {media_type}");
            }
            let large = format!("csrf={}", "x".repeat(66_000));
            assert_eq!(server.send(&Request::new("POST", path).form(&large)).status, 413, "{path}");
            let twice = Request::new("POST", path).form("csrf=x&csrf=y&decision=sign_out");
            assert_eq!(browser.send(twice).status, 400, "{path}");
        }
    });
}

#[test]
fn the_sealed_state_is_of_use_in_its_own_browser_only() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        let attempt = app.begin();
        let place = browser.open(&attempt.url()).location().to_owned();
        let sealed = place.split_once("interaction=").unwrap().1.to_owned();
        let mut thief = server.browser();
        thief.sign_in(&ada);
        for path in ["/sign-in", "/consent", "/select-account"] {
            for stranger in [&mut thief, &mut server.browser()] {
                let reply = stranger.open(&format!("{path}?interaction={sealed}"));
                assert_eq!((reply.status, reply.field("location")), (400, None), "{path}");
                assert!(reply.says("no longer open"), "{}", reply.words());
            }
        }
        // A form of theirs with the state of another.
        let own = thief.visit(&app.begin().url()).form().press("Allow");
        let reply = thief.post(&own.fill("interaction", &sealed));
        assert_eq!((reply.status, reply.field("location")), (400, None));
        let callback = browser.approve(&attempt, &ada);
        assert_eq!(app.redeem(&attempt, callback.code()).status, 200, "and it was of use there");
    });
}

#[test]
fn nobody_can_change_the_sealed_state() {
    each(|database| {
        let Scene { server, app, mut browser, .. } = scene(database);
        let form = browser.visit(&app.begin().with("prompt", "consent").url()).form().press("Allow");
        let sealed = form.field("interaction").unwrap().to_owned();
        let asked = server.events_of("code.issued").len();
        let flipped = |at: usize| {
            let with = if sealed.as_bytes()[at] == b'A' { "B" } else { "A" };
            format!("{}{with}{}", &sealed[..at], &sealed[at + 1..])
        };
        let middle = sealed.len() / 2;
        let mut wrong: Vec<String> = [0, 5, middle, sealed.len() - 5].map(flipped).to_vec();
        wrong.extend([String::new(), "x".repeat(8000), sealed[..middle].to_owned(), format!("{sealed}{sealed}")]);
        for sealed in wrong {
            let reply = browser.post(&form.clone().fill("interaction", &sealed));
            assert_eq!((reply.status, reply.field("location")), (400, None), "{sealed}");
        }
        // What was sealed for another purpose is no state of a sign-in either.
        let other = server.post("/end_session", &[("state", "x")]).location().to_owned();
        let other = other.split_once("request=").unwrap().1.to_owned();
        assert_eq!(browser.post(&form.fill("interaction", &other)).status, 400);
        assert_eq!(server.events_of("code.issued").len(), asked);
    });
}

#[test]
fn a_page_that_was_open_for_more_than_an_hour_starts_nothing() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        let attempt = app.begin();
        let page = browser.visit(&attempt.url());
        let form = page.form().fill("username", &ada.name).fill("password", &ada.password);
        let mut patient = browser.clone();
        server.advance(Span::hours(1));
        let reply = patient.post(&form);
        assert_eq!(reply.status, 303, "an hour is not more than an hour");
        let consent = patient.follow(reply);
        server.advance(Span::seconds(2));
        for (browser, form) in [(&mut browser, form), (&mut patient, consent.form().press("Allow"))] {
            let reply = browser.post(&form);
            assert_eq!((reply.status, reply.field("location")), (400, None));
            assert!(reply.says("started too long ago"), "{}", reply.words());
        }
        assert!(!is_here(&mut browser), "nobody was signed in by it");
        assert!(!server.recorded("code.issued"));
    });
}

#[test]
fn a_client_that_is_gone_or_has_moved_gets_nobody_sent_to_it() {
    each(|database| {
        let Scene { server, app, mut browser, .. } = scene(database);
        let form = browser.visit(&app.begin().with("prompt", "consent").url()).form().press("Allow");
        server.disable_client(&app);
        let reply = browser.post(&form);
        assert_eq!((reply.status, reply.field("location")), (400, None), "{}", reply.words());
    });
}

#[test]
fn a_request_that_would_not_fit_into_our_own_addresses_is_refused_at_once() {
    each(|database| {
        let Scene { server, app, mut browser, ada } = scene(database);
        let longest = |n: usize| {
            let claims = json!({"userinfo": {"email": {"values": ["x".repeat(n)]}}}).to_string();
            app.begin().with("login_hint", &"h".repeat(1000)).with("claims", &claims)
        };
        // As much as a URL may hold, and as much as a form may.
        let most = longest(3900).with("nonce", &"n".repeat(1000)).with("acr_values", &"a".repeat(1000));
        for attempt in [longest(3900).with("nonce", &"n".repeat(500)), most] {
            let mut fresh = server.browser();
            let by_form = fresh.send(Request::new("POST", "/authorize").form(&attempt.query()));
            let by_url = (attempt.url().len() < 8192).then(|| server.browser().open(&attempt.url()));
            for reply in [Some(by_form), by_url].into_iter().flatten() {
                let reply =
                    if reply.location().starts_with("/authorize") { fresh.open(reply.location()) } else { reply };
                assert_eq!(reply.status, 303, "{}", reply.words());
                let callback = attempt.callback(&reply);
                assert_eq!(callback.error(), "invalid_request");
            }
        }
        // What fits goes all the way.
        let attempt = longest(100);
        let callback = browser.approve(&attempt.with("prompt", "login"), &ada);
        assert!(callback.get("code").is_some());
    });
}

#[test]
fn a_page_that_says_that_something_cannot_go_on_says_what() {
    each(|database| {
        let mut scene = scene(database);
        let waits = "could not be trusted";
        let stale = Request::new("POST", "/account/profile").form("nickname=x&csrf=x");
        let long = Request::new("POST", "/account/profile").form(&format!("nickname={}", "x".repeat(70_000)));
        for (request, status) in [(stale, 403), (long, 413)] {
            let reply = scene.browser.send(request);
            assert_eq!((reply.status, reply.title().as_str()), (status, "This request was not accepted"));
            assert!(!reply.says("sign-in") && !reply.says(waits), "{}", reply.words());
        }
        let reply = scene.browser.open("/sign-in?interaction=x");
        assert_eq!((reply.status, reply.title().as_str()), (400, "This sign-in cannot go on"));
        assert!(!reply.says(waits), "{}", reply.words());
        let reply = scene.browser.open("/authorize?client_id=nobody");
        assert_eq!((reply.status, reply.title().as_str()), (400, "This sign-in cannot go on"));
        assert!(reply.says(waits), "{}", reply.words());
        // Whoever wanted to leave can.
        let reply = scene.browser.open("/end_session?post_logout_redirect_uri=https%3A%2F%2Fevil.example%2F");
        assert_eq!((reply.status, reply.title().as_str()), (400, "You were not signed out"));
        assert!(reply.says(waits) && reply.text().contains(r#"href="/end_session""#), "{}", reply.text());
    });
}
