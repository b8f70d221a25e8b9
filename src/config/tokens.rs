//! `[tokens]`: how long tokens and codes live, and how they are signed.

use super::{
    section::section,
    setting::{Setting, echo, quoted},
};
use crate::{
    base::{moment::Span, uri::Resource},
    jose::Alg,
};

impl Setting for Alg {
    const WHAT: &'static str = "\"ES256\", \"ES384\", \"EdDSA\", \"RS256\" or \"PS256\"";
    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text.trim()).ok_or_else(|| format!("{} is none of them", echo(text)))
    }
    fn to_toml(&self) -> Option<String> {
        Some(quoted(self.name()))
    }
}

section! {
    /// How long tokens and codes live, and how access tokens are signed.
    Tokens = "tokens" {
        /// How long an access token is valid, unless the client has a lifetime of its own. Resource servers
        /// that only check signatures learn of a revocation when it ends: keep it short.
        access_token_lifetime: Span = "5m" in "30s" .. "1h", Live;
        /// How long an ID token is valid.
        id_token_lifetime: Span = "5m" in "30s" .. "24h", Live;
        /// How long an authorization code is valid (RFC 6749 §4.1.2 asks for ten minutes at most).
        code_lifetime: Span = "60s" in "5s" .. "10m", Live;
        /// How long a refresh token lives without being used.
        refresh_idle: Span = "30d" in "1m" .. "3650d", Live;
        /// How long a grant can be refreshed at all, counted from its beginning.
        refresh_absolute: Span = "90d" in "1m" .. "3650d", Live;
        /// How long a refresh token that was just replaced is still answered, with the same successor, so
        /// that a client whose connection broke can try again. "0s": never; a second use ends the grant.
        refresh_grace: Span = "30s" in "0s" .. "5m", Live;
        /// How access tokens are signed.
        access_token_signing_alg: Alg = "ES256", Live;
        /// The audience of an access token when neither the request nor the client names a resource.
        /// Unset: the issuer.
        default_audience: Option<Resource>, Live;
    }
}
