//! The engine Transit as the peer of Vault speaks it: it makes keys, tells their public halves, and signs with OpenSSL.

use super::{
    jwt::{base64, base64_standard},
    vault::{Asked, refused},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use openssl::{
    ec::{EcGroup, EcKey},
    ecdsa::EcdsaSig,
    nid::Nid,
    pkey::{PKey, Private},
    pkey_ctx::PkeyCtx,
    rsa::{Padding, Rsa},
    sign::{RsaPssSaltlen, Signer},
};
use serde_json::{Value, json};
use std::{fs, path::Path, thread, time::Duration};

pub fn answer(asked: &Asked, rest: &str, folder: &Path) -> (u16, String) {
    match fs::read_to_string(folder.join("misbehaves")).unwrap_or_default().as_str() {
        "slow" => thread::sleep(Duration::from_secs(30)),
        "garbage" => return (200, "<html>not Vault</html>".to_owned()),
        "forbidden" => return refused(403, &["permission denied"]),
        "down" => return refused(503, &["Vault is sealed"]),
        _ => {}
    }
    let wrong = fs::read_to_string(folder.join("misbehaves")).is_ok_and(|how| how == "wrong");
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let words: Vec<&str> = rest.split('/').collect();
    match (asked.method.as_str(), words.as_slice()) {
        ("POST", ["keys", name]) => {
            let made = make(&at(folder, name), &body);
            while_it(folder, "stalls");
            made
        }
        ("GET", ["keys", name]) => {
            let told = told(&at(folder, name), name);
            while_it(folder, "dawdles");
            told
        }
        ("POST", ["keys", name, "config"]) => allow(&at(folder, name), &body),
        ("DELETE", ["keys", name]) => delete(&at(folder, name)),
        ("POST", ["sign", name]) => sign_all(&at(folder, name), &body, wrong),
        ("POST", ["decrypt", "wrapping"]) => match fs::read_to_string(folder.join("wrapped")) {
            Ok(plaintext) if body["ciphertext"] == "vault:v1:UmFuZG9tIGNpcGhlcnRleHQ=" => {
                (200, json!({ "data": { "plaintext": plaintext } }).to_string())
            }
            _ => refused(400, &["cipher: message authentication failed"]),
        },
        _ => refused(404, &[]),
    }
}

/// Waits for as long as it misbehaves so, and leaves a mark.
fn while_it(folder: &Path, how: &str) {
    while fs::read_to_string(folder.join("misbehaves")).is_ok_and(|does| does == how) {
        fs::write(folder.join(how), "").unwrap();
        thread::sleep(Duration::from_millis(20));
    }
}

fn at(folder: &Path, name: &str) -> std::path::PathBuf {
    folder.join(format!("transit.{name}"))
}

/// A key at rest: its type, its private half, and whether it may be deleted.
fn read(at: &Path) -> Option<(String, PKey<Private>, bool)> {
    let kept: Value = serde_json::from_slice(&fs::read(at).ok()?).ok()?;
    let key = PKey::private_key_from_pem(kept["pem"].as_str()?.as_bytes()).ok()?;
    Some((kept["type"].as_str()?.to_owned(), key, kept["deletable"] == true))
}

fn write(at: &Path, kind: &str, key: &PKey<Private>, deletable: bool) {
    let pem = String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let draft = at.with_file_name(format!("draft-of-{}", at.file_name().unwrap().to_str().unwrap()));
    fs::write(&draft, json!({ "type": kind, "pem": pem, "deletable": deletable }).to_string()).unwrap();
    fs::rename(draft, at).unwrap();
}

fn make(at: &Path, body: &Value) -> (u16, String) {
    if at.exists() {
        return (204, String::new());
    }
    let on = |curve| PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap()).unwrap();
    let kind = body["type"].as_str().unwrap_or_default();
    let key = match kind {
        "ecdsa-p256" => on(Nid::X9_62_PRIME256V1),
        "ecdsa-p384" => on(Nid::SECP384R1),
        "ed25519" => PKey::generate_ed25519().unwrap(),
        "rsa-2048" => PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap(),
        _ => return refused(400, &["unknown key type"]),
    };
    write(at, kind, &key, false);
    (204, String::new())
}

fn told(at: &Path, name: &str) -> (u16, String) {
    let Some((kind, key, deletable)) = read(at) else { return refused(404, &[]) };
    let public = match kind.as_str() {
        "ed25519" => base64_standard(key.raw_public_key().unwrap()),
        _ => String::from_utf8(key.public_key_to_pem().unwrap()).unwrap(),
    };
    let version = json!({ "creation_time": "2026-11-29T00:00:00Z", "name": kind, "public_key": public });
    let data = json!({
        "name": name, "type": kind, "deletion_allowed": deletable, "latest_version": 1, "keys": { "1": version },
    });
    (200, json!({ "request_id": "1", "data": data }).to_string())
}

fn allow(at: &Path, body: &Value) -> (u16, String) {
    let Some((kind, key, _)) = read(at) else { return refused(400, &["no existing key named so could be found"]) };
    write(at, &kind, &key, body["deletion_allowed"] == true);
    (204, String::new())
}

fn delete(at: &Path) -> (u16, String) {
    match read(at) {
        Some((_, _, true)) => {
            fs::remove_file(at).unwrap();
            (204, String::new())
        }
        Some(_) => refused(400, &["deletion is not allowed for this key"]),
        None => refused(400, &["could not delete key; not found"]),
    }
}

fn sign_all(at: &Path, body: &Value, wrong: bool) -> (u16, String) {
    let Some((kind, key, _)) = read(at) else { return refused(400, &["signing key not found"]) };
    if body["key_version"] != 1 {
        return refused(400, &["cannot sign with that version"]);
    }
    let signed = |one: &Value| {
        let input = one["input"].as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
        let signature = input.and_then(|input| sign(&kind, &key, &input, body));
        let spoilt = |text: String| if wrong { text.replace("vault:v1:", "vault:v1:AAAA") } else { text };
        signature.map_or_else(|| json!({ "error": "invalid input" }), |text| json!({ "signature": spoilt(text) }))
    };
    let results: Vec<Value> = body["batch_input"].as_array().unwrap().iter().map(signed).collect();
    (200, json!({ "request_id": "1", "data": { "batch_results": results } }).to_string())
}

/// As Transit signs; what it was not told rightly it does not sign.
fn sign(kind: &str, key: &PKey<Private>, input: &[u8], body: &Value) -> Option<String> {
    let told = |name: &str| body[name].as_str().unwrap_or_default();
    let hashed = body["prehashed"] == true;
    let text = match kind {
        "ed25519" => {
            let mut signer = Signer::new_without_digest(key).ok()?;
            (!hashed).then(|| base64_standard(signer.sign_oneshot_to_vec(input).unwrap()))?
        }
        "ecdsa-p256" | "ecdsa-p384" => {
            let (size, hash) = if kind == "ecdsa-p256" { (32, "sha2-256") } else { (48, "sha2-384") };
            let right = hashed && told("hash_algorithm") == hash && input.len() == size as usize;
            let signature = right.then(|| EcdsaSig::sign(input, &key.ec_key().unwrap()).unwrap())?;
            match told("marshaling_algorithm") {
                "jws" => {
                    let mut raw = signature.r().to_vec_padded(size).ok()?;
                    raw.extend(signature.s().to_vec_padded(size).ok()?);
                    base64(raw)
                }
                _ => base64_standard(signature.to_der().ok()?),
            }
        }
        _ => {
            let right = hashed && told("hash_algorithm") == "sha2-256" && input.len() == 32;
            let mut context = right.then(|| PkeyCtx::new(key).unwrap())?;
            context.sign_init().ok()?;
            if told("signature_algorithm") == "pkcs1v15" {
                context.set_rsa_padding(Padding::PKCS1).ok()?;
            } else {
                context.set_rsa_padding(Padding::PKCS1_PSS).ok()?;
                let salt = if told("salt_length") == "hash" {
                    RsaPssSaltlen::DIGEST_LENGTH
                } else {
                    RsaPssSaltlen::MAXIMUM_LENGTH
                };
                context.set_rsa_pss_saltlen(salt).ok()?;
            }
            context.set_signature_md(openssl::md::Md::sha256()).ok()?;
            let mut signature = Vec::new();
            context.sign_to_vec(input, &mut signature).ok()?;
            base64_standard(signature)
        }
    };
    Some(format!("vault:v1:{text}"))
}
