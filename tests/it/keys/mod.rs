//! API keys over HTTP: made, asked about, rotated, ended; who may do what with whose.

mod at_once;
mod change;
mod claims;
mod ended;
mod exchange;
mod import;
mod manage;
mod matrix;
mod peppers;
mod possession;
mod rotation;
mod tools;
mod unusual;
mod usage;
mod verify;

use crate::world::{App, DOCS, Reply, Request, Server};
use serde_json::{Value, json};

/// A server with an API, its resource server, and somebody who manages everything.
pub struct Keys {
    pub docs: App,
    pub manager: String,
}

impl Keys {
    /// An API `docs` whose keys may have the scopes `docs.read` and `docs.write`.
    pub fn at(server: &Server, settings: Value) -> Self {
        Self::with(
            server,
            json!({"v": 1, "rate": [{"name": "burst", "by": "family", "limit": 100, "per": "1s"}]}),
            settings,
        )
    }

    /// With this policy.
    pub fn with(server: &Server, policy: Value, mut settings: Value) -> Self {
        let manager = token(server, "keys:any keys:read keys:create keys:rotate keys:revoke apis:read apis:manage");
        settings["scopes"] = json!("docs.read docs.write");
        let api = json!({"name": "docs", "audience": DOCS, "policy": policy, "settings": settings});
        let added = call(server, "POST", "/v1/apis", &manager, Some(&api));
        assert_eq!(added.status, 201, "{}", added.text());
        Self { docs: server.resource_server(DOCS), manager }
    }

    /// A key of this application, with these members beside what it must have.
    pub fn key(&self, server: &Server, owner: &App, more: Value) -> Value {
        let made = self.try_key(server, owner, more);
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()
    }

    pub fn try_key(&self, server: &Server, owner: &App, more: Value) -> Reply {
        let mut body = json!({"api": "docs", "name": "job", "scope": "docs.read", "anywhere": true,
            "owner": {"type": "client", "id": owner.id}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        call(server, "POST", "/v1/keys", &self.manager, Some(&body))
    }

    /// What the resource server is told of this key, with these members beside it.
    pub fn ask(&self, server: &Server, key: &str, more: Value) -> Value {
        let reply = self.try_ask(server, key, more);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    pub fn try_ask(&self, server: &Server, key: &str, more: Value) -> Reply {
        let mut body = json!({"key": key});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        asked_by(server, &self.docs, "/v1/keys/verify", &body)
    }
}

/// A question of this client.
pub fn asked_by(server: &Server, app: &App, target: &str, body: &Value) -> Reply {
    let basic = crate::world::jwt::base64_standard(format!("{}:{}", app.id, app.secret()));
    let request = Request::new("POST", target).field("authorization", format!("Basic {basic}"));
    server.send(&request.body("application/json", body.to_string()))
}

/// An access token with this scope, of a machine of its own.
pub fn token(server: &Server, scope: &str) -> String {
    let machine = server.machine_with(|metadata| {
        metadata["scope"] = json!(scope);
        metadata["resources"] = json!([server.issuer]);
    });
    machine.scope(scope).own_token(&[("scope", scope)]).tokens().access
}

/// A request with an access token.
pub fn call(server: &Server, method: &str, target: &str, token: &str, body: Option<&Value>) -> Reply {
    let request = Request::new(method, target).bearer(token);
    server.send(&match body {
        Some(body) => request.body("application/json", body.to_string()),
        None => request,
    })
}
