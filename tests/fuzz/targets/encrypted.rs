//! Tokens that are encrypted for us: as text that strangers send, and as whatever a sender might write into the header of
//! one that decrypts.

use super::{Target, lines, seeds, text};
use keywright::{
    base::{digest::base64url, id::KeyId},
    jose::{DecryptingKey, Encrypted, EncryptingKey, KeyManagement, NotOpened, is_encrypted},
};
use openssl::{
    encrypt::Encrypter,
    hash::MessageDigest,
    pkey::PKey,
    rsa::Padding,
    symm::{Cipher, encrypt_aead},
};
use serde_json::Value;
use std::sync::LazyLock;

const INSIDE: &str = "eyJhbGciOiJFUzI1NiJ9.e30.AAAA";
const WORDS: &[&str] = &[
    "\"alg\":\"RSA-OAEP-256\"",
    "\"alg\":\"ECDH-ES\"",
    "\"alg\":\"dir\"",
    "\"alg\":\"PBES2-HS256+A128KW\"",
    "\"p2c\":1000000",
    "\"enc\":\"A256GCM\"",
    "\"enc\":\"A128CBC-HS256\"",
    "\"zip\":\"DEF\"",
    "\"crit\":[\"zip\"]",
    "\"b64\":false",
    "\"cty\":\"JWT\"",
    "\"cty\":\"jwt\"",
    "\"kid\":\"k1\"",
    "\"kid\":\"k2\"",
    "\"kid\":null",
    "\"epk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"",
    "\"d\":\"AA\"",
    "\"apu\":\"QWxpY2U\"",
    "\"jwk\":{}",
    ".",
    "..",
    "....",
    "=",
    "e30",
];

/// One key of each way.
fn keys() -> &'static [DecryptingKey; 2] {
    static KEYS: LazyLock<[DecryptingKey; 2]> = LazyLock::new(|| {
        [("k1", KeyManagement::RsaOaep256), ("k2", KeyManagement::EcdhEs)].map(|(kid, way)| {
            let private = DecryptingKey::generate(way, 2048).unwrap();
            DecryptingKey::from_private(KeyId::parse(kid).unwrap(), way, &private).unwrap()
        })
    });
    &KEYS
}

fn opened(text: &str) -> Result<String, NotOpened> {
    let token = Encrypted::read(text)?;
    let key = keys().iter().find(|key| key.kid().as_str() == token.kid()).ok_or(NotOpened::UnknownKey)?;
    key.open(&token)
}

fn genuine() -> &'static [String] {
    static GENUINE: LazyLock<Vec<String>> = LazyLock::new(|| {
        keys().iter().map(|key| EncryptingKey::from_jwk(key.public_jwk()).unwrap().encrypt(INSIDE).unwrap()).collect()
    });
    &GENUINE
}

/// A text opens only where it is, to the last character, one that was encrypted; and every text that opens has five parts
/// and the size of a token.
pub const ENCRYPTED_TOKENS: Target = Target {
    name: "encrypted_tokens",
    run: |input| {
        let text = text(input);
        match opened(&text) {
            Ok(inside) => {
                assert!(genuine().contains(&text) && inside == INSIDE, "something was made up");
                assert!(is_encrypted(&text) && text.len() <= 8192);
                "opened".to_owned()
            }
            Err(bad) => bad.to_string(),
        }
    },
    seeds: || genuine().iter().map(|token| token.clone().into_bytes()).collect(),
    words: WORDS,
};

/// A key of the content, and the same wrapped for the first key.
fn wrapped() -> &'static ([u8; 32], Vec<u8>) {
    static WRAPPED: LazyLock<([u8; 32], Vec<u8>)> = LazyLock::new(|| {
        let pem = keywright::jose::public_pem(keys()[0].public_jwk()).unwrap();
        let public = PKey::public_key_from_pem(pem.as_bytes()).unwrap();
        let mut encrypter = Encrypter::new(&public).unwrap();
        encrypter.set_rsa_padding(Padding::PKCS1_OAEP).unwrap();
        encrypter.set_rsa_oaep_md(MessageDigest::sha256()).unwrap();
        encrypter.set_rsa_mgf1_md(MessageDigest::sha256()).unwrap();
        let mut out = vec![0; encrypter.encrypt_len(&[7; 32]).unwrap()];
        let n = encrypter.encrypt(&[7; 32], &mut out).unwrap();
        out.truncate(n);
        ([7; 32], out)
    });
    &WRAPPED
}

/// Whatever its sender writes into the header of a token that decrypts, it is opened only where a plain reading of that
/// finds the algorithms of the key, its name, a signed token inside, and nothing that changes how it is to be read.
pub const ENCRYPTED_HEADERS: Target = Target {
    name: "encrypted_headers",
    run: |input| {
        let (header, inside) = lines(input);
        let protected = base64url(header);
        let (key, wrapped) = wrapped();
        let (iv, mut tag) = ([1; 12], [0; 16]);
        let content =
            encrypt_aead(Cipher::aes_256_gcm(), key, Some(&iv), protected.as_bytes(), inside, &mut tag).unwrap();
        let token = [protected, base64url(wrapped), base64url(&iv), base64url(&content), base64url(&tag)].join(".");
        match opened(&token) {
            Ok(opened) => {
                assert_eq!(opened.as_bytes(), inside);
                let plain: Value = serde_json::from_slice(header).unwrap();
                assert_eq!([&plain["alg"], &plain["enc"], &plain["kid"]], ["RSA-OAEP-256", "A256GCM", "k1"]);
                assert!(plain["cty"].as_str().is_some_and(|cty| cty.eq_ignore_ascii_case("jwt")));
                assert!(["crit", "b64", "zip"].iter().all(|name| plain.get(name).is_none()));
                "opened".to_owned()
            }
            Err(bad) => bad.to_string(),
        }
    },
    seeds: || {
        seeds(&[
            "{\"alg\":\"RSA-OAEP-256\",\"enc\":\"A256GCM\",\"cty\":\"JWT\",\"kid\":\"k1\"}\neyJhbGciOiJFUzI1NiJ9.e30.AAAA",
            "{\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\",\"cty\":\"JWT\",\"kid\":\"k2\",\"epk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0\",\"y\":\"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps\"}}\nx",
        ])
    },
    words: WORDS,
};
