//! Keys from elsewhere, made by OpenSSL as other servers make them.

use super::*;
use crate::{
    base::{digest::base64url, id::KeyId},
    jose::{SigningKey, Typ, VerifyingKey},
};
use openssl::{rsa::Rsa, symm::Cipher};
use serde_json::json;

fn ec(curve: Nid) -> PKey<Private> {
    PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap()).unwrap()
}

fn rsa_key(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

fn pem(key: &PKey<Private>) -> Vec<u8> {
    key.private_key_to_pem_pkcs8().unwrap()
}

/// Imports it, and signs with it.
fn taken(text: &[u8], alg: Option<Alg>) -> Result<Alg, BadImport> {
    let imported = import(text, None, alg)?;
    let kid = KeyId::parse("k").unwrap();
    let key = SigningKey::from_private(kid, imported.alg, &imported.private).unwrap();
    key.sign(Typ::IdToken, &json!({})).unwrap();
    VerifyingKey::from_jwk(key.public_jwk()).unwrap();
    Ok(imported.alg)
}

#[test]
fn keys_in_pem_are_taken_in_every_form_that_servers_write() {
    let (p256, p384) = (ec(Nid::X9_62_PRIME256V1), ec(Nid::SECP384R1));
    let (ed, rsa) = (PKey::generate_ed25519().unwrap(), rsa_key(2048));
    for (text, alg, expected) in [
        (pem(&p256), None, Alg::Es256),
        (p256.ec_key().unwrap().private_key_to_pem().unwrap(), None, Alg::Es256),
        (pem(&p384), None, Alg::Es384),
        (pem(&ed), None, Alg::EdDsa),
        (pem(&rsa), None, Alg::Rs256),
        (rsa.rsa().unwrap().private_key_to_pem().unwrap(), Some(Alg::Ps256), Alg::Ps256),
    ] {
        assert_eq!(taken(&text, alg), Ok(expected));
    }
    // As `openssl ecparam -genkey` writes it: the parameters first.
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let text = [parameters.as_bytes(), &p256.ec_key().unwrap().private_key_to_pem().unwrap()].concat();
    assert_eq!(taken(&text, None), Ok(Alg::Es256));
}

#[test]
fn an_encrypted_key_needs_its_passphrase() {
    let key = ec(Nid::X9_62_PRIME256V1);
    let pkcs8 = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"correct horse").unwrap();
    let old = key.ec_key().unwrap();
    let old = old.private_key_to_pem_passphrase(Cipher::aes_256_cbc(), b"correct horse").unwrap();
    for text in [pkcs8, old] {
        let with = |passphrase: &str| import(&text, Some(&Secret::new(passphrase.to_owned())), None).map(|one| one.alg);
        assert_eq!(import(&text, None, None).err(), Some(BadImport::Encrypted));
        assert_eq!(with("battery staple"), Err(BadImport::WrongPassphrase));
        assert_eq!(with("correct horse"), Ok(Alg::Es256));
    }
}

#[test]
fn what_cannot_sign_well_is_refused_with_the_reason() {
    let key = ec(Nid::X9_62_PRIME256V1);
    let text = pem(&key);
    let three = Rsa::generate_with_e(2048, &BigNum::from_u32(3).unwrap()).unwrap();
    // It signs, and nobody who reads exponents as numbers of 64 bits verifies: we among them.
    let long = Rsa::generate_with_e(2048, &BigNum::from_dec_str("18446744073709551629").unwrap()).unwrap();
    for (text, alg, expected) in [
        (text[..text.len() / 2].to_vec(), None, BadImport::Malformed),
        (b"not a key".to_vec(), None, BadImport::Malformed),
        (Vec::new(), None, BadImport::Malformed),
        (vec![0xff; 10], None, BadImport::Malformed),
        (vec![b'-'; MAX_TEXT + 1], None, BadImport::Malformed),
        (key.public_key_to_pem().unwrap(), None, BadImport::Public),
        ([text.clone(), text.clone()].concat(), None, BadImport::Several),
        (pem(&ec(Nid::SECP521R1)), None, BadImport::Foreign),
        (pem(&ec(Nid::SECP256K1)), None, BadImport::Foreign),
        (pem(&PKey::generate_x25519().unwrap()), None, BadImport::Foreign),
        (pem(&rsa_key(1024)), None, BadImport::Weak),
        (pem(&PKey::from_rsa(three).unwrap()), None, BadImport::Weak),
        (pem(&PKey::from_rsa(long).unwrap()), None, BadImport::Weak),
        (text, Some(Alg::Rs256), BadImport::OtherAlg),
    ] {
        assert_eq!(taken(&text, alg), Err(expected), "{}", String::from_utf8_lossy(&text));
    }
}

fn jwk_of(key: &PKey<Private>) -> Value {
    let n = |n: &openssl::bn::BigNumRef| base64url(&n.to_vec());
    match key.id() {
        Id::RSA => {
            let rsa = key.rsa().unwrap();
            json!({
                "kty": "RSA", "n": n(rsa.n()), "e": n(rsa.e()), "d": n(rsa.d()), "p": n(rsa.p().unwrap()),
                "q": n(rsa.q().unwrap()), "dp": n(rsa.dmp1().unwrap()), "dq": n(rsa.dmq1().unwrap()), "qi": n(rsa.iqmp().unwrap()),
            })
        }
        Id::EC => {
            let ec = key.ec_key().unwrap();
            let size = i32::try_from(ec.group().degree() / 8).unwrap();
            let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
            let mut context = openssl::bn::BigNumContext::new().unwrap();
            ec.public_key().affine_coordinates(ec.group(), &mut x, &mut y, &mut context).unwrap();
            let padded = |n: &openssl::bn::BigNumRef| base64url(&n.to_vec_padded(size).unwrap());
            let crv = if size == 32 { "P-256" } else { "P-384" };
            json!({"kty": "EC", "crv": crv, "x": padded(&x), "y": padded(&y), "d": padded(ec.private_key())})
        }
        _ => json!({
            "kty": "OKP", "crv": "Ed25519", "x": base64url(&key.raw_public_key().unwrap()),
            "d": base64url(&key.raw_private_key().unwrap()),
        }),
    }
}

#[test]
fn keys_as_jwk_are_taken_and_keep_their_name() {
    for (key, expected) in [
        (ec(Nid::X9_62_PRIME256V1), Alg::Es256),
        (ec(Nid::SECP384R1), Alg::Es384),
        (PKey::generate_ed25519().unwrap(), Alg::EdDsa),
        (rsa_key(2048), Alg::Rs256),
    ] {
        let mut jwk = jwk_of(&key);
        assert_eq!(taken(jwk.to_string().as_bytes(), None), Ok(expected));
        jwk["kid"] = json!("old-server-1");
        jwk["use"] = json!("sig");
        assert_eq!(import(jwk.to_string().as_bytes(), None, None).unwrap().kid.as_deref(), Some("old-server-1"));
    }
    let mut rsa = jwk_of(&rsa_key(2048));
    rsa["alg"] = json!("PS256");
    assert_eq!(taken(rsa.to_string().as_bytes(), None), Ok(Alg::Ps256));
    assert_eq!(taken(rsa.to_string().as_bytes(), Some(Alg::Rs256)), Err(BadImport::OtherAlg));
}

#[test]
fn a_jwk_whose_halves_do_not_belong_together_is_refused() {
    for key in [|| ec(Nid::X9_62_PRIME256V1), || PKey::generate_ed25519().unwrap()] {
        let (one, other) = (jwk_of(&key()), jwk_of(&key()));
        let mut mixed = one.clone();
        mixed["d"] = other["d"].clone();
        assert_eq!(taken(mixed.to_string().as_bytes(), None), Err(BadImport::Inconsistent));
        let mut public = one;
        public.as_object_mut().unwrap().remove("d");
        assert_eq!(taken(public.to_string().as_bytes(), None), Err(BadImport::Public));
    }
    let (mut one, other) = (jwk_of(&rsa_key(2048)), jwk_of(&rsa_key(2048)));
    one["d"] = other["d"].clone();
    assert_eq!(taken(one.to_string().as_bytes(), None), Err(BadImport::Inconsistent));
    for (text, expected) in [
        (r#"{"keys": []}"#, BadImport::Several),
        ("{}", BadImport::Malformed),
        (r#"{"kty": "oct", "k": "AAAA"}"#, BadImport::Public),
        (r#"{"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "d": "AA"}"#, BadImport::Foreign),
        (r#"{"kty": "EC", "kty": "EC"}"#, BadImport::Malformed),
    ] {
        assert_eq!(taken(text.as_bytes(), None), Err(expected), "{text}");
    }
}

#[test]
fn a_jwk_that_says_it_is_for_something_else_or_says_it_in_no_text_is_refused() {
    let jwk = jwk_of(&ec(Nid::X9_62_PRIME256V1));
    for (name, value, expected) in [
        ("use", json!("enc"), Err(BadImport::Foreign)),
        ("use", json!(["sig"]), Err(BadImport::Malformed)),
        ("key_ops", json!(["verify"]), Err(BadImport::Foreign)),
        ("key_ops", json!(["deriveKey"]), Err(BadImport::Foreign)),
        ("key_ops", json!("sign"), Err(BadImport::Malformed)),
        ("key_ops", json!(["sign", "verify"]), Ok(Alg::Es256)),
        ("alg", json!(256), Err(BadImport::Malformed)),
        ("kid", json!(7), Err(BadImport::Malformed)),
    ] {
        let mut jwk = jwk.clone();
        jwk[name] = value;
        assert_eq!(taken(jwk.to_string().as_bytes(), None), expected, "{jwk}");
    }
}
