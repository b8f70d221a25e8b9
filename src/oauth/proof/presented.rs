//! What a request shows to prove its client: exactly one method (RFC 6749 §2.3).

use crate::{
    base::{id::ClientId, secret::Secret},
    jose::peek_subject,
    oauth::{
        client::AuthMethod,
        code::ErrorCode::{InvalidClient, InvalidRequest},
        params::{Params, decode},
        refusal::{Refusal, refuse},
    },
};
use base64::{Engine, prelude::BASE64_STANDARD};

/// The value of `client_assertion_type` (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Most bytes of an `Authorization` field that are looked at.
const MAX_FIELD: usize = 8192;

/// One method of client authentication, as presented; nothing is proven.
#[derive(Clone, Debug)]
pub enum Presented {
    /// `Authorization: Basic`.
    Basic {
        /// Who it claims to be.
        id: ClientId,
        /// The secret.
        secret: Secret<String>,
    },
    /// `client_id` and `client_secret` in the body.
    Post {
        /// Who it claims to be.
        id: ClientId,
        /// The secret.
        secret: Secret<String>,
    },
    /// `client_assertion`.
    Assertion {
        /// Whom the assertion says it is of, unverified: to find the keys.
        id: ClientId,
        /// The assertion.
        jwt: Secret<String>,
    },
    /// `client_id` alone.
    Nothing {
        /// Who it claims to be.
        id: ClientId,
    },
}

impl Presented {
    /// Reads the `Authorization` field and the body. `client_id` beside another method is fine
    /// where it names the same client.
    ///
    /// # Errors
    /// `invalid_request` for more than one method, for names that differ, and for half a method;
    /// `invalid_client` where there is none, or one that we do not have.
    pub fn parse(authorization: Option<&str>, params: &Params) -> Result<Self, Refusal> {
        let named = params.once("client_id")?.map(identifier).transpose()?;
        let secret = params.once("client_secret")?;
        let assertion = params.once("client_assertion")?;
        let kind = params.once("client_assertion_type")?;
        let asserts = assertion.is_some() || kind.is_some();
        match (authorization, secret, asserts) {
            (Some(field), None, false) => basic(field)?.agrees(named),
            (None, Some(secret), false) => {
                let id = named.ok_or_else(|| Refusal::new(InvalidRequest, "client_id is missing"))?;
                Ok(Self::Post { id, secret: Secret::new(secret.to_owned()) })
            }
            (None, None, true) => self::assertion(assertion, kind)?.agrees(named),
            (None, None, false) => match named {
                Some(id) => Ok(Self::Nothing { id }),
                None => refuse(InvalidClient, "client authentication is missing"),
            },
            _ => refuse(InvalidRequest, "more than one method of client authentication was sent"),
        }
    }

    /// Who it claims to be.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        match self {
            Self::Basic { id, .. } | Self::Post { id, .. } | Self::Assertion { id, .. } | Self::Nothing { id } => id,
        }
    }

    /// Which method it is.
    #[must_use]
    pub const fn method(&self) -> AuthMethod {
        match self {
            Self::Basic { .. } => AuthMethod::ClientSecretBasic,
            Self::Post { .. } => AuthMethod::ClientSecretPost,
            Self::Assertion { .. } => AuthMethod::PrivateKeyJwt,
            Self::Nothing { .. } => AuthMethod::None,
        }
    }

    fn agrees(self, named: Option<ClientId>) -> Result<Self, Refusal> {
        if named.is_some_and(|named| named != *self.client_id()) {
            return refuse(InvalidRequest, "client_id is not the client that authenticates");
        }
        Ok(self)
    }
}

fn identifier(text: &str) -> Result<ClientId, Refusal> {
    ClientId::parse(text).ok_or_else(failed)
}

/// As for a client that does not exist: an identifier that cannot be one is nobody's.
fn failed() -> Refusal {
    Refusal::new(InvalidClient, "client authentication failed")
}

/// RFC 6749 §2.3.1: identifier and secret are form-encoded, then joined by a colon.
fn basic(field: &str) -> Result<Presented, Refusal> {
    let (scheme, rest) = field.split_once(' ').unwrap_or((field, ""));
    if !scheme.eq_ignore_ascii_case("Basic") {
        return refuse(InvalidClient, "the Authorization field must be of the scheme Basic");
    }
    let rest = rest.trim_matches(' ');
    if rest.len() > MAX_FIELD {
        return Err(failed());
    }
    let malformed = || Refusal::new(InvalidClient, "the Authorization field is not base64 of client_id:client_secret");
    let bytes = BASE64_STANDARD.decode(rest).map_err(|_| malformed())?;
    let colon = bytes.iter().position(|b| *b == b':').ok_or_else(malformed)?;
    let (id, secret) = bytes.split_at(colon);
    let id = decode(id).map_err(|_| malformed())?;
    let secret = decode(secret.strip_prefix(b":").unwrap_or_default()).map_err(|_| malformed())?;
    Ok(Presented::Basic { id: identifier(&id)?, secret: Secret::new(secret) })
}

fn assertion(assertion: Option<&str>, kind: Option<&str>) -> Result<Presented, Refusal> {
    let Some(jwt) = assertion else {
        return refuse(InvalidRequest, "client_assertion is missing");
    };
    match kind {
        Some(JWT_BEARER) => {}
        Some(_) => return refuse(InvalidRequest, format!("client_assertion_type must be {JWT_BEARER}")),
        None => return refuse(InvalidRequest, format!("client_assertion_type is missing: send {JWT_BEARER}")),
    }
    // About the shape of a token in the sender's own hand, so it may be told what is wrong.
    let subject = peek_subject(jwt).map_err(|bad| Refusal::new(InvalidClient, bad.because()))?;
    Ok(Presented::Assertion { id: identifier(&subject)?, jwt: Secret::new(jwt.to_owned()) })
}
