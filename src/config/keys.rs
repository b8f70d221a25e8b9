//! `[keys]`: the life of signing keys.

use super::section::section;
use crate::base::moment::Span;

section! {
    /// The life of signing keys.
    Keys = "keys" {
        /// How long a key signs before its successor takes over.
        rotation_period: Span = "90d" in "10m" .. "3650d", Live;
        /// How long a new key is published before it signs, so that every client has fetched it. Not
        /// shorter than `keys.jwks_max_age`.
        publish_before_use: Span = "1h" in "1s" .. "30d", Live;
        /// How long clients and proxies may keep the key set.
        jwks_max_age: Span = "5m" in "1s" .. "24h", Live;
    }
}
