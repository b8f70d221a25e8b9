//! ECDH-ES as RFC 7518 Appendix C computes it, step by step and not by josekit: the shared secret, the
//! key from it by the Concat KDF (§4.6.2, NIST SP 800-56A §5.8.1), and what is encrypted under that key.

use crate::{
    base::digest::{base64url, from_base64url},
    jose::encrypting::EncryptingKey,
};
use josekit::{jwe, jwk::Jwk};
use openssl::{
    bn::BigNum,
    derive::Deriver,
    ec::{EcGroup, EcKey},
    nid::Nid,
    pkey::{PKey, Private, Public},
    symm::{Cipher, decrypt_aead, encrypt_aead},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn alice() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
        "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps", "d": "0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo",
    })
}

fn bob() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "x": "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
        "y": "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck", "d": "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw",
    })
}

/// The key that Appendix C comes to, for A128GCM between Alice and Bob.
const DERIVED: &str = "VqqN6vgjbSBcIijNcacQGg";
const Z: [u8; 32] = [
    158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110, 163, 218, 128, 106, 72,
    246, 218, 167, 121, 140, 254, 144, 196,
];

fn number(jwk: &Value, member: &str) -> BigNum {
    BigNum::from_slice(&from_base64url(jwk[member].as_str().unwrap()).unwrap()).unwrap()
}

fn public(jwk: &Value) -> PKey<Public> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = EcKey::from_public_key_affine_coordinates(&group, &number(jwk, "x"), &number(jwk, "y")).unwrap();
    PKey::from_ec_key(key).unwrap()
}

fn private(jwk: &Value) -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let point = public(jwk).ec_key().unwrap();
    let key = EcKey::from_private_components(&group, &number(jwk, "d"), point.public_key()).unwrap();
    PKey::from_ec_key(key).unwrap()
}

fn agreed(own: &PKey<Private>, theirs: &PKey<Public>) -> Vec<u8> {
    let mut deriver = Deriver::new(own).unwrap();
    deriver.set_peer(theirs).unwrap();
    deriver.derive_to_vec().unwrap()
}

/// One round is enough: no key here is longer than a hash.
fn concat_kdf(z: &[u8], (alg, apu, apv): (&str, &[u8], &[u8]), bits: u32) -> Vec<u8> {
    let sized = |data: &[u8]| [&u32::try_from(data.len()).unwrap().to_be_bytes(), data].concat();
    let info = [sized(alg.as_bytes()), sized(apu), sized(apv), bits.to_be_bytes().to_vec()].concat();
    let hash = Sha256::digest([&1u32.to_be_bytes(), z, &info].concat());
    hash[..usize::try_from(bits / 8).unwrap()].to_vec()
}

#[test]
fn the_agreement_of_rfc_7518_appendix_c_comes_to_its_shared_secret_and_its_key_from_both_sides() {
    for (own, theirs) in [(alice(), bob()), (bob(), alice())] {
        let z = agreed(&private(&own), &public(&theirs));
        assert_eq!(z, Z);
        assert_eq!(base64url(&concat_kdf(&z, ("A128GCM", b"Alice", b"Bob"), 128)), DERIVED);
    }
}

#[test]
fn what_is_encrypted_under_the_key_of_appendix_c_opens_for_bob() {
    // The header of Appendix C, and the key that it comes to there: the library has to come to the same.
    let mut ephemeral = alice();
    ephemeral.as_object_mut().unwrap().remove("d");
    let head = json!({"alg": "ECDH-ES", "enc": "A128GCM", "apu": "QWxpY2U", "apv": "Qm9i", "epk": ephemeral});
    let head = base64url(head.to_string().as_bytes());
    let key = from_base64url(DERIVED).unwrap();
    let (iv, mut tag) = ([7; 12], [0; 16]);
    let sealed = encrypt_aead(Cipher::aes_128_gcm(), &key, Some(&iv), head.as_bytes(), b"hello Bob", &mut tag).unwrap();
    let token = format!("{head}..{}.{}.{}", base64url(&iv), base64url(&sealed), base64url(&tag));
    let jwk = Jwk::from_map(bob().as_object().unwrap().clone()).unwrap();
    let by = jwe::ECDH_ES.decrypter_from_jwk(&jwk).unwrap();
    let (opened, _) = jwe::deserialize_compact(&token, &by).unwrap();
    assert_eq!(opened, b"hello Bob");
    let changed = token.replacen("..", "..A", 1);
    assert!(jwe::deserialize_compact(&changed, &by).is_err());
}

#[test]
fn what_we_encrypt_for_bob_opens_by_the_steps_of_appendix_c() {
    let mut jwk = bob();
    jwk.as_object_mut().unwrap().remove("d");
    jwk["use"] = json!("enc");
    let token = EncryptingKey::from_jwk(&jwk).unwrap().encrypt("a.b.c").unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let [head, key, iv, sealed, tag] = parts[..] else { panic!("{token}") };
    let said: Value = serde_json::from_slice(&from_base64url(head).unwrap()).unwrap();
    assert_eq!((said["alg"].as_str(), said["enc"].as_str(), key), (Some("ECDH-ES"), Some("A256GCM"), ""));
    assert!(said["epk"].get("d").is_none(), "{said}");
    let party = |member: &str| said[member].as_str().map(|text| from_base64url(text).unwrap()).unwrap_or_default();
    let z = agreed(&private(&bob()), &public(&said["epk"]));
    let key = concat_kdf(&z, ("A256GCM", &party("apu"), &party("apv")), 256);
    let bytes = |part: &str| from_base64url(part).unwrap();
    let cipher = Cipher::aes_256_gcm();
    let opened = decrypt_aead(cipher, &key, Some(&bytes(iv)), head.as_bytes(), &bytes(sealed), &bytes(tag)).unwrap();
    assert_eq!(opened, b"a.b.c");
}
