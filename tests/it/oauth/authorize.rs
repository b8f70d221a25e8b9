//! The authorization endpoint: RFC 6749 §4.1.1 and §4.1.2, RFC 9207, RFC 9700 §2.1 and §4.

use crate::world::{Request, Server, each};
use serde_json::json;

#[test]
fn b02_whoever_cannot_be_trusted_gets_nobody_sent_to_them() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app();
        let good = app.begin();
        for attempt in [
            good.clone().without("client_id"),
            good.clone().with("client_id", "cli_unknown"),
            good.clone().with("client_id", "<script>"),
            good.clone().also("client_id", &app.id),
            good.clone().without("redirect_uri"),
            good.clone().with("redirect_uri", "https://evil.example/cb"),
            good.clone().also("redirect_uri", "https://app.example/cb"),
        ] {
            let reply = server.browser().open(&attempt.url());
            assert_eq!((reply.status, reply.field("location")), (400, None), "{}", attempt.query());
            assert!(reply.field("content-type").unwrap().starts_with("text/html"));
            assert!(reply.says("cannot go on"), "{}", reply.words());
            assert!(!reply.text().contains("<script>"), "nothing is echoed");
        }
    });
}

#[test]
fn b01_a04_a16_a_redirect_uri_matches_byte_for_byte() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app();
        for near in [
            "https://app.example/cb/",
            "https://app.example/CB",
            "https://APP.example/cb",
            "HTTPS://app.example/cb",
            "https://app.example:443/cb",
            "https://app.example/cb?x=1",
            "https://app.example/cb?",
            "https://app.example/cb#x",
            "https://app.example/./cb",
            "https://app.example/%63b",
            "https://app.example/cb/../cb",
            "https://user@app.example/cb",
            "https://fooaexample.com/cb",
            "https://appXexample/cb",
            "https://app.example.evil.example/cb",
            "http://app.example/cb",
            "//app.example/cb",
            "https://app.example/cb ",
            " https://app.example/cb",
            "https://app.example\\cb",
        ] {
            let attempt = app.begin().with("redirect_uri", near);
            let reply = server.browser().open(&attempt.url());
            assert_eq!((reply.status, reply.field("location")), (400, None), "{near}");
        }
    });
}

#[test]
fn b01_a_native_client_may_use_any_port_of_a_loopback_literal_and_nothing_else() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app_with(|m| {
            m["application_type"] = json!("native");
            m["token_endpoint_auth_method"] = json!("none");
            m["redirect_uris"] = json!(["http://127.0.0.1/cb", "http://[::1]/cb"]);
        });
        let status = |uri: &str| server.browser().open(&app.begin().with("redirect_uri", uri).url()).status;
        for good in ["http://127.0.0.1:4711/cb", "http://[::1]:65535/cb", "http://127.0.0.1/cb"] {
            assert_eq!(status(good), 303, "{good}");
        }
        for bad in [
            "http://127.0.0.1:4711/cb2",
            "http://localhost:4711/cb",
            "http://127.0.0.2:4711/cb",
            "https://127.0.0.1/cb",
            "http://127.0.0.1:x/cb",
            "http://127.0.0.1:4711@evil.example/cb",
            "http://127.0.0.1:99999/cb",
        ] {
            assert_eq!(status(bad), 400, "{bad}");
        }
    });
}

#[test]
fn a11_b20_what_may_not_be_registered_is_not() {
    each(|database| {
        let server = Server::on(database);
        for uri in [
            "javascript:alert(1)",
            "data:text/html,x",
            "http://app.example/cb",
            "https://app.example/cb#fragment",
            "https://*.app.example/cb",
            "http://localhost/cb",
            "/cb",
            "",
        ] {
            let metadata = json!({"redirect_uris": [uri], "grant_types": ["authorization_code"]});
            assert!(server.try_register(&metadata).is_err(), "{uri}");
        }
        assert!(server.try_register(&json!({"grant_types": ["authorization_code"]})).is_err(), "a04: none at all");
    });
}

#[test]
fn b14_errors_go_back_to_a_proven_place_with_state_and_iss() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app();
        let good = app.begin();
        for (attempt, error) in [
            (good.clone().without("response_type"), "invalid_request"),
            (good.clone().with("response_type", "token"), "unsupported_response_type"),
            (good.clone().with("response_type", "code id_token"), "unsupported_response_type"),
            (good.clone().with("scope", "admin"), "invalid_scope"),
            (good.clone().with("scope", "openid \"x\""), "invalid_scope"),
            (good.clone().with("request", "x.y.z"), "request_not_supported"),
            (good.clone().with("request_uri", "https://app.example/r"), "request_uri_not_supported"),
            (good.clone().with("registration", "{}"), "registration_not_supported"),
            (good.clone().with("prompt", "none login"), "invalid_request"),
            (good.clone().with("prompt", "create"), "invalid_request"),
            (good.clone().with("max_age", "-1"), "invalid_request"),
            (good.clone().with("max_age", "soon"), "invalid_request"),
            (good.clone().with("claims", "{"), "invalid_request"),
            (good.clone().with("response_mode", "fragment"), "invalid_request"),
            (good.clone().with("id_token_hint", "x.y.z"), "invalid_request"),
            (good.clone().with("prompt", "none"), "login_required"),
        ] {
            let reply = server.browser().open(&attempt.url());
            assert_eq!(reply.status, 303, "{} {}", attempt.query(), reply.text());
            // The state and `iss` are looked at there.
            let callback = attempt.callback(&reply);
            assert_eq!(callback.error(), error, "{}", attempt.query());
            assert_eq!(callback.address, "https://app.example/cb");
            assert!(callback.get("error_description").is_some() && callback.get("code").is_none());
        }
    });
}

#[test]
fn a26_every_parameter_that_is_sent_twice_is_refused() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app();
        let good = app.begin();
        let sent = ["response_type", "scope", "nonce", "code_challenge", "code_challenge_method"];
        for name in sent.into_iter().chain(["prompt", "max_age", "login_hint", "claims", "response_mode", "unknown"]) {
            let attempt = good.clone().also(name, "x").also(name, "x");
            let callback = attempt.callback(&server.browser().open(&attempt.url()));
            assert_eq!(callback.error(), "invalid_request", "{name}");
        }
        let twice = good.also("state", "other");
        let reply = server.browser().open(&twice.url());
        assert_eq!(reply.status, 303);
        assert!(reply.location().contains("error=invalid_request") && !reply.location().contains("state="));
    });
}

#[test]
fn a22_a_very_long_scope_is_turned_away() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app();
        let many = (0..65).map(|n| format!("s{n}")).collect::<Vec<_>>().join(" ");
        for scope in ["x".repeat(1025), many] {
            let attempt = app.begin().with("scope", &scope);
            let callback = attempt.callback(&server.browser().open(&attempt.url()));
            assert_eq!(callback.error(), "invalid_scope");
        }
    });
}

#[test]
fn b15_a_request_by_post_is_the_same_as_by_get_and_every_redirect_is_a_303() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        let attempt = app.begin();
        let request = Request::new("POST", "/authorize").form(&attempt.query());
        let reply = browser.send(request);
        assert_eq!(reply.status, 303);
        let page = browser.follow(reply);
        let after = browser.post(&page.form().fill("username", &ada.name).fill("password", &ada.password));
        assert_eq!(after.status, 303);
        let page = browser.follow(after);
        let after = browser.post(&page.form().press("Allow"));
        assert_eq!(after.status, 303);
        assert_eq!(app.redeem(&attempt, attempt.callback(&after).code()).status, 200);
        assert_eq!(after.field("cache-control"), Some("no-store"));
        assert_eq!(after.field("referrer-policy"), Some("no-referrer"));
    });
}

#[test]
fn a_query_of_the_redirect_uri_stays_and_the_answer_joins_it() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app_with(|m| m["redirect_uris"] = json!(["https://app.example/cb?tenant=a%20b"]));
        let attempt = app.begin();
        let mut browser = server.browser();
        let ada = server.person("ada");
        let callback = browser.approve(&attempt, &ada);
        assert_eq!(callback.get("tenant"), Some("a b"));
        assert_eq!(app.redeem(&attempt, callback.code()).status, 200);
    });
}

#[test]
fn a_person_who_declines_sends_back_access_denied_and_nothing_more() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        browser.sign_in(&ada);
        let attempt = app.begin();
        let page = browser.visit(&attempt.url());
        let reply = browser.submit(&page.form().press("Deny"));
        let callback = attempt.callback(&reply);
        assert_eq!(callback.error(), "access_denied");
        assert!(server.recorded("consent.denied") && !server.recorded("code.issued"));
    });
}

#[test]
fn r014_the_consent_page_lists_who_asks_for_what_and_for_how_long() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app().scope("openid profile docs.read docs.write"));
        let mut browser = server.browser();
        browser.sign_in(&ada);
        let page = browser.visit(&app.begin().url());
        for words in [
            "app.example",
            "Notes",
            "ada",
            "read your documents",
            "change your documents",
            "docs.read",
            "openid",
            "profile",
            "Documents",
            "at most 90 days",
        ] {
            assert!(page.says(words), "{words}: {}", page.words());
        }
        assert!(!page.says("mail"), "what was not asked for");
    });
}

#[test]
fn a_consent_is_remembered_until_more_is_asked_for() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        browser.tokens(&app, &ada);
        assert!(app.silently(&mut browser).get("code").is_some());
        let more = app.clone().scope("openid docs.read docs.write");
        assert_eq!(more.silently(&mut browser).error(), "consent_required");
        let page = browser.visit(&more.begin().url());
        assert!(page.title().starts_with("Allow"), "{}", page.title());
    });
}

#[test]
fn a_first_party_client_asks_for_no_consent() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app_with(|m| m["first_party"] = json!(true));
        let ada = server.person("ada");
        let mut browser = server.browser();
        browser.sign_in(&ada);
        assert!(app.silently(&mut browser).get("code").is_some());
    });
}

#[test]
fn a_very_long_url_is_refused() {
    each(|database| {
        let server = Server::on(database);
        let app = server.web_app();
        let reply = server.browser().open(&app.begin().with("state", &"s".repeat(9000)).url());
        assert_eq!(reply.status, 414, "{}", reply.text());
    });
}
