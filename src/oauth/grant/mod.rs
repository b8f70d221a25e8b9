//! What somebody granted: the authoritative record behind codes, refresh tokens and the access
//! tokens of people. One file per grant type beside this one.

pub mod authorization_code;
pub mod client_credentials;
pub mod refresh_token;
#[cfg(test)]
mod tests;
pub mod token_exchange;
mod token_request;

pub use token_request::TokenRequest;

use super::standard_claims::{OF_THE_SIGN_IN, scope_of};
use crate::base::{
    id::{ClientId, GrantId, SessionId, UserId},
    moment::Moment,
    scope::Scope,
    uri::Resource,
};
use std::collections::{BTreeMap, BTreeSet};

/// How and when a person proved who they are (OpenID Connect Core §2: `auth_time`, `amr`, `acr`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// `auth_time`.
    pub at: Moment,
    /// `amr`: values of RFC 8176, such as `pwd`.
    pub amr: Vec<String>,
    /// `acr`, where a class was reached that has a name.
    pub acr: Option<String>,
}

/// One claim asked for by the `claims` parameter (OpenID Connect Core §5.5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ClaimRequest {
    /// Whether the client cannot do without it.
    #[serde(default)]
    pub essential: bool,
    /// The values that would do, most wanted first; empty for any.
    #[serde(default)]
    pub values: Vec<String>,
}

/// What the `claims` parameter asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ClaimsRequest {
    /// At the userinfo endpoint.
    #[serde(default)]
    pub userinfo: BTreeMap<String, ClaimRequest>,
    /// In the ID token.
    #[serde(default)]
    pub id_token: BTreeMap<String, ClaimRequest>,
}

impl ClaimsRequest {
    /// Claims asked for one by one, of those whose scope the client is registered for, now as when it asked:
    /// otherwise the parameter would be a way around the registration. The others are left out without a word,
    /// as OpenID Connect Core §5.5.1 allows even for essential ones.
    #[must_use]
    pub fn within(&self, scope: &Scope) -> Self {
        let may = |claim: &str| OF_THE_SIGN_IN.contains(&claim) || scope_of(claim).is_some_and(|one| scope.has(one));
        let mut kept = self.clone();
        kept.userinfo.retain(|claim, _| may(claim));
        kept.id_token.retain(|claim, _| may(claim));
        kept
    }
}

/// What a person granted to a client, before it has an identity of its own: what a code stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// To whom.
    pub client: ClientId,
    /// By whom.
    pub user: UserId,
    /// In which session of the browser; its `sid`.
    pub session: SessionId,
    /// The whole scope.
    pub scope: Scope,
    /// The whole set of resources.
    pub resources: BTreeSet<Resource>,
    /// The claims asked for.
    pub claims: ClaimsRequest,
    /// How the person was authenticated.
    pub authentication: Authentication,
    /// `nonce` of the authorization request.
    pub nonce: Option<String>,
}

/// A grant with its identity: the record that refresh tokens and access tokens hang from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its identity; access tokens carry it as `grant_id`.
    pub id: GrantId,
    /// What was granted.
    pub granted: Granted,
    /// Since when.
    pub created_at: Moment,
    /// Its absolute end: no refresh beyond it.
    pub expires_at: Moment,
}

/// An authorization code as stored: what it stands for and what its redemption must show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// What it stands for.
    pub granted: Granted,
    /// The redirection URI of the request, byte for byte (RFC 6749 §4.1.3).
    pub redirect_uri: String,
    /// Whether the request named its redirection URI, so that the redemption must repeat it.
    pub redirect_uri_was_sent: bool,
    /// `code_challenge`, method S256 (RFC 7636 §4.2).
    pub challenge: String,
    /// When it ends.
    pub expires_at: Moment,
}
