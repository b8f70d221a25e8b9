//! Digests: of secrets that we store, and of values that tokens carry.
//!
//! Our secrets have 256 bits, so a fast keyed hash is right for them (ASVS 6.5.2); people's
//! passwords never come here, they get Argon2id in `account`.

use super::secret::{Secret, same};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// The keyed hash of a secret, as stored. Compared in constant time.
#[derive(Clone, Copy, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// From a stored column.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
    /// For a column.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }
}

impl std::hash::Hash for TokenHash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hash]")
    }
}

/// The key under which stored hashes are made: a stolen database is no oracle, and a writer of
/// the database cannot plant a secret that they know. Its schedule is kept ready, so that a
/// hash costs two compressions.
#[derive(Clone)]
pub struct Pepper {
    version: i16,
    ready: Hmac<Sha256>,
}

impl Pepper {
    /// The version of a pepper, as stored beside its hashes, and its key.
    #[must_use]
    pub fn new(version: i16, key: &Secret<[u8; 32]>) -> Self {
        Self { version, ready: keyed(key.expose()) }
    }
    /// The version, as stored beside each hash.
    #[must_use]
    pub const fn version(&self) -> i16 {
        self.version
    }
    /// HMAC-SHA-256 of the whole text of a secret.
    #[must_use]
    pub fn hash(&self, secret: &str) -> TokenHash {
        let mut mac = self.ready.clone();
        mac.update(secret.as_bytes());
        TokenHash(mac.finalize().into_bytes().into())
    }
}

impl std::fmt::Debug for Pepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pepper(version {})", self.version)
    }
}

/// HMAC-SHA-256 (RFC 2104) as others have made it: over nothing but a text, under a key of any length.
#[derive(Clone)]
pub struct ForeignMac(Hmac<Sha256>);

impl ForeignMac {
    /// Under this key.
    #[must_use]
    pub fn new(key: &Secret<Vec<u8>>) -> Self {
        Self(keyed(key.expose()))
    }
    /// The value for this text.
    #[must_use]
    pub fn of(&self, text: &str) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for ForeignMac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ForeignMac")
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // HMAC takes a key of any length: one of more than a block is hashed first.
    <Hmac<Sha256> as KeyInit>::new_from_slice(key)
        .unwrap_or_else(|_| <Hmac<Sha256> as KeyInit>::new(&Default::default()))
}

/// HMAC-SHA-256 over several parts, each preceded by its length so that no two lists of parts
/// give the same input.
#[must_use]
pub fn hmac(key: &Secret<[u8; 32]>, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed(key.expose());
    for part in parts {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// A key of its own for each purpose, from one master key (HKDF-SHA-256, RFC 5869).
#[must_use]
pub fn derive(master: &Secret<[u8; 32]>, purpose: &str) -> Secret<[u8; 32]> {
    let mut out = [0u8; 32];
    let expanded = hkdf::Hkdf::<Sha256>::new(None, master.expose()).expand(purpose.as_bytes(), &mut out);
    debug_assert!(expanded.is_ok(), "32 bytes are within HKDF's limit");
    Secret::new(out)
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// SHA-384.
#[must_use]
pub fn sha384(bytes: &[u8]) -> [u8; 48] {
    Sha384::digest(bytes).into()
}

/// Hexadecimal digits, lower case (RFC 4648 §8 has them upper).
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len().saturating_mul(2)), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads hexadecimal digits of either case, two for each byte; `None` of anything else.
#[must_use]
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: char| c.to_digit(16).and_then(|d| u8::try_from(d).ok());
    let digits: Vec<u8> = text.chars().map(digit).collect::<Option<_>>()?;
    digits.chunks(2).map(|pair| if let [high, low] = pair { Some(high * 16 + low) } else { None }).collect()
}

/// base64 with padding (RFC 4648 §4).
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// base64url without padding (RFC 7515 §2).
#[must_use]
pub fn base64url(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads base64url without padding, strictly: no padding, no stray bits; `None` otherwise.
#[must_use]
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// Which hash goes with a signature algorithm in `at_hash` (OpenID Connect Core §3.1.3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfHash {
    /// For ES256, RS256, PS256.
    Sha256,
    /// For ES384.
    Sha384,
    /// For EdDSA with Ed25519.
    Sha512,
}

/// The left half of the hash of an ASCII value, base64url: `at_hash`, `c_hash`, `s_hash`.
#[must_use]
pub fn half_hash(with: HalfHash, value: &str) -> String {
    match with {
        HalfHash::Sha256 => left_half(&Sha256::digest(value.as_bytes())),
        HalfHash::Sha384 => left_half(&Sha384::digest(value.as_bytes())),
        HalfHash::Sha512 => left_half(&Sha512::digest(value.as_bytes())),
    }
}

fn left_half(hash: &[u8]) -> String {
    base64url(hash.split_at(hash.len() / 2).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_are_read_as_they_are_written_and_nothing_else_is() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(hex(&[0, 0x0f, 0xa0, 0xff]), "000fa0ff");
        assert_eq!((from_hex(&hex(&bytes)), from_hex("FFfa")), (Some(bytes), Some(vec![0xff, 0xfa])));
        for bad in ["0", "000", "0g", "0x00", " 00", "é0"] {
            assert_eq!(from_hex(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn at_hash_is_the_example_of_openid_connect_core() {
        // Core §A.3 / §A.4: the access token of the examples and its at_hash.
        assert_eq!(
            half_hash(HalfHash::Sha256, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"),
            "77QmUPtjPfzWtF2AnpK9RQ"
        );
    }

    #[test]
    fn a_pepper_changes_the_hash_and_parts_do_not_run_together() {
        let (a, b) = (Pepper::new(1, &Secret::new([1; 32])), Pepper::new(2, &Secret::new([2; 32])));
        assert!(a.hash("x") == a.hash("x"));
        assert!(a.hash("x") != b.hash("x"));
        let key = Secret::new([3; 32]);
        assert_ne!(hmac(&key, &[b"ab", b"c"]), hmac(&key, &[b"a", b"bc"]));
    }

    #[test]
    fn base64url_is_strict() {
        assert_eq!(from_base64url("AQ"), Some(vec![1]));
        for text in ["AQ==", "AR", "A+", "A Q"] {
            assert_eq!(from_base64url(text), None, "{text}");
        }
    }
}
