//! Whether a token holds: the application's and the sample API's use of [`crate::jose`].

use super::provider::Provider;
use crate::{
    base::digest::from_base64url,
    jose::{Audience, KeySet, Profile, verify},
};
use serde_json::{Map, Value};

/// What a token is taken for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind<'a> {
    /// An ID token for this client, with this nonce (OpenID Connect Core §3.1.3.7).
    Id(&'a str, &'a str),
    /// A logout token for this client (Back-Channel Logout §2.6).
    Logout(&'a str),
    /// An access token for this audience (RFC 9068 §4).
    Access(&'a str),
}

/// The claims of a token that holds now.
///
/// # Errors
/// A sentence for developers: the first thing that is wrong with it.
pub(super) fn prove(keys: &Value, token: &str, kind: Kind<'_>, by: &Provider) -> Result<Map<String, Value>, String> {
    let issuer = &by.settings.issuer;
    let profile = match kind {
        Kind::Id(client, nonce) => Profile::id_token(issuer.as_str(), client, nonce),
        Kind::Logout(client) => Profile::logout_token(issuer.as_str(), client),
        Kind::Access(audience) => Profile::access_token(issuer, Audience::OneOf(vec![audience.to_owned()])),
    };
    let keys = KeySet::from_value(keys).map_err(|e| e.to_string())?;
    verify(&profile, &keys, token, by.now()).map(|held| held.claims().clone()).map_err(|e| e.because().to_owned())
}

/// The key that a token says it was signed with, to know whether keys must be fetched.
pub(super) fn kid(token: &str) -> Option<String> {
    let header: Value = serde_json::from_slice(&from_base64url(token.split('.').next()?)?).ok()?;
    header.get("kid").and_then(Value::as_str).map(str::to_owned)
}
