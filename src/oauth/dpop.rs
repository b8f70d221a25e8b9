//! Proofs of possession (RFC 9449): a token, or an API key, is shown together with a proof, made for
//! this one request, that whoever shows it holds a private key. A token that was stolen alone is
//! then of no use.
//!
//! A proof is good once. That is for the caller to see to: [`Proof::name`] until [`Proof::until`].

use super::{code::ErrorCode::InvalidDpopProof, refusal::Refusal};
use crate::{
    base::{
        digest::{base64url, sha256},
        moment::{Moment, Span},
    },
    jose::{BadToken, Scheme, verify_embedded},
};
use std::fmt;
use url::Url;

/// How old a proof may be.
const OLDEST: Span = Span::seconds(60);
/// How far in the future it may be, for clocks differ.
const EARLIEST: Span = Span::seconds(30);
/// Most bytes of `jti`.
const MAX_NAME: usize = 256;

/// The algorithms that a proof may be signed with, as metadata and challenges name them.
#[must_use]
pub fn algs() -> Vec<&'static str> {
    Scheme::ALL.iter().map(|scheme| scheme.name()).collect()
}

/// The field `DPoP` of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Field<'a> {
    /// There is none.
    #[default]
    Absent,
    /// This.
    One(&'a str),
    /// Several, or one that is no text.
    Unreadable,
}

/// What a request shows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown<'a> {
    /// The field.
    pub field: Field<'a>,
    /// The method of the request.
    pub method: &'a str,
    /// Where it was sent: scheme, host, port and path as clients know them.
    pub uri: String,
}

/// A proof that is good, if it was not used before.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof {
    /// The thumbprint of its key (RFC 7638).
    pub jkt: String,
    /// What is remembered of it.
    pub name: [u8; 32],
    /// Until when: then it is too old.
    pub until: Moment,
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proof({})", self.jkt)
    }
}

/// Why a proof is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadProof {
    /// There is more than one, or it is no text.
    Unreadable,
    /// As a token.
    Token(BadToken),
    /// It lacks `jti`, `htm`, `htu` or `iat`, or `jti` is empty or too long.
    Lacks,
    /// It is for another method.
    Method,
    /// It is for another place.
    Uri,
    /// It is too old, or from the future.
    Time,
    /// It is for another access token, or for none.
    Hash,
    /// It was used before.
    Used,
}

impl BadProof {
    /// For developers.
    #[must_use]
    pub const fn because(&self) -> &'static str {
        match self {
            Self::Unreadable => "the field DPoP must be there once, and hold one proof",
            Self::Token(bad) => bad.because(),
            Self::Lacks => "the DPoP proof must have jti of 1 to 256 characters, htm, htu and iat",
            Self::Method => "the DPoP proof is for another method",
            Self::Uri => "the DPoP proof is for another URI",
            Self::Time => "the DPoP proof is older than a minute, or from the future",
            Self::Hash => "the DPoP proof lacks the hash of what is shown with it, or has another",
            Self::Used => "the DPoP proof was used before",
        }
    }
}

impl From<BadProof> for Refusal {
    fn from(bad: BadProof) -> Self {
        Self::new(InvalidDpopProof, bad.because())
    }
}

/// Judges the proof of a request (RFC 9449 §4.3); `None` where it shows none. `credential` is the
/// access token or key that is shown with it, if one is.
///
/// # Errors
/// [`BadProof`]: the first rule that it breaks.
pub fn judge(shown: &Shown<'_>, credential: Option<&str>, now: Moment) -> Result<Option<Proof>, BadProof> {
    let text = match shown.field {
        Field::Absent => return Ok(None),
        Field::Unreadable => return Err(BadProof::Unreadable),
        Field::One(text) => text,
    };
    let proof = verify_embedded("dpop+jwt", text).map_err(BadProof::Token)?;
    let claims = &proof.claims;
    let (Some(jti), Some(method), Some(uri), Some(made)) =
        (claims.str("jti"), claims.str("htm"), claims.str("htu"), claims.moment("iat"))
    else {
        return Err(BadProof::Lacks);
    };
    if !(1..=MAX_NAME).contains(&jti.len()) {
        return Err(BadProof::Lacks);
    }
    if method != shown.method {
        return Err(BadProof::Method);
    }
    if normal(uri).is_none_or(|uri| normal(&shown.uri) != Some(uri)) {
        return Err(BadProof::Uri);
    }
    let until = made + OLDEST;
    if now >= until.min(claims.until()) || made > now + EARLIEST {
        return Err(BadProof::Time);
    }
    if let Some(credential) = credential
        && claims.str("ath") != Some(base64url(&sha256(credential.as_bytes())).as_str())
    {
        return Err(BadProof::Hash);
    }
    Ok(Some(Proof { name: sha256(jti.as_bytes()), jkt: proof.jkt, until }))
}

/// A place without query and fragment, as RFC 3986 §6.2.2 and §6.2.3 compare it: host in lower case, no
/// default port, no dot segments. `None` for what is no place on the web, or names a user.
fn normal(uri: &str) -> Option<String> {
    let mut url = Url::parse(uri).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    url.set_query(None);
    url.set_fragment(None);
    Some(url.into())
}

#[cfg(test)]
mod tests;
