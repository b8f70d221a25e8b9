//! A key that is shown with a proof of possession (RFC 9449 §7): whether the proof is good for this
//! call and this key, and has not been used before.
//!
//! Which keys need one is their policy's to say (member `binding`); a proof that is shown must be
//! good for every key. It is used up last, when nothing else refuses the call, for that is written to the
//! store: whoever has no right to call makes no node write.

use super::{
    directory::Entry,
    verify::{self, Mode, Verdict},
};
use crate::{
    apikey::call::{Call, Possession},
    audit::Origin,
    base::fault::Fault,
    flow::{dpop, world::World},
    oauth::dpop::{Field, Proof, Shown, judge},
};
use std::sync::Arc;

/// A key as it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// What may be a key.
    pub text: &'a str,
    /// The proof that came with it, and the call that it must be for.
    pub proof: &'a Shown<'a>,
}

/// What a call shows that shows no proof.
static NO_PROOF: Shown<'static> = Shown { field: Field::Absent, method: "", uri: String::new() };

impl<'a> From<&'a str> for Sent<'a> {
    /// A key with no proof.
    fn from(text: &'a str) -> Self {
        Self { text, proof: &NO_PROOF }
    }
}

impl<'a> From<&'a String> for Sent<'a> {
    /// A key with no proof.
    fn from(text: &'a String) -> Self {
        text.as_str().into()
    }
}

/// Judges a key that was found, with the proof that came with it. The proof is for this key, so it holds the hash of the
/// key's text (`ath`, RFC 9449 §4.3): one that was made for a token or for another key is none.
///
/// # Errors
/// As [`verify::run`].
pub(super) async fn judged(
    world: &World,
    entry: Arc<Entry>,
    (sent, call): (Sent<'_>, &Call<'_>),
    mode: Mode,
    origin: &Origin,
) -> Result<Verdict, Fault> {
    let proof = match judge(sent.proof, Some(sent.text), world.now()) {
        Ok(proof) => proof,
        Err(bad) => {
            tracing::debug!(api_key = %entry.key.id, why = bad.because(), "a proof of possession is not good");
            let call = Call { dpop: Possession::Disproven, ..call.clone() };
            return verify::known(world, entry, (&call, None), mode, origin).await;
        }
    };
    let Some(proof) = proof else { return verify::known(world, entry, (call, None), mode, origin).await };
    let call = Call { dpop: Possession::Of(&proof.jkt), ..call.clone() };
    verify::known(world, entry, (&call, Some(&proof)), mode, origin).await
}

/// Uses the proof of a call up, where it has one; false where it was used before. A call that is only tried
/// uses nothing up.
///
/// # Errors
/// A fault of the store.
pub(super) async fn used(world: &World, proof: Option<&Proof>, mode: Mode) -> Result<bool, Fault> {
    match (proof, mode) {
        (Some(proof), Mode::Real) => dpop::first_use(world, proof).await,
        (Some(_), Mode::Dry) | (None, _) => Ok(true),
    }
}
