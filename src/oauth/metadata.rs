//! What the server says of itself (RFC 8414 §2, OpenID Connect Discovery §3): one document for
//! both addresses. Every member comes from the table that the rules themselves use, so what is
//! advertised works and what works is advertised.

use super::{
    authorize::{Prompt, ResponseMode, checks::OFFLINE_ACCESS},
    client::{AuthMethod, GrantType},
    dpop, pkce, standard_claims,
};
use crate::{
    base::uri::Issuer,
    jose::{Alg, KeyManagement, Scheme, encrypting::CONTENT},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The paths of our endpoints, behind the issuer.
pub mod path {
    /// RFC 6749 §3.1.
    pub const AUTHORIZE: &str = "/authorize";
    /// RFC 6749 §3.2.
    pub const TOKEN: &str = "/token";
    /// RFC 7517 §5.
    pub const JWKS: &str = "/jwks";
    /// OpenID Connect Core §5.3.
    pub const USERINFO: &str = "/userinfo";
    /// RFC 7662 §2.
    pub const INTROSPECT: &str = "/introspect";
    /// RFC 7009 §2.
    pub const REVOKE: &str = "/revoke";
    /// RP-Initiated Logout §2.
    pub const END_SESSION: &str = "/end_session";
    /// OpenID Connect Discovery §4.
    pub const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
    /// RFC 8414 §3.
    pub const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
}

/// What depends on the configuration.
#[derive(Clone, Debug, Default)]
pub struct Abilities {
    /// The scope tokens of the operator's APIs.
    pub scopes: BTreeSet<String>,
    /// The authentication contexts that a sign-in here can reach.
    pub acr_values: Vec<String>,
    /// The languages of the pages (BCP 47).
    pub ui_locales: Vec<String>,
    /// `service_documentation`.
    pub documentation: Option<String>,
}

/// The scope tokens that the server itself knows.
pub fn own_scopes() -> impl Iterator<Item = &'static str> {
    ["openid", OFFLINE_ACCESS].into_iter().chain(standard_claims::SCOPES.iter().map(|row| row.scope))
}

/// The document.
#[must_use]
pub fn metadata(issuer: &Issuer, abilities: &Abilities) -> Value {
    let mut members = Map::new();
    endpoints(issuer, &mut members);
    authorization(abilities, &mut members);
    proof(&mut members);
    openid(abilities, &mut members);
    if let Some(address) = &abilities.documentation {
        put(&mut members, "service_documentation", json!(address));
    }
    Value::Object(members)
}

fn put(members: &mut Map<String, Value>, name: &str, value: Value) {
    members.insert(name.to_owned(), value);
}

fn endpoints(issuer: &Issuer, members: &mut Map<String, Value>) {
    put(members, "issuer", json!(issuer.as_str()));
    for (name, path) in [
        ("authorization_endpoint", path::AUTHORIZE),
        ("token_endpoint", path::TOKEN),
        ("jwks_uri", path::JWKS),
        ("userinfo_endpoint", path::USERINFO),
        ("introspection_endpoint", path::INTROSPECT),
        ("revocation_endpoint", path::REVOKE),
        ("end_session_endpoint", path::END_SESSION),
    ] {
        put(members, name, json!(issuer.at(path)));
    }
}

fn authorization(abilities: &Abilities, members: &mut Map<String, Value>) {
    let own = own_scopes().map(str::to_owned);
    let scopes: Vec<String> = own.chain(abilities.scopes.iter().cloned()).collect();
    let modes: Value = ResponseMode::ALL.iter().map(|mode| mode.wire()).collect();
    let grants: Value = GrantType::ALL.iter().map(|grant| grant.wire()).collect();
    let prompts: Value = Prompt::ALL.iter().map(|prompt| prompt.wire()).collect();
    put(members, "scopes_supported", json!(scopes));
    put(members, "response_types_supported", json!(["code"]));
    put(members, "response_modes_supported", modes);
    put(members, "grant_types_supported", grants);
    put(members, "prompt_values_supported", prompts);
    put(members, "code_challenge_methods_supported", json!(pkce::METHODS));
    put(members, "authorization_response_iss_parameter_supported", json!(true));
    put(members, "claims_parameter_supported", json!(true));
    put(members, "request_parameter_supported", json!(false));
    // The default of this one is true (Discovery §3), so it must be said.
    put(members, "request_uri_parameter_supported", json!(false));
    for (name, list) in
        [("acr_values_supported", &abilities.acr_values), ("ui_locales_supported", &abilities.ui_locales)]
    {
        if !list.is_empty() {
            put(members, name, json!(list));
        }
    }
}

/// Public clients may redeem and revoke what is theirs, never introspect.
fn proof(members: &mut Map<String, Value>) {
    let all = || AuthMethod::ALL.iter().copied();
    let algs: Vec<&str> = Scheme::ALL.iter().map(|scheme| scheme.name()).collect();
    let authenticating = all().filter(|method| *method != AuthMethod::None);
    for (endpoint, methods) in [
        ("token", all().map(AuthMethod::wire).collect::<Vec<_>>()),
        ("revocation", all().map(AuthMethod::wire).collect()),
        ("introspection", authenticating.map(AuthMethod::wire).collect()),
    ] {
        put(members, &format!("{endpoint}_endpoint_auth_methods_supported"), json!(methods));
        put(members, &format!("{endpoint}_endpoint_auth_signing_alg_values_supported"), json!(algs));
    }
    // RFC 9449 §5.1. Whether a token was bound is said by its `token_type` (§5): those of people are not.
    put(members, "dpop_signing_alg_values_supported", json!(dpop::algs()));
}

fn openid(abilities: &Abilities, members: &mut Map<String, Value>) {
    let algs: Vec<&str> = Alg::ALL.iter().map(|alg| alg.name()).collect();
    // `acr` is in a token only where a context has a name.
    let claims: Vec<&str> =
        standard_claims::all().filter(|claim| *claim != "acr" || !abilities.acr_values.is_empty()).collect();
    put(members, "subject_types_supported", json!(["public"]));
    let ways: Vec<&str> = KeyManagement::ALL.iter().map(|way| way.name()).collect();
    for what in ["id_token", "userinfo"] {
        put(members, &format!("{what}_signing_alg_values_supported"), json!(algs));
        put(members, &format!("{what}_encryption_alg_values_supported"), json!(ways));
        put(members, &format!("{what}_encryption_enc_values_supported"), json!([CONTENT]));
    }
    put(members, "claim_types_supported", json!(["normal"]));
    put(members, "claims_supported", json!(claims));
    put(members, "backchannel_logout_supported", json!(true));
    put(members, "backchannel_logout_session_supported", json!(true));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        let abilities = Abilities { scopes: ["read".to_owned()].into(), ..Abilities::default() };
        metadata(&Issuer::parse("https://id.example/t").unwrap(), &abilities)
    }

    #[test]
    fn b07_b13_c26_the_document_says_what_clients_look_for() {
        let it = document();
        for (name, value) in [
            ("issuer", json!("https://id.example/t")),
            ("token_endpoint", json!("https://id.example/t/token")),
            ("response_types_supported", json!(["code"])),
            ("response_modes_supported", json!(["query", "form_post"])),
            ("code_challenge_methods_supported", json!(["S256"])),
            (
                "grant_types_supported",
                json!([
                    "authorization_code",
                    "refresh_token",
                    "client_credentials",
                    "urn:ietf:params:oauth:grant-type:token-exchange"
                ]),
            ),
            ("authorization_response_iss_parameter_supported", json!(true)),
            ("request_uri_parameter_supported", json!(false)),
            ("subject_types_supported", json!(["public"])),
        ] {
            assert_eq!(it[name], value, "{name}");
        }
        let has = |name: &str, value: &str| it[name].as_array().unwrap().contains(&json!(value));
        assert!(has("id_token_signing_alg_values_supported", "RS256"), "every provider must have it");
        assert!(has("scopes_supported", "openid") && has("scopes_supported", "offline_access"));
        assert!(has("scopes_supported", "read"));
        assert!(has("dpop_signing_alg_values_supported", "ES256"));
        assert!(!has("introspection_endpoint_auth_methods_supported", "none"));
        assert!(has("revocation_endpoint_auth_methods_supported", "none"));
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let it = document();
        assert!(it.get("acr_values_supported").is_none());
        let lists = it.as_object().unwrap().values().filter_map(Value::as_array);
        assert!(lists.into_iter().all(|list| !list.is_empty()));
    }
}
