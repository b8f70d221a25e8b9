//! A client as metadata again: what was read, with every default written out.

use crate::{
    base::moment::Span,
    jose::{Alg, KeyManagement, encrypting::CONTENT},
    oauth::client::{Client, ClientKeys, GrantType, Trust},
};
use serde_json::{Map, Value, json};

/// The metadata of a client, which [`parse_client`](super::parse_client) reads back to the same
/// client. Members that say nothing are left out.
#[must_use]
pub fn to_metadata(client: &Client) -> Map<String, Value> {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| {
        let silent = match &value {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Bool(true) | Value::Number(_) | Value::Object(_) => false,
        };
        if !silent {
            members.insert(name.to_owned(), value);
        }
    };
    put("client_id", json!(client.id));
    put("client_name", json!(client.shown.name));
    put("client_uri", json!(client.shown.uri));
    put("policy_uri", json!(client.shown.policy_uri));
    put("tos_uri", json!(client.shown.tos_uri));
    put("application_type", json!(client.application_type));
    put("token_endpoint_auth_method", json!(client.auth_method.wire()));
    match &client.keys {
        ClientKeys::None => {}
        ClientKeys::Registered(keys) => put("jwks", keys.jwks().clone()),
        ClientKeys::Fetched(uri) => put("jwks_uri", json!(uri)),
    }
    put("grant_types", client.grant_types.iter().map(|grant| grant.wire()).collect());
    if client.grant_types.contains(&GrantType::AuthorizationCode) {
        put("response_types", json!(["code"]));
    }
    put("redirect_uris", json!(client.redirect_uris));
    put("post_logout_redirect_uris", json!(client.post_logout_redirect_uris));
    put("resources", json!(client.resources));
    put("protected_resources", json!(client.protected_resources));
    put("first_party", json!(client.trust == Trust::FirstParty));
    put("default_max_age", json!(client.defaults.max_age.map(Span::as_seconds)));
    put("require_auth_time", json!(client.defaults.auth_time));
    put("default_acr_values", json!(client.defaults.acr_values));
    put("id_token_signed_response_alg", json!(client.id_token_alg.name()));
    let responses = &client.responses;
    for (what, way) in [("id_token", responses.id_token_encrypted), ("userinfo", responses.userinfo_encrypted)] {
        put(&format!("{what}_encrypted_response_alg"), json!(way.map(KeyManagement::name)));
        put(&format!("{what}_encrypted_response_enc"), json!(way.map(|_| CONTENT)));
    }
    put("userinfo_signed_response_alg", json!(responses.userinfo_signed.map(Alg::name)));
    put("access_token_lifetime", json!(client.access_token_lifetime.map(Span::as_seconds)));
    if let Some(logout) = &client.backchannel_logout {
        put("backchannel_logout_uri", json!(logout.uri));
        put("backchannel_logout_session_required", json!(logout.session_required));
    }
    // An empty scope says something: where it is left out, a default applies.
    members.insert("scope".to_owned(), json!(client.scope));
    members
}
