//! Signing with a key wherever its private half is: here at once, elsewhere by whoever holds it, within the deadline.

use super::world::World;
use crate::{
    base::fault::Fault,
    jose::{Draft, Drafted, SigningKey, Typ},
};
use serde::Serialize;

/// Makes of `claims` a token of the kind `typ`.
///
/// # Errors
/// A fault: a passing one where whoever holds the key does not sign now.
pub(super) async fn sign(world: &World, key: &SigningKey, typ: Typ, claims: &impl Serialize) -> Result<String, Fault> {
    match key.token(typ, claims)? {
        Drafted::Signed(token) => Ok(token),
        Drafted::Unsigned(draft) => complete(world, key, draft).await,
    }
}

/// Has a draft signed where its key is. What comes back is verified before it goes anywhere.
///
/// # Errors
/// As [`sign`].
pub(super) async fn complete(world: &World, key: &SigningKey, draft: Draft) -> Result<String, Fault> {
    let at = key.outside().ok_or_else(|| Fault::bare(format!("signing key {} is here", key.kid())))?;
    let doing = || format!("signing with key {}, {at}", key.kid());
    let signature = world.signers.sign(at, key.alg(), draft.input()).await.map_err(|failed| {
        world.metrics.signatures_elsewhere.one(failed.word());
        Fault::new(doing(), failed).passing()
    })?;
    let token = key.complete(draft, &signature).map_err(|fault| {
        world.metrics.signatures_elsewhere.one("bad");
        tracing::error!(error = %fault, "a signature from elsewhere is not good, and was not handed out");
        fault.passing()
    })?;
    world.metrics.signatures_elsewhere.one("signed");
    Ok(token)
}
