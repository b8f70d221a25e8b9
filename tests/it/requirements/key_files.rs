//! Signing keys as files, from and to other servers, and the rehearsal: `keywright keys import`, `export` and
//! `drill` as an operator runs them (R35, R44; RFC 7517 §4, RFC 7518 §6).

use crate::{
    commands::{Installation, each},
    world::busy::{LONG, within},
};
use openssl::{
    ec::{EcGroup, EcKey},
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    symm::Cipher,
};
use serde_json::{Value, json};
use std::fs;

const PASSPHRASE: &str = "a passphrase of a key file";

fn ec(curve: Nid) -> PKey<Private> {
    PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap()).unwrap()
}

fn rsa(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

fn pem(key: &PKey<Private>) -> String {
    String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap()
}

fn public(key: &PKey<Private>) -> String {
    String::from_utf8(key.public_key_to_pem().unwrap()).unwrap()
}

fn encrypted(key: &PKey<Private>) -> String {
    let text = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), PASSPHRASE.as_bytes()).unwrap();
    String::from_utf8(text).unwrap()
}

fn listed(it: &Installation, kid: &str) -> Value {
    let all = it.json(&["keys", "list", "--all"], "");
    all["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).cloned().unwrap_or(Value::Null)
}

fn published(it: &Installation) -> Value {
    let text = ureq::get(it.at("/jwks")).call().unwrap().body_mut().read_to_string().unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A file of this text in the installation's folder.
fn file(it: &Installation, name: &str, text: &str) -> String {
    let path = it.folder.path().join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_key_file_that_is_cut_short_encrypted_of_another_curve_or_too_short_is_refused_and_nothing_is_changed() {
    each(|it| {
        let (p256, p384) = (ec(Nid::X9_62_PRIME256V1), ec(Nid::SECP384R1));
        let (whole, locked) = (pem(&p256), encrypted(&p256));
        // The frame is whole and what it holds is not.
        let lines: Vec<&str> = whole.lines().collect();
        let hollow = [&lines[..lines.len() - 2], &lines[lines.len() - 1..]].concat().join("\n");
        let old = p256.ec_key().unwrap();
        let old = old.private_key_to_pem_passphrase(Cipher::aes_128_cbc(), PASSPHRASE.as_bytes()).unwrap();
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA", "d": "AAAA"}).to_string();
        let cut = "it is neither a private key in PEM nor a JWK, or it is cut short";
        let foreign = "it is of another kind or curve";
        let weak = "an RSA key must have 2048 to 8192 bits";
        let refused: &[(&str, String, &[&str], &str)] = &[
            ("cut in the middle", whole[..whole.len() / 2].to_owned(), &[], cut),
            ("without its last line", lines[..lines.len() - 1].join("\n"), &[], cut),
            ("hollow", hollow, &[], cut),
            ("empty", String::new(), &[], cut),
            ("a JWK that is cut", jwk[..20].to_owned(), &[], cut),
            ("encrypted", locked.clone(), &[], "it is encrypted: give its passphrase by --passphrase-file"),
            ("encrypted, of OpenSSL's own form", String::from_utf8(old).unwrap(), &[], "it is encrypted"),
            (
                "another passphrase",
                locked.clone(),
                &["--passphrase-file", "wrong"],
                "does not open with this passphrase",
            ),
            ("encrypted and cut", locked[..locked.len() / 2].to_owned(), &["--passphrase-file", "right"], "cut short"),
            ("secp256k1", pem(&ec(Nid::SECP256K1)), &[], foreign),
            ("P-521", pem(&ec(Nid::SECP521R1)), &[], foreign),
            ("X25519", pem(&PKey::generate_x25519().unwrap()), &[], foreign),
            ("RSA of 1024 bits", pem(&rsa(1024)), &[], weak),
            ("RSA of 2040 bits", pem(&rsa(2040)), &[], weak),
            ("a point off the curve", jwk, &[], "its public half does not belong to its private half"),
            ("P-384 for ES256", pem(&p384), &["--alg", "ES256"], "it is no key for this algorithm"),
            ("EC for RS256", whole.clone(), &["--alg", "RS256"], "it is no key for this algorithm"),
            ("a public key", public(&p256), &[], "it is a public key or a certificate"),
            ("two keys", format!("{whole}{}", pem(&p384)), &[], "more than one private key"),
        ];
        file(it, "wrong", "another passphrase altogether\n");
        file(it, "right", &format!("{PASSPHRASE}\n"));
        let before = it.json(&["keys", "list", "--all"], "");
        for (what, text, more, why) in refused {
            let path = file(it, "key.pem", text);
            let (code, told) = it.failure(&[&["keys", "import", &path], *more].concat(), "");
            assert_eq!((code, told.contains(why)), (1, true), "{what}: {told}");
            assert!(told.contains("key.pem"), "{what}: it says which file: {told}");
            assert!(!told.contains(PASSPHRASE) && !told.contains(lines[1]), "{what}: {told}");
            // The same where it comes through a pipe.
            let (code, told) = it.failure(&[&["keys", "import", "-"], *more].concat(), text);
            assert_eq!((code, told.contains(why)), (1, true), "{what}: {told}");
        }
        let (code, told) = it.failure(&["keys", "import", "no-such-file"], "");
        assert_eq!((code, told.contains("no-such-file cannot be read")), (2, true), "{told}");
        assert_eq!(it.failure(&["keys", "import", "key.pem", "--alg", "HS256"], "").0, 2);
        assert_eq!(it.json(&["keys", "list", "--all"], ""), before);
    });
}

#[test]
fn r044_a_key_of_another_server_is_published_by_the_running_one_and_signs_later_or_never() {
    each(|it| {
        let key = ec(Nid::X9_62_PRIME256V1);
        let serving = it.serve();
        let before = published(it);
        let path = file(it, "old.pem", &encrypted(&key));
        file(it, "passphrase", &format!("{PASSPHRASE}\n"));
        let import = ["keys", "import", &path, "--kid", "of-the-old-server", "--passphrase-file", "passphrase"];
        let made = it.json(&import, "");
        assert_eq!((&made["kid"], &made["alg"]), (&json!("of-the-old-server"), &json!("ES256")));
        assert!(made["signs_from"].is_string() && made["published_until"].is_null(), "{made}");
        let has = |set: &Value, kid: &str| set["keys"].as_array().unwrap().iter().any(|key| key["kid"] == kid);
        assert!(!has(&before, "of-the-old-server"));
        assert!(within(LONG, || has(&published(it), "of-the-old-server")), "{}", it.log());
        // The very same key under another name, and another under the same name.
        let (code, told) = it.failure(&["keys", "import", "-", "--kid", "again"], &pem(&key));
        assert_eq!((code, told.contains("this very key is here")), (1, true), "{told}");
        let other = pem(&ec(Nid::X9_62_PRIME256V1));
        let (code, told) = it.failure(&["keys", "import", "-", "--kid", "of-the-old-server"], &other);
        assert_eq!((code, told.contains("there is another signing key of the name")), (1, true), "{told}");
        // One that only verifies; its passphrase from the environment.
        let retiring = encrypted(&rsa(2048));
        let args = ["keys", "import", "-", "--alg", "PS256", "--retiring-until", "30d", "--passphrase-env", "OPENS_IT"];
        let done = it.run_with(&[("OPENS_IT", PASSPHRASE)], &[&args[..], &["-o", "json"]].concat(), &retiring);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let made: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!((&made["alg"], &made["state"]), (&json!("PS256"), &json!("retiring")));
        assert!(made["signs_from"].is_null() && made["published_until"].is_string(), "{made}");
        let kid = made["kid"].as_str().unwrap();
        assert!(within(LONG, || has(&published(it), kid)), "{}", it.log());
        serving.end();
        assert_eq!(listed(it, kid)["state"], "retiring");
        // A key that was revoked does not come back, under whatever name.
        it.json(&["keys", "revoke", "of-the-old-server", "--reason", "it was in a mail"], "");
        let (code, told) = it.failure(&["keys", "import", "-", "--kid", "another-name"], &pem(&key));
        assert_eq!((code, told.contains("this very key is here, or was")), (1, true), "{told}");
        let log = it.log();
        assert!(!log.contains(PASSPHRASE) && !log.contains("PRIVATE KEY"), "{log}");
    });
}

#[test]
fn public_halves_are_exported_as_jwk_and_pem_and_a_private_one_by_no_option() {
    each(|it| {
        let (first, second) = (ec(Nid::SECP384R1), PKey::generate_ed25519().unwrap());
        it.json(&["keys", "import", "-", "--kid", "one", "--alg", "ES384"], &pem(&first));
        it.json(&["keys", "import", "-", "--kid", "-two"], &pem(&second));
        let text = |arguments: &[&str]| {
            let done = it.run(arguments, "");
            assert!(done.status.success(), "{arguments:?} {}", String::from_utf8_lossy(&done.stderr));
            String::from_utf8(done.stdout).unwrap()
        };
        assert_eq!(text(&["keys", "export", "one", "--public", "--form", "pem"]).trim(), public(&first).trim());
        assert_eq!(text(&["keys", "export", "--public", "--form", "pem", "--", "-two"]).trim(), public(&second).trim());
        let jwk: Value = serde_json::from_str(&text(&["keys", "export", "one", "--public"])).unwrap();
        assert_eq!((&jwk["kid"], &jwk["alg"], &jwk["crv"]), (&json!("one"), &json!("ES384"), &json!("P-384")));
        // All that are published, as a set that a verifier can be given.
        let serving = it.serve();
        it.has_all_keys();
        let set: Value = serde_json::from_str(&text(&["keys", "export", "--public"])).unwrap();
        let sorted = |set: &Value| {
            let mut keys = set["keys"].as_array().unwrap().clone();
            keys.sort_by_key(|key| key["kid"].as_str().unwrap().to_owned());
            keys
        };
        assert_eq!(sorted(&set), sorted(&published(it)));
        serving.end();
        for member in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(set["keys"].as_array().unwrap().iter().all(|key| key.get(member).is_none()), "{member}");
        }
        assert_eq!(it.failure(&["keys", "export", "one"], "").0, 2, "that it is the public half must be said");
        for wanted in [&["--private"][..], &["--public", "--private"], &["--public", "--form", "pkcs8"]] {
            assert_eq!(it.failure(&[&["keys", "export", "one"], wanted].concat(), "").0, 2, "{wanted:?}");
        }
        let (code, told) = it.failure(&["keys", "export", "nobody", "--public"], "");
        assert_eq!((code, told.contains("there is no signing key nobody")), (1, true), "{told}");
    });
}

#[test]
fn a_rehearsal_tells_its_timings_to_a_pipeline_and_touches_nothing_of_the_installation() {
    each(|it| {
        it.set("KEYWRIGHT_KEYS_JWKS_MAX_AGE", "5m");
        it.set("KEYWRIGHT_KEYS_LIBRARY_CACHE", "10m");
        it.set("KEYWRIGHT_KEYS_PUBLISH_BEFORE_USE", "20m");
        let before = it.json(&["keys", "list", "--all"], "");
        let passing = it.folder.path().join("passing");
        fs::create_dir(&passing).unwrap();
        it.set("TMPDIR", passing.display().to_string());
        let told = it.json(&["keys", "drill", "--rotations", "2"], "");
        assert_eq!((&told["failures"], &told["alg"]), (&json!(0), &json!("ES256")), "{told}");
        let rotations = told["rotations"].as_array().unwrap();
        assert_eq!(rotations.len(), 2, "{told}");
        for one in rotations {
            assert!(one["published_before_use_s"].as_i64().unwrap() >= 15 * 60, "{one}");
            assert!(one["kept_after_last_token_s"].as_i64().unwrap() >= 0, "{one}");
        }
        let verifiers = told["verifiers"].as_array().unwrap();
        assert!(verifiers.len() >= 3 && verifiers.iter().all(|one| one["accepted"].as_i64().unwrap() > 40), "{told}");
        assert!(told["leak"]["took_ms"].is_u64() && told["leak"]["successor"].is_string(), "{told}");
        let words = it.run(&["keys", "drill", "--rotations", "1"], "");
        assert_eq!(words.status.code(), Some(0));
        assert!(String::from_utf8(words.stdout).unwrap().contains(" 0 refused"));
        assert_eq!(it.failure(&["keys", "drill", "--rotations", "0"], "").0, 2);
        // Settings under which keys would sign too early are refused before anything is rehearsed.
        it.set("KEYWRIGHT_KEYS_PUBLISH_BEFORE_USE", "1m");
        let (code, said) = it.failure(&["keys", "drill"], "");
        assert_eq!((code, said.contains("publish_before_use")), (2, true), "{said}");
        it.set("KEYWRIGHT_KEYS_PUBLISH_BEFORE_USE", "20m");
        assert_eq!(it.json(&["keys", "list", "--all"], ""), before);
        assert_eq!(fs::read_dir(&passing).unwrap().count(), 0, "its folder is gone");
    });
}
