//! What a client, or somebody who is no gateway, tries to slip in.

use super::{CLIENT, GATEWAYS, Gated, question};
use crate::world::{Request, each};
use serde_json::json;

#[test]
fn a37_a_peer_that_is_no_gateway_is_refused_whatever_it_says() {
    each(|database| {
        let gated = Gated::with(database, &[("gateway.trusted_peers", "192.0.2.1")], super::burst(100), json!({}));
        let key = gated.key(json!({}));
        for request in [
            question("caddy", "GET", "/v1").bearer(&key),
            // What would be 400 if it were read.
            question("caddy", "GET", "/v1").bearer(&key).field("X_Forwarded_For", "192.0.2.1"),
            question("caddy", "GET", "/v1").field("X-Forwarded-For", "192.0.2.1").field("X-Forwarded-For", "a"),
            Request::new("GET", "/auth/none"),
        ] {
            let reply = gated.send(&request);
            assert_eq!((reply.status, reply.field("x-key-id")), (403, None), "{}", reply.text());
        }
        // And the public port knows no such path.
        assert_eq!(question("caddy", "GET", "/v1").bearer(&key).send(gated.server.address).status, 404);
    });
}

#[test]
fn a_gateway_shows_its_secret_where_there_is_one() {
    each(|database| {
        let secret = "5d1c0b6f8a9e4d27";
        let gated = Gated::with(database, &[("gateway.secret", secret)], super::burst(100), json!({}));
        let key = gated.key(json!({}));
        let ask = || question("traefik", "GET", "/v1").bearer(&key);
        assert_eq!(gated.send(&ask()).status, 403);
        assert_eq!(gated.send(&ask().field("X-Gateway-Secret", "5d1c0b6f8a9e4d28")).status, 403);
        assert_eq!(gated.send(&ask().field("X-Gateway-Secret", secret)).status, 200);
        let twice = ask().field("X-Gateway-Secret", secret).field("X-Gateway-Secret", secret);
        assert_eq!(gated.send(&twice).status, 403);
        // A client that the gateway is in front of could send it under another name.
        assert_eq!(gated.send(&ask().field("X_Gateway_Secret", secret)).status, 403);
    });
}

#[test]
fn a41_what_a_client_writes_under_the_names_of_identity_is_replaced() {
    each(|database| {
        let gated = Gated::on(database);
        let key = gated.key(json!({}));
        for (gateway, _) in GATEWAYS {
            let mut request = question(gateway, "GET", "/v1").bearer(&key);
            for name in super::IDENTITY {
                request = request.field(name, "mallory");
            }
            let reply = gated.send(&request);
            assert_eq!(reply.status, 200);
            for name in super::IDENTITY {
                assert_ne!(reply.field(name).unwrap(), "mallory", "{gateway}: {name}");
            }
        }
    });
}

#[test]
fn a38_aliases_and_doubled_fields_are_refused() {
    each(|database| {
        let gated = Gated::on(database);
        let key = gated.key(json!({}));
        for (gateway, _) in GATEWAYS {
            for (name, value) in [
                ("X_Key_Owner", "mallory"),
                ("X_Forwarded_For", CLIENT),
                ("X_Forwarded-Uri", "/"),
                ("X-Api_Key", "a"),
                ("X-Forwarded-For", CLIENT),
                ("Authorization", "Basic YTpi"),
            ] {
                let reply = gated.send(&question(gateway, "GET", "/v1").bearer(&key).field(name, value));
                assert_eq!(reply.field("x-auth-status"), Some("400"), "{gateway} {name}");
                assert_eq!(reply.status, if gateway == "nginx" { 403 } else { 400 });
            }
        }
    });
}

#[test]
fn a39_a_prefix_is_never_read_and_a37_only_the_gateways_own_field_names_the_path() {
    each(|database| {
        let gated = Gated::on(database);
        let policy = json!({"policy": {"v": 1, "routes": [{"methods": ["GET"], "path": "/v1/open"}]}});
        let key = gated.key(policy);
        for (gateway, fields) in GATEWAYS {
            let closed = question(gateway, "GET", "/v1/closed").bearer(&key).field("X-Forwarded-Prefix", "/v1/open");
            assert_eq!(gated.send(&closed).status, 403, "{gateway}");
            // The fields of other gateways are a client's.
            let mut other = closed;
            for name in ["X-Forwarded-Uri", "X-Original-URI", "X-Envoy-Original-Path", "X-Rewrite-URL"] {
                if fields.is_none_or(|(_, uri)| uri != name) {
                    other = other.field(name, "/v1/open");
                }
            }
            assert_eq!(gated.send(&other).status, 403, "{gateway}");
            assert_eq!(gated.send(&question(gateway, "GET", "/v1/open").bearer(&key)).status, 200, "{gateway}");
        }
    });
}

#[test]
fn a_path_that_others_read_otherwise_is_refused() {
    each(|database| {
        let gated = Gated::on(database);
        let policy = json!({"policy": {"v": 1, "routes": [{"methods": ["GET"], "path": "/v1/**"}]}});
        let key = gated.key(policy);
        for (gateway, _) in GATEWAYS {
            let asked = |path: &str| gated.send(&question(gateway, "GET", path).bearer(&key)).status;
            for odd in [
                "/v1//x",
                "//v1/x",
                "/v1/../admin",
                "/v1/%2e%2e/admin",
                "/v1/%2E%2e/admin",
                "/v1/..;/admin",
                "/v1;a/x",
                "/v1/%2fx",
                "/v1/%5cx",
                "/v1/%252e%252e/x",
                "/v1/%00",
                "/v1/./x",
            ] {
                assert_eq!(asked(odd), 403, "{gateway} {odd}");
            }
            assert_eq!(asked("/v1/x?next=//../%2e%2e;"), 200, "{gateway}");
        }
    });
}

#[test]
fn a40_an_address_that_is_not_said_or_cannot_be_read_opens_nothing() {
    each(|database| {
        let gated = Gated::on(database);
        let key = gated.key(json!({"policy": {"v": 1, "ip": {"allow": [CLIENT]}}}));
        let bare = || Request::new("GET", "/auth/traefik/docs").bearer(&key);
        let from = |field: &str| gated.send(&bare().field("X-Forwarded-For", field)).status;
        for (field, status) in [
            (CLIENT, 200),
            ("203.0.113.9, 127.0.0.1", 200),
            ("198.51.100.7, 203.0.113.9", 200),
            // What the client itself wrote is to the left of its own address.
            ("203.0.113.9, 198.51.100.7", 403),
            ("127.0.0.1", 403),
            ("", 400),
            ("unknown", 400),
            ("203.0.113.9, unknown", 400),
            ("203.0.113.9 198.51.100.7", 400),
            ("203.0.113.9;", 400),
        ] {
            assert_eq!(from(field), status, "{field:?}");
        }
        // A client had the field removed on its way.
        assert_eq!(gated.send(&bare().field("Connection", "X-Forwarded-For")).status, 403);
        assert_eq!(gated.send(&bare()).status, 403);
        // A key without a restriction by address needs none.
        let free = gated.key(json!({}));
        assert_eq!(gated.send(&Request::new("GET", "/auth/traefik/docs").bearer(&free)).status, 200);
    });
}
