//! Keys that somebody found are told of, and end; scanners ask about them. Nobody learns what they did not have.

use crate::{
    keys::{Keys, call},
    world::{Reply, Request, Server, each},
};
use keywright::{
    apikey::text::KeyText,
    base::{entropy::OsEntropy, moment::Span},
};
use serde_json::{Value, json};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const API_KEY: &str = "urn:keywright:token-type:api-key";

fn tell(server: &Server, body: &Value) -> Reply {
    server.send(&Request::new("POST", "/v1/leaks").body("application/json", body.to_string()))
}

fn ask(server: &Server, text: &str) -> u16 {
    // TruffleHog names no media type.
    let body = json!({"KeywrightApiKey": {"token": [text, text]}});
    server.send(&Request::new("POST", "/v1/leaks/trufflehog").body("", body.to_string())).status
}

fn text(made: &Value) -> &str {
    made["key"].as_str().unwrap()
}

fn unknown() -> String {
    KeyText::mint("kw", "live", 43, &OsEntropy).unwrap().text().expose().clone()
}

#[test]
fn r022_a_key_that_was_told_of_is_revoked_on_every_node_and_its_token_with_it() {
    each(|database| {
        let (server, other) = (Server::on(database), Server::on(database));
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let (made, kept) = (keys.key(&server, &app, json!({})), keys.key(&server, &app, json!({})));
        for node in [&server, &other] {
            assert_eq!(keys.ask(node, text(&made), json!({}))["code"], "ok", "it is in the memory of both");
        }
        let form = [("grant_type", EXCHANGE), ("subject_token", text(&made)), ("subject_token_type", API_KEY)];
        let token = server.post("/token", &form).json()["access_token"].as_str().unwrap().to_owned();
        assert!(keys.docs.sees_live(&token));
        assert_eq!(ask(&server, text(&made)), 200);

        let body = json!({"tokens": [unknown(), text(&made), "nonsense"], "found_at": "https://code.example/x#L3"});
        let told = tell(&server, &body);
        assert_eq!((told.status, told.text().as_str()), (202, ""));
        other.follow_now();
        for node in [&server, &other] {
            assert_eq!(keys.ask(node, text(&made), json!({}))["code"], "key_revoked");
            assert!(!keys.docs.moved_to(node).sees_live(&token));
            assert_eq!(ask(node, text(&made)), 403);
            assert_eq!(keys.ask(node, text(&kept), json!({}))["code"], "ok");
        }
        let id = made["id"].as_str().unwrap();
        let shown = call(&server, "GET", &format!("/v1/keys/{id}"), &keys.manager, None).json();
        assert_eq!(shown["state"], "compromised");
        assert!(shown["state_reason"].as_str().unwrap().contains("found"), "{shown}");
        let rows = server.events_of("leak.reported");
        assert_eq!(rows.len(), 1);
        assert_eq!((&rows[0].data["api_key"], &rows[0].data["client"]), (&json!(id), &json!(app.id)));
        assert_eq!(rows[0].data["found_at"], "https://code.example/x#L3");
        assert_eq!(server.events_of("api_key.revoked").len(), 1);
        assert!(server.events().iter().all(|row| !format!("{:?}", row.data).contains(text(&made))));

        // It stays so, and telling of it again fills nothing.
        assert_eq!(tell(&server, &body).status, 202);
        assert_eq!(server.events_of("leak.reported").len(), 1);
        let enable = call(&server, "POST", &format!("/v1/keys/{id}/enable"), &keys.manager, Some(&json!({})));
        assert_eq!(enable.status, 409);
    });
}

#[test]
fn r022_use_of_a_key_that_was_told_of_is_recorded_with_the_address_and_not_without_end() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        assert_eq!(tell(&server, &json!({"tokens": [text(&made)]})).status, 202);
        for _ in 0..30 {
            let told = keys.ask(&server, text(&made), json!({"request": {"ip": "203.0.113.9"}}));
            assert_eq!(told["code"], "key_revoked");
        }
        let rows = server.events_of("api_key.used_after_end");
        assert!((5..=12).contains(&rows.len()), "{}", rows.len());
        assert!(rows.iter().all(|row| row.address.map(|a| a.to_string()).as_deref() == Some("203.0.113.9")));
    });
}

#[test]
fn whoever_tells_hears_the_same_whatever_it_is() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let told: Vec<Reply> = [
            json!({"tokens": [text(&made)]}),
            json!({"tokens": [unknown()]}),
            json!({"tokens": ["x"]}),
            json!({"tokens": []}),
            json!({"tokens": vec![unknown(); 1000]}),
        ]
        .iter()
        .map(|body| tell(&server, body))
        .collect();
        for reply in &told {
            assert_eq!((reply.status, reply.text()), (202, String::new()));
            assert_eq!(reply.field("cache-control"), Some("no-store"));
            assert_eq!(reply.field("content-length"), told[0].field("content-length"));
        }
        for (body, status) in [
            (json!({"tokens": vec!["x"; 1001]}), 400),
            (json!({"tokens": [1]}), 400),
            (json!({"keys": []}), 400),
            (json!({"tokens": [], "found_at": "a\nb"}), 400),
            (json!({"tokens": ["x".repeat(300_000)]}), 413),
        ] {
            assert_eq!(tell(&server, &body).status, status);
        }
        assert_eq!(server.send(&Request::new("GET", "/v1/leaks")).status, 405);
    });
}

#[test]
fn an_address_tells_sixty_times_an_hour_and_others_are_heard() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("server.trusted_proxies", "127.0.0.1/32"));
        let from = |address: &str| {
            let request = Request::new("POST", "/v1/leaks").field("X-Forwarded-For", address);
            server.send(&request.body("application/json", r#"{"tokens": []}"#))
        };
        assert!((0..60).all(|_| from("2001:db8::1").status == 202));
        let held = from("2001:db8::2");
        assert_eq!((held.status, held.field("retry-after")), (429, Some("60")));
        assert_eq!(from("192.0.2.7").status, 202);
        server.advance(Span::minutes(1));
        assert_eq!(from("2001:db8::1").status, 202);
        assert_eq!(from("2001:db8::1").status, 429);
    });
}

#[test]
fn a_scanner_that_asks_spends_nothing_ends_nothing_and_is_recorded_once_an_hour() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({"policy": {"v": 1, "ip": {"allow": ["203.0.113.9"]}}}));
        let expiring = keys.key(&server, &app, json!({"expires_in": 60}));
        assert_eq!([ask(&server, text(&made)), ask(&server, text(&made))], [200, 200], "whatever restricts it");
        assert_eq!(ask(&server, text(&expiring)), 200);
        server.advance(Span::seconds(61));
        for dead in [text(&expiring), &unknown(), "kw_live_nonsense", ""] {
            assert_eq!(ask(&server, dead), 403, "{dead}");
        }
        assert_eq!(server.events_of("leak.asked").len(), 2, "one of each key");
        assert!(!server.recorded("api_key.revoked"));
        let eleven: Vec<String> = (0..11).map(|n| n.to_string()).collect();
        let many = json!({"a": {"token": eleven}}).to_string();
        for body in ["[]", "{\"a\": 1}", "x", many.as_str()] {
            let reply = server.send(&Request::new("POST", "/v1/leaks/trufflehog").body("", body));
            assert_eq!(reply.status, 400, "{body}");
        }
    });
}

#[test]
fn a_key_that_was_brought_from_elsewhere_ends_too_and_so_does_one_that_was_revoked_before() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let manager = crate::keys::token(&server, "keys:any keys:import keys:read keys:revoke");
        let old = "legacy-AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXC";
        let like = json!({"api": "docs", "name": "old", "scope": "docs.read", "anywhere": true,
            "owner": {"type": "client", "id": app.id}});
        let body = json!({"like": like, "items": [{"key": old}]});
        let brought = call(&server, "POST", "/v1/keys/import", &manager, Some(&body));
        assert_eq!(brought.status, 200, "{}", brought.text());
        server.follow_now();
        assert_eq!(keys.ask(&server, old, json!({}))["code"], "ok");
        assert_eq!(tell(&server, &json!({"tokens": [old]})).status, 202);
        assert_eq!(keys.ask(&server, old, json!({}))["code"], "key_revoked");

        let made = keys.key(&server, &app, json!({}));
        let target = format!("/v1/keys/{}", made["id"].as_str().unwrap());
        assert_eq!(call(&server, "POST", &format!("{target}/revoke"), &manager, Some(&json!({}))).status, 200);
        assert_eq!(tell(&server, &json!({"tokens": [text(&made)]})).status, 202);
        assert_eq!(call(&server, "GET", &target, &manager, None).json()["state"], "compromised");
        assert_eq!(server.events_of("leak.reported").len(), 2);
    });
}
