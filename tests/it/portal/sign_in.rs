//! The sign-in page: ASVS 5.0 §6.2, §6.3, §7.2.4; RFC 9700 §4.11 and §4.12.

use crate::world::{Browser, Person, Reply, Request, Server, each, encode};
use keywright::base::moment::Span;

/// Types this into a fresh sign-in page.
pub fn try_with(browser: &mut Browser, name: &str, password: &str) -> Reply {
    let page = browser.open("/sign-in");
    browser.post(&page.form().fill("username", name).fill("password", password))
}

pub fn is_here(browser: &mut Browser) -> bool {
    browser.open("/account").status == 200
}

/// All of an answer but what must differ: the date, the browser's own token, the name typed.
fn telling(reply: &Reply, name: &str) -> (u16, String, String) {
    let csrf = reply.form().field("csrf").unwrap().to_owned();
    let head: String = reply.head().lines().filter(|line| !line.starts_with("date:")).collect();
    (reply.status, head, reply.text().replace(&csrf, "").replace(&format!("\"{name}\""), "\"\""))
}

#[test]
fn an_unknown_name_and_a_wrong_password_are_answered_the_same() {
    each(|database| {
        let server = Server::on(database);
        let (ada, eve) = (server.person("ada"), server.person("eve"));
        server.disable(&eve);
        let told = |name: &str, password: &str| {
            let reply = try_with(&mut server.browser(), name, password);
            assert_eq!((reply.status, reply.title().as_str()), (200, "Problem: Sign in"));
            telling(&reply, name)
        };
        let wrong = told("ada", "wrong wrong wrong");
        assert_eq!(told("bob", "wrong wrong wrong"), wrong, "there is no bob");
        assert_eq!(told("eve", &eve.password), wrong, "disabled");
        assert_eq!(told("ada", ""), wrong);
        assert_eq!(told("bob", ""), wrong);
        assert!(is_here(&mut {
            let mut b = server.browser();
            b.sign_in(&ada);
            b
        }));
        let mut why: Vec<String> =
            server.events_of("session.refused").iter().map(|e| e.data["why"].to_string()).collect();
        why.sort();
        let whys = ["disabled", "unknown_user", "unknown_user", "wrong_password", "wrong_password"];
        assert_eq!(why, whys.map(|why| format!("\"{why}\"")), "to the operator they are not");
        for event in server.events_of("session.refused") {
            let name = event.data["username"].as_str().unwrap();
            // What nobody is called may be a password, typed into the wrong field.
            assert_eq!(event.user.is_none(), name.starts_with('#'), "{name}");
            assert!(!name.contains("bob"), "{name}");
        }
    });
}

#[test]
fn no_name_and_no_password_opens_more_than_it_should() {
    each(|database| {
        let server = Server::on(database);
        let ada = server.person("ada");
        let long = "x".repeat(20_000);
        for (name, password) in [
            ("", ""),
            ("ada", ""),
            ("", ada.password.as_str()),
            ("ada' OR '1'='1", "x"),
            ("ada", &format!("{} ", ada.password)),
            ("ada", &ada.password.to_uppercase()),
            ("ada", &ada.password[..ada.password.len() - 1]),
            ("<script>alert(1)</script>", "x"),
            ("ada", &long),
            (&long, "x"),
        ] {
            let mut browser = server.browser();
            let reply = try_with(&mut browser, name, password);
            assert_eq!(reply.status, 200, "{} {}", reply.status, reply.words());
            assert!(reply.says("not right") && !reply.text().contains("<script>alert"), "{}", reply.words());
            assert!(!reply.text().contains(&ada.password), "a password is never written back");
            assert!(!is_here(&mut browser));
        }
    });
}

#[test]
fn a_name_is_the_same_in_capitals_and_with_spaces_around_it() {
    each(|database| {
        let server = Server::on(database);
        let ada = server.person("ada");
        for name in ["ADA", " ada "] {
            let mut browser = server.browser();
            assert_eq!(try_with(&mut browser, name, &ada.password).status, 303);
            assert!(is_here(&mut browser));
        }
    });
}

#[test]
fn a_sign_in_gives_the_browser_another_session_secret_than_it_came_with() {
    each(|database| {
        let server = Server::on(database);
        let (ada, mallory) = (server.person("ada"), server.person("mallory"));
        // What somebody planted in the browser: their own session.
        let mut thief = server.browser();
        thief.sign_in(&mallory);
        let mut victim = thief.clone();
        victim.sign_in(&ada);
        assert_ne!(victim.cookie("session"), thief.cookie("session"));
        assert!(victim.open("/account").says("ada Example"));
        assert!(!is_here(&mut thief), "the planted secret opens nothing at all");
    });
}

#[test]
fn the_same_person_again_gets_a_new_secret_and_the_old_one_is_worth_nothing() {
    each(|database| {
        let server = Server::on(database);
        let ada = server.person("ada");
        let mut browser = server.browser();
        browser.sign_in(&ada);
        let mut before = browser.clone();
        browser.sign_in(&ada);
        assert_ne!(browser.cookie("session"), before.cookie("session"));
        assert!(is_here(&mut browser) && !is_here(&mut before));
        assert!(browser.open("/account").says("signed in here only"), "it is one session");
    });
}

#[test]
fn a_made_up_session_secret_is_nobody() {
    each(|database| {
        let server = Server::on(database);
        let mut browser = server.browser();
        browser.sign_in(&server.person("ada"));
        let good = browser.cookie("session").unwrap().clone();
        for wrong in ["", "x", &good[1..], &good[..good.len() - 1], &format!("{good}A"), &good.to_lowercase()] {
            let mut other = server.browser();
            other.cookies.insert("__Host-kw_session".to_owned(), wrong.to_owned());
            assert!(!is_here(&mut other), "{wrong}");
        }
    });
}

#[test]
fn the_cookies_are_for_this_host_alone_and_not_for_scripts() {
    each(|database| {
        let server = Server::on(database);
        let ada = server.person("ada");
        let mut browser = server.browser();
        let page = browser.open("/sign-in");
        let reply = browser.post(&page.form().fill("username", &ada.name).fill("password", &ada.password));
        let set: Vec<&str> = page.all("set-cookie").chain(reply.all("set-cookie")).collect();
        assert_eq!(set.len(), 3, "{set:?}");
        for cookie in set {
            assert!(cookie.starts_with("__Host-kw_"), "{cookie}");
            for part in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
                assert!(cookie.split("; ").any(|p| p == part), "{part}: {cookie}");
            }
            assert!(!cookie.contains("Domain"), "{cookie}");
            assert_eq!(cookie.contains("session="), !cookie.contains("Max-Age"), "{cookie}");
        }
    });
}

#[test]
fn no_address_from_the_request_is_ever_gone_to() {
    each(|database| {
        let server = Server::on(database);
        let ada = server.person("ada");
        let evil = "https://evil.example/";
        let names = ["next", "return_to", "redirect", "redirect_uri", "url", "continue", "to", "request"];
        for name in names {
            let mut browser = server.browser();
            let page = browser.open(&format!("/sign-in?{}", encode(&[(name, evil)])));
            assert!(!page.text().contains("evil.example"), "{name}");
            let form = page.form().fill("username", &ada.name).fill("password", &ada.password).fill(name, evil);
            let reply = browser.post(&form);
            assert_eq!((reply.status, reply.location()), (303, "/account"), "{name}");
        }
        for target in
            ["//evil.example/", "/\\evil.example", "/%2f%2fevil.example", "/account//evil.example", "/.//evil"]
        {
            let reply = server.get(target);
            assert_eq!((reply.status, reply.field("location")), (404, None), "{target}");
        }
        for sealed in [evil, "//evil.example", "x"] {
            let reply = server.get(&format!("/sign-in?{}", encode(&[("interaction", sealed)])));
            assert_eq!((reply.status, reply.field("location")), (400, None), "{sealed}");
        }
    });
}

#[test]
fn what_a_request_says_of_its_host_changes_nothing() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app();
        for field in ["X-Forwarded-Host", "Forwarded", "X-Original-URL", "X-Forwarded-Proto", "X-Host"] {
            for path in ["/account", "/sign-in", "/.well-known/openid-configuration", &app.begin().url()] {
                let request = Request::new("GET", path).field(field, "host=evil.example");
                let reply = server.send(&request);
                assert!(!reply.head().contains("evil") && !reply.text().contains("evil"), "{field} {path}");
            }
        }
    });
}

#[test]
fn every_way_on_is_a_303_with_nothing_to_store() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        let step = |reply: Reply| {
            assert_eq!(reply.status, 303, "RFC 9700 §4.12");
            assert_eq!(reply.field("cache-control"), Some("no-store"));
            assert_eq!(reply.field("referrer-policy"), Some("no-referrer"));
            reply
        };
        step(browser.open("/account"));
        let attempt = app.begin();
        let reply = step(browser.open(&attempt.url()));
        let page = browser.follow(reply);
        let reply = step(browser.post(&page.form().fill("username", &ada.name).fill("password", &ada.password)));
        let page = browser.follow(reply);
        step(browser.post(&page.form().press("Allow")));
        step(browser.open(&attempt.url()));
        let page = browser.visit("/account/profile");
        step(browser.post(&page.form().fill("nickname", "A")));
        let page = browser.visit("/account/consents");
        step(browser.post(&page.form().press("Withdraw")));
        let page = browser.visit("/account/sessions");
        step(browser.post(&page.form().press("Sign out everywhere")));
        step(server.post("/authorize", &[("client_id", &app.id)]));
        step(server.post("/end_session", &[("client_id", &app.id)]));
    });
}

#[test]
fn sent_twice_the_form_signs_in_once_more_and_no_harm_is_done() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        let attempt = app.begin();
        let page = browser.visit(&attempt.url());
        let form = page.form().fill("username", &ada.name).fill("password", &ada.password);
        let first = browser.post(&form);
        let second = browser.post(&form);
        assert_eq!((first.status, second.status), (303, 303));
        let page = browser.follow(second);
        let allow = page.form().press("Allow");
        let (one, two) = (browser.post(&allow), browser.post(&allow));
        let (one, two) = (attempt.callback(&one), attempt.callback(&two));
        assert_ne!(one.code(), two.code());
        assert_eq!(app.redeem(&attempt, two.code()).status, 200, "the browser shows the second answer");
        assert!(browser.open("/account").says("signed in here only"));
        assert!(browser.open("/account").says("One may use your account"));
    });
}

#[test]
fn a_session_ends_by_itself_when_unused_and_when_old() {
    each(|database| {
        let server = Server::on(database);
        let ada: Person = server.person("ada");
        let mut browser = server.browser();
        browser.sign_in(&ada);
        server.advance(Span::seconds(12 * 3600 - 1));
        assert!(is_here(&mut browser));
        server.advance(Span::hours(12));
        assert!(!is_here(&mut browser), "idle for twelve hours");
        browser.sign_in(&ada);
        for _ in 0..30 {
            server.advance(Span::hours(11));
            assert!(is_here(&mut browser));
        }
        server.advance(Span::hours(6));
        assert!(!is_here(&mut browser), "fourteen days after the sign-in, however much it was used");
    });
}
