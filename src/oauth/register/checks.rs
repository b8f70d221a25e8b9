//! What the members of one client must be to each other.

use super::{RegistrationError, members::Members};
use crate::{
    base::uri::RedirectUri,
    oauth::client::{ApplicationType, AuthMethod, Client, ClientKeys, GrantType},
};

/// The parameters of our answers: one that stands in the URI already would be read in their
/// place.
const OURS: [&str; 10] = [
    "code",
    "state",
    "iss",
    "error",
    "error_description",
    "error_uri",
    "access_token",
    "id_token",
    "session_state",
    "response",
];

/// The first thing that does not go together.
pub(super) fn consistent(client: &Client, members: &Members<'_>) -> Result<(), RegistrationError> {
    grants(client)?;
    response_types(client, members)?;
    subject_type(members)?;
    places(client)?;
    keys(client)
}

/// The keys that what is registered needs. Those at an address are looked at when they are needed.
fn keys(client: &Client) -> Result<(), RegistrationError> {
    let proven = client.auth_method == AuthMethod::PrivateKeyJwt;
    let asked = &client.responses;
    let ways = [
        ("id_token_encrypted_response_alg", asked.id_token_encrypted),
        ("userinfo_encrypted_response_alg", asked.userinfo_encrypted),
    ];
    if asked.userinfo_encrypted.is_some() && asked.userinfo_signed.is_none() {
        return wrong(
            "userinfo_encrypted_response_alg",
            "needs userinfo_signed_response_alg: what is encrypted is signed",
        );
    }
    for (member, way) in ways {
        let has = way.is_none_or(|way| match &client.keys {
            ClientKeys::None => false,
            ClientKeys::Registered(keys) => keys.keys().to_encrypt(way).is_some(),
            ClientKeys::Fetched(_) => true,
        });
        if !has {
            return wrong(member, "needs a key in jwks, or jwks_uri, whose use is enc");
        }
    }
    match &client.keys {
        ClientKeys::None if proven => wrong("token_endpoint_auth_method", "private_key_jwt needs jwks or jwks_uri"),
        ClientKeys::Registered(keys) if proven && keys.keys().is_empty() => {
            wrong("jwks", "holds no key for ES256, EdDSA, RS256 or PS256, which private_key_jwt needs")
        }
        ClientKeys::None | ClientKeys::Registered(_) | ClientKeys::Fetched(_) => Ok(()),
    }
}

fn wrong(member: &str, because: &str) -> Result<(), RegistrationError> {
    Err(RegistrationError::new(member, because))
}

fn grants(client: &Client) -> Result<(), RegistrationError> {
    let has = |grant| client.grant_types.contains(&grant);
    if client.grant_types.is_empty() {
        return wrong("grant_types", "must name at least one");
    }
    if has(GrantType::RefreshToken) && !has(GrantType::AuthorizationCode) {
        return wrong("grant_types", "has refresh_token, which needs authorization_code: no other grant issues them");
    }
    if has(GrantType::ClientCredentials) && client.is_public() {
        return wrong("grant_types", "has client_credentials, which a client that authenticates by none cannot use");
    }
    Ok(())
}

/// RFC 7591 §2.1: the response types follow from the grant types.
fn response_types(client: &Client, members: &Members<'_>) -> Result<(), RegistrationError> {
    let Some(said) = members.texts("response_types")? else { return Ok(()) };
    let codes = client.grant_types.contains(&GrantType::AuthorizationCode);
    match said.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["code"] if codes => Ok(()),
        [] if !codes => Ok(()),
        _ if codes => wrong("response_types", "must be [\"code\"]"),
        _ => wrong("response_types", "must be empty without the grant type authorization_code"),
    }
}

fn subject_type(members: &Members<'_>) -> Result<(), RegistrationError> {
    match members.text("subject_type")? {
        None | Some("public") => Ok(()),
        Some(_) => wrong("subject_type", "must be public"),
    }
}

fn places(client: &Client) -> Result<(), RegistrationError> {
    let codes = client.grant_types.contains(&GrantType::AuthorizationCode);
    match (codes, client.redirect_uris.is_empty()) {
        (true, true) => return wrong("redirect_uris", "must hold at least one for the grant type authorization_code"),
        (false, false) => return wrong("redirect_uris", "must be empty without the grant type authorization_code"),
        _ => {}
    }
    for uri in &client.redirect_uris {
        fits(client, uri, "redirect_uris")?;
        let query = uri.as_str().split_once('?').map_or("", |(_, query)| query);
        if url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| OURS.contains(&name.as_ref())) {
            return wrong(
                "redirect_uris",
                "holds one whose query has a parameter of the answer, such as code or state",
            );
        }
    }
    client.post_logout_redirect_uris.iter().try_for_each(|uri| fits(client, uri, "post_logout_redirect_uris"))
}

/// A private-use scheme is served by the person's device, so only native applications have one
/// (RFC 8252 §7.1).
fn fits(client: &Client, uri: &RedirectUri, member: &str) -> Result<(), RegistrationError> {
    let web = uri.as_str().starts_with("https://") || uri.as_str().starts_with("http://");
    if !web && client.application_type == ApplicationType::Web {
        return wrong(member, "holds a private-use scheme, which needs application_type native");
    }
    Ok(())
}
