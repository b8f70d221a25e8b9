//! Gateways that ask whether a request may pass: what they are answered, what is believed of what
//! they say, and that nothing gets past the real ones.

mod answers;
mod caddy;
mod nginx;
mod possession;
mod real;
mod requirements;
mod spoof;

use crate::{
    keys::Keys,
    world::{App, Database, Reply, Request, Server},
};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// Where tests say that the client is: no address of a gateway.
const CLIENT: &str = "203.0.113.9";
/// Every gateway, and the fields in which it says method and path.
const GATEWAYS: [(&str, Option<(&str, &str)>); 5] = [
    ("nginx", Some(("X-Original-Method", "X-Original-URI"))),
    ("traefik", Some(("X-Forwarded-Method", "X-Forwarded-Uri"))),
    ("caddy", Some(("X-Forwarded-Method", "X-Forwarded-Uri"))),
    ("envoy", None),
    ("apisix", Some(("X-Forwarded-Method", "X-Forwarded-Uri"))),
];
/// What an application may be told of a key; all of it is always there.
const IDENTITY: [&str; 8] = [
    "x-key-id",
    "x-key-owner",
    "x-key-client",
    "x-key-scopes",
    "x-key-plan",
    "x-key-jwt",
    "x-request-id",
    "x-auth-status",
];

/// A server that gateways on this machine may ask, with an API `docs`.
struct Gated {
    server: Server,
    keys: Keys,
    owner: App,
    at: SocketAddr,
}

impl Gated {
    fn on(database: &Database) -> Self {
        Self::with(database, &[], burst(100), json!({}))
    }

    fn with(database: &Database, more: &[(&str, &str)], policy: Value, settings: Value) -> Self {
        let server = Server::start(database, |all| {
            all.set("gateway.listen", "127.0.0.1:0");
            all.set("gateway.trusted_peers", "127.0.0.1");
            for (name, value) in more {
                all.set(name, value);
            }
        });
        let keys = Keys::with(&server, policy, settings);
        let (owner, at) = (server.machine(), server.gateway.unwrap());
        Self { server, keys, owner, at }
    }

    /// The text of a new key, with these members.
    fn key(&self, more: Value) -> String {
        self.made(more)["key"].as_str().unwrap().to_owned()
    }

    fn made(&self, more: Value) -> Value {
        let made = self.keys.key(&self.server, &self.owner, more);
        self.server.follow_now();
        made
    }

    fn send(&self, request: &Request) -> Reply {
        request.send(self.at)
    }
}

/// At most so many at once, and one more each minute.
fn burst(n: u32) -> Value {
    json!({"v": 1, "rate": [{"name": "burst", "by": "family", "limit": 1, "per": "60s", "burst": n}]})
}

/// What a gateway asks for its client.
fn question(gateway: &str, method: &str, target: &str) -> Request {
    let (_, fields) = GATEWAYS.iter().find(|(name, _)| *name == gateway).unwrap();
    let request = match fields {
        None => Request::new(method, &format!("/auth/{gateway}/docs{target}")),
        Some((by, uri)) => Request::new("GET", &format!("/auth/{gateway}/docs")).field(by, method).field(uri, target),
    };
    request.field("X-Forwarded-For", CLIENT)
}
