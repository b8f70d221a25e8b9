//! A public key in hand, ready to verify: ours or one that a client registered (RFC 7517, RFC 7518 §6, RFC 8037 §2).
//!
//! josekit is handed a key built anew from checked numbers, so nothing else of a stranger's JWK
//! (`x5c`, `x5u`, members unknown to us) ever reaches a parser.

use super::alg::Scheme;
use crate::base::digest::{base64url, from_base64url};
use josekit::{
    JoseError,
    jwk::Jwk,
    jws::{ES256, ES384, EdDSA, JwsVerifier, PS256, RS256},
};
use serde_json::{Map, Value};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The members in which private and symmetric keys keep what is secret (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// How many bits the modulus of an RSA key may have: fewer are weak, more are a burden.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The most bytes that the modulus of an RSA key may have which a token brings along: more only cost us time.
const BROUGHT_RSA: usize = 4096 / 8;

/// The smallest public exponent: below it lie the attacks on short messages and sloppy padding.
const SMALLEST_EXPONENT: u64 = 65_537;

/// Why a JWK is no key to verify with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadKey {
    /// Another type, curve, algorithm or use: a set may hold such keys, and they are passed over.
    Foreign,
    /// It holds the private half, which must never be handed to anybody.
    Private,
    /// A shared secret, which nobody can verify with who may not also sign.
    Symmetric,
    /// RSA outside 2048 to 8192 bits, or with a public exponent that is even or below 65537.
    Weak,
    /// RSA that a token brought along, beyond 4096 bits or with another public exponent than 65537: whoever brings
    /// it chooses what it costs us to verify.
    Costly,
    /// A member is absent, of another type or of another length, or the point is not on the curve, or is one
    /// with which anybody could sign.
    Malformed,
}

impl BadKey {
    /// For developers.
    #[must_use]
    pub const fn because(self) -> &'static str {
        match self {
            Self::Foreign => {
                "the key is for another algorithm or use: ES256, ES384, EdDSA, RS256 and PS256 are understood"
            }
            Self::Private => "the key set holds a private key: publish the public half alone, and replace this key",
            Self::Symmetric => "the key set holds a symmetric key, which must never be published",
            Self::Weak => "an RSA key must have 2048 to 8192 bits and an odd public exponent of at least 65537",
            Self::Costly => {
                "an RSA key that a token brings along must have at most 4096 bits and the public exponent 65537"
            }
            Self::Malformed => "a member of a key is absent or malformed, or its point is none of a key",
        }
    }
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.because())
    }
}

impl std::error::Error for BadKey {}

/// A public key with its verifiers made ready. Shared between threads.
pub struct VerifyingKey {
    kid: Option<String>,
    signature_len: usize,
    verifiers: Vec<(Scheme, Box<dyn JwsVerifier>)>,
    seen: Arc<AtomicU64>,
}

impl VerifyingKey {
    /// Takes a public JWK.
    ///
    /// # Errors
    /// [`BadKey`], which says why not.
    pub fn from_jwk(jwk: &Value) -> Result<Self, BadKey> {
        let jwk = jwk.as_object().ok_or(BadKey::Malformed)?;
        let kty = text(jwk, "kty")?.ok_or(BadKey::Malformed)?;
        if kty == "oct" {
            return Err(BadKey::Symmetric);
        }
        if SECRET_MEMBERS.iter().any(|member| jwk.contains_key(*member)) {
            return Err(BadKey::Private);
        }
        let kid = text(jwk, "kid")?.map(str::to_owned);
        let (possible, signature_len, public): (&[Scheme], _, _) = match kty {
            "EC" if text(jwk, "crv")? == Some("P-384") => {
                (&[Scheme::Es384], 96, point(jwk, ("P-384", 48), &["x", "y"])?)
            }
            "EC" => (&[Scheme::Es256], 64, point(jwk, ("P-256", 32), &["x", "y"])?),
            "OKP" => {
                let public = point(jwk, ("Ed25519", 32), &["x"])?;
                of_large_order(&bytes(jwk, "x")?)?;
                (&[Scheme::EdDsa], 64, public)
            }
            "RSA" => {
                let (size, public) = modulus(jwk)?;
                (&[Scheme::Rs256, Scheme::Ps256], size, public)
            }
            _ => return Err(BadKey::Foreign),
        };
        let mut verifiers = Vec::with_capacity(possible.len());
        for scheme in fitting(jwk, possible)? {
            verifiers.push((scheme, verifier(scheme, &public).map_err(|_| BadKey::Malformed)?));
        }
        Ok(Self { kid, signature_len, verifiers, seen: Arc::default() })
    }

    /// Takes the public JWK that a token brought along, which may be anybody's.
    ///
    /// # Errors
    /// As [`VerifyingKey::from_jwk`]; [`BadKey::Costly`].
    pub fn from_brought_jwk(jwk: &Value) -> Result<Self, BadKey> {
        let key = Self::from_jwk(jwk)?;
        let members = jwk.as_object().ok_or(BadKey::Malformed)?;
        // Of the other types all keys cost the same.
        let usual = !members.contains_key("n") || exponent(members)? == SMALLEST_EXPONENT;
        if usual && key.signature_len <= BROUGHT_RSA { Ok(key) } else { Err(BadKey::Costly) }
    }

    /// The same key, of which it is counted here how often a good signature by it was met.
    #[must_use]
    pub fn counted(self, seen: Arc<AtomicU64>) -> Self {
        Self { seen, ..self }
    }

    /// Counts a good signature by it.
    pub(super) fn met(&self) {
        self.seen.fetch_add(1, Ordering::Relaxed);
    }

    /// Its name, where it has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether signatures of this scheme can be verified with it.
    #[must_use]
    pub fn fits(&self, scheme: Scheme) -> bool {
        self.verifiers.iter().any(|(own, _)| *own == scheme)
    }

    /// How many bytes a signature by this key has.
    pub(super) const fn signature_len(&self) -> usize {
        self.signature_len
    }

    /// Whether the signature is good. A wrong length is refused before any arithmetic.
    pub(super) fn accepts(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
        signature.len() == self.signature_len
            && self
                .verifiers
                .iter()
                .any(|(own, verifier)| *own == scheme && verifier.verify(message, signature).is_ok())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.kid.as_deref().unwrap_or("no kid"))
    }
}

/// The schemes this key may be used with: its `alg` narrows them, `use` and `key_ops` may forbid all.
fn fitting(jwk: &Map<String, Value>, possible: &[Scheme]) -> Result<Vec<Scheme>, BadKey> {
    if text(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(BadKey::Foreign);
    }
    if let Some(operations) = jwk.get("key_ops") {
        let operations = operations.as_array().ok_or(BadKey::Malformed)?;
        if !operations.iter().any(|operation| operation.as_str() == Some("verify")) {
            return Err(BadKey::Foreign);
        }
    }
    let Some(name) = text(jwk, "alg")? else { return Ok(possible.to_vec()) };
    let named = Scheme::parse(name).filter(|scheme| possible.contains(scheme));
    named.map(|scheme| vec![scheme]).ok_or(BadKey::Foreign)
}

/// A text member: absent, or a string.
pub(super) fn text<'a>(jwk: &'a Map<String, Value>, member: &str) -> Result<Option<&'a str>, BadKey> {
    jwk.get(member).map(|value| value.as_str().ok_or(BadKey::Malformed)).transpose()
}

fn bytes(jwk: &Map<String, Value>, member: &str) -> Result<Vec<u8>, BadKey> {
    text(jwk, member)?.and_then(from_base64url).ok_or(BadKey::Malformed)
}

/// A point on one curve. RFC 7518 §6.2.1.2 and RFC 8037 §2: its coordinates have exactly as many
/// bytes as the curve says, leading zeros included.
pub(super) fn point(
    jwk: &Map<String, Value>,
    (curve, size): (&str, usize),
    coordinates: &[&str],
) -> Result<Jwk, BadKey> {
    if text(jwk, "crv")?.ok_or(BadKey::Malformed)? != curve {
        return Err(BadKey::Foreign);
    }
    let mut public = Jwk::new(text(jwk, "kty")?.ok_or(BadKey::Malformed)?);
    set(&mut public, "crv", curve.to_owned())?;
    for coordinate in coordinates {
        let value = bytes(jwk, coordinate)?;
        if value.len() != size {
            return Err(BadKey::Malformed);
        }
        set(&mut public, coordinate, base64url(&value))?;
    }
    Ok(public)
}

/// The ordinates of the points of Ed25519 whose order is 1, 2, 4 or 8, least byte first, without their signs.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
];

/// Refuses a point of Ed25519 with which anybody could sign: OpenSSL verifies with points of small
/// order, for which a signature of no private key is good. Ordinates past the prime are another way
/// to write some of them, and are refused with them (RFC 8032 §5.1.3).
fn of_large_order(point: &[u8]) -> Result<(), BadKey> {
    let mut ordinate: [u8; 32] = point.try_into().map_err(|_| BadKey::Malformed)?;
    let [first, middle @ .., last] = &mut ordinate;
    *last &= 0x7f;
    if *first >= 0xed && *last == 0x7f && middle.iter().all(|byte| *byte == 0xff) {
        return Err(BadKey::Malformed);
    }
    if SMALL_ORDER.contains(&ordinate) { Err(BadKey::Malformed) } else { Ok(()) }
}

/// An RSA key and the length of its modulus in bytes. Leading zeros, which some libraries write
/// in front of the modulus, are dropped.
pub(super) fn modulus(jwk: &Map<String, Value>) -> Result<(usize, Jwk), BadKey> {
    let (n, exponent) = (bytes(jwk, "n")?, exponent(jwk)?);
    let n: Vec<u8> = n.into_iter().skip_while(|byte| *byte == 0).collect();
    let leading = n.first().ok_or(BadKey::Malformed)?.leading_zeros();
    let bits = n.len().saturating_mul(8).saturating_sub(usize::try_from(leading).unwrap_or(0));
    if !RSA_BITS.contains(&bits) || exponent < SMALLEST_EXPONENT || exponent % 2 == 0 {
        return Err(BadKey::Weak);
    }
    // A product of two odd primes is odd.
    if n.last().is_none_or(|last| last % 2 == 0) {
        return Err(BadKey::Malformed);
    }
    let mut public = Jwk::new("RSA");
    set(&mut public, "n", base64url(&n))?;
    let e: Vec<u8> = exponent.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    set(&mut public, "e", base64url(&e))?;
    Ok((n.len(), public))
}

/// The public exponent of an RSA key.
fn exponent(jwk: &Map<String, Value>) -> Result<u64, BadKey> {
    let read = bytes(jwk, "e")?.iter().try_fold(0u64, |sum, byte| sum.checked_mul(256)?.checked_add(u64::from(*byte)));
    read.ok_or(BadKey::Malformed)
}

fn set(jwk: &mut Jwk, member: &str, value: String) -> Result<(), BadKey> {
    jwk.set_parameter(member, Some(Value::String(value))).map_err(|_| BadKey::Malformed)
}

fn verifier(scheme: Scheme, public: &Jwk) -> Result<Box<dyn JwsVerifier>, JoseError> {
    Ok(match scheme {
        Scheme::Es256 => Box::new(ES256.verifier_from_jwk(public)?),
        Scheme::Es384 => Box::new(ES384.verifier_from_jwk(public)?),
        Scheme::EdDsa => Box::new(EdDSA.verifier_from_jwk(public)?),
        Scheme::Rs256 => Box::new(RS256.verifier_from_jwk(public)?),
        Scheme::Ps256 => Box::new(PS256.verifier_from_jwk(public)?),
    })
}
