//! PKCE challenges of late, to notice an application that uses a constant one (RFC 9700 §2.1.1).

use crate::base::{digest::sha256, id::ClientId};
use moka::sync::Cache;
use std::time::Duration;

/// A bounded memory of challenges for which a code was issued.
#[derive(Debug)]
pub struct Challenges(Cache<[u8; 32], ()>);

impl Default for Challenges {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(20_000).time_to_live(Duration::from_secs(600)).build())
    }
}

impl Challenges {
    /// Whether a code was issued for this challenge before, on this node, within ten minutes.
    #[must_use]
    pub fn seen_before(&self, client: &ClientId, challenge: &str) -> bool {
        let key = sha256(format!("{client}\0{challenge}").as_bytes());
        let seen = self.0.contains_key(&key);
        self.0.insert(key, ());
        seen
    }
}
