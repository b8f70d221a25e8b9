//! Signing with a key wherever its private half is: here at once, elsewhere by whoever holds it, within the deadline. And
//! what else there is to do with keys that are elsewhere.

use super::world::{World, only_fault};
use crate::{
    base::{
        fault::{Fault, Stop},
        id::KeyId,
    },
    jose::{Draft, Drafted, Outside, SigningKey, Typ},
    keyring::State,
    store::Tx,
};
use serde::Serialize;
use std::convert::Infallible;

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

/// Whether everybody who holds keys for us lets us sign with those that sign now, or will next.
///
/// # Errors
/// A fault that says who does not, and why.
pub async fn check(world: &World) -> Result<(), Fault> {
    let first = world.signers.let_us_in().await;
    first.map_err(|failed| Fault::new("reaching those who hold signing keys", failed))?;
    for one in list(world).await? {
        match one.state {
            State::Pending | State::Active { .. } => {
                let doing = |failed| Fault::new(format!("looking for signing key {}, {}", one.kid, one.at), failed);
                world.signers.check(&one.at).await.map_err(doing)?;
            }
            // It signs no longer.
            State::Retiring { .. } | State::Gone => {}
        }
    }
    Ok(())
}

/// Destroys the private halves of keys that are gone where they are. One that cannot be now is the next time.
///
/// # Errors
/// A fault of the store.
pub(super) async fn destroy_gone(world: &World) -> Result<(), Fault> {
    if !world.signers.any() {
        return Ok(());
    }
    for one in list(world).await?.into_iter().filter(|one| one.state == State::Gone) {
        if let Err(failed) = world.signers.destroy(&one.at).await {
            tracing::warn!(error = %failed, key.id = %one.kid, "a signing key that is gone could not be destroyed where it is");
            continue;
        }
        let kid = one.kid.clone();
        let note = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.signing_keys().destroyed(&kid)?);
        world.store.write("destroyed_signing_key", note).await.map_err(only_fault)?;
        tracing::info!(key.id = %one.kid, key.at = %one.at, "a signing key that is gone was destroyed where it was");
    }
    Ok(())
}

/// A key that is elsewhere.
struct There {
    kid: KeyId,
    state: State,
    at: Outside,
}

async fn list(world: &World) -> Result<Vec<There>, Fault> {
    let read = |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.signing_keys().list()?);
    let rows = world.store.read("list_signing_keys", read).await.map_err(only_fault)?;
    let there = rows.into_iter().filter_map(|row| {
        let (kid, state) = (row.record.kid, row.record.state);
        row.outside.map(|at| There { kid, state, at })
    });
    Ok(there.collect())
}
