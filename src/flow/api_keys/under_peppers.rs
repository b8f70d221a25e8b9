//! API keys under every pepper that there is: one that was hashed with an older one is found, and hashed anew.

use super::verify::{Found, looked_up};
use crate::{
    base::fault::Fault,
    flow::{secrets::rehash, world::World},
};
use std::net::IpAddr;

/// As [`looked_up`], under each pepper, the newest first: as a rule there is one.
///
/// # Errors
/// As [`looked_up`].
pub(super) async fn found(world: &World, text: &str, address: Option<IpAddr>) -> Result<Found, Fault> {
    let mut found = looked_up(world, world.secrets.pepper.hash(text), address).await?;
    if !matches!(found, Found::Nothing) {
        return Ok(found);
    }
    for digest in world.secrets.pepper.older_hashes(text) {
        found = looked_up(world, digest, address).await?;
        if let Found::Key(entry) = &found {
            rehash::api_key(world, &entry.key, digest, text).await;
        }
        if !matches!(found, Found::Nothing) {
            break;
        }
    }
    Ok(found)
}

/// What is hashed of a key whose SHA-256 was brought: so a stolen database is no better a list of
/// keys than for any other.
#[must_use]
pub fn text_of_hash(hash: &[u8; 32]) -> String {
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
