//! Public keys as PEM (RFC 7468 §13), for programs that read no JWK.

use crate::base::{digest::from_base64url, fault::Fault};
use openssl::{
    bn::BigNum,
    ec::{EcGroup, EcKey},
    error::ErrorStack,
    nid::Nid,
    pkey::{Id, PKey, Public},
    rsa::Rsa,
};
use serde_json::Value;

/// A public key of ours as PEM.
///
/// # Errors
/// A [`Fault`] where it is none that we publish.
pub fn public_pem(jwk: &Value) -> Result<String, Fault> {
    let pem = key(jwk).and_then(|key| key.public_key_to_pem().ok()).and_then(|pem| String::from_utf8(pem).ok());
    pem.ok_or_else(|| Fault::bare("a public key that cannot be written as PEM"))
}

fn key(jwk: &Value) -> Option<PKey<Public>> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let bytes = |name: &str| text(name).and_then(from_base64url);
    match (text("kty")?, text("crv")) {
        ("EC", Some("P-256")) => point(Nid::X9_62_PRIME256V1, &bytes("x")?, &bytes("y")?).ok(),
        ("EC", Some("P-384")) => point(Nid::SECP384R1, &bytes("x")?, &bytes("y")?).ok(),
        ("OKP", Some("Ed25519")) => PKey::public_key_from_raw_bytes(&bytes("x")?, Id::ED25519).ok(),
        ("RSA", None) => {
            let number = |name| BigNum::from_slice(&bytes(name)?).ok();
            PKey::from_rsa(Rsa::from_public_components(number("n")?, number("e")?).ok()?).ok()
        }
        _ => None,
    }
}

/// A public key by where its point lies; refused where that is not on the curve.
pub(super) fn point(curve: Nid, x: &[u8], y: &[u8]) -> Result<PKey<Public>, ErrorStack> {
    let group = EcGroup::from_curve_name(curve)?;
    let (x, y) = (BigNum::from_slice(x)?, BigNum::from_slice(y)?);
    PKey::from_ec_key(EcKey::from_public_key_affine_coordinates(&group, &x, &y)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{Alg, SigningKey};

    #[test]
    fn the_public_half_of_each_algorithm_is_what_openssl_derives_from_the_private_one() {
        for alg in Alg::ALL {
            let private = SigningKey::generate(alg).unwrap();
            let kid = SigningKey::name_of(alg, &private).unwrap();
            let key = SigningKey::from_private(kid, alg, &private).unwrap();
            let derived = PKey::private_key_from_der(private.expose()).unwrap().public_key_to_pem().unwrap();
            assert_eq!(public_pem(key.public_jwk()).unwrap().as_bytes(), derived, "{alg}");
        }
        assert!(public_pem(&serde_json::json!({"kty": "oct", "k": "AA"})).is_err());
    }
}
