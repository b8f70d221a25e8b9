//! A client as registered (RFC 7591 §2, OpenID Connect Registration §2), and what it may ask for.

use super::{
    code::ErrorCode::{InvalidScope, InvalidTarget, UnauthorizedClient},
    refusal::{Refusal, refuse},
};
use crate::{
    base::{
        id::ClientId,
        moment::Span,
        scope::Scope,
        uri::{RedirectUri, Resource, WebUri},
    },
    jose::{Alg, BadKeySet, KeyManagement, KeySet},
};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};

/// How a client proves itself (the IANA registry of token endpoint authentication methods).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// A secret in the `Authorization` field (RFC 6749 §2.3.1).
    ClientSecretBasic,
    /// A secret in the body. Whoever is registered for one of the two may use either (OAuth 2.1).
    ClientSecretPost,
    /// A signed assertion (RFC 7523 §2.2).
    PrivateKeyJwt,
    /// A public client: it names itself and proves nothing (RFC 6749 §2.1).
    None,
}

impl AuthMethod {
    /// Every method that we have, as advertised.
    pub const ALL: &'static [Self] =
        &[Self::ClientSecretBasic, Self::ClientSecretPost, Self::PrivateKeyJwt, Self::None];

    /// The text on the wire.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }
    /// Whether it is proven by a secret that we generated.
    #[must_use]
    pub const fn by_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

/// The grant types that we have (RFC 7591 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 8693: of an API key, which is its own credential, so no client need be registered for it.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:token-exchange")]
    TokenExchange,
}

impl GrantType {
    /// Every grant type that we have, as advertised.
    pub const ALL: &'static [Self] =
        &[Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials, Self::TokenExchange];

    /// The text on the wire.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }
    /// Reads the parameter `grant_type`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|g| g.wire() == text)
    }
}

/// Where a client's public keys come from (RFC 7591 §2: one of the two, never both).
#[derive(Clone, Debug)]
pub enum ClientKeys {
    /// None registered.
    None,
    /// `jwks`: registered by value.
    Registered(RegisteredKeys),
    /// `jwks_uri`: fetched and cached.
    Fetched(WebUri),
}

/// Keys registered by value: as their owner wrote them, and ready to verify with.
#[derive(Clone, Debug)]
pub struct RegisteredKeys {
    jwks: Value,
    keys: Arc<KeySet>,
}

impl RegisteredKeys {
    /// Reads the member `jwks`.
    ///
    /// # Errors
    /// [`BadKeySet`] where it is no set of public keys.
    pub fn parse(jwks: Value) -> Result<Self, BadKeySet> {
        Ok(Self { keys: Arc::new(KeySet::from_value(&jwks)?), jwks })
    }
    /// The set as it was registered.
    #[must_use]
    pub const fn jwks(&self) -> &Value {
        &self.jwks
    }
    /// The keys.
    #[must_use]
    pub const fn keys(&self) -> &Arc<KeySet> {
        &self.keys
    }
}

/// Whether a person is asked before tokens are issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The operator's own application: no consent page (`first_party`).
    FirstParty,
    /// Anybody else's.
    ThirdParty,
}

/// Native applications may use loopback and private-use redirection (RFC 8252).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationType {
    /// Runs on a server or in a page.
    Web,
    /// Runs on the person's device.
    Native,
}

/// What is shown of a client to the people who use it.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// `client_name`.
    pub name: String,
    /// `client_uri`.
    pub uri: Option<WebUri>,
    /// `policy_uri`.
    pub policy_uri: Option<WebUri>,
    /// `tos_uri`.
    pub tos_uri: Option<WebUri>,
}

/// Where a client is told that a session has ended (OpenID Connect Back-Channel Logout §2.2).
#[derive(Clone, Debug)]
pub struct BackchannelLogout {
    /// `backchannel_logout_uri`.
    pub uri: WebUri,
    /// `backchannel_logout_session_required`.
    pub session_required: bool,
}

/// What an authorization request is taken to ask for where it does not say.
#[derive(Clone, Debug, Default)]
pub struct AuthorizeDefaults {
    /// `default_max_age`.
    pub max_age: Option<Span>,
    /// `require_auth_time`.
    pub auth_time: bool,
    /// `default_acr_values`.
    pub acr_values: Vec<String>,
}

/// How what is told of a person reaches the client, beyond the signature of its ID tokens (OpenID
/// Connect Registration §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Responses {
    /// `id_token_encrypted_response_alg`.
    pub id_token_encrypted: Option<KeyManagement>,
    /// `userinfo_signed_response_alg`; without it, userinfo is JSON.
    pub userinfo_signed: Option<Alg>,
    /// `userinfo_encrypted_response_alg`: never without a signature inside.
    pub userinfo_encrypted: Option<KeyManagement>,
}

/// A client as registered, proven to be consistent when it was registered.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its identifier.
    pub id: ClientId,
    /// What people see of it.
    pub shown: Shown,
    /// Web or native.
    pub application_type: ApplicationType,
    /// How it proves itself at our endpoints.
    pub auth_method: AuthMethod,
    /// Its public keys.
    pub keys: ClientKeys,
    /// The grant types that it may use.
    pub grant_types: BTreeSet<GrantType>,
    /// Where authorization responses may go. Empty where it has no authorization code grant.
    pub redirect_uris: Vec<RedirectUri>,
    /// Where people may go after signing out.
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// The widest scope that it may ask for.
    pub scope: Scope,
    /// The resources that it may ask for; the first is what it gets when it names none.
    pub resources: Vec<Resource>,
    /// The audiences that it serves, and whose tokens it may therefore introspect.
    pub protected_resources: Vec<Resource>,
    /// Whether people are asked.
    pub trust: Trust,
    /// Defaults of its authorization requests.
    pub defaults: AuthorizeDefaults,
    /// How its ID tokens are signed.
    pub id_token_alg: Alg,
    /// How its ID tokens are encrypted, and its userinfo signed and encrypted.
    pub responses: Responses,
    /// Life of its access tokens, where it is not the server's.
    pub access_token_lifetime: Option<Span>,
    /// Where it hears of ended sessions.
    pub backchannel_logout: Option<BackchannelLogout>,
}

impl Client {
    /// Whether anybody could pose as it at the token endpoint.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.auth_method == AuthMethod::None
    }

    /// Refuses a grant type that the client is not registered for.
    ///
    /// # Errors
    /// `unauthorized_client`.
    pub fn may_use(&self, grant: GrantType) -> Result<(), Refusal> {
        if self.grant_types.contains(&grant) {
            return Ok(());
        }
        refuse(UnauthorizedClient, format!("this client is not registered for the grant type {}", grant.wire()))
    }

    /// The scope to grant for what was asked: all that the client has, where nothing was asked.
    ///
    /// # Errors
    /// `invalid_scope` where more was asked than the client has.
    pub fn scope_for(&self, asked: Option<&Scope>) -> Result<Scope, Refusal> {
        match asked {
            None => Ok(self.scope.clone()),
            Some(asked) if asked.within(&self.scope) => Ok(asked.clone()),
            Some(_) => refuse(InvalidScope, "the scope is wider than what this client is registered for"),
        }
    }

    /// The resources to grant for what was asked (RFC 8707 §2): the client's first, where nothing was asked.
    ///
    /// # Errors
    /// `invalid_target` for a resource that is not this client's to ask for.
    pub fn resources_for(&self, asked: &BTreeSet<Resource>) -> Result<BTreeSet<Resource>, Refusal> {
        if asked.is_empty() {
            return Ok(self.resources.first().cloned().into_iter().collect());
        }
        if asked.iter().all(|r| self.resources.contains(r)) {
            return Ok(asked.clone());
        }
        refuse(InvalidTarget, "a resource is unknown, or not one that this client may ask for")
    }
}
