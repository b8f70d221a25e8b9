//! Private keys that were made elsewhere, as operators bring them: PEM (PKCS#8, also encrypted; PKCS#1;
//! SEC 1), or a JWK (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
//!
//! What cannot sign well is refused with the reason: a key is trusted by everybody for months.

use super::{Alg, json};
use crate::base::{digest::from_base64url, secret::Secret};
use openssl::{
    bn::BigNum,
    ec::{EcGroup, EcKey},
    error::ErrorStack,
    nid::Nid,
    pkey::{Id, PKey, Private},
    rsa::RsaPrivateKeyBuilder,
};
use serde_json::{Map, Value};
use std::fmt;

/// The largest text that is read, in bytes.
pub const MAX_TEXT: usize = 64 * 1024;
/// How many bits the modulus of an RSA key may have.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;
/// The smallest public exponent.
const SMALLEST_EXPONENT: u32 = 65_537;

/// Why a text is no private key to sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadImport {
    /// It is neither PEM nor a JWK, or it is cut short.
    Malformed,
    /// It is encrypted, and no passphrase was given.
    Encrypted,
    /// It does not open with this passphrase.
    WrongPassphrase,
    /// It is a public key or a certificate.
    Public,
    /// It holds more than one private key.
    Several,
    /// It is of a curve or a kind that no algorithm of ours is for.
    Foreign,
    /// RSA outside 2048 to 8192 bits, or with a public exponent below 65537 or of more than 64 bits.
    Weak,
    /// Its public half does not belong to its private half.
    Inconsistent,
    /// It is of another kind than the algorithm that was asked for, or than its own `alg`.
    OtherAlg,
}

impl BadImport {
    /// For operators.
    #[must_use]
    pub const fn because(self) -> &'static str {
        match self {
            Self::Malformed => "it is neither a private key in PEM nor a JWK, or it is cut short",
            Self::Encrypted => "it is encrypted: give its passphrase by --passphrase-file",
            Self::WrongPassphrase => "it does not open with this passphrase, or it is cut short",
            Self::Public => "it is a public key or a certificate: the private key is needed",
            Self::Several => "it holds more than one private key: give one at a time",
            Self::Foreign => "it is of another kind or curve: RSA, P-256, P-384 and Ed25519 are understood",
            Self::Weak => "an RSA key must have 2048 to 8192 bits and a public exponent of 65537 to 2^64",
            Self::Inconsistent => "its public half does not belong to its private half",
            Self::OtherAlg => "it is no key for this algorithm",
        }
    }
}

impl fmt::Display for BadImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.because())
    }
}

impl std::error::Error for BadImport {}

/// A private key that was made elsewhere.
#[derive(Debug)]
pub struct Imported {
    /// The key: PKCS#8, DER.
    pub private: Secret<Vec<u8>>,
    /// What it signs with.
    pub alg: Alg,
    /// The name it has, where it says one.
    pub kid: Option<String>,
}

/// Reads a private key. An RSA key signs with RS256, unless `alg` or its own `alg` says PS256.
///
/// # Errors
/// [`BadImport`], which says why not.
pub fn import(text: &[u8], passphrase: Option<&Secret<String>>, alg: Option<Alg>) -> Result<Imported, BadImport> {
    if text.len() > MAX_TEXT {
        return Err(BadImport::Malformed);
    }
    let text = std::str::from_utf8(text).map_err(|_| BadImport::Malformed)?.trim();
    let (key, named, kid) = if text.starts_with('{') {
        let jwk = json::object(text.as_bytes()).map_err(|_| BadImport::Malformed)?;
        let member = |name: &str| jwk.get(name).and_then(Value::as_str).map(str::to_owned);
        (from_jwk(&jwk)?, member("alg"), member("kid"))
    } else {
        (from_pem(text, passphrase)?, None, None)
    };
    let possible = possible(&key)?;
    let named = named.map(|name| Alg::parse(&name).ok_or(BadImport::OtherAlg)).transpose()?;
    if alg.is_some() && named.is_some() && alg != named {
        return Err(BadImport::OtherAlg);
    }
    let alg = match alg.or(named) {
        Some(alg) if possible.contains(&alg) => alg,
        Some(_) => return Err(BadImport::OtherAlg),
        None => *possible.first().ok_or(BadImport::Foreign)?,
    };
    let private = key.private_key_to_pkcs8().map_err(|_| BadImport::Malformed)?;
    Ok(Imported { private: Secret::new(private), alg, kid })
}

/// The algorithms that a key is for; the usual one first.
fn possible(key: &PKey<Private>) -> Result<&'static [Alg], BadImport> {
    match key.id() {
        Id::EC => {
            let key = key.ec_key().map_err(|_| BadImport::Malformed)?;
            let alg: &[Alg] = match key.group().curve_name() {
                Some(Nid::X9_62_PRIME256V1) => &[Alg::Es256],
                Some(Nid::SECP384R1) => &[Alg::Es384],
                Some(_) | None => return Err(BadImport::Foreign),
            };
            key.check_key().map_err(|_| BadImport::Inconsistent)?;
            Ok(alg)
        }
        Id::ED25519 => Ok(&[Alg::EdDsa]),
        Id::RSA => {
            let key = key.rsa().map_err(|_| BadImport::Malformed)?;
            let bits = u32::try_from(key.n().num_bits()).unwrap_or(0);
            let exponent = BigNum::from_u32(SMALLEST_EXPONENT).map_err(|_| BadImport::Malformed)?;
            // RFC 7518 sets no bound to an exponent; whoever reads it as a number of 64 bits does, as we do.
            if !RSA_BITS.contains(&bits) || key.e() < &*exponent || key.e().num_bits() > 64 {
                return Err(BadImport::Weak);
            }
            if key.check_key().is_ok_and(|good| good) {
                Ok(&[Alg::Rs256, Alg::Ps256])
            } else {
                Err(BadImport::Inconsistent)
            }
        }
        _ => Err(BadImport::Foreign),
    }
}

/// Labels are looked at first: OpenSSL asks at the terminal for a passphrase that it is not given.
fn from_pem(text: &str, passphrase: Option<&Secret<String>>) -> Result<PKey<Private>, BadImport> {
    let labels: Vec<&str> = text.split("-----BEGIN ").skip(1).filter_map(|rest| rest.split("-----").next()).collect();
    match labels.iter().filter(|label| label.ends_with("PRIVATE KEY")).count() {
        0 if labels.iter().any(|label| label.ends_with("PUBLIC KEY") || *label == "CERTIFICATE") => {
            return Err(BadImport::Public);
        }
        0 => return Err(BadImport::Malformed),
        1 => {}
        _ => return Err(BadImport::Several),
    }
    let encrypted = labels.contains(&"ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED");
    match (encrypted, passphrase) {
        (true, None) => Err(BadImport::Encrypted),
        (true, Some(secret)) => PKey::private_key_from_pem_passphrase(text.as_bytes(), secret.expose().as_bytes())
            .map_err(|_| BadImport::WrongPassphrase),
        (false, _) => PKey::private_key_from_pem_callback(text.as_bytes(), |_| Ok(0)).map_err(|_| BadImport::Malformed),
    }
}

fn from_jwk(jwk: &Map<String, Value>) -> Result<PKey<Private>, BadImport> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    if jwk.contains_key("keys") {
        return Err(BadImport::Several);
    }
    if !jwk.contains_key("d") {
        return Err(if jwk.contains_key("kty") { BadImport::Public } else { BadImport::Malformed });
    }
    // RFC 7517 §4: each of these is a text, where it is there.
    if ["use", "alg", "kid"].iter().any(|name| jwk.get(*name).is_some_and(|value| !value.is_string())) {
        return Err(BadImport::Malformed);
    }
    if text("use").is_some_and(|purpose| purpose != "sig") {
        return Err(BadImport::Foreign);
    }
    if let Some(operations) = jwk.get("key_ops") {
        let operations = operations.as_array().ok_or(BadImport::Malformed)?;
        if !operations.iter().any(|operation| operation.as_str() == Some("sign")) {
            return Err(BadImport::Foreign);
        }
    }
    let bytes = |name: &str| text(name).and_then(from_base64url).ok_or(BadImport::Malformed);
    match (text("kty"), text("crv")) {
        (Some("EC"), Some("P-256")) => on_curve(Nid::X9_62_PRIME256V1, bytes),
        (Some("EC"), Some("P-384")) => on_curve(Nid::SECP384R1, bytes),
        (Some("OKP"), Some("Ed25519")) => {
            let key = PKey::private_key_from_raw_bytes(&bytes("d")?, Id::ED25519).map_err(|_| BadImport::Malformed)?;
            let public = key.raw_public_key().map_err(|_| BadImport::Malformed)?;
            if public == bytes("x")? { Ok(key) } else { Err(BadImport::Inconsistent) }
        }
        (Some("RSA"), None) => rsa(bytes),
        _ => Err(BadImport::Foreign),
    }
}

fn on_curve(curve: Nid, bytes: impl Fn(&str) -> Result<Vec<u8>, BadImport>) -> Result<PKey<Private>, BadImport> {
    let (x, y, d) = (bytes("x")?, bytes("y")?, bytes("d")?);
    let made = (|| -> Result<_, ErrorStack> {
        let group = EcGroup::from_curve_name(curve)?;
        let (x, y) = (BigNum::from_slice(&x)?, BigNum::from_slice(&y)?);
        // OpenSSL refuses here what is not on the curve.
        let public = EcKey::from_public_key_affine_coordinates(&group, &x, &y)?;
        EcKey::from_private_components(&group, &*BigNum::from_slice(&d)?, public.public_key())
    })();
    let key = made.map_err(|_| BadImport::Inconsistent)?;
    key.check_key().map_err(|_| BadImport::Inconsistent)?;
    PKey::from_ec_key(key).map_err(|_| BadImport::Malformed)
}

/// RFC 7518 §6.3.2: whoever has one of the factors must have all of them; without any it is a key
/// that would sign four times as slowly, and nobody writes one.
fn rsa(bytes: impl Fn(&str) -> Result<Vec<u8>, BadImport>) -> Result<PKey<Private>, BadImport> {
    let number = |name: &str| bytes(name).and_then(|n| BigNum::from_slice(&n).map_err(|_| BadImport::Malformed));
    let key = RsaPrivateKeyBuilder::new(number("n")?, number("e")?, number("d")?);
    let key = key.map_err(|_| BadImport::Malformed)?;
    let key = key.set_factors(number("p")?, number("q")?).map_err(|_| BadImport::Malformed)?;
    let key = key.set_crt_params(number("dp")?, number("dq")?, number("qi")?).map_err(|_| BadImport::Malformed)?;
    PKey::from_rsa(key.build()).map_err(|_| BadImport::Malformed)
}

#[cfg(test)]
mod tests;
