//! The token endpoint whatever the grant: RFC 6749 §2.3, §3.2, §5.

use crate::world::{Request, Server, each, http::raw};
use base64::{Engine, prelude::BASE64_STANDARD};

#[test]
fn tokens_and_errors_are_json_that_nobody_may_keep() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        for reply in [machine.own_token(&[]), machine.own_token(&[("scope", "mail.read")]), machine.token(&[])] {
            assert_eq!(reply.field("cache-control"), Some("no-store"), "{}", reply.text());
            assert_eq!(reply.field("content-type"), Some("application/json"));
            assert_eq!(reply.field("x-content-type-options"), Some("nosniff"));
        }
        let body = machine.own_token(&[]).json();
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 300);
        let refused = machine.token(&[]).json();
        assert!(refused["error_description"].as_str().unwrap().contains("grant_type"), "{refused}");
    });
}

#[test]
fn each_kind_of_wrong_has_its_own_code_and_status() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        let web = server.web_app();
        let code = format!("kw_code_{}", "0".repeat(43));
        let code = format!("{code}{}", keywright::base::credential::checksum(&code));
        let stranger = "cli_0000000000000000000000";
        for (reply, status, error) in [
            (machine.token(&[]), 400, "invalid_request"),
            (machine.token(&[("grant_type", "magic")]), 400, "unsupported_grant_type"),
            (machine.token(&[("grant_type", "authorization_code")]), 400, "invalid_request"),
            (machine.token(&[("grant_type", "refresh_token")]), 400, "invalid_request"),
            (web.token(&[("grant_type", "client_credentials")]), 400, "unauthorized_client"),
            (machine.redeem_with(&code, &"v".repeat(43), "https://app.example/cb"), 400, "unauthorized_client"),
            (web.redeem_with("kw_code_x", &"v".repeat(43), "https://app.example/cb"), 400, "invalid_grant"),
            (web.refresh("kw_rt_x"), 400, "invalid_grant"),
            (server.post("/token", &[("grant_type", "client_credentials")]), 401, "invalid_client"),
            (
                server.post("/token", &[("grant_type", "client_credentials"), ("client_id", stranger)]),
                401,
                "invalid_client",
            ),
        ] {
            assert_eq!(reply.refusal(), (status, error.to_owned()), "{}", reply.text());
        }
    });
}

#[test]
fn a_client_that_fails_by_basic_is_challenged_by_basic() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        let wrong = BASE64_STANDARD.encode(format!("{}:wrong", machine.id));
        for field in [format!("Basic {wrong}"), "Basic !".to_owned(), "Basic".to_owned(), "Bearer x".to_owned()] {
            let request = Request::new("POST", "/token").form("grant_type=client_credentials");
            let reply = server.send(&request.field("Authorization", field.clone()));
            assert!(matches!(reply.status, 400 | 401), "{field}: {}", reply.text());
            if reply.status == 401 {
                assert_eq!(reply.error(), "invalid_client");
                assert!(reply.field("www-authenticate").unwrap().starts_with("Basic"), "{}", reply.head());
            }
        }
        assert!(server.recorded("client.refused"));
    });
}

#[test]
fn a_secret_may_come_in_the_field_or_in_the_body_but_not_in_both() {
    each(|database| {
        let server = Server::on(database);
        let basic = server.machine();
        let post = server.machine_with(|m| m["token_endpoint_auth_method"] = "client_secret_post".into());
        assert_eq!(basic.own_token(&[]).status, 200);
        assert_eq!(post.own_token(&[]).status, 200);
        let form = [("grant_type", "client_credentials"), ("client_id", &basic.id), ("client_secret", basic.secret())];
        assert_eq!(server.post("/token", &form).status, 200, "OAuth 2.1 §2.4.1");
        let both = basic.request("/token", &form).send(server.address);
        assert_eq!(both.refusal(), (400, "invalid_request".to_owned()));
    });
}

#[test]
fn a_client_with_a_secret_must_show_it_and_one_without_has_none_to_show() {
    each(|database| {
        let server = Server::on(database);
        let (web, public) = (server.web_app(), server.public_app());
        let bare = server.post("/revoke", &[("token", "x"), ("client_id", &web.id)]);
        assert_eq!(bare.refusal(), (401, "invalid_client".to_owned()));
        let secret = [("token", "x"), ("client_id", &public.id), ("client_secret", web.secret())];
        assert_eq!(server.post("/revoke", &secret).refusal(), (401, "invalid_client".to_owned()));
    });
}

#[test]
fn a26_every_parameter_that_is_sent_twice_is_refused() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        for name in ["grant_type", "scope", "client_id", "client_secret", "code", "refresh_token", "anything"] {
            let value = if name == "client_id" { machine.id.as_str() } else { "client_credentials" };
            let reply = machine.token(&[("grant_type", "client_credentials"), (name, value), (name, value)]);
            assert_eq!(reply.refusal(), (400, "invalid_request".to_owned()), "{name}: {}", reply.text());
            assert!(reply.text().contains(name), "{}", reply.text());
        }
    });
}

#[test]
fn what_is_no_form_is_turned_away() {
    each(|database| {
        let server = Server::on(database);
        let form = "grant_type=client_credentials";
        for (media_type, status) in
            [("application/json", 415), ("text/plain", 415), ("", 415), ("multipart/form-data; boundary=x", 415)]
        {
            let reply = server.send(&Request::new("POST", "/token").body(media_type, form));
            assert_eq!(reply.status, status, "{media_type}");
        }
        let with_charset = "Application/X-WWW-Form-Urlencoded; charset=UTF-8";
        assert_eq!(server.send(&Request::new("POST", "/token").body(with_charset, form)).status, 401);
    });
}

#[test]
fn a_wrong_method_is_told_the_right_one() {
    each(|database| {
        let server = Server::on(database);
        for (method, path, allow) in [
            ("GET", "/token", "POST"),
            ("PUT", "/token", "POST"),
            ("DELETE", "/revoke", "POST"),
            ("GET", "/introspect", "POST"),
            ("POST", "/jwks", "GET"),
            ("PATCH", "/authorize", "GET, POST"),
        ] {
            let reply = server.send(&Request::new(method, path));
            assert_eq!((reply.status, reply.field("allow")), (405, Some(allow)), "{method} {path}");
        }
    });
}

#[test]
fn text_that_is_no_utf8_is_refused() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        for body in
            [&b"grant_type=client_credentials&scope=\xff\xfe"[..], b"grant_type=%ff", b"grant_type=%", b"a%00=1"]
        {
            let request = machine.request("/token", &[]);
            let reply = server.send(&request.body("application/x-www-form-urlencoded", body));
            assert_eq!(reply.refusal(), (400, "invalid_request".to_owned()), "{body:?}");
        }
        let reply =
            server.send(&Request::new("POST", "/token").form("grant_type=x").field("Authorization", "Basic \u{ff}"));
        assert!(matches!(reply.status, 400 | 401), "{}", reply.text());
    });
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    each(|database| {
        let server = Server::on(database);
        let head = "POST /token HTTP/1.1\r\nHost: id.example\r\nContent-Type: application/x-www-form-urlencoded\r\n";
        let declared = format!("{head}Content-Length: 10000000\r\nConnection: close\r\n\r\n");
        assert_eq!(raw(server.address, declared.as_bytes()).map(|reply| reply.status), Some(413));
        let large = format!("grant_type=client_credentials&x={}", "x".repeat(70_000));
        assert_eq!(server.send(&Request::new("POST", "/token").form(&large)).status, 413);
        let many = "a=1&".repeat(65);
        assert_eq!(server.send(&Request::new("POST", "/token").form(&many)).refusal().0, 400);
    });
}

#[test]
fn a_client_whose_secret_was_rotated_has_both_for_as_long_as_the_overlap() {
    use keywright::{
        audit::Actor,
        base::{id::ClientId, moment::Span},
        flow::client_secrets::rotate_secret,
    };
    each(|database| {
        let server = Server::on(database);
        let old = server.machine();
        let id = ClientId::parse(&old.id).unwrap();
        let rotate = rotate_secret(&server.world, &id, Span::hours(1), Actor::System);
        let secret = server.run(rotate).unwrap().secret.expose().clone();
        server.follow_now();
        let mut new = old.clone();
        new.auth = crate::world::Auth::Basic(secret);
        assert_eq!((old.own_token(&[]).status, new.own_token(&[]).status), (200, 200));
        server.advance(Span::hours(1));
        assert_eq!((old.own_token(&[]).status, new.own_token(&[]).status), (401, 200));
    });
}

#[test]
fn a_stranger_who_fails_without_end_is_refused_each_time_and_recorded_within_a_budget() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        let form =
            [("grant_type", "client_credentials"), ("client_id", machine.id.as_str()), ("client_secret", "guess")];
        for _ in 0..60 {
            let status = server.post("/token", &form).status;
            assert!(matches!(status, 401 | 429), "{status}");
        }
        let recorded = server.events_of("client.refused").len();
        assert!((1..=30).contains(&recorded), "{recorded}");
        assert_eq!(machine.own_token(&[]).status, 200, "the client itself goes on");
    });
}
