//! What other servers got wrong between the authorization request and the code, and at the sign-in
//! page.

use crate::world::{Browser, Person, Reply, Request, Server, each, get, post};
use keywright::base::moment::Span;
use serde_json::json;

/// The page that asks ada to consent, in her browser.
fn asking(server: &Server, app: &crate::world::App, ada: &Person) -> (Browser, crate::world::Attempt, String) {
    let mut browser = server.browser();
    browser.sign_in(ada);
    let attempt = app.begin();
    let sent = browser.open(&attempt.url());
    let place = sent.location().to_owned();
    assert!(place.starts_with("/consent?interaction="), "{place}");
    (browser, attempt, place)
}

#[test]
fn a13_what_one_browser_began_no_other_can_approve_or_pick_up() {
    each(|database| {
        let server = Server::on(database);
        let (ada, eve, app) = (server.person("ada"), server.person("eve"), server.web_app());
        let (mut hers, attempt, place) = asking(&server, &app, &ada);
        let mut other = server.browser();
        other.sign_in(&eve);
        // Eve has the address of the page. She cannot see the page, nor answer it with a form of her own.
        assert_eq!(other.open(&place).status, 400);
        let (mut eves, _, eves_place) = asking(&server, &app, &eve);
        let sealed = place.split_once("interaction=").unwrap().1;
        let form = eves.open(&eves_place).form().fill("interaction", sealed).press("Allow");
        assert_eq!(eves.post(&form).status, 400);
        // And what Eve began she cannot have Ada finish: the code would be for Ada's account.
        assert_eq!(hers.open(&eves_place).status, 400);
        // Ada was asked nothing yet that is answered already.
        let page = hers.open(&place);
        assert!(page.title().starts_with("Allow"), "{}", page.title());
        let reply = hers.submit(&page.form().press("Allow"));
        let tokens = app.redeem(&attempt, attempt.callback(&reply).code()).tokens();
        assert_eq!(tokens.access_claims()["sub"], ada.id.as_str());
    });
}

#[test]
fn a17_whoever_knows_the_request_but_has_no_cookies_gets_no_code() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app_with(|m| m["first_party"] = json!(true)));
        let mut browser = server.browser();
        let attempt = app.begin();
        let place = browser.open(&attempt.url()).location().to_owned();
        browser.sign_in(&ada);
        for path in ["/sign-in", "/consent", "/select-account"] {
            let target = place.replace("/sign-in", path);
            let reply = server.get(&target);
            assert_eq!((reply.status, reply.field("location")), (400, None), "{path}: {}", reply.text());
        }
        // With the session's cookie alone, and with the browser's alone, there is none either.
        for lost in ["browser", "session"] {
            let mut half = browser.clone();
            half.cookies.retain(|name, _| !name.contains(lost));
            let reply = half.open(&place.replace("/sign-in", "/consent"));
            assert!(!reply.head().contains("code="), "{lost}: {}", reply.head());
        }
        let reply = browser.open(&place.replace("/sign-in", "/consent"));
        assert!(attempt.callback(&reply).get("code").is_some(), "with both there is");
    });
}

#[test]
fn a18_the_state_of_a_sign_in_cannot_be_changed_by_the_one_who_carries_it() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let (mut browser, attempt, place) = asking(&server, &app, &ada);
        let sealed = place.split_once("interaction=").unwrap().1.to_owned();
        for at in [0, sealed.len() / 2, sealed.len() - 2] {
            let other = if &sealed[at..=at] == "A" { "B" } else { "A" };
            let changed = format!("{}{other}{}", &sealed[..at], &sealed[at + 1..]);
            assert_eq!(browser.open(&format!("/consent?interaction={changed}")).status, 400, "at {at}");
        }
        for cut in [&sealed[1..], &sealed[..sealed.len() - 1], &format!("{sealed}A"), "", "e30"] {
            assert_eq!(browser.open(&format!("/consent?interaction={cut}")).status, 400, "{cut}");
        }
        // What is put beside it does not count.
        let more =
            "&response_type=token&redirect_uri=https%3A%2F%2Fevil.example%2F&scope=openid+docs.write&client_id=x";
        let page = browser.open(&format!("{place}{more}"));
        let mut form = page.form().press("Allow");
        for (name, value) in [
            ("response_type", "token"),
            ("redirect_uri", "https://evil.example/"),
            ("scope", "openid docs.read docs.write mail.read"),
            ("state", "other"),
        ] {
            form = form.fill(name, value);
        }
        let callback = attempt.callback(&browser.submit(&form));
        assert_eq!(callback.address, "https://app.example/cb");
        let tokens = app.redeem(&attempt, callback.code()).tokens();
        assert_eq!(tokens.scope(), "docs.read openid");
    });
}

#[test]
fn a09_a_page_that_stayed_open_for_too_long_leads_nowhere_though_nothing_was_swept() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let (mut browser, _, place) = asking(&server, &app, &ada);
        let form = browser.open(&place).form().press("Allow");
        server.advance(Span::seconds(3601));
        assert_eq!(browser.post(&form).status, 400);
        assert!(!server.recorded("code.issued"));
    });
}

#[test]
fn a19_cookies_hold_random_names_and_nothing_of_the_request_or_the_person() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        let attempt = app.begin();
        browser.approve(&attempt, &ada);
        assert!(browser.cookies.len() >= 3, "{:?}", browser.cookies);
        for (name, value) in &browser.cookies {
            assert!(value.len() <= 256 && value.bytes().all(|b| b.is_ascii_graphic()), "{name}");
            let decoded = [
                value.clone().into_bytes(),
                keywright::base::digest::from_base64url(value.rsplit('.').next().unwrap()).unwrap_or_default(),
            ];
            for telling in [&attempt.state, &attempt.nonce, &app.id, &ada.name, &ada.id, "docs.read"] {
                for text in &decoded {
                    let found = text.windows(telling.len()).any(|w| w == telling.as_bytes());
                    assert!(!found, "{name} holds {telling}");
                }
            }
        }
    });
}

#[test]
fn a21_guessing_is_limited_on_every_path_that_takes_a_password() {
    each(|database| {
        let limits = |settings: &mut crate::world::server::Settings| {
            settings.set("sign_in.attempts_per_account", "3/10m");
            settings.set("sign_in.attempts_known_browser", "3/10m");
        };
        let server = Server::start(database, limits);
        let (ada, bob, app) = (server.person("ada"), server.person("bob"), server.web_app());
        let wrong = Person { password: "wrong wrong wrong".to_owned(), ..ada.clone() };
        // At the page for an application; then the right password does not help in any other place.
        let mut browser = server.browser();
        let attempt = app.begin();
        for _ in 0..3 {
            let page = browser.visit(&attempt.url());
            assert_eq!(browser.type_in(&page, &wrong).status, 200);
        }
        for place in ["/sign-in".to_owned(), attempt.url(), attempt.clone().with("prompt", "login").url()] {
            let page = browser.visit(&place);
            let reply = browser.type_in(&page, &ada);
            assert_eq!(reply.status, 429, "{place}: {}", reply.words());
            assert!(reply.field("retry-after").is_some());
        }
        // At the page for a new password.
        let mut his = server.browser();
        his.sign_in(&bob);
        let statuses: Vec<u16> = (0..5).map(|_| change(&mut his, "wrong wrong wrong").status).collect();
        assert_eq!(statuses, [422, 422, 422, 429, 429]);
        assert_eq!(change(&mut his, &bob.password).status, 429, "nor does the right one");
        server.advance(Span::minutes(11));
        assert_eq!(change(&mut his, &bob.password).status, 303, "until time has gone by");
    });
}

fn change(browser: &mut Browser, current: &str) -> Reply {
    let new = "seven amber kites over Lisbon";
    let form = browser.visit("/account/password").form().fill("current_password", current);
    browser.post(&form.fill("new_password", new).fill("new_password_again", new))
}

#[test]
fn a27_what_belongs_to_another_person_is_not_there_whatever_id_is_in_the_body() {
    each(|database| {
        let server = Server::on(database);
        let (ada, eve, app) = (server.person("ada"), server.person("eve"), server.web_app());
        let (mut hers, mut eves) = (server.browser(), server.browser());
        let tokens = hers.tokens(&app, &ada);
        eves.tokens(&app, &eve);
        let her_session = hers.visit("/account/sessions").form().button_values("end")[0].clone();
        let her_consent = hers.visit("/account/consents").form();
        let her_consent = her_consent
            .field("withdraw")
            .map(str::to_owned)
            .unwrap_or_else(|| her_consent.button_values("withdraw")[0].clone());
        for (path, name, id) in
            [("/account/sessions", "end", &her_session), ("/account/consents", "withdraw", &her_consent)]
        {
            let form = eves.visit(path).form().fill(name, id);
            let reply = eves.post(&form);
            assert_eq!(reply.status, 404, "{path}: {}", reply.words());
        }
        // A profile has no field for whose it is, nor for what a person may not say of themselves.
        let form = eves.visit("/account/profile").form();
        let mut form = form.fill("name", "Eve").fill("user_id", &ada.id).fill("sub", &ada.id).fill("id", &ada.id);
        for (name, value) in [("email_verified", "true"), ("username", "ada"), ("state", "disabled"), ("password", "x")]
        {
            form = form.fill(name, value);
        }
        assert_eq!(eves.post(&form.fill("email", "ada@example.org")).status, 303);
        assert!(hers.visit("/account/profile").text().contains("ada Example"));
        assert_eq!(app.refresh(&tokens.refresh).status, 200, "Ada's session and consent are as they were");
        let claims = eves.tokens(&app.clone().scope("openid email"), &eve);
        let told = app.userinfo(&claims.access).json();
        assert_eq!((&told["email"], &told["email_verified"]), (&json!("ada@example.org"), &json!(false)), "{told}");
    });
}

#[test]
fn a34_no_parameter_sends_a_person_who_signed_in_or_out_to_another_site() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let evils = [
            "https://evil.example/",
            "//evil.example/",
            "/\\evil.example/",
            "\\\\evil.example",
            "/%09/evil.example",
            "/\t/evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "https://app.example/bye/../../evil",
            "https://app.example/bye?x=1",
            "https://app.example/BYE",
            "https://id.example@evil.example/",
        ];
        for evil in evils {
            let query = crate::world::http::encode(&[
                ("return_to", evil),
                ("next", evil),
                ("redirect_uri", evil),
                ("continue", evil),
                ("post_logout_redirect_uri", evil),
            ]);
            let mut browser = server.browser();
            let page = browser.open(&format!("/sign-in?{query}"));
            let form = page.form().fill("username", &ada.name).fill("password", &ada.password);
            let reply = browser.post(&form.fill("return_to", evil).fill("next", evil));
            assert_eq!((reply.status, reply.location()), (303, "/account"), "{evil}");
            let out = crate::world::http::encode(&[("post_logout_redirect_uri", evil), ("client_id", &app.id)]);
            let page = browser.open(&format!("/end_session?{out}"));
            assert!(page.field("location").is_none(), "{evil}: {}", page.head());
            if page.status == 200 {
                let reply = browser.post(&page.form().press("Sign out"));
                assert!(reply.field("location").is_none_or(|place| place.starts_with('/') && !place.contains("evil")));
            }
        }
    });
}

#[test]
fn a53_an_origin_is_ours_when_it_is_the_same_and_not_when_it_ends_or_begins_like_ours() {
    each(|database| {
        let server = Server::on(database);
        let ada = server.person("ada");
        for (origin, status) in [
            ("https://badid.example", 403),
            ("https://id.example.evil.example", 403),
            ("https://id.example:444", 403),
            ("http://id.example", 403),
            ("https://ID.example", 403),
            ("https://id.example/", 403),
            ("https://evil.example/https://id.example", 403),
            ("null", 403),
            ("https://id.example", 303),
        ] {
            let mut browser = server.browser();
            let form = browser.open("/sign-in").form().fill("username", &ada.name).fill("password", &ada.password);
            let pairs: Vec<(&str, &str)> = form.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let reply = browser.send(post("/sign-in", &pairs).field("Origin", origin));
            assert_eq!(reply.status, status, "{origin}");
        }
    });
}

#[test]
fn a25_where_the_server_calls_out_to_is_never_said_in_a_request() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("outbound.allow", "127.0.0.0/8"));
        let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        trap.set_nonblocking(true).unwrap();
        let url = format!("http://{}/", trap.local_addr().unwrap());
        let (ada, app) = (server.person("ada"), server.web_app());
        let lures = [
            ("backchannel_logout_uri", url.as_str()),
            ("jwks_uri", &url),
            ("logo_uri", &url),
            ("sector_identifier_uri", &url),
            ("client_session_host", &url),
            ("request_uri", &url),
        ];
        let mut browser = server.browser();
        let tokens = browser.tokens(&app, &ada);
        assert_eq!(app.refresh_with(&tokens.refresh, &lures).status, 200);
        app.post("/introspect", &[&[("token", tokens.access.as_str())], &lures[..]].concat());
        let query = crate::world::http::encode(&lures);
        browser.open(&format!("{}&{query}", app.begin().without("request_uri").url()));
        let page = browser.open(&format!("/end_session?{query}"));
        browser.submit(&page.form().press("Sign out"));
        app.post("/revoke", &[&[("token", tokens.access.as_str())], &lures[..]].concat());
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(trap.accept().is_err(), "somebody came");
    });
}

#[test]
fn a26_a52_a_claims_parameter_of_twice_the_same_or_of_great_depth_is_refused_and_nothing_falls_over() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app();
        let deep = |n: usize| format!("{{\"userinfo\":{}1{}}}", "{\"a\":".repeat(n), "}".repeat(n));
        for claims in [
            r#"{"userinfo":{"email":null},"userinfo":{}}"#.to_owned(),
            r#"{"userinfo":{"email":{"essential":true,"essential":false}}}"#.to_owned(),
            deep(40),
            deep(2000),
            format!("{}{}", "[".repeat(5000), "]".repeat(5000)),
        ] {
            let attempt = app.begin().with("claims", &claims);
            let reply = server.send(&Request::new("POST", "/authorize").form(&attempt.query()));
            let reply = if reply.status == 303 && reply.location().starts_with('/') {
                get(reply.location()).send(server.address)
            } else {
                reply
            };
            assert_eq!(attempt.callback(&reply).error(), "invalid_request", "{} bytes", claims.len());
        }
        assert_eq!(server.get("/livez").status, 200);
    });
}
