//! RFC 9700 row by row, as far as a row is not proven where its subject is (see `rows`).

use super::sources;
use crate::world::{Request, Server, each, get, post};
use serde_json::json;

/// Every page that a person can come to.
const PAGES: [&str; 10] = [
    "/",
    "/sign-in",
    "/consent",
    "/select-account",
    "/end_session",
    "/account",
    "/account/profile",
    "/account/password",
    "/account/sessions",
    "/account/consents",
];

#[test]
fn b02_a_bad_redirect_uri_is_answered_with_a_page_and_never_a_redirect_also_by_post_and_signed_in() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app_with(|m| m["first_party"] = json!(true)));
        let mut browser = server.browser();
        browser.sign_in(&ada);
        let evil = app.begin().with("redirect_uri", "https://evil.example/cb");
        for attempt in
            [evil.clone(), evil.clone().with("prompt", "none"), evil.clone().with("response_mode", "form_post")]
        {
            let reply = browser.open(&attempt.url());
            assert_eq!((reply.status, reply.field("location")), (400, None), "{}", reply.text());
            // A post is turned into a get of our own first, and ends at the same page.
            let posted = browser.send(Request::new("POST", "/authorize").form(&attempt.query()));
            let reply = browser.follow(posted);
            assert_eq!((reply.status, reply.field("location")), (400, None), "{}", reply.text());
            assert!(!reply.text().contains("evil.example"), "no link to it either");
        }
        let callback = app.silently(&mut browser);
        assert!(callback.get("code").is_some(), "with the right one the very same request is answered");
    });
}

#[test]
fn b04_the_challenge_cannot_be_dropped_or_changed_on_the_way_so_a_verifier_always_has_one_to_meet() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.public_app());
        for attempt in [
            app.begin().without("code_challenge"),
            app.begin().without("code_challenge").without("code_challenge_method"),
        ] {
            let reply = server.browser().open(&attempt.url());
            assert_eq!(attempt.callback(&reply).error(), "invalid_request");
        }
        // The page's own request takes no parameter of the authorization request any more.
        let mut browser = server.browser();
        let (attempt, other) = (app.begin(), app.begin());
        let page = browser.visit(&attempt.url());
        let form = page.form().fill("username", &ada.name).fill("password", &ada.password);
        let form = form.fill("code_challenge", "").fill("code_challenge_method", "plain");
        let page = browser.submit(&form);
        let reply = browser.submit(&page.form().press("Allow").fill("code_challenge", &other.verifier));
        let code = attempt.callback(&reply).code().to_owned();
        assert_eq!(app.redeem_with(&code, &other.verifier, &app.redirect_uri).error(), "invalid_grant");
    });
}

#[test]
fn b08_no_grant_takes_a_password() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let reply = app.token(&[("grant_type", "password"), ("username", &ada.name), ("password", &ada.password)]);
        assert_eq!(reply.refusal(), (400, "unsupported_grant_type".to_owned()));
        let registered =
            server.try_register(&json!({"redirect_uris": ["https://a.example/"], "grant_types": ["password"]}));
        assert!(registered.is_err(), "nor can a client be registered for it");
    });
}

#[test]
fn b15_no_answer_anywhere_is_a_302_or_a_307() {
    let found = sources(|line| {
        ["::Found()", "TemporaryRedirect", "PermanentRedirect", "MovedPermanently", "::FOUND", "Redirect::to"]
            .iter()
            .any(|word| line.contains(word))
    });
    assert!(found.is_empty(), "{found:?}");
    assert!(!sources(|line| line.contains("SeeOther()")).is_empty(), "the search sees what there is");
}

#[test]
fn b16_names_of_clients_and_of_people_are_ours_and_never_the_same() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app, machine) = (server.person("ada"), server.web_app(), server.machine());
        let person = server.browser().tokens(&app, &ada).access_claims();
        let own = machine.own_token(&[]).tokens().access_claims();
        assert!(person["sub"].as_str().unwrap().starts_with("usr_"), "{person}");
        assert!(own["sub"].as_str().unwrap().starts_with("cli_") && own["sub"] == own["client_id"], "{own}");
        for wish in [ada.id.as_str(), "usr_0000000000000000000000"] {
            let wished = server.try_register(&json!({
                "client_id": wish, "grant_types": ["client_credentials"], "response_types": [],
            }));
            assert!(wished.is_err() || wished.is_ok_and(|app| app.id != wish), "{wish}");
        }
    });
}

#[test]
fn b17_b18_every_page_is_without_frames_scripts_of_others_and_referrers() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        let mut pages = vec![browser.visit(&app.begin().url())];
        pages.extend(PAGES.map(|path| server.browser().visit(path)));
        browser.sign_in(&ada);
        pages.push(browser.visit(&app.begin().url()));
        pages.push(browser.visit(&app.begin().with("prompt", "select_account").url()));
        pages.push(browser.visit(&app.begin().with("redirect_uri", "https://x.example/").url()));
        pages.extend(PAGES.map(|path| browser.visit(path)));
        pages.push(server.get("/nothing-is-here"));
        for page in pages {
            let csp = page.field("content-security-policy").unwrap_or_else(|| panic!("no policy: {}", page.text()));
            assert!(csp.contains("default-src 'none'") && csp.contains("frame-ancestors 'none'"), "{csp}");
            assert!(csp.contains("base-uri 'none'") && !csp.contains("unsafe") && !csp.contains('*'), "{csp}");
            assert_eq!(page.field("x-frame-options"), Some("DENY"));
            assert_eq!(page.field("x-content-type-options"), Some("nosniff"));
            assert!(matches!(page.field("referrer-policy"), Some("same-origin" | "no-referrer")));
            assert_eq!(page.field("cache-control"), Some("no-store"), "{}", page.title());
            let html = page.text();
            for outside in ["src=\"http", "src=\"//", "<link rel=\"stylesheet\" href=\"http", "<iframe", "javascript:"]
            {
                assert!(!html.contains(outside), "{outside} in {}", page.title());
            }
            let inline = html.split("<script").skip(1).any(|tag| !tag.starts_with(" src=") && !tag.contains("src=\"/"));
            assert!(!inline && !html.contains(" onclick") && !html.contains(" style=\""), "{}", page.title());
        }
    });
}

#[test]
fn b19_an_access_token_in_the_url_is_refused_even_beside_a_good_one() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let token = server.browser().tokens(&app, &ada).access;
        let target = format!("/userinfo?access_token={token}");
        for request in
            [get(&target), get(&target).bearer(&token), post(&target, &[]), post(&target, &[("access_token", &token)])]
        {
            let reply = server.send(&request);
            assert_eq!(reply.refusal(), (400, "invalid_request".to_owned()), "{}", reply.text());
            assert!(reply.field("www-authenticate").unwrap().contains("error=\"invalid_request\""));
        }
        assert_eq!(app.userinfo(&token).status, 200);
    });
}

#[test]
fn b22_no_field_that_a_proxy_could_set_proves_anybody() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("server.trusted_proxies", "127.0.0.0/8"));
        let (ada, machine) = (server.person("ada"), server.machine());
        for (name, value) in [
            ("X-Client-Cert", "-----BEGIN CERTIFICATE-----"),
            ("X-SSL-Client-Verify", "SUCCESS"),
            ("X-SSL-Client-S-DN", machine.id.as_str()),
            ("Client-Cert", ":MIIB:"),
            ("X-Forwarded-Client-Cert", "By=x;Hash=y"),
            ("X-Remote-User", ada.name.as_str()),
            ("Remote-User", ada.name.as_str()),
            ("X-Forwarded-User", ada.name.as_str()),
        ] {
            let request = post("/token", &[("grant_type", "client_credentials"), ("client_id", &machine.id)]);
            let reply = server.send(&request.field(name, value));
            assert_eq!(reply.refusal(), (401, "invalid_client".to_owned()), "{name}");
            let reply = server.send(&get("/account").field(name, value));
            assert_eq!(reply.status, 303, "{name}: nobody is signed in by it");
            assert!(reply.location().ends_with("/sign-in"), "{}", reply.location());
        }
    });
}

#[test]
fn b22_a39_the_host_that_a_request_names_changes_no_address_of_ours() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("server.trusted_proxies", "127.0.0.0/8"));
        let app = server.web_app();
        let plain = server.get("/.well-known/openid-configuration").body;
        let fields = [
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Prefix", "/evil"),
            ("X-Original-URL", "/account"),
            ("X-Rewrite-URL", "/account"),
            ("Forwarded", "host=evil.example;proto=http"),
        ];
        let with = |request: Request| fields.iter().fold(request, |r, (name, value)| r.field(name, *value));
        assert_eq!(server.send(&with(get("/.well-known/openid-configuration"))).body, plain);
        let reply = server.send(&with(get(&app.begin().url())));
        assert!(reply.location().starts_with("/sign-in?"), "{}", reply.location());
        let page = server.send(&with(get("/sign-in")));
        assert!(!page.text().contains("evil") && !page.head().contains("evil"), "{}", page.text());
        // On the listener for gateways these fields say what a client asked for, and are believed of gateways alone.
        let mut found = sources(|line| line.to_lowercase().contains("\"x-forwarded-"));
        found.retain(|line| !line.contains("/http/gateway/"));
        assert!(found.iter().all(|line| line.to_lowercase().contains("x-forwarded-for")), "{found:?}");
    });
}

#[test]
fn b23_a24_nothing_of_ours_listens_to_or_posts_messages_between_windows() {
    let found = sources(|line| line.contains("postMessage") || line.contains("check_session_iframe"));
    assert!(found.is_empty(), "{found:?}");
    let server_says = |text: &str| text.contains("frame-ancestors 'none'");
    assert!(!sources(server_says).is_empty(), "the search sees what there is");
}

#[test]
fn b24_a_form_of_another_site_another_browser_or_another_session_changes_nothing() {
    each(|database| {
        let server = Server::on(database);
        let (ada, bob) = (server.person("ada"), server.person("bob"));
        let (mut hers, mut his) = (server.browser(), server.browser());
        let before = hers.visit("/sign-in").form();
        hers.sign_in(&ada);
        his.sign_in(&bob);
        let good = hers.visit("/account/profile").form().fill("name", "Ada the Second");
        let stranger = his.visit("/account/profile").form();
        for (token, why) in [
            (String::new(), "without the token"),
            (stranger.field("csrf").unwrap().to_owned(), "with the token of another browser"),
            (before.field("csrf").unwrap().to_owned(), "with the token from before the sign-in"),
            (format!("{}A", good.field("csrf").unwrap()), "with a token that has grown"),
        ] {
            let reply = hers.post(&good.clone().fill("csrf", &token));
            assert_eq!(reply.status, 403, "{why}: {}", reply.words());
        }
        for (name, value) in [
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
        ] {
            let pairs: Vec<(&str, &str)> = good.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let reply = hers.send(post("/account/profile", &pairs).field(name, value));
            assert_eq!(reply.status, 403, "{name}: {value}");
        }
        assert!(!hers.visit("/account/profile").text().contains("Ada the Second"));
        assert_eq!(hers.post(&good).status, 303);
        assert!(hers.visit("/account/profile").text().contains("Ada the Second"));
    });
}

#[test]
fn b24_cookies_are_for_this_host_alone_and_no_script_reads_them() {
    each(|database| {
        let server = Server::on(database);
        let ada = server.person("ada");
        let mut browser = server.browser();
        let page = browser.visit("/sign-in");
        let first: Vec<String> = page.all("set-cookie").map(str::to_owned).collect();
        let form = page.form().fill("username", &ada.name).fill("password", &ada.password);
        let signed = browser.post(&form);
        let all: Vec<String> = first.into_iter().chain(signed.all("set-cookie").map(str::to_owned)).collect();
        assert!(all.len() >= 3, "{all:?}");
        for cookie in all {
            assert!(cookie.starts_with("__Host-kw_"), "{cookie}");
            for mark in ["; HttpOnly", "; SameSite=Lax", "; Secure", "; Path=/"] {
                assert!(cookie.contains(mark), "{mark}: {cookie}");
            }
            assert!(!cookie.contains("Domain"), "{cookie}");
        }
    });
}
