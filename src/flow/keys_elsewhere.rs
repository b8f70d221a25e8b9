//! Keys whose private halves others hold: whether those let us sign, and what becomes of keys there that are gone here.

use super::{
    rotate_keys::begun,
    world::{World, only_fault},
};
use crate::{
    base::{
        fault::{Fault, Stop},
        id::KeyId,
    },
    jose::Outside,
    keyring::State,
    store::Tx,
};
use std::convert::Infallible;

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

/// Destroys the private halves of keys that are gone where they are, and of those that were begun there and left. One
/// that cannot be now is the next time.
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
    begun::clear(world).await
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
