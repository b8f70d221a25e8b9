//! Tests of the key sets: what is read, and what is not.

use super::*;
use crate::{
    base::digest::base64url,
    jose::{Alg, SigningKey},
};
use serde_json::json;

fn own(alg: Alg) -> Value {
    let private = SigningKey::generate(alg).unwrap();
    let kid = SigningKey::name_of(alg, &private).unwrap();
    SigningKey::from_private(kid, alg, &private).unwrap().public_jwk().clone()
}

fn with(mut jwk: Value, member: &str, value: Value) -> Value {
    jwk[member] = value;
    jwk
}

fn without(mut jwk: Value, member: &str) -> Value {
    jwk.as_object_mut().unwrap().remove(member);
    jwk
}

fn bad(jwk: &Value) -> Option<BadKey> {
    VerifyingKey::from_jwk(jwk).err()
}

/// An RSA key of so many bits; not of two primes, but nobody can tell.
fn rsa(bits: usize, exponent: &[u8]) -> Value {
    let mut n = vec![0xff; bits.div_ceil(8)];
    if !bits.is_multiple_of(8) {
        n[0] = 0xff >> (8 - bits % 8);
    }
    json!({"kty": "RSA", "n": base64url(&n), "e": base64url(exponent)})
}

#[test]
fn an_rsa_key_that_is_weak_or_a_burden_is_refused() {
    for (bits, exponent, expected) in [
        (1024, &[1, 0, 1][..], Some(BadKey::Weak)),
        (2047, &[1, 0, 1], Some(BadKey::Weak)),
        (2048, &[1, 0, 1], None),
        (8192, &[1, 0, 1], None),
        (8193, &[1, 0, 1], Some(BadKey::Weak)),
        (2048, &[1], Some(BadKey::Weak)),
        (2048, &[3], Some(BadKey::Weak)),
        (2048, &[1, 0, 0], Some(BadKey::Weak)),
        (2048, &[0, 1, 0, 1], None),
        (2048, &[], Some(BadKey::Weak)),
        (2048, &[1, 0, 0, 0, 0, 0, 0, 0, 1], Some(BadKey::Malformed)),
    ] {
        assert_eq!(bad(&rsa(bits, exponent)), expected, "{bits} {exponent:?}");
    }
}

#[test]
fn an_rsa_key_that_a_token_brings_along_is_no_dearer_than_those_in_use() {
    for (bits, exponent, expected) in [
        (2048, &[1, 0, 1][..], None),
        (4096, &[1, 0, 1], None),
        (4096, &[0, 1, 0, 1], None),
        (4097, &[1, 0, 1], Some(BadKey::Costly)),
        (8192, &[1, 0, 1], Some(BadKey::Costly)),
        (2048, &[1, 0, 3], Some(BadKey::Costly)),
        (2048, &[0xff; 8], Some(BadKey::Costly)),
        (2047, &[1, 0, 1], Some(BadKey::Weak)),
    ] {
        assert_eq!(VerifyingKey::from_brought_jwk(&rsa(bits, exponent)).err(), expected, "{bits} {exponent:?}");
    }
}

#[test]
fn a_modulus_with_zeros_in_front_is_the_same_key() {
    let n = base64url(&[&[0, 0][..], &[0xff; 256]].concat());
    let key = VerifyingKey::from_jwk(&json!({"kty": "RSA", "n": n, "e": "AQAB"})).unwrap();
    assert_eq!(key.signature_len(), 256);
}

#[test]
fn a_private_or_symmetric_key_is_refused() {
    let public = own(Alg::Es256);
    assert_eq!(bad(&with(public.clone(), "d", json!("AAAA"))), Some(BadKey::Private));
    assert_eq!(bad(&with(public.clone(), "d", json!(null))), Some(BadKey::Private));
    assert_eq!(bad(&with(own(Alg::Rs256), "p", json!("AAAA"))), Some(BadKey::Private));
    assert_eq!(bad(&json!({"kty": "oct", "k": "AAAA", "alg": "HS256"})), Some(BadKey::Symmetric));
    let set = json!({"keys": [public, {"kty": "oct", "k": "AAAA"}]});
    assert_eq!(KeySet::from_value(&set).unwrap_err(), BadKeySet::Key(BadKey::Symmetric));
}

#[test]
fn a_malformed_key_is_refused() {
    let ec = own(Alg::Es256);
    let ed = own(Alg::EdDsa);
    let short = base64url(&[7; 31]);
    for jwk in [
        json!(7),
        json!({}),
        json!({"kty": 7}),
        without(ec.clone(), "y"),
        without(ec.clone(), "crv"),
        with(ec.clone(), "x", json!(short)),
        with(ec.clone(), "x", json!("not+base64url")),
        // A point that is on no curve; and the point at infinity in disguise.
        with(ec.clone(), "x", json!(base64url(&[7; 32]))),
        with(with(ec.clone(), "x", json!(base64url(&[0; 32]))), "y", json!(base64url(&[0; 32]))),
        with(ec.clone(), "kid", json!(7)),
        with(ec.clone(), "alg", json!(["ES256"])),
        with(ec.clone(), "key_ops", json!("verify")),
        with(ed, "x", json!(short)),
        without(rsa(2048, &[1, 0, 1]), "e"),
        json!({"kty": "RSA", "n": "AAAA", "e": "AQAB"}),
    ] {
        assert_eq!(bad(&jwk), Some(BadKey::Malformed), "{jwk}");
    }
}

#[test]
fn keys_for_other_purposes_are_passed_over() {
    let ec = own(Alg::Es256);
    let set = json!({"keys": [
        {"kty": "XYZ"},
        {"kty": "OKP", "crv": "X25519", "x": "AAAA"},
        {"kty": "EC", "crv": "P-521", "x": "AAAA", "y": "AAAA"},
        with(ec.clone(), "use", json!("enc")),
        with(ec.clone(), "alg", json!("ECDH-ES")),
        with(ec.clone(), "alg", json!("RS256")),
        with(ec.clone(), "key_ops", json!(["deriveKey"])),
        with(ec, "key_ops", json!(["verify"])),
    ]});
    assert_eq!(KeySet::from_value(&set).unwrap().len(), 1);
}

#[test]
fn a_set_is_bounded_and_strict() {
    let keys = |n: usize| json!({"keys": vec![json!({"kty": "XYZ"}); n]}).to_string();
    assert!(KeySet::parse(keys(32).as_bytes()).unwrap().is_empty());
    assert_eq!(KeySet::parse(keys(33).as_bytes()).unwrap_err(), BadKeySet::TooMany);
    let long = format!("{{\"keys\":[]{}}}", " ".repeat(MAX_TEXT));
    assert_eq!(KeySet::parse(long.as_bytes()).unwrap_err(), BadKeySet::TooLong);
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#] {
        assert_eq!(KeySet::parse(text.as_bytes()).unwrap_err(), BadKeySet::NotASet, "{text}");
    }
}

#[test]
fn the_alg_of_a_key_narrows_what_it_verifies() {
    let open = VerifyingKey::from_jwk(&rsa(2048, &[1, 0, 1])).unwrap();
    assert!(open.fits(Scheme::Rs256) && open.fits(Scheme::Ps256));
    let narrow = VerifyingKey::from_jwk(&with(rsa(2048, &[1, 0, 1]), "alg", json!("PS256"))).unwrap();
    assert!(!narrow.fits(Scheme::Rs256) && narrow.fits(Scheme::Ps256));
}

#[test]
fn a_key_is_found_by_name_or_as_the_only_one_that_fits() {
    let (a, b, c) = (own(Alg::Es256), own(Alg::Es256), own(Alg::EdDsa));
    let name = |jwk: &Value| jwk["kid"].as_str().unwrap().to_owned();
    let set = KeySet::from_value(&json!({"keys": [a, b, c]})).unwrap();
    assert_eq!(set.find(Some(&name(&a)), Scheme::Es256).unwrap().kid(), Some(&*name(&a)));
    assert!(set.find(Some(&name(&a)), Scheme::EdDsa).is_none(), "the key fixes the algorithm");
    assert!(set.find(None, Scheme::Es256).is_none(), "two fit");
    assert_eq!(set.find(None, Scheme::EdDsa).unwrap().kid(), Some(&*name(&c)));
    assert!(set.find(Some("stranger"), Scheme::EdDsa).is_none());
    let twins = KeySet::from_value(&json!({"keys": [a, a]})).unwrap();
    assert!(twins.find(Some(&name(&a)), Scheme::Es256).is_none(), "a name that two keys have names none");
}
