//! A key in hand, whatever it is for.

use crate::{
    base::{fault::Fault, id::KeyId, secret::Secret},
    jose::{DecryptingKey, Purpose, SigningKey},
};
use serde_json::Value;

/// A key in hand.
#[derive(Debug)]
pub enum InHand {
    /// One that signs.
    Signs(SigningKey),
    /// One that decrypts.
    Decrypts(DecryptingKey),
}

impl InHand {
    /// Makes a new private key for this purpose: PKCS#8, DER; one of RSA has so many bits.
    ///
    /// # Errors
    /// A [`Fault`] when OpenSSL cannot.
    pub fn generate(purpose: Purpose, rsa_bits: u32) -> Result<Secret<Vec<u8>>, Fault> {
        match purpose {
            Purpose::Signs(alg) => SigningKey::generate_sized(alg, rsa_bits),
            Purpose::Decrypts(way) => DecryptingKey::generate(way, rsa_bits),
        }
    }

    /// The name that a private key gets when it is new: the thumbprint of its public half (RFC 7638).
    ///
    /// # Errors
    /// As [`InHand::from_private`].
    pub fn name_of(purpose: Purpose, private: &Secret<Vec<u8>>) -> Result<KeyId, Fault> {
        match purpose {
            Purpose::Signs(alg) => SigningKey::name_of(alg, private),
            Purpose::Decrypts(way) => DecryptingKey::name_of(way, private),
        }
    }

    /// Takes a private key (PKCS#8, DER) under the name it already has.
    ///
    /// # Errors
    /// A [`Fault`] where it is no private key for this purpose.
    pub fn from_private(kid: KeyId, purpose: Purpose, private: &Secret<Vec<u8>>) -> Result<Self, Fault> {
        Ok(match purpose {
            Purpose::Signs(alg) => Self::Signs(SigningKey::from_private(kid, alg, private)?),
            Purpose::Decrypts(way) => Self::Decrypts(DecryptingKey::from_private(kid, way, private)?),
        })
    }

    /// Its name.
    #[must_use]
    pub const fn kid(&self) -> &KeyId {
        match self {
            Self::Signs(key) => key.kid(),
            Self::Decrypts(key) => key.kid(),
        }
    }

    /// What it is for.
    #[must_use]
    pub const fn purpose(&self) -> Purpose {
        match self {
            Self::Signs(key) => Purpose::Signs(key.alg()),
            Self::Decrypts(key) => Purpose::Decrypts(key.way()),
        }
    }

    /// Its public half, as it stands in the published set (RFC 7517 §4).
    #[must_use]
    pub const fn public_jwk(&self) -> &Value {
        match self {
            Self::Signs(key) => key.public_jwk(),
            Self::Decrypts(key) => key.public_jwk(),
        }
    }

    /// The key, where it signs.
    pub(super) const fn signing(&self) -> Option<&SigningKey> {
        match self {
            Self::Signs(key) => Some(key),
            Self::Decrypts(_) => None,
        }
    }

    /// The key, where it decrypts.
    pub(super) const fn decrypting(&self) -> Option<&DecryptingKey> {
        match self {
            Self::Signs(_) => None,
            Self::Decrypts(key) => Some(key),
        }
    }
}

impl From<SigningKey> for InHand {
    fn from(key: SigningKey) -> Self {
        Self::Signs(key)
    }
}
