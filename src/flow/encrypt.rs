//! Encrypting what is told of a person for the client that asked for it so (OpenID Connect Core §10.2):
//! signed first, then encrypted, and never sent without.

use super::world::World;
use crate::{
    base::fault::{Fault, Stop},
    jose::{KeyManagement, KeySet},
    oauth::{
        client::{Client, ClientKeys},
        code::ErrorCode::InvalidRequest,
        refusal::Refusal,
    },
};
use std::sync::Arc;

/// Whom a token is encrypted for; nobody, where the client did not ask for it.
#[derive(Clone, Debug)]
pub struct Recipient(Option<(Arc<KeySet>, KeyManagement)>);

impl Recipient {
    /// The signed token, encrypted where that was asked for.
    ///
    /// # Errors
    /// A fault where it was asked for and cannot be done.
    pub fn seal(&self, signed: String) -> Result<String, Fault> {
        let Some((keys, way)) = &self.0 else { return Ok(signed) };
        let key = keys.to_encrypt(*way).ok_or_else(|| Fault::bare("a recipient without a key"))?;
        key.encrypt(&signed)
    }
}

/// Finds the key to encrypt with. To be asked before anything is spent on what is to be encrypted: a
/// code that was redeemed for an answer that cannot be sent is lost.
///
/// # Errors
/// `invalid_request` where the client publishes no such key; a fault that passes where its keys cannot
/// be fetched.
pub async fn recipient(world: &World, client: &Client, way: Option<KeyManagement>) -> Result<Recipient, Stop<Refusal>> {
    let Some(way) = way else { return Ok(Recipient(None)) };
    let keys = match &client.keys {
        ClientKeys::None => None,
        ClientKeys::Registered(keys) => Some(Arc::clone(keys.keys())),
        ClientKeys::Fetched(uri) => {
            let fetched = world.outbound.fetch_jwks(uri, None, world.now()).await;
            let failed = |e| Fault::new(format!("fetching the keys of client {} to encrypt", client.id), e).passing();
            Some(fetched.map_err(failed)?)
        }
    };
    match keys.filter(|keys| keys.to_encrypt(way).is_some()) {
        Some(keys) => Ok(Recipient(Some((keys, way)))),
        None => {
            let because = format!("the client's key set has no key to encrypt with for {}", way.name());
            Err(Stop::Refusal(Refusal::new(InvalidRequest, because)))
        }
    }
}
