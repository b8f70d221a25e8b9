//! `[keys]`: the life of signing keys, and of those that others encrypt for.

use super::{
    section::section,
    setting::{Setting, echo, quoted},
};
use crate::{
    base::{moment::Span, secret::Secret},
    jose::{Alg, KeyManagement},
};
use std::path::PathBuf;

impl Setting for KeyManagement {
    const WHAT: &'static str = "\"RSA-OAEP-256\" or \"ECDH-ES\"";
    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text.trim()).ok_or_else(|| format!("{} is none of them", echo(text)))
    }
    fn to_toml(&self) -> Option<String> {
        Some(quoted(self.name()))
    }
}

section! {
    /// The life of signing keys.
    Keys = "keys" {
        /// How long a key signs before its successor takes over.
        rotation_period: Span = "90d" in "10m" .. "3650d", Live;
        /// How long a new key is published before it signs, so that every client has fetched it. Not
        /// shorter than `keys.jwks_max_age` and `keys.library_cache` together.
        publish_before_use: Span = "1h" in "1s" .. "30d", Live;
        /// How long clients and proxies may keep the key set.
        jwks_max_age: Span = "5m" in "1s" .. "24h", Live;
        /// How long the libraries of your clients and APIs keep the key set on top of that, whatever
        /// its max-age says, without asking again for a key that they do not know.
        library_cache: Span = "10m" in "0s" .. "7d", Live;
        /// How many bits the RSA keys have that are made from now on, for RS256, PS256 and RSA-OAEP-256. Each thousand
        /// more makes a signature several times as dear.
        rsa_bits: u32 = "2048" in "2048" .. "8192", Live;
        /// The algorithms of keys that clients may encrypt for: of each one is published with `use` "enc", for tokens that
        /// are encrypted with A256GCM. Empty: nothing that is sent here may be encrypted. Upgrade every node first. One that
        /// is taken out again is published until its period ends, or until `keywright keys rotate`.
        encryption_algorithms: Vec<KeyManagement>, Live;
        /// The algorithms whose keys are made in a PKCS#11 token from now on, and never leave it. A key that signs
        /// now goes on to the end of its period, or until `keywright keys rotate`.
        pkcs11: Vec<Alg>, Restart;
        /// The PKCS#11 module: a library that is loaded into the server.
        pkcs11_module: Option<PathBuf>, Restart;
        /// The label of the token. It needs to be the same one, or one with the same keys, for every node.
        pkcs11_token: Option<String>, Restart;
        /// The PIN of the token's user.
        pkcs11_pin: Option<Secret<String>>, Restart;
        /// The algorithms whose keys are made by the engine Transit of Vault or OpenBao from now on, and never leave it.
        /// It is reached as `[secrets]` says.
        transit: Vec<Alg>, Restart;
        /// Where that engine is mounted.
        transit_mount: String = "transit", Restart;
        /// How long a signature by a key that is elsewhere may take. Whoever waits for it hears 503 then.
        signature_deadline: Span = "2s" in "50ms" .. "30s", Restart;
    }
}
