//! What every page carries: RFC 9700 §4.16 and §4.2.4, CSP Level 3, ASVS 5.0 §3.4.

use crate::world::{Reply, Request, Server, each, get, post};

/// The headers of a page.
fn dressed(page: &Reply, name: &str) {
    let field = |field: &str| page.field(field).unwrap_or_else(|| panic!("{name} has no {field}"));
    assert_eq!(field("content-type"), "text/html; charset=utf-8", "{name}");
    assert_eq!(field("cache-control"), "no-store", "{name}");
    assert_eq!(field("x-frame-options"), "DENY", "{name}");
    assert_eq!(field("x-content-type-options"), "nosniff", "{name}");
    // To other origins that is no referrer at all; `no-referrer` would make our own forms say
    // `Origin: null`.
    assert_eq!(field("referrer-policy"), "same-origin", "{name}");
    assert!(field("strict-transport-security").contains("max-age="), "{name}");
    assert_eq!(field("cross-origin-opener-policy"), "same-origin", "{name}");
    let policy = field("content-security-policy");
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "script-src 'self'"] {
        assert!(policy.split("; ").any(|p| p == part), "{name}: {part} in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{name}: {policy}");
    assert!(page.field("access-control-allow-origin").is_none(), "{name}");
    assert!(page.field("server").is_none() && page.field("x-powered-by").is_none(), "{name}");
    // Nothing of a page needs what its policy forbids.
    let html = page.text();
    assert!(!html.contains("style=") && !html.contains("<style") && !html.contains(" onclick="), "{name}");
    for script in html.split("<script").skip(1) {
        let head = &script[..script.find('>').unwrap()];
        assert!(head.contains("src=\"/static/"), "{name}: {head}");
    }
    for place in html.split("src=\"").chain(html.split("rel=\"stylesheet\" href=\"")).skip(1) {
        assert!(!place.starts_with("http") && !place.starts_with("//"), "{name} loads {place}");
    }
}

#[test]
fn every_page_carries_them_whatever_it_says() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        let mut seen = Vec::new();
        let mut look = |name: &str, status: u16, page: &Reply| {
            assert_eq!(page.status, status, "{name}: {}", page.words());
            dressed(page, name);
            seen.push(page.title());
        };
        look("home", 200, &browser.open("/"));
        look("not found", 404, &browser.open("/nowhere"));
        look("not found below", 404, &browser.open("/account/nowhere"));
        look("dead", 400, &browser.open("/authorize"));
        look("lost", 400, &browser.open("/consent?interaction=x"));
        look("unread", 415, &browser.send(Request::new("POST", "/sign-in").body("text/plain", "x")));
        look("forged", 403, &browser.send(post("/sign-in", &[("csrf", "x")])));
        let page = browser.visit(&app.begin().url());
        look("sign in", 200, &page);
        let wrong = page.form().fill("username", "ada").fill("password", "wrong wrong wrong");
        look("refused", 200, &browser.post(&wrong));
        let page = browser.type_in(&page, &ada);
        look("consent", 200, &page);
        browser.post(&page.form().press("Allow"));
        look("form post", 200, &browser.visit(&app.begin().with("response_mode", "form_post").url()));
        server.advance(keywright::base::moment::Span::seconds(1));
        look("select account", 200, &browser.visit(&app.begin().with("prompt", "select_account").url()));
        for page in ["/account", "/account/profile", "/account/password", "/account/sessions", "/account/consents"] {
            look(page, 200, &browser.open(page));
        }
        let page = browser.open("/account/profile");
        look("wrong profile", 422, &browser.post(&page.form().fill("email", "x")));
        let page = browser.open("/account/password");
        look("wrong password", 422, &browser.post(&page.form().fill("current_password", "x")));
        look("sign out", 200, &browser.open("/end_session"));
        look("bad sign out", 400, &browser.open("/end_session?client_id=x&client_id=y"));
        look("signed out", 200, &server.browser().open("/end_session"));
        assert!(seen.iter().all(|title| !title.is_empty()), "{seen:?}");
    });
}

#[test]
fn the_page_for_too_many_tries_carries_them_too() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("sign_in.attempts_per_account", "1/10m"));
        let mut browser = server.browser();
        super::sign_in::try_with(&mut browser, "ada", "x");
        let page = super::sign_in::try_with(&mut browser, "ada", "x");
        assert_eq!(page.status, 429);
        dressed(&page, "throttled");
    });
}

#[test]
fn a_page_leads_only_where_its_form_must() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        let leads = |page: &Reply| {
            let policy = page.field("content-security-policy").unwrap().to_owned();
            policy.split("; ").find_map(|p| p.strip_prefix("form-action ")).unwrap().to_owned()
        };
        assert_eq!(leads(&browser.open("/sign-in")), "'self'");
        let page = browser.visit(&app.begin().url());
        assert_eq!(leads(&page), "'self' https:", "on to the client");
        browser.type_in(&page, &ada);
        for page in ["/account", "/account/profile", "/account/sessions", "/end_session"] {
            assert_eq!(leads(&browser.open(page)), "'self'", "{page}");
        }
    });
}

#[test]
fn static_files_are_cached_and_typed_and_nothing_else_is_served() {
    each(|database| {
        let server = Server::on(database);
        let page = server.get("/sign-in").text();
        let mut found = 0;
        for place in page.split('"').filter(|part| part.starts_with("/static/")) {
            let file = server.get(place);
            assert_eq!(file.status, 200, "{place}");
            assert!(file.field("cache-control").unwrap().contains("immutable"), "{place}");
            assert_eq!(file.field("x-content-type-options"), Some("nosniff"));
            assert!(!file.field("content-type").unwrap().starts_with("text/html"));
            found += 1;
        }
        assert!(found >= 3, "{found}");
        for place in ["/static/", "/static/x.css", "/static/..%2f..%2fCargo.toml", "/static/../Cargo.toml"] {
            assert_eq!(server.get(place).status, 404, "{place}");
        }
    });
}

#[test]
fn a_wrong_method_says_which_are_right() {
    each(|database| {
        let server = Server::on(database);
        for (method, path, allow) in [
            ("PUT", "/sign-in", "GET, POST"),
            ("DELETE", "/account/sessions", "GET, POST"),
            ("POST", "/account", "GET"),
            ("HEAD", "/authorize", "GET, POST"),
            ("GET", "/token", "POST"),
        ] {
            let reply = server.send(&Request::new(method, path));
            assert_eq!((reply.status, reply.field("allow")), (405, Some(allow)), "{method} {path}");
        }
        assert_eq!(get("/livez").send(server.address).status, 200);
    });
}
