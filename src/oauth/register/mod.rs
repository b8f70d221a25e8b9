//! Client metadata (RFC 7591 §2, OpenID Connect Registration §2, RP-Initiated Logout §3,
//! Back-Channel Logout §2.2): the same members in a file, on the command line and in the store.
//!
//! What is not understood is refused, with the name that was probably meant: a client that
//! believes itself registered for something that we dropped without a word fails later and worse.

mod checks;
mod members;
#[cfg(test)]
mod tests;
mod write;

pub use write::to_metadata;

use super::client::{
    ApplicationType, AuthMethod, AuthorizeDefaults, BackchannelLogout, Client, ClientKeys, GrantType, RegisteredKeys,
    Responses, Shown, Trust,
};
use crate::{
    base::{
        id::ClientId,
        scope::Scope,
        uri::{RedirectUri, Resource, WebUri},
    },
    jose::{Alg, KeyManagement, encrypting::CONTENT},
};
use members::Members;
use serde_json::{Map, Value};
use std::{collections::BTreeSet, fmt};

/// The code of a refused registration (RFC 7591 §3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationCode {
    /// A redirection URI is malformed or not allowed.
    InvalidRedirectUri,
    /// Anything else.
    InvalidClientMetadata,
}

impl RegistrationCode {
    /// The text on the wire.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
        }
    }
}

/// Why metadata was refused, for whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationError {
    /// The registered code.
    pub code: RegistrationCode,
    /// The member at fault.
    pub member: String,
    /// What is wrong with it; to be read after the member's name.
    pub because: String,
}

impl RegistrationError {
    pub(super) fn new(member: &str, because: impl Into<String>) -> Self {
        let code = match member {
            "redirect_uris" => RegistrationCode::InvalidRedirectUri,
            _ => RegistrationCode::InvalidClientMetadata,
        };
        Self { code, member: member.to_owned(), because: because.into() }
    }
}

impl fmt::Display for RegistrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.member, self.because)
    }
}
impl std::error::Error for RegistrationError {}

/// Whether `http://localhost` may be a redirection URI. Unlike the literals, the name can be
/// made to mean another machine (RFC 8252 §8.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Localhost {
    /// Never.
    #[default]
    Refused,
    /// For development.
    Allowed,
}

/// What an operator decides about registration.
#[derive(Clone, Copy, Debug, Default)]
pub struct RegistrationPolicy {
    /// About `http://localhost`.
    pub localhost: Localhost,
}

/// Reads the metadata of a client, and proves that it is consistent.
///
/// # Errors
/// [`RegistrationError`] for the first member that cannot be.
pub fn parse_client(
    id: ClientId,
    metadata: &Map<String, Value>,
    policy: RegistrationPolicy,
) -> Result<Client, RegistrationError> {
    let members = Members::of(metadata);
    members.refuse_unknown()?;
    members.refuse_foreign_id(&id)?;
    let grant_types = grant_types(&members)?;
    let client = Client {
        id,
        shown: shown(&members)?,
        application_type: application_type(&members)?,
        auth_method: auth_method(&members)?,
        keys: keys(&members)?,
        scope: scope(&members, &grant_types)?,
        grant_types,
        redirect_uris: redirect_uris(&members, "redirect_uris", policy)?,
        post_logout_redirect_uris: redirect_uris(&members, "post_logout_redirect_uris", policy)?,
        resources: resources(&members, "resources")?,
        protected_resources: resources(&members, "protected_resources")?,
        trust: if members.flag("first_party")? { Trust::FirstParty } else { Trust::ThirdParty },
        defaults: AuthorizeDefaults {
            max_age: members.seconds("default_max_age", 0..=i64::from(u32::MAX))?,
            auth_time: members.flag("require_auth_time")?,
            acr_values: members.texts("default_acr_values")?.unwrap_or_default(),
        },
        id_token_alg: signing_alg(&members, "id_token_signed_response_alg")?.unwrap_or(Alg::Rs256),
        responses: responses(&members)?,
        access_token_lifetime: members.seconds("access_token_lifetime", 10..=3600)?,
        backchannel_logout: backchannel_logout(&members)?,
    };
    checks::consistent(&client, &members)?;
    Ok(client)
}

/// Reads the metadata of a client that was accepted before: what the policy allowed then stays
/// readable when the policy changes.
///
/// # Errors
/// [`RegistrationError`] where no policy would accept it.
pub fn read_stored(id: ClientId, metadata: &Map<String, Value>) -> Result<Client, RegistrationError> {
    parse_client(id, metadata, RegistrationPolicy { localhost: Localhost::Allowed })
}

fn shown(members: &Members<'_>) -> Result<Shown, RegistrationError> {
    let uri = |name| members.parsed(name, |text| WebUri::parse(text).map_err(|bad| bad.to_string()));
    let name = members.text("client_name")?.unwrap_or_default();
    if name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(RegistrationError::new("client_name", "has more than 100 characters, or a control character"));
    }
    Ok(Shown {
        name: name.to_owned(),
        uri: uri("client_uri")?,
        policy_uri: uri("policy_uri")?,
        tos_uri: uri("tos_uri")?,
    })
}

fn application_type(members: &Members<'_>) -> Result<ApplicationType, RegistrationError> {
    match members.text("application_type")? {
        None | Some("web") => Ok(ApplicationType::Web),
        Some("native") => Ok(ApplicationType::Native),
        Some(_) => Err(RegistrationError::new("application_type", "must be web or native")),
    }
}

fn auth_method(members: &Members<'_>) -> Result<AuthMethod, RegistrationError> {
    const NAME: &str = "token_endpoint_auth_method";
    let Some(text) = members.text(NAME)? else { return Ok(AuthMethod::ClientSecretBasic) };
    AuthMethod::ALL.iter().copied().find(|method| method.wire() == text).ok_or_else(|| {
        RegistrationError::new(NAME, "must be client_secret_basic, client_secret_post, private_key_jwt or none")
    })
}

fn grant_types(members: &Members<'_>) -> Result<BTreeSet<GrantType>, RegistrationError> {
    const NAME: &str = "grant_types";
    let Some(texts) = members.texts(NAME)? else { return Ok([GrantType::AuthorizationCode].into()) };
    let read = |text: &String| {
        GrantType::parse(text).ok_or_else(|| {
            RegistrationError::new(NAME, "must be of authorization_code, refresh_token and client_credentials")
        })
    };
    texts.iter().map(read).collect()
}

fn keys(members: &Members<'_>) -> Result<ClientKeys, RegistrationError> {
    let uri = members.parsed("jwks_uri", |text| WebUri::parse(text).map_err(|bad| bad.to_string()))?;
    match (members.get("jwks"), uri) {
        (None, None) => Ok(ClientKeys::None),
        (None, Some(uri)) => Ok(ClientKeys::Fetched(uri)),
        (Some(_), Some(_)) => Err(RegistrationError::new("jwks", "and jwks_uri exclude each other")),
        (Some(jwks), None) => match RegisteredKeys::parse(jwks.clone()) {
            Ok(keys)
                if keys.keys().is_empty()
                    && KeyManagement::ALL.iter().all(|way| keys.keys().to_encrypt(*way).is_none()) =>
            {
                Err(RegistrationError::new(
                    "jwks",
                    "holds no key for ES256, ES384, EdDSA, RS256 or PS256, and none to encrypt with",
                ))
            }
            Ok(keys) => Ok(ClientKeys::Registered(keys)),
            Err(bad) => Err(RegistrationError::new("jwks", format!("is refused: {bad}"))),
        },
    }
}

/// Where nothing is said, a client that signs people in may at least do that.
fn scope(members: &Members<'_>, grants: &BTreeSet<GrantType>) -> Result<Scope, RegistrationError> {
    let said = members.parsed("scope", |text| Scope::parse(text).map_err(|bad| bad.to_string()))?;
    let unsaid = ["openid"].into_iter().filter(|_| grants.contains(&GrantType::AuthorizationCode));
    Ok(said.unwrap_or_else(|| unsaid.collect()))
}

fn redirect_uris(
    members: &Members<'_>,
    name: &str,
    policy: RegistrationPolicy,
) -> Result<Vec<RedirectUri>, RegistrationError> {
    members.each(name, |text| {
        let read = match policy.localhost {
            Localhost::Refused => RedirectUri::parse(text),
            Localhost::Allowed => RedirectUri::parse_lenient(text),
        };
        read.map_err(|bad| bad.to_string())
    })
}

fn resources(members: &Members<'_>, name: &str) -> Result<Vec<Resource>, RegistrationError> {
    members.each(name, |text| Resource::parse(text).map_err(|bad| bad.to_string()))
}

/// For ID tokens RS256 where nothing is said, as OpenID Connect Registration §2 has it.
fn signing_alg(members: &Members<'_>, name: &str) -> Result<Option<Alg>, RegistrationError> {
    let read = |text| {
        Alg::parse(text).ok_or_else(|| RegistrationError::new(name, "must be ES256, ES384, EdDSA, RS256 or PS256"))
    };
    members.text(name)?.map(read).transpose()
}

fn responses(members: &Members<'_>) -> Result<Responses, RegistrationError> {
    Ok(Responses {
        id_token_encrypted: encrypted(members, "id_token_encrypted_response")?,
        userinfo_signed: signing_alg(members, "userinfo_signed_response_alg")?,
        userinfo_encrypted: encrypted(members, "userinfo_encrypted_response")?,
    })
}

/// How something is encrypted. The content encryption has a default in OpenID Connect Registration §2,
/// which we do not have: so it must be said.
fn encrypted(members: &Members<'_>, what: &str) -> Result<Option<KeyManagement>, RegistrationError> {
    let (alg, enc) = (format!("{what}_alg"), format!("{what}_enc"));
    let said = members.text(&enc)?;
    let Some(name) = members.text(&alg)? else {
        return match said {
            None => Ok(None),
            Some(_) => Err(RegistrationError::new(&enc, format!("needs {alg}"))),
        };
    };
    let way =
        KeyManagement::parse(name).ok_or_else(|| RegistrationError::new(&alg, "must be RSA-OAEP-256 or ECDH-ES"))?;
    match said {
        Some(CONTENT) => Ok(Some(way)),
        Some(_) | None => Err(RegistrationError::new(&enc, "must be A256GCM")),
    }
}

fn backchannel_logout(members: &Members<'_>) -> Result<Option<BackchannelLogout>, RegistrationError> {
    let uri = members.parsed("backchannel_logout_uri", |text| WebUri::parse(text).map_err(|bad| bad.to_string()))?;
    let session_required = members.flag("backchannel_logout_session_required")?;
    if uri.is_none() && session_required {
        return Err(RegistrationError::new("backchannel_logout_session_required", "needs a backchannel_logout_uri"));
    }
    Ok(uri.map(|uri| BackchannelLogout { uri, session_required }))
}
