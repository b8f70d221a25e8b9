//! An API, whoever serves it, and keys: what tests of several servers share.

use super::{
    http::{Client, NoAnswer, Reply},
    node::{Installation, Node, Registered},
};
use serde_json::{Value, json};

/// An API `docs` in an installation of its own.
pub(crate) struct Api {
    pub installation: Installation,
    /// Who asks whether keys are good.
    pub server: Registered,
    /// Who owns keys, and manages them.
    pub owner: Registered,
}

impl Api {
    /// With this policy for all keys.
    pub(crate) fn on(installation: Installation, policy: &Value) -> Self {
        let add = ["api", "add", "--name", "docs", "--audience", "https://docs.example/", "--scope", "docs.read"];
        installation.cli(&[&add[..], &["--policy", "-"]].concat(), &policy.to_string());
        let machine = |name: &str, more: Value| {
            let mut metadata = json!({"client_name": name, "grant_types": ["client_credentials"], "response_types": [],
                "token_endpoint_auth_method": "client_secret_basic"});
            metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            installation.register(&metadata)
        };
        let server = machine("The API", json!({"protected_resources": ["https://docs.example/"]}));
        let scope = "keys:read keys:create keys:revoke";
        let owner = machine("Customer", json!({"scope": scope, "resources": [installation.issuer]}));
        Self { installation, server, owner }
    }

    /// An access token that manages the owner's keys.
    pub(crate) fn manager(&self, node: &Node) -> String {
        let auth = [("Authorization", self.owner.basic.as_str())];
        let asked = [("grant_type", "client_credentials"), ("scope", "keys:read keys:create keys:revoke")];
        let reply = node.client().post_form("/token", &auth, &asked).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.member("access_token")
    }

    /// A new key: its identifier and its text.
    pub(crate) fn key(&self, client: &mut Client, manager: &str) -> (String, String) {
        let body = json!({"api": "docs", "name": "job", "scope": "docs.read", "anywhere": true});
        let reply = managed(client, "/v1/keys", manager, &body);
        assert_eq!(reply.status, 201, "{}", reply.body);
        (reply.member("id"), reply.member("key"))
    }

    /// What the API's server is told of this key.
    pub(crate) fn ask(&self, client: &mut Client, key: &str) -> Result<Reply, NoAnswer> {
        self.post(client, "/v1/keys/verify", &json!({"key": key}).to_string())
    }

    /// The codes of many questions at once about one key; none where the server was busy.
    pub(crate) fn ask_many(&self, client: &mut Client, key: &str, n: usize) -> Result<Vec<String>, NoAnswer> {
        let body = json!({"items": vec![json!({"key": key}); n]}).to_string();
        Ok(codes(&self.post(client, "/v1/keys/verify/batch", &body)?))
    }

    pub(crate) fn post(&self, client: &mut Client, target: &str, body: &str) -> Result<Reply, NoAnswer> {
        let headers = [("Authorization", self.server.basic.as_str()), ("Content-Type", "application/json")];
        client.send("POST", target, &headers, body)
    }
}

/// The codes of the items of an answer.
pub(crate) fn codes(reply: &Reply) -> Vec<String> {
    let items = reply.json()["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|one| one["code"].as_str().unwrap_or_default().to_owned()).collect()
}

/// A request of whoever manages.
pub(crate) fn managed(client: &mut Client, target: &str, manager: &str, body: &Value) -> Reply {
    let bearer = format!("Bearer {manager}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    client.send("POST", target, &headers, &body.to_string()).unwrap()
}
