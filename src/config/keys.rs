//! `[keys]`: the life of signing keys.

use super::section::section;
use crate::base::moment::Span;

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
        /// How many bits the RSA keys have that are made from now on, for RS256 and PS256. Each thousand
        /// more makes a signature several times as dear.
        rsa_bits: u32 = "2048" in "2048" .. "8192", Live;
    }
}
