//! A proof of possession (RFC 9449) is judged, and good once on all nodes together.

use super::world::{World, only_fault};
use crate::{
    base::fault::{Fault, Stop},
    oauth::{
        dpop::{BadProof, Proof, Shown, judge},
        engine::Ended,
        refusal::Refusal,
    },
    store::Tx,
};
use std::convert::Infallible;

/// The proof of a request at the token endpoint; `None` where it shows none. It is not used up yet:
/// whoever it is of has to prove themselves first.
///
/// # Errors
/// `invalid_dpop_proof`.
pub fn shown(world: &World, shown: &Shown<'_>) -> Result<Option<Proof>, Refusal> {
    Ok(judge(shown, None, world.now())?)
}

/// Uses a proof up; false where it was used before.
///
/// # Errors
/// A fault of the store.
pub async fn first_use(world: &World, proof: &Proof) -> Result<bool, Fault> {
    let (scope, name, until) = (format!("dpop {}", proof.jkt), proof.name, proof.until);
    let write = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.replay().first_use(&scope, &name, until)?);
    world.store.write("dpop_first_use", write).await.map_err(only_fault)
}

/// Uses the proof of a request at the token endpoint up, where it has one.
///
/// # Errors
/// `invalid_dpop_proof` where it was used before.
pub async fn used(world: &World, proof: Option<&Proof>) -> Result<(), Ended> {
    match proof {
        Some(proof) if !first_use(world, proof).await? => Err(Refusal::from(BadProof::Used).into()),
        Some(_) | None => Ok(()),
    }
}
