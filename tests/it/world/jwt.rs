//! Tokens taken apart and put together: whatever a client, or somebody worse, may send.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use josekit::{
    jwk::{Jwk, alg::ec::EcCurve},
    jws::{ES256, JwsHeader},
};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

fn part(token: &str, n: usize) -> Value {
    let part = token.split('.').nth(n).unwrap_or_else(|| panic!("no JWT: {token}"));
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

pub fn header(token: &str) -> Value {
    part(token, 0)
}
pub fn payload(token: &str) -> Value {
    part(token, 1)
}

pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub fn base64_standard(bytes: impl AsRef<[u8]>) -> String {
    base64::prelude::BASE64_STANDARD.encode(bytes)
}

/// The token with another header and payload under the old signature.
pub fn forged(token: &str, header: &Value, payload: &Value) -> String {
    let signature = token.split('.').nth(2).unwrap();
    format!("{}.{}.{signature}", base64(header.to_string()), base64(payload.to_string()))
}

/// The key of a client, for ES256.
#[derive(Clone)]
pub struct Key {
    kid: String,
    jwk: Jwk,
}

impl Key {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let kid = format!("key-{}", NEXT.fetch_add(1, Ordering::SeqCst));
        Self { kid, jwk: Jwk::generate_ec_key(EcCurve::P256).unwrap() }
    }

    /// The JWK Set to register.
    pub fn jwks(&self) -> Value {
        let mut public = serde_json::to_value(self.jwk.to_public_key().unwrap().as_ref()).unwrap();
        public["kid"] = json!(self.kid);
        public["alg"] = json!("ES256");
        public["use"] = json!("sig");
        json!({"keys": [public]})
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_under(&json!({}), claims)
    }

    /// Signs with more header parameters.
    pub fn sign_under(&self, more: &Value, claims: &Value) -> String {
        let mut header = JwsHeader::new();
        header.set_token_type("JWT");
        header.set_key_id(&self.kid);
        for (name, value) in more.as_object().unwrap() {
            header.set_claim(name, Some(value.clone())).unwrap();
        }
        let signer = ES256.signer_from_jwk(&self.jwk).unwrap();
        josekit::jws::serialize_compact(claims.to_string().as_bytes(), &header, &signer).unwrap()
    }

    /// Signs these very bytes, whatever they are.
    pub fn sign_raw(&self, header: &str, payload: &str) -> String {
        use josekit::jws::JwsSigner;
        let signed = format!("{}.{}", base64(header), base64(payload));
        let signature = ES256.signer_from_jwk(&self.jwk).unwrap().sign(signed.as_bytes()).unwrap();
        format!("{signed}.{}", base64(signature))
    }

    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as PEM, as somebody who confuses algorithms would use it.
    pub fn public_pem(&self) -> Vec<u8> {
        use josekit::jwk::KeyPair;
        josekit::jwk::alg::ec::EcKeyPair::from_jwk(&self.jwk).unwrap().to_pem_public_key()
    }
}
