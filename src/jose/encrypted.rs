//! A token that somebody encrypted for us, as far as it is read without a key (RFC 7516 §5.2, §7.1): its
//! size, its shape and its header. Nothing is decrypted here, and nothing is believed.
//!
//! The form is narrower than the standard: compact, one recipient, one layer, a signed token inside
//! (`cty`, RFC 7519 §5.2), a `kid` of ours. The header chooses no algorithm: it must name those that the key
//! of that name is for. There is no compression, no password and no symmetric key to ask for.

use super::{encrypting::CONTENT, json, verify::MAX_LENGTH};
use crate::base::digest::from_base64url;
use serde_json::{Map, Value};
use std::fmt;

/// The longest header, as it stands in the token: an ephemeral key and a few names fit four times over.
const MAX_HEADER: usize = 2048;

/// Why an encrypted token was not opened. All that is told before decryption is what its sender wrote in
/// clear; whatever goes wrong after that is one and the same (RFC 7516 §11.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOpened {
    /// More than 8 KiB.
    TooLong,
    /// Not five parts with four dots between them.
    NotCompact,
    /// A part is no base64url, or has padding or stray bits.
    NotBase64,
    /// The header is too long, no JSON object, holds a member twice or is nested too deeply.
    Header,
    /// The header holds `crit`, `b64` or `zip`.
    Critical,
    /// `cty` is not JWT: what is inside must be a signed token.
    ContentType,
    /// `kid` is absent, no text, or names no key of ours that decrypts.
    UnknownKey,
    /// `alg` or `enc` are not those of the key.
    Algorithm,
    /// It does not decrypt.
    Undecryptable,
}

impl NotOpened {
    /// For developers: what is wrong, in a few words, with nothing of the token in it.
    #[must_use]
    pub const fn because(self) -> &'static str {
        match self {
            Self::TooLong => "the encrypted token is longer than 8 KiB",
            Self::NotCompact => "the encrypted token is not a JWE in compact form: five parts between four dots",
            Self::NotBase64 => "a part of the encrypted token is not base64url without padding",
            Self::Header => "the header of the encrypted token is not a JSON object with each member once",
            Self::Critical => "the header of the encrypted token has crit, b64 or zip, which are not understood",
            Self::ContentType => "the header of the encrypted token must have cty JWT: a signed token is wanted inside",
            Self::UnknownKey => "the encrypted token names no key of this server that is to encrypt with",
            Self::Algorithm => "alg or enc of the encrypted token are not those of the key that it names",
            Self::Undecryptable => "the encrypted token does not decrypt",
        }
    }
}

impl fmt::Display for NotOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.because())
    }
}

impl std::error::Error for NotOpened {}

/// Whether a text has the five parts of an encrypted token, rather than the three of a signed one.
#[must_use]
pub fn is_encrypted(text: &str) -> bool {
    text.len() <= MAX_LENGTH && dots(text) == 4
}

fn dots(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'.').count()
}

/// An encrypted token, read and not yet decrypted.
pub struct Encrypted<'t> {
    /// The header as it stands in the token: what is authenticated besides the content.
    pub(super) protected: &'t str,
    pub(super) header: Map<String, Value>,
    pub(super) key: Vec<u8>,
    pub(super) iv: Vec<u8>,
    pub(super) content: Vec<u8>,
    pub(super) tag: Vec<u8>,
    kid: String,
}

impl<'t> Encrypted<'t> {
    /// Reads a token: size and number of dots first, then the header, then what makes it one of ours.
    ///
    /// # Errors
    /// [`NotOpened`]: the first rule that it breaks; never [`NotOpened::Undecryptable`].
    pub fn read(token: &'t str) -> Result<Self, NotOpened> {
        if token.len() > MAX_LENGTH {
            return Err(NotOpened::TooLong);
        }
        if dots(token) != 4 {
            return Err(NotOpened::NotCompact);
        }
        let mut parts = token.split('.');
        let mut part = || parts.next().ok_or(NotOpened::NotCompact);
        let (protected, key, iv, content, tag) = (part()?, part()?, part()?, part()?, part()?);
        if protected.len() > MAX_HEADER {
            return Err(NotOpened::Header);
        }
        let bytes = |part: &str| from_base64url(part).ok_or(NotOpened::NotBase64);
        let header = json::object(&bytes(protected)?).map_err(|_| NotOpened::Header)?;
        if ["crit", "b64", "zip"].iter().any(|extension| header.contains_key(*extension)) {
            return Err(NotOpened::Critical);
        }
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        if !text("cty").is_some_and(|cty| cty.eq_ignore_ascii_case("JWT")) {
            return Err(NotOpened::ContentType);
        }
        if text("enc") != Some(CONTENT) {
            return Err(NotOpened::Algorithm);
        }
        let kid = text("kid").ok_or(NotOpened::UnknownKey)?.to_owned();
        let (key, iv, content, tag) = (bytes(key)?, bytes(iv)?, bytes(content)?, bytes(tag)?);
        Ok(Self { protected, header, key, iv, content, tag, kid })
    }

    /// The name of the key that it says it is encrypted with.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What the header says is its algorithm.
    pub(super) fn alg(&self) -> Option<&str> {
        self.header.get("alg").and_then(Value::as_str)
    }

    /// What one of the parties put into the agreement (RFC 7518 §4.6.1.2, §4.6.1.3): empty where it is absent.
    pub(super) fn party(&self, name: &str) -> Option<Vec<u8>> {
        match self.header.get(name) {
            None => Some(Vec::new()),
            Some(value) => value.as_str().and_then(from_base64url),
        }
    }
}

impl fmt::Debug for Encrypted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypted").field("bytes", &self.content.len()).finish_non_exhaustive()
    }
}
