//! Tests of what others encrypted for us: RFC 7516, RFC 7518 §4.3, §4.6 and §5.3, and their examples.

use super::*;
use crate::jose::{EncryptingKey, import};
use openssl::{encrypt::Encrypter, symm::encrypt_aead};
use std::sync::LazyLock;

const INSIDE: &str = "eyJhbGciOiJFUzI1NiJ9.e30.AAAA";

fn fresh(way: KeyManagement) -> DecryptingKey {
    let private = DecryptingKey::generate(way, 2048).unwrap();
    let kid = DecryptingKey::name_of(way, &private).unwrap();
    DecryptingKey::from_private(kid, way, &private).unwrap()
}

/// One key of each way, made once: RSA takes its time.
fn keys() -> &'static [DecryptingKey; 2] {
    static KEYS: LazyLock<[DecryptingKey; 2]> =
        LazyLock::new(|| [fresh(KeyManagement::RsaOaep256), fresh(KeyManagement::EcdhEs)]);
    &KEYS
}

fn opened(key: &DecryptingKey, token: &str) -> Result<String, NotOpened> {
    let token = Encrypted::read(token)?;
    if token.kid() != key.kid().as_str() {
        return Err(NotOpened::UnknownKey);
    }
    key.open(&token)
}

fn head(key: &DecryptingKey) -> Value {
    json!({ "alg": key.way().name(), "enc": "A256GCM", "cty": "JWT", "kid": key.kid() })
}

fn with(head: &Value, changes: &Value) -> Value {
    let mut head = head.clone();
    for (name, value) in changes.as_object().unwrap() {
        head[name] = value.clone();
    }
    head.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    head
}

/// The content under this key, with any header and any wrapped key.
fn sealed(head: &Value, wrapped: &[u8], cek: &[u8; KEY], inside: &[u8]) -> String {
    let head = base64url(head.to_string().as_bytes());
    let (iv, mut tag) = ([5; NONCE], [0; TAG]);
    let content = encrypt_aead(Cipher::aes_256_gcm(), cek, Some(&iv), head.as_bytes(), inside, &mut tag).unwrap();
    [head, base64url(wrapped), base64url(&iv), base64url(&content), base64url(&tag)].join(".")
}

/// With OAEP over SHA-256, what is wrapped and what it is encrypted under may differ.
fn by_rsa(key: &DecryptingKey, head: &Value, wrapped: &[u8], cek: &[u8; KEY]) -> String {
    let public = PKey::public_key_from_pem(super::super::public_pem(key.public_jwk()).unwrap().as_bytes()).unwrap();
    let mut encrypter = Encrypter::new(&public).unwrap();
    encrypter.set_rsa_padding(Padding::PKCS1_OAEP).unwrap();
    encrypter.set_rsa_oaep_md(MessageDigest::sha256()).unwrap();
    encrypter.set_rsa_mgf1_md(MessageDigest::sha256()).unwrap();
    let mut out = vec![0; encrypter.encrypt_len(wrapped).unwrap()];
    let n = encrypter.encrypt(wrapped, &mut out).unwrap();
    sealed(head, &out[..n], cek, INSIDE.as_bytes())
}

/// By agreement with a fresh key; what the header holds besides is put into it as it is.
fn by_ec(key: &DecryptingKey, head: &Value, wrapped: &[u8]) -> String {
    let own = fresh(KeyManagement::EcdhEs);
    let shared = own.shared(key.public_jwk().as_object().unwrap()).unwrap();
    let party = |name: &str| head.get(name).and_then(Value::as_str).and_then(from_base64url).unwrap_or_default();
    let cek = concat_kdf(&shared, ("A256GCM", 256), &party("apu"), &party("apv"));
    let own = own.public_jwk();
    let epk = json!({ "kty": "EC", "crv": "P-256", "x": own["x"], "y": own["y"] });
    let head = if head.get("epk").is_some() { head.clone() } else { with(head, &json!({ "epk": epk })) };
    sealed(&head, wrapped, cek.expose(), INSIDE.as_bytes())
}

fn good(key: &DecryptingKey, head: &Value) -> String {
    match key.way() {
        KeyManagement::RsaOaep256 => by_rsa(key, head, &[7; KEY], &[7; KEY]),
        KeyManagement::EcdhEs => by_ec(key, head, &[]),
    }
}

#[test]
fn what_was_encrypted_for_us_opens_whoever_made_it_and_for_nobody_else() {
    for key in keys() {
        let by_another_library = EncryptingKey::from_jwk(key.public_jwk()).unwrap().encrypt(INSIDE).unwrap();
        for token in [by_another_library, good(key, &head(key))] {
            assert_eq!(opened(key, &token).as_deref(), Ok(INSIDE));
            assert_eq!(fresh(key.way()).open(&Encrypted::read(&token).unwrap()), Err(NotOpened::Undecryptable));
        }
    }
}

#[test]
fn names_of_the_parties_take_part_in_the_agreement() {
    let [_, ec] = keys();
    let named = with(&head(ec), &json!({ "apu": "QWxpY2U", "apv": "Qm9i" }));
    assert_eq!(opened(ec, &by_ec(ec, &named, &[])).as_deref(), Ok(INSIDE));
    for bad in [json!(7), json!("A"), json!("QWxpY2U=")] {
        let named = with(&head(ec), &json!({ "apu": bad }));
        assert_eq!(opened(ec, &by_ec(ec, &named, &[])), Err(NotOpened::Undecryptable), "{bad}");
    }
}

#[test]
fn the_header_chooses_nothing() {
    use NotOpened::{Algorithm, ContentType, Critical, UnknownKey};
    for key in keys() {
        let other = if key.way() == KeyManagement::EcdhEs { "RSA-OAEP-256" } else { "ECDH-ES" };
        for (changes, expected) in [
            (json!({ "cty": "jwt", "typ": "JWT", "jku": "https://x.example", "x5c": [], "p2c": 1 }), Ok(())),
            (json!({ "zip": "DEF" }), Err(Critical)),
            (json!({ "crit": ["exp"], "exp": 1 }), Err(Critical)),
            (json!({ "crit": [] }), Err(Critical)),
            (json!({ "b64": false }), Err(Critical)),
            (json!({ "cty": null }), Err(ContentType)),
            (json!({ "cty": "JWE" }), Err(ContentType)),
            (json!({ "cty": ["JWT"] }), Err(ContentType)),
            (json!({ "kid": null }), Err(UnknownKey)),
            (json!({ "kid": 7 }), Err(UnknownKey)),
            (json!({ "kid": "another" }), Err(UnknownKey)),
            (json!({ "alg": null }), Err(Algorithm)),
            (json!({ "alg": other }), Err(Algorithm)),
            (json!({ "alg": "dir" }), Err(Algorithm)),
            (json!({ "alg": "RSA1_5" }), Err(Algorithm)),
            (json!({ "alg": "RSA-OAEP" }), Err(Algorithm)),
            (json!({ "alg": "ECDH-ES+A256KW" }), Err(Algorithm)),
            (json!({ "alg": "PBES2-HS256+A128KW", "p2c": 1_000_000, "p2s": "AA" }), Err(Algorithm)),
            (json!({ "alg": "none" }), Err(Algorithm)),
            (json!({ "alg": "ES256" }), Err(Algorithm)),
            (json!({ "enc": null }), Err(Algorithm)),
            (json!({ "enc": "A128GCM" }), Err(Algorithm)),
            (json!({ "enc": "A256CBC-HS512" }), Err(Algorithm)),
            (json!({ "enc": ["A256GCM"] }), Err(Algorithm)),
        ] {
            let token = good(key, &with(&head(key), &changes));
            assert_eq!(opened(key, &token).map(drop), expected, "{:?} {changes}", key.way());
        }
    }
}

#[test]
fn shape_and_size_come_first() {
    let [_, ec] = keys();
    let token = good(ec, &head(ec));
    let parts: Vec<&str> = token.split('.').collect();
    let twice = base64url(br#"{"alg":"ECDH-ES","alg":"ECDH-ES","enc":"A256GCM","cty":"JWT"}"#);
    let long = base64url(format!(r#"{{"cty":"JWT","x":"{}"}}"#, "x".repeat(2000)).as_bytes());
    for (text, expected) in [
        (String::new(), NotOpened::NotCompact),
        (INSIDE.to_owned(), NotOpened::NotCompact),
        (parts[..4].join("."), NotOpened::NotCompact),
        (format!("{token}."), NotOpened::NotCompact),
        (".".repeat(9000), NotOpened::TooLong),
        ("....".to_owned(), NotOpened::Header),
        (format!("{token}="), NotOpened::NotBase64),
        ([twice.as_str(), "", "", "", ""].join("."), NotOpened::Header),
        ([long.as_str(), "", "", "", ""].join("."), NotOpened::Header),
        ([base64url(b"[]").as_str(), "", "", "", ""].join("."), NotOpened::Header),
        ([parts[0], "A", parts[2], parts[3], parts[4]].join("."), NotOpened::NotBase64),
    ] {
        assert_eq!(Encrypted::read(&text).map(drop), Err(expected), "{text}");
    }
    assert!(super::super::is_encrypted(&token) && !super::super::is_encrypted(INSIDE));
}

#[test]
fn every_cut_and_every_changed_byte_is_noticed_and_all_are_told_the_same() {
    for key in keys() {
        let token = good(key, &head(key));
        let parts: Vec<Vec<u8>> = token.split('.').map(|part| from_base64url(part).unwrap()).collect();
        let written = |parts: &[Vec<u8>]| parts.iter().map(|p| base64url(p)).collect::<Vec<_>>().join(".");
        for part in 1..5 {
            for at in (0..parts[part].len()).step_by(3) {
                let mut changed = parts.clone();
                changed[part][at] ^= 1;
                assert_eq!(opened(key, &written(&changed)), Err(NotOpened::Undecryptable), "part {part}, byte {at}");
                let mut cut = parts.clone();
                cut[part].truncate(at);
                assert_eq!(opened(key, &written(&cut)), Err(NotOpened::Undecryptable), "part {part}, cut at {at}");
            }
            let mut longer = parts.clone();
            longer[part].push(0);
            assert_eq!(opened(key, &written(&longer)), Err(NotOpened::Undecryptable), "part {part}, one more");
        }
        // The header is authenticated too, also where the change means nothing.
        let mut other = parts;
        other[0].push(b' ');
        assert_eq!(opened(key, &written(&other)), Err(NotOpened::Undecryptable));
    }
}

#[test]
fn a_key_of_the_content_that_does_not_unwrap_ends_where_a_wrong_one_does() {
    let [rsa, _] = keys();
    let head = head(rsa);
    let stranger = fresh(KeyManagement::RsaOaep256);
    for (token, what) in [
        (by_rsa(rsa, &head, &[7; KEY], &[8; KEY]), "another key"),
        (by_rsa(rsa, &head, &[7; 16], &[7; KEY]), "half a key"),
        (by_rsa(rsa, &head, &[7; 48], &[7; KEY]), "more than a key"),
        (by_rsa(rsa, &head, &[], &[7; KEY]), "nothing"),
        (by_rsa(&stranger, &head, &[7; KEY], &[7; KEY]), "for somebody else"),
        (sealed(&head, &[0; 256], &[7; KEY], INSIDE.as_bytes()), "zero"),
        (sealed(&head, &[255; 256], &[7; KEY], INSIDE.as_bytes()), "past the modulus"),
        (sealed(&head, &[], &[7; KEY], INSIDE.as_bytes()), "no key"),
    ] {
        assert_eq!(opened(rsa, &token), Err(NotOpened::Undecryptable), "{what}");
    }
    // What stands in is the same each time for the same text, as a wrong key would be, and is nobody's to know.
    let stand_in = |key: &DecryptingKey, wrapped: &[u8]| *key.unwrapped(wrapped).expose();
    assert_eq!(stand_in(rsa, &[1; 256]), stand_in(rsa, &[1; 256]));
    assert_ne!(stand_in(rsa, &[1; 256]), stand_in(rsa, &[2; 256]));
    assert_ne!(stand_in(rsa, &[1; 256]), stand_in(&stranger, &[1; 256]));
}

#[test]
fn a_point_that_is_not_on_our_curve_meets_no_private_key() {
    let [_, ec] = keys();
    let point = fresh(KeyManagement::EcdhEs).public_jwk().clone();
    let changed =
        |changes: Value| with(&json!({ "kty": "EC", "crv": "P-256", "x": point["x"], "y": point["y"] }), &changes);
    // Where the curve y² = x³ − 3x + b' of another b' has points of small order: what an invalid-curve attack sends.
    let off = base64url(&[7; 32]);
    let prime = base64url(&from_hex_32("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"));
    for epk in [
        changed(json!({ "x": off })),
        changed(json!({ "y": point["x"] })),
        changed(json!({ "x": base64url(&[0; 32]), "y": base64url(&[0; 32]) })),
        changed(json!({ "x": prime })),
        changed(json!({ "x": base64url(&[1; 31]) })),
        changed(json!({ "x": base64url(&[1; 33]) })),
        changed(json!({ "x": "" })),
        changed(json!({ "x": null })),
        changed(json!({ "y": 7 })),
        changed(json!({ "crv": "P-384" })),
        changed(json!({ "crv": "X25519", "kty": "OKP" })),
        changed(json!({ "kty": "RSA" })),
        changed(json!({ "d": "AA" })),
        json!("a point"),
        json!({}),
    ] {
        let token = by_ec(ec, &with(&head(ec), &json!({ "epk": epk })), &[]);
        assert_eq!(opened(ec, &token), Err(NotOpened::Undecryptable), "{epk}");
    }
    assert_eq!(
        opened(ec, &by_ec(ec, &head(ec), &[0; 32])),
        Err(NotOpened::Undecryptable),
        "a key beside the agreement"
    );
}

fn from_hex_32(text: &str) -> Vec<u8> {
    crate::base::digest::from_hex(text).unwrap()
}

#[test]
fn a_private_key_of_another_kind_is_none() {
    let of = |alg| super::super::SigningKey::generate(alg).unwrap();
    for (way, alg) in [
        (KeyManagement::EcdhEs, super::super::Alg::Rs256),
        (KeyManagement::EcdhEs, super::super::Alg::Es384),
        (KeyManagement::EcdhEs, super::super::Alg::EdDsa),
        (KeyManagement::RsaOaep256, super::super::Alg::Es256),
    ] {
        assert!(DecryptingKey::name_of(way, &of(alg)).is_err(), "{alg}");
    }
    assert!(DecryptingKey::name_of(KeyManagement::EcdhEs, &Secret::new(vec![1, 2, 3])).is_err());
    assert!(!format!("{:?}", keys()[1]).contains(&base64url(keys()[1].decoy.expose())));
}

#[test]
fn the_published_half_is_to_encrypt_with_and_nothing_more() {
    for key in keys() {
        let jwk = key.public_jwk().as_object().unwrap();
        let names: Vec<&str> = jwk.keys().map(String::as_str).collect();
        let expected: &[&str] = match key.way() {
            KeyManagement::RsaOaep256 => &["alg", "e", "kid", "kty", "n", "use"],
            KeyManagement::EcdhEs => &["alg", "crv", "kid", "kty", "use", "x", "y"],
        };
        let mut sorted = names;
        sorted.sort_unstable();
        assert_eq!(sorted, expected);
        assert_eq!((&jwk["use"], &jwk["alg"]), (&json!("enc"), &json!(key.way().name())));
        assert_eq!(thumbprint(key.public_jwk()).as_deref(), Some(key.kid().as_str()));
        assert!(super::super::VerifyingKey::from_jwk(key.public_jwk()).is_err(), "nothing is verified by it");
    }
}

/// RFC 7518 Appendix C: what Bob agrees on with Alice.
#[test]
fn the_example_of_rfc_7518_appendix_c() {
    let bob = json!({
        "kty": "EC", "crv": "P-256",
        "x": "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
        "y": "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
        "d": "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw",
    });
    let alice = json!({
        "kty": "EC", "crv": "P-256",
        "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
        "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
    });
    let private = import(bob.to_string().as_bytes(), None, None).unwrap().private;
    let bob = DecryptingKey::from_private(KeyId::parse("bob").unwrap(), KeyManagement::EcdhEs, &private).unwrap();
    let shared = bob.shared(alice.as_object().unwrap()).unwrap();
    let z = [
        158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110, 163, 218, 128, 106,
        72, 246, 218, 167, 121, 140, 254, 144, 196,
    ];
    assert_eq!(shared.expose(), &z);
    let key = concat_kdf(&shared, ("A128GCM", 128), b"Alice", b"Bob");
    assert_eq!(base64url(&key.expose()[..16]), "VqqN6vgjbSBcIijNcacQGg");
}

/// RFC 7516 Appendix A.1, from its content encryption key on: how that was wrapped there (with SHA-1) we do not have.
#[test]
fn the_content_of_rfc_7516_appendix_a_1() {
    let key = Secret::new([
        177, 161, 244, 128, 84, 143, 225, 115, 63, 180, 3, 255, 107, 154, 212, 246, 138, 7, 110, 91, 112, 46, 34, 105,
        47, 130, 203, 46, 122, 234, 64, 252,
    ]);
    let bytes = |text| from_base64url(text).unwrap();
    let header = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ";
    let iv = bytes("48V1_ALb6US04U3b");
    let sealed = bytes("5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A");
    let tag = bytes("XFBoMYUZodetZdvTiFvSkQ");
    let plain = content(&key, header, &iv, (&sealed, &tag)).unwrap();
    assert_eq!(plain, b"The true sign of intelligence is not knowledge but imagination.");
    assert_eq!(content(&key, header, &iv, (&sealed, &tag[..12])), None, "a shorter tag is no tag");
}
