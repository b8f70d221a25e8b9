//! A set of public keys (RFC 7517 §5), and the one way to choose among them: by our own
//! knowledge and the token's header, never by what the token claims.

use super::{
    alg::Scheme,
    encrypting::{EncryptingKey, KeyManagement},
    json,
    verifying::{BadKey, VerifyingKey},
};
use serde_json::Value;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The largest text of a set, in bytes.
pub const MAX_TEXT: usize = 64 * 1024;
/// The largest set.
pub const MAX_KEYS: usize = 32;

/// Why a text is no usable key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadKeySet {
    /// More than 64 KiB.
    TooLong,
    /// No JSON, no object, a member twice, or no list `keys`.
    NotASet,
    /// More than 32 keys.
    TooMany,
    /// One of the keys must not be there.
    Key(BadKey),
}

impl BadKeySet {
    /// For developers.
    #[must_use]
    pub const fn because(self) -> &'static str {
        match self {
            Self::TooLong => "the key set is longer than 64 KiB",
            Self::NotASet => "the key set must be a JSON object, each member once, with a list `keys`",
            Self::TooMany => "the key set holds more than 32 keys",
            Self::Key(key) => key.because(),
        }
    }
}

impl fmt::Display for BadKeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.because())
    }
}

impl std::error::Error for BadKeySet {}

/// Public keys to verify with, and to encrypt with.
#[derive(Debug, Default)]
pub struct KeySet {
    verifying: Vec<VerifyingKey>,
    encrypting: Vec<EncryptingKey>,
    /// Names of keys that are gone, and where it is counted that a token names one.
    gone: Vec<(String, Arc<AtomicU64>)>,
}

impl KeySet {
    /// Reads the text of a set, as fetched.
    ///
    /// RFC 7517 §5: keys of types, algorithms or uses that we do not know are passed over. A
    /// private, symmetric, weak or malformed key condemns the set, so that its owner hears of it.
    ///
    /// # Errors
    /// [`BadKeySet`], which says why not.
    pub fn parse(text: &[u8]) -> Result<Self, BadKeySet> {
        if text.len() > MAX_TEXT {
            return Err(BadKeySet::TooLong);
        }
        let set = json::value(text).map_err(|_| BadKeySet::NotASet)?;
        Self::from_value(&set)
    }

    /// Reads a set that is already JSON, such as `jwks` in a client's metadata. As [`KeySet::parse`].
    ///
    /// # Errors
    /// [`BadKeySet`], which says why not.
    pub fn from_value(set: &Value) -> Result<Self, BadKeySet> {
        let list = set.get("keys").and_then(Value::as_array).ok_or(BadKeySet::NotASet)?;
        if list.len() > MAX_KEYS {
            return Err(BadKeySet::TooMany);
        }
        let mut keys = Self::default();
        for jwk in list {
            keys.verifying.extend(unless_foreign(VerifyingKey::from_jwk(jwk))?);
            keys.encrypting.extend(unless_foreign(EncryptingKey::from_jwk(jwk))?);
        }
        Ok(keys)
    }

    /// Counts from now on how often a token names one of these, which are not here any more. Nothing
    /// verifies that: whoever makes a token names what they like in it.
    pub fn count_gone(&mut self, gone: impl IntoIterator<Item = (String, Arc<AtomicU64>)>) {
        self.gone = gone.into_iter().collect();
    }

    /// Counts a token that named a key that is not here.
    pub fn missed(&self, kid: Option<&str>) {
        let Some(kid) = kid else { return };
        if let Some((_, count)) = self.gone.iter().find(|(gone, _)| gone == kid) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many keys to verify with it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.verifying.len()
    }

    /// Whether it holds no key to verify with.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.verifying.is_empty()
    }

    /// Whether it holds a key of this name, whatever its algorithm.
    #[must_use]
    pub fn names(&self, kid: &str) -> bool {
        self.verifying.iter().any(|key| key.kid() == Some(kid))
    }

    /// The one key that fits the scheme and, where the token names one, the name. `None` where
    /// there is none, and also where there are several: a guess would be the attacker's to steer.
    #[must_use]
    pub fn find(&self, kid: Option<&str>, scheme: Scheme) -> Option<&VerifyingKey> {
        let mut fitting = self.verifying.iter().filter(|key| key.fits(scheme) && (kid.is_none() || key.kid() == kid));
        let found = fitting.next();
        if fitting.next().is_some() { None } else { found }
    }

    /// The key to encrypt with in this way, for whoever the set is of: of several the first, as they
    /// can read by each.
    #[must_use]
    pub fn to_encrypt(&self, way: KeyManagement) -> Option<&EncryptingKey> {
        self.encrypting.iter().find(|key| key.way() == way)
    }
}

/// The key, if it is one; none of a kind that is passed over.
fn unless_foreign<K>(read: Result<K, BadKey>) -> Result<Option<K>, BadKeySet> {
    match read {
        Ok(key) => Ok(Some(key)),
        Err(BadKey::Foreign) => Ok(None),
        Err(bad @ (BadKey::Private | BadKey::Symmetric | BadKey::Weak | BadKey::Costly | BadKey::Malformed)) => {
            Err(BadKeySet::Key(bad))
        }
    }
}

impl FromIterator<VerifyingKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        Self { verifying: keys.into_iter().collect(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests;
