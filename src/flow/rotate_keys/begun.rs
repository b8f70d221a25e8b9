//! Keys that are being made elsewhere. Each is written down under the name that it will have there before it is made, and
//! the note goes in the transaction that publishes it: whoever dies in between leaves nothing that nobody knows of. What
//! was left is destroyed by any node a few minutes later.

use super::Keeper;
use crate::{
    base::{
        digest::hex,
        entropy,
        fault::{Fault, Stop},
        moment::{Moment, Span},
    },
    flow::world::{World, only_fault},
    jose::{Alg, Outside},
    remote::signers::{MadeOutside, SignerFailed},
    store::{Store, Tx},
};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

/// The names of the notes in the database begin so.
const PREFIX: &str = "signing key begun ";
/// So long after it was begun nobody is at it any more: whoever makes a key waits for half a minute at most.
const LEFT: Span = Span::minutes(5);
/// While so many were left that cannot be destroyed, no more are begun: whoever answers, and refuses, is asked every minute.
const MOST: usize = 16;

/// A key that is being made, as it is written down.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    at: Outside,
    since: Moment,
    /// Somebody is about to destroy it: it must not be published any more.
    given_up: bool,
}

impl Begun {
    /// Whether nobody is at it any more. By a clock that was far ahead when it was begun, too.
    fn is_left(&self, now: Moment) -> bool {
        self.given_up || now.since(self.since) >= LEFT || self.since.since(now) >= LEFT
    }
}

/// As many were left as may be.
struct Crowded;

fn named(at: &Outside) -> String {
    format!("{PREFIX}{}", at.name())
}

fn read(text: &[u8]) -> Result<Begun, Fault> {
    serde_json::from_slice(text).map_err(|e| Fault::new("reading which signing keys are being made", e))
}

fn write(tx: &mut Tx<'_>, begun: &Begun) -> Result<(), Fault> {
    let text = serde_json::to_vec(begun).map_err(|e| Fault::new("writing which signing key is being made", e))?;
    tx.meta().put(&named(&begun.at), &text)
}

fn all(tx: &mut Tx<'_>) -> Result<Vec<Begun>, Fault> {
    tx.meta().starting_with(PREFIX)?.iter().map(|(_, text)| read(text)).collect()
}

/// Where keys are that were begun and left.
fn left(tx: &mut Tx<'_>) -> Result<Vec<Outside>, Fault> {
    let now = tx.now();
    Ok(all(tx)?.into_iter().filter(|begun| begun.is_left(now)).map(|begun| begun.at).collect())
}

fn begin(tx: &mut Tx<'_>, at: &Outside) -> Result<(), Stop<Crowded>> {
    tx.signing_keys().lock()?;
    if all(tx)?.iter().filter(|begun| begun.given_up).count() >= MOST {
        return Err(Stop::Refusal(Crowded));
    }
    let since = tx.now();
    Ok(write(tx, &Begun { at: at.clone(), since, given_up: false })?)
}

/// Whether the key there may be published; behind the lock of signing keys.
pub(super) fn stands(tx: &mut Tx<'_>, at: &Outside) -> Result<bool, Fault> {
    let note = tx.meta().get(&named(at))?;
    Ok(note.map(|text| read(&text)).transpose()?.is_some_and(|begun| !begun.given_up))
}

/// The key there is published, or gone: the note is needed no longer.
pub(super) fn done(tx: &mut Tx<'_>, at: &Outside) -> Result<(), Fault> {
    tx.meta().remove(&named(at))
}

/// Makes a key where those of this algorithm are made, once it is written down.
pub(super) async fn make(keeper: &Keeper<'_>, alg: Alg) -> Result<Result<MadeOutside, SignerFailed>, Fault> {
    let id = hex(&entropy::bytes::<16>(keeper.dice)?);
    let at = match keeper.signers.place(alg, &id) {
        Ok(at) => at,
        Err(failed) => return Ok(Err(failed)),
    };
    let place = at.clone();
    match keeper.store.write("begin_signing_key", move |tx: &mut Tx<'_>| begin(tx, &place)).await {
        Ok(()) => Ok(keeper.signers.make(alg, keeper.policy.keys.rsa_bits, at).await),
        Err(Stop::Refusal(Crowded)) => Ok(Err(SignerFailed::Away(format!(
            "{MOST} keys that were begun there and left cannot be destroyed: no more are begun until they are"
        )))),
        Err(Stop::Fault(fault)) => Err(fault),
    }
}

/// Destroys a key that nobody needed, and forgets that it was begun. One that cannot be destroyed now is left.
pub(super) async fn undo(keeper: &Keeper<'_>, at: &Outside) {
    match keeper.signers.destroy(at).await {
        Ok(()) => {
            if let Err(fault) = forget(keeper.store, at).await {
                tracing::warn!(error = %fault, key.at = %at, "it could not be noted that a key nobody needs was destroyed");
            }
        }
        Err(failed) => tracing::warn!(error = %failed, key.at = %at, "a key that nobody needs could not be destroyed"),
    }
}

async fn forget(store: &Store, at: &Outside) -> Result<(), Fault> {
    let at = at.clone();
    let forget = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(done(tx, &at)?);
    store.write("forget_signing_key_begun", forget).await.map_err(only_fault)
}

/// Destroys what was begun and left, by whichever node. What cannot be destroyed now is the next time.
///
/// # Errors
/// A fault of the store.
pub(in crate::flow) async fn clear(world: &World) -> Result<(), Fault> {
    let look = |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(left(tx)?);
    for at in world.store.read("list_signing_keys_begun", look).await.map_err(only_fault)? {
        let place = at.clone();
        // Before it is destroyed, so that nobody publishes it meanwhile; one that was published has no note any more.
        let give_up = move |tx: &mut Tx<'_>| -> Result<bool, Stop<Infallible>> {
            tx.signing_keys().lock()?;
            let Some(text) = tx.meta().get(&named(&place))? else { return Ok(false) };
            write(tx, &Begun { given_up: true, ..read(&text)? })?;
            Ok(true)
        };
        if !world.store.write("give_up_signing_key", give_up).await.map_err(only_fault)? {
            continue;
        }
        if let Err(failed) = world.signers.destroy(&at).await {
            tracing::warn!(error = %failed, key.at = %at, "a signing key that was begun and left could not be destroyed");
            continue;
        }
        forget(&world.store, &at).await?;
        tracing::info!(key.at = %at, "a signing key that was begun and left was destroyed, if it was ever made");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::sample::in_sample;

    fn place(n: usize) -> Outside {
        Outside::Transit { mount: "transit".to_owned(), name: format!("keywright-{n}"), version: 1 }
    }

    #[test]
    fn what_was_begun_stands_until_it_is_given_up_or_done() {
        in_sample(async |sample| {
            let begun = sample.world.store.write("begin", |tx: &mut Tx<'_>| begin(tx, &place(1))).await;
            assert!(begun.is_ok());
            assert!(sample.write(|tx| stands(tx, &place(1))).await && !sample.write(|tx| stands(tx, &place(2))).await);
            assert!(sample.write(left).await.is_empty());
            sample.clock.advance(LEFT);
            assert_eq!(sample.write(left).await, [place(1)]);
            assert!(sample.write(|tx| stands(tx, &place(1))).await, "whoever is late may publish it until then");
            // Nobody is named who could destroy it: it stays, and is not published any more.
            clear(&sample.world).await.unwrap();
            assert!(!sample.write(|tx| stands(tx, &place(1))).await);
            assert_eq!(sample.write(left).await, [place(1)]);
            sample.write(|tx| done(tx, &place(1))).await;
            assert!(sample.write(left).await.is_empty());
        });
    }

    #[test]
    fn one_that_was_begun_by_a_clock_far_ahead_is_left_too() {
        let begun = |micros| Begun { at: place(1), since: Moment::from_micros(micros), given_up: false };
        let now = Moment::from_unix(1_800_000_000);
        let far = LEFT.as_micros();
        assert!(begun(now.micros() - far).is_left(now) && begun(now.micros() + far).is_left(now));
        assert!(!begun(now.micros() - far + 1).is_left(now) && !begun(now.micros() + far - 1).is_left(now));
    }

    #[test]
    fn where_many_were_left_no_more_are_begun() {
        in_sample(async |sample| {
            let begin = async |n| sample.world.store.write("begin", move |tx: &mut Tx<'_>| begin(tx, &place(n))).await;
            for n in 0..MOST + 2 {
                assert!(begin(n).await.is_ok(), "many nodes may be at it at once");
            }
            sample.clock.advance(LEFT);
            assert!(begin(100).await.is_ok(), "nobody has tried yet to destroy those that were left");
            clear(&sample.world).await.unwrap();
            assert!(matches!(begin(101).await, Err(Stop::Refusal(Crowded))));
            assert!(!sample.write(|tx| stands(tx, &place(101))).await);
        });
    }
}
