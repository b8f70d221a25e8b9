//! Whatever arrives: too much, too little, twice, in no alphabet, of the wrong kind. It is told
//! what was wrong in the standard's own words, quickly, and is never a fault of ours (F14).

use crate::world::{
    Auth, Reply, Request, Server,
    busy::{at_once, taken},
    each, get,
    http::{answer, connect, raw},
    post,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use keywright::http::routes::ROUTES;
use serde_json::json;
use std::{
    io::Write,
    net::{Shutdown, SocketAddr},
    time::Duration,
};

/// Endpoints that take a form from a client.
const FOR_CLIENTS: [&str; 3] = ["/token", "/introspect", "/revoke"];
/// Pages that take a form from a browser.
const FOR_PEOPLE: [&str; 8] = [
    "/sign-in",
    "/consent",
    "/select-account",
    "/end_session",
    "/account/profile",
    "/account/password",
    "/account/sessions",
    "/account/consents",
];

/// It is a refusal, in JSON with both members or as a page, and no fault of ours.
fn is_told(reply: &Reply, what: &str) {
    assert!((400..500).contains(&reply.status), "{what}: {} {}", reply.status, reply.text());
    if reply.field("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        let body = reply.json();
        assert!(body["error"].as_str().is_some_and(|e| !e.is_empty()), "{what}: {body}");
        assert!(body["error_description"].as_str().is_some_and(|e| e.len() > 8), "{what}: {body}");
    }
}

#[test]
fn f14_each_size_has_a_cap_that_answers_at_once() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        let form = |body: String| machine.request("/token", &[]).form(&body);
        let token = "grant_type=client_credentials";
        let fields = |n: usize, size: usize| {
            (0..n).fold(get("/livez"), |request, at| request.field(&format!("X-{at}"), "x".repeat(size)))
        };
        let resources: String = (0..17).map(|n| format!("&resource=https%3A%2F%2F{n}.example%2F")).collect();
        for (what, request, status) in [
            ("a URL of 8 KiB", get(&format!("/authorize?x={}", "x".repeat(8 * 1024))), 414),
            ("a URL of 60 KiB", get(&format!("/authorize?x={}", "x".repeat(60_000))), 414),
            ("a form of 64 KiB and one", form(format!("{token}&x={}", "x".repeat(64 * 1024 - 31))), 413),
            ("a form of 10 MB", form(format!("{token}&x={}", "x".repeat(10_000_000))), 413),
            ("65 parameters", form(format!("{token}&{}", "a=1&".repeat(65))), 400),
            ("a scope of 1 KiB and one", form(format!("{token}&scope={}", "s".repeat(1025))), 400),
            ("a scope of 65 items", form(format!("{token}&scope={}", "s+".repeat(65))), 400),
            ("17 resources", form(format!("{token}{resources}")), 400),
            ("a head of 40 KiB", fields(40, 1024), 431),
            ("one field of 40 KiB", fields(1, 40 * 1024), 431),
        ] {
            at_once(|| {
                let reply = raw(server.address, &request.bytes()).unwrap_or_else(|| panic!("{what}: no answer"));
                assert_eq!(reply.status, status, "{what}: {}", reply.text());
            });
        }
        for (what, request) in
            [("100 KiB", fields(100, 1024)), ("500 fields", fields(500, 4)), ("1 MB", fields(1000, 1024))]
        {
            // Beyond what is read at all the connection may end without a word.
            let reply = raw(server.address, &request.bytes());
            assert!(reply.is_none_or(|reply| (400..500).contains(&reply.status)), "{what}");
        }
        let full = form(format!("{token}&x={}", "x".repeat(64 * 1024 - token.len() - 3)));
        assert_eq!(server.send(&full).status, 200, "exactly 64 KiB");
        assert_eq!(server.send(&fields(20, 1024)).status, 200, "20 KiB of fields");
    });
}

#[test]
fn f14_what_a_person_types_has_caps_too_and_a_long_password_costs_nothing() {
    each(|database| {
        let server = Server::on(database);
        let ada = server.person("ada");
        let mut browser = server.browser();
        for (name, password) in [
            (ada.name.clone(), "x".repeat(1025)),
            (ada.name.clone(), "x".repeat(60_000)),
            ("a".repeat(10_000), ada.password.clone()),
            (format!("{}{}", ada.name, "\u{200b}"), ada.password.clone()),
            (String::new(), String::new()),
        ] {
            let page = browser.visit("/sign-in");
            let took = taken(|| {
                let reply = browser.post(&page.form().fill("username", &name).fill("password", &password));
                assert_eq!(reply.status, 200, "{}", reply.text());
                assert!(reply.says("is not right"), "{}", reply.words());
            });
            // There are not many tries, so it is not measured again on a busy machine.
            assert!(took < Duration::from_secs(20), "{took:?}");
        }
        browser.sign_in(&ada);
        for (field, value) in
            [("name", "n".repeat(3000)), ("email", "e".repeat(300)), ("website", "javascript:alert(1)".to_owned())]
        {
            let form = browser.visit("/account/profile").form().fill(field, &value);
            assert_eq!(browser.post(&form).status, 422, "{field}");
        }
        let form = browser.visit("/account/password").form().fill("current_password", &ada.password);
        let long = "violet tractor ".repeat(100);
        assert_eq!(browser.post(&form.fill("new_password", &long).fill("new_password_again", &long)).status, 422);
    });
}

/// A tunnel is asked for. Nothing is sent through it, and that is said: a server waits a second for more otherwise.
fn tunnel(to: SocketAddr, path: &str) -> Reply {
    let mut stream = connect(to);
    stream.write_all(&Request::new("CONNECT", path).bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    answer(&mut stream).unwrap_or_else(|| panic!("CONNECT {path}: no answer"))
}

#[test]
fn a_wrong_method_is_told_every_right_one_at_every_endpoint() {
    each(|database| {
        let server = Server::on(database);
        for row in ROUTES {
            let path = row.path.replace("{file}", "keywright.css");
            let allowed = row.methods.join(", ").to_uppercase();
            for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW", "get"] {
                if row.methods.iter().any(|known| known.to_uppercase() == method) {
                    continue;
                }
                if method == "CONNECT" {
                    let reply = tunnel(server.address, &path);
                    assert!((400..500).contains(&reply.status), "{path}: {}", reply.status);
                    continue;
                }
                let reply = raw(server.address, &Request::new(method, &path).bytes());
                let Some(reply) = reply else { panic!("{method} {path}: no answer") };
                assert_eq!((reply.status, reply.field("allow")), (405, Some(allowed.as_str())), "{method} {path}");
                is_told(&reply, &path);
                let own = if path.starts_with("/v1/") || format!("{:?}", row.cors) == "None" {
                    assert_eq!(reply.json()["status"], 405, "{method} {path}");
                    "application/problem+json"
                } else {
                    assert_eq!(reply.json()["error"], "invalid_request", "{method} {path}");
                    "application/json"
                };
                assert_eq!(reply.field("content-type"), Some(own), "{method} {path}");
                assert!(reply.text().contains(&allowed), "{method} {path}: {}", reply.text());
            }
            let page = Request::new("DELETE", &path).field("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
            if row.methods.contains(&"delete") {
                continue;
            }
            let reply = server.send(&page);
            let is_page = reply.field("content-type").is_some_and(|kind| kind.starts_with("text/html"));
            assert_eq!((reply.status, is_page), (405, !path.starts_with("/v1/")), "{path}");
            assert!(reply.field("allow") == Some(&allowed) && reply.text().contains(&allowed), "{path}");
            let none = server.send(&Request::new("DELETE", &path).field("accept", "text/html;q=0, */*"));
            assert!(none.field("content-type").is_some_and(|kind| kind.contains("json")), "{path}");
        }
    });
}

#[test]
fn a_body_of_another_kind_is_told_the_right_kind_at_every_endpoint() {
    each(|database| {
        let server = Server::on(database);
        let ada = server.person("ada");
        let mut browser = server.browser();
        browser.sign_in(&ada);
        let kinds = [
            "application/json",
            "text/plain",
            "multipart/form-data; boundary=x",
            "",
            "application/x-www-form-urlencodedx",
            ";",
        ];
        for path in FOR_CLIENTS.into_iter().chain(FOR_PEOPLE).chain(["/authorize"]) {
            for kind in kinds {
                let reply = browser.send(Request::new("POST", path).body(kind, "a=b"));
                assert_eq!(reply.status, 415, "{path} {kind:?}: {}", reply.text());
                is_told(&reply, path);
                assert!(reply.text().contains("application/x-www-form-urlencoded"), "{path}: {}", reply.text());
            }
        }
    });
}

#[test]
fn what_is_no_utf8_or_holds_a_nul_is_refused_wherever_it_stands() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app, machine) = (server.person("ada"), server.web_app(), server.machine());
        let mut browser = server.browser();
        browser.sign_in(&ada);
        for bad in ["%ff", "%00", "%c0%80", "%ed%a0%80", "%", "%zz", "a%00b"] {
            for path in FOR_CLIENTS {
                let reply =
                    server.send(&machine.request(path, &[]).form(&format!("token={bad}&grant_type={bad}&scope={bad}")));
                assert_eq!(reply.refusal(), (400, "invalid_request".to_owned()), "{path} {bad}");
            }
            for path in FOR_PEOPLE.into_iter().chain(["/authorize"]) {
                is_told(
                    &browser.send(Request::new("POST", path).form(&format!("csrf={bad}&username={bad}&end={bad}"))),
                    path,
                );
                if path == "/consent" || path == "/authorize" {
                    is_told(&browser.open(&format!("{path}?client_id={bad}&interaction={bad}")), path);
                }
            }
            is_told(&server.get(&format!("/userinfo?x={bad}")), bad);
            is_told(&server.get(&format!("/{bad}")), bad);
            is_told(&server.get(&format!("/static/{bad}")), bad);
            let basic = BASE64_STANDARD.encode(format!("{}{bad}:x{bad}", machine.id));
            let request = Request::new("POST", "/token").form("grant_type=client_credentials");
            is_told(&server.send(&request.field("Authorization", format!("Basic {basic}"))), bad);
        }
        let basic = BASE64_STANDARD.encode([b"cli_\0:\0\xff".as_slice(), b"x"].concat());
        let request = Request::new("POST", "/token").form("grant_type=client_credentials");
        is_told(&server.send(&request.field("Authorization", format!("Basic {basic}"))), "Basic");
        // In JSON a NUL has a spelling of its own.
        for claims in [
            r#"{"userinfo":{"\u0000":null}}"#,
            r#"{"id_token":{"acr":{"values":["\u0000"]}}}"#,
            r#"{"userinfo":{"a":{"value":"\ud800"}}}"#,
        ] {
            let attempt = app.begin().with("claims", claims);
            let callback = browser.approve(&attempt, &ada);
            if callback.get("error").is_none() {
                assert_eq!(app.redeem(&attempt, callback.code()).status, 200, "{claims}");
            }
        }
        for cookie in
            ["__Host-kw_session=\u{1}", "__Host-kw_session=%00", "__Host-kw_browser=\"", "=;=;;", "__Host-kw_known=%ff"]
        {
            let reply = server.send(&get("/account").field("Cookie", cookie));
            assert!(matches!(reply.status, 303 | 400), "{cookie}: {}", reply.status);
        }
        let agent = get("/sign-in").field("User-Agent", "\u{fffd}\u{1f600}".repeat(2000));
        assert_eq!(server.send(&agent).status, 200);
    });
}

#[test]
fn a26_what_is_said_twice_in_the_head_proves_nobody() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app, machine) = (server.person("ada"), server.web_app(), server.machine());
        let good = server.browser().tokens(&app, &ada).access;
        for (first, second) in [(good.as_str(), "x"), ("x", good.as_str()), (good.as_str(), good.as_str())] {
            let reply = server.send(&get("/userinfo").bearer(first).bearer(second));
            is_told(&reply, "two tokens");
        }
        let request = machine.request("/token", &[("grant_type", "client_credentials")]);
        is_told(&server.send(&request.clone().field("Authorization", "Basic eDp4")), "two proofs");
        assert_eq!(server.send(&request).status, 200);
    });
}

#[test]
fn numbers_at_their_ends_are_numbers_or_refused() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        browser.sign_in(&ada);
        for max_age in ["4294967295", "4294967296", "99999999999999999999999", "-0", "0x10", "1e9", "٣", "+1", " 1"] {
            let attempt = app.begin().with("max_age", max_age);
            let reply = browser.open(&attempt.url());
            assert_eq!(reply.status, 303, "{max_age}: {}", reply.text());
            let refused = reply.location().contains("error=invalid_request");
            assert_eq!(refused, max_age != "4294967295", "{max_age}: {}", reply.location());
        }
    });
}

#[test]
fn a_compressed_body_is_not_unpacked() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        let request = machine.request("/token", &[]).field("Content-Encoding", "gzip");
        let reply =
            server.send(&request.body("application/x-www-form-urlencoded", &b"\x1f\x8b\x08\x00\x00\x00\x00\x00"[..]));
        is_told(&reply, "gzip");
    });
}

/// A row of numbers that is the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

#[test]
fn no_change_cut_or_repetition_of_a_good_request_is_a_fault_of_ours() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app, machine) = (server.person("ada"), server.web_app(), server.machine());
        let mut post_app = app.clone();
        post_app.auth = Auth::Post(app.secret().to_owned());
        let mut browser = server.browser();
        let tokens = browser.tokens(&app, &ada);
        let place = browser.open(&app.begin().with("prompt", "consent").url()).location().to_owned();
        let cookies: Vec<String> = browser.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let with_cookies = |request: Request| request.field("Cookie", cookies.join("; "));
        let good = [
            machine.request("/token", &[("grant_type", "client_credentials"), ("scope", "docs.read")]),
            post_app.request("/token", &[("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh)]),
            post_app.request("/introspect", &[("token", &tokens.access), ("token_type_hint", "access_token")]),
            machine.request("/revoke", &[("token", &tokens.refresh)]),
            get("/userinfo").bearer(&tokens.access),
            with_cookies(get(&app
                .begin()
                .with("claims", r#"{"userinfo":{"email":null}}"#)
                .with("max_age", "60")
                .url())),
            with_cookies(get(&place)),
            with_cookies(get(&format!("/end_session?id_token_hint={}&state=x", tokens.id))),
            with_cookies(post(
                "/sign-in",
                &[("username", "ada"), ("password", "x"), ("csrf", "x"), ("interaction", "y")],
            )),
            get("/static/keywright.css").field("If-None-Match", "\"x\"").field("Range", "bytes=0-9"),
        ];
        let mut dice = Dice(7);
        let mut answers = std::collections::BTreeMap::<u16, usize>::new();
        for n in 0..400 {
            let mut bytes = good[n % good.len()].bytes();
            for _ in 0..=dice.roll(3) {
                let at = dice.roll(bytes.len());
                match dice.roll(5) {
                    0 => bytes[at] = u8::try_from(dice.roll(256)).unwrap(),
                    1 => bytes.insert(at, b"\0\r\n%&=\"\xff;,.:{"[dice.roll(13)]),
                    2 => drop(bytes.remove(at)),
                    3 => bytes.truncate(at.max(1)),
                    _ => bytes.extend_from_within(at..),
                }
            }
            let mut stream = crate::world::http::connect(server.address);
            let _ = std::io::Write::write_all(&mut stream, &bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            if let Some(reply) = crate::world::http::answer(&mut stream) {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                assert!(reply.status < 500 || reply.status == 505, "{}\n{text}\n{}", reply.status, reply.text());
                *answers.entry(reply.status).or_default() += 1;
            }
        }
        assert!(answers.len() >= 4, "changes of many kinds were answered: {answers:?}");
        assert_eq!(machine.own_token(&[]).status, 200);
        assert_eq!(json!(server.get("/readyz").status), json!(200));
    });
}
