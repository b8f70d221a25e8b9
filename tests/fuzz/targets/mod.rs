//! The table of targets: what strangers send, and what must hold of it whatever it is.
//!
//! A target takes any bytes and returns a word for how they ended. It panics where a rule is broken that holds for every
//! input: that is stronger than "it does not crash", and is said in its documentation.

mod api_keys;
mod credential;
mod encrypted;
mod files;
mod jose;
mod keys;
mod leaks;
mod oauth;
mod proof;
mod token;
mod wire;

use keywright::{
    base::{id::ClientId, moment::Moment, uri::Issuer},
    oauth::{client::Client, register::parse_client},
};
use std::sync::LazyLock;

/// One parser, or a few that read the same thing.
#[derive(Debug)]
pub struct Target {
    /// Its name: of the test, and of the directory of its corpus.
    pub name: &'static str,
    /// Runs one input.
    pub run: fn(&[u8]) -> String,
    /// Inputs to begin with that are better made than written down.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words of its language.
    pub words: &'static [&'static str],
}

/// Every target.
pub const ALL: &[Target] = &[
    wire::FORM_PARAMETERS,
    wire::CLIENT_ADDRESSES,
    wire::SCOPES_AND_RESOURCES,
    wire::REDIRECT_URIS,
    wire::ENCODINGS,
    oauth::AUTHORIZATION_REQUESTS,
    oauth::CLAIMS_PARAMETERS,
    oauth::SIGN_OUT_REQUESTS,
    proof::TOKEN_REQUESTS,
    proof::BEARER_TOKENS,
    proof::DPOP_PROOFS,
    credential::CREDENTIAL_TEXT,
    credential::REFRESH_TOKENS,
    jose::JSON_TEXT,
    jose::KEY_SETS,
    keys::JWK_DOCUMENTS,
    keys::SIGNED_PROOFS,
    token::TOKEN_TEXT,
    token::SIGNED_TOKENS,
    token::CLIENT_ASSERTIONS,
    encrypted::ENCRYPTED_TOKENS,
    encrypted::ENCRYPTED_HEADERS,
    jose::SEALED_TEXT,
    files::CLIENT_METADATA,
    files::SETTINGS_FILES,
    files::DECLARED_CLIENTS_FILES,
    api_keys::API_KEY_TEXT,
    api_keys::KEY_POLICIES,
    api_keys::KEY_CALLS,
    leaks::SCANNED_TEXT,
];

pub fn named(name: &str) -> Option<&'static Target> {
    ALL.iter().find(|target| target.name == name)
}

/// Text, as far as bytes are text: for parsers that are only ever handed text.
fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

/// The first line, and what follows it.
fn lines(input: &[u8]) -> (&[u8], &[u8]) {
    let at = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    (&input[..at], input.get(at + 1..).unwrap_or_default())
}

/// Seeds that are text.
fn seeds(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// An authorization code client with a secret, as registered.
fn client() -> &'static Client {
    static CLIENT: LazyLock<Client> = LazyLock::new(|| {
        let metadata = serde_json::json!({
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
            "redirect_uris": ["https://app.example/cb", "https://app.example/cb?tenant=1", "http://127.0.0.1/cb"],
            "post_logout_redirect_uris": ["https://app.example/bye"],
            "scope": "openid profile email offline_access read write",
            "resources": ["https://api.example", "https://other.example"],
        });
        parse_client(ClientId::parse("cli_app").unwrap(), metadata.as_object().unwrap(), Default::default()).unwrap()
    });
    &CLIENT
}

fn issuer() -> &'static Issuer {
    static ISSUER: LazyLock<Issuer> = LazyLock::new(|| Issuer::parse("https://id.example").unwrap());
    &ISSUER
}

/// When every input arrives.
const NOW: Moment = Moment::from_unix(1_800_000_000);
