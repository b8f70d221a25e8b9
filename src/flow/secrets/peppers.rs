//! Peppers by version: one hashes what is new; hashes of the others are known until they are made
//! anew, which happens when their secret is used next.
//!
//! A pepper rests in the database, sealed under the key-encryption key, unless the operator keeps it
//! elsewhere and gives it by `secrets.pepper`. Whether one that is kept elsewhere is the right one is told
//! by its proof, at the start: a wrong one would make every secret wrong without anybody noticing.

use super::{
    Keks, fits,
    keks::{name_of, proof_of},
    made,
    rewrap::number,
};
use crate::{
    audit::{Actor, Event},
    base::{
        digest::{Pepper, TokenHash},
        fault::{Fault, Stop},
        moment::{Clock, Moment, Span},
        secret::Secret,
    },
    flow::{
        journal::own_work,
        world::{World, note, only_fault},
    },
    store::{
        Tx,
        feed::{Change, Subject},
        key_versions::{KeyVersion, Kind},
    },
};
use arc_swap::ArcSwap;
use std::{convert::Infallible, sync::Arc};

/// How long after it was made known a pepper hashes what is new: by then every node has heard of it,
/// also one whose clock is wrong by ten seconds.
pub const LEAD: Span = Span::seconds(30);

/// The peppers in hand.
#[derive(Clone)]
pub struct Peppers {
    hand: Arc<ArcSwap<Vec<Held>>>,
    /// Those that the operator gave.
    given: Arc<ArcSwap<Vec<Secret<[u8; 32]>>>>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone, Debug)]
struct Held {
    pepper: Pepper,
    begins_at: Moment,
    /// By this it is known that it is in hand.
    proof: Vec<u8>,
}

impl std::fmt::Debug for Peppers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Peppers({})", self.hand.load().len())
    }
}

impl Peppers {
    fn new(hand: Vec<Held>, given: Vec<Secret<[u8; 32]>>, clock: Arc<dyn Clock>) -> Self {
        Self { hand: Arc::new(ArcSwap::from_pointee(hand)), given: Arc::new(ArcSwap::from_pointee(given)), clock }
    }

    /// The one pepper of a database of the form before.
    pub(super) fn before(key: &Secret<[u8; 32]>, given: Vec<Secret<[u8; 32]>>, clock: Arc<dyn Clock>) -> Self {
        Self::new(vec![Held { pepper: Pepper::new(1, key), begins_at: Moment::EPOCH, proof: Vec::new() }], given, clock)
    }

    /// Every pepper of these rows.
    pub(super) fn held(
        rows: &[KeyVersion],
        keks: &Keks,
        given: Vec<Secret<[u8; 32]>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Fault> {
        let peppers = Self::new(Vec::new(), given, clock);
        peppers.take(rows, keks)?;
        if peppers.hand.load().is_empty() {
            return Err(Fault::bare("this database has no pepper"));
        }
        Ok(peppers)
    }

    /// Takes in hand those that these rows tell of.
    pub(super) fn take(&self, rows: &[KeyVersion], keks: &Keks) -> Result<(), Fault> {
        let of_rows: Vec<&KeyVersion> = rows.iter().filter(|row| row.kind == Kind::Pepper).collect();
        let hand = self.hand.load();
        let known = |row: &&KeyVersion| hand.iter().any(|held| held.proof == row.proof);
        // There may be fewer: one that nothing hangs on any more was dropped.
        if of_rows.is_empty() || (of_rows.len() == hand.len() && of_rows.iter().all(known)) {
            return Ok(());
        }
        let held = |row: &KeyVersion| -> Result<Held, Fault> {
            let key = match row.sealed_by {
                Some(_) => keks.open(rows, row)?,
                None => self.given(row).ok_or_else(|| Fault::bare(lost(row)))?,
            };
            let version = i16::try_from(row.version).map_err(|e| Fault::new("reading the version of a pepper", e))?;
            Ok(Held { pepper: Pepper::new(version, &key), begins_at: row.begins_at, proof: row.proof.clone() })
        };
        // The newest first.
        let hand: Result<Vec<Held>, Fault> = of_rows.into_iter().rev().map(held).collect();
        self.hand.store(Arc::new(hand?));
        Ok(())
    }

    /// Whether this one, which is kept elsewhere, was given.
    pub(super) fn has(&self, row: &KeyVersion) -> bool {
        self.given(row).is_some()
    }

    fn given(&self, row: &KeyVersion) -> Option<Secret<[u8; 32]>> {
        self.given.load().iter().find(|key| fits(&row.proof, &proof_of(Kind::Pepper, key))).cloned()
    }

    /// Takes others that the operator gives; those in hand stay.
    pub fn give(&self, given: Vec<Secret<[u8; 32]>>) {
        self.given.store(Arc::new(given));
    }

    /// The one that hashes what is new. Whoever stores its version beside a hash asks once, and takes both from it.
    #[must_use]
    pub fn current(&self) -> Pepper {
        let (hand, now) = (self.hand.load(), self.clock.now());
        let begun = hand.iter().find(|held| held.begins_at <= now).or_else(|| hand.last());
        // There is always one: without any, nothing was opened.
        begun.map_or_else(|| Pepper::new(0, &Secret::new([0; 32])), |held| held.pepper.clone())
    }

    /// The hash of a secret that is new.
    #[must_use]
    pub fn hash(&self, secret: &str) -> TokenHash {
        self.current().hash(secret)
    }

    /// All of them, the one that hashes what is new first.
    #[must_use]
    pub fn all(&self) -> Vec<Pepper> {
        let current = self.current();
        let others: Vec<Pepper> = self.others(&current).collect();
        [current].into_iter().chain(others).collect()
    }

    fn others(&self, current: &Pepper) -> impl Iterator<Item = Pepper> {
        let (hand, version) = (self.hand.load_full(), current.version());
        let others: Vec<Pepper> =
            hand.iter().map(|held| &held.pepper).filter(|p| p.version() != version).cloned().collect();
        others.into_iter()
    }

    /// The hashes of a secret under each of them, the one that hashes what is new first. As a rule there is one.
    #[must_use]
    pub fn hashes(&self, secret: &str) -> Vec<TokenHash> {
        self.all().iter().map(|pepper| pepper.hash(secret)).collect()
    }

    /// The hashes of a secret under all but the one that hashes what is new: as a rule there are none.
    #[must_use]
    pub fn older_hashes(&self, secret: &str) -> Vec<TokenHash> {
        self.others(&self.current()).map(|pepper| pepper.hash(secret)).collect()
    }
}

/// Whether every pepper that is kept elsewhere is among those given.
///
/// # Errors
/// A fault that says which is missing.
pub(super) fn check(rows: &[KeyVersion], given: &[Secret<[u8; 32]>]) -> Result<(), Fault> {
    let elsewhere = |row: &&KeyVersion| row.kind == Kind::Pepper && row.sealed_by.is_none();
    let missing = |row: &&KeyVersion| !given.iter().any(|key| fits(&row.proof, &proof_of(Kind::Pepper, key)));
    rows.iter().filter(elsewhere).find(missing).map_or(Ok(()), |row| Err(Fault::bare(lost(row))))
}

/// What to say where a pepper is missing that is kept elsewhere.
fn lost(row: &KeyVersion) -> String {
    format!(
        "the pepper of version {} is missing ({}, known since {}): without it no client secret, API key, session or \
         token that was hashed with it is known again. Nothing was changed. Give it in secrets.pepper, or beside a \
         newer one in secrets.older_peppers; it is in every backup that `keywright backup` has made since",
        row.version,
        name_of(&row.proof),
        row.created_at,
    )
}

/// A pepper that was made known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its version.
    pub version: i32,
    /// Whether the operator keeps it.
    pub elsewhere: bool,
    /// From when it hashes what is new.
    pub begins_at: Moment,
}

/// Makes the next pepper known: the one in `secrets.pepper` where that is new, else one by chance. It
/// hashes what is new [`LEAD`] later; the others are kept for what they have hashed.
///
/// # Errors
/// A fault of the store, or one that says what to do first.
pub async fn rotate(world: &World, by: Actor) -> Result<Made, Fault> {
    let (keks, given, node) =
        (world.secrets.envelope.keks(), world.secrets.pepper.given.load_full(), world.node.to_string());
    let work = move |tx: &mut Tx<'_>| -> Result<Made, Stop<Infallible>> {
        tx.key_versions().lock()?;
        let rows = tx.key_versions().list()?;
        let made = next(tx, &keks, &rows, given.first())?;
        tx.key_versions().retire_before(Kind::Pepper, made.version, made.begins_at)?;
        tx.feed().add(&Change::about(Subject::SigningKeys, "all"))?;
        let elsewhere = if made.elsewhere { "operator" } else { "database" };
        note(
            tx,
            &own_work(&node),
            Event::PepperMade { version: number(made.version), kept_by: elsewhere, by: by.clone() },
        )?;
        Ok(made)
    };
    let made = world.store.write("rotate_pepper", work).await.map_err(only_fault)?;
    world.secrets.learn(&world.store).await?;
    Ok(made)
}

fn next(tx: &mut Tx<'_>, keks: &Keks, rows: &[KeyVersion], given: Option<&Secret<[u8; 32]>>) -> Result<Made, Fault> {
    let newest = |kind: Kind| rows.iter().rfind(|row| row.kind == kind);
    let (Some(last), Some(kek)) = (newest(Kind::Pepper), newest(Kind::Kek)) else {
        return Err(Fault::bare(
            "this database has the form of the release before: once every node runs this release, run `keywright \
             secrets rewrap`, and then this",
        ));
    };
    let (version, begins_at) = (last.version.saturating_add(1), tx.now() + LEAD);
    if i16::try_from(version).is_err() {
        return Err(Fault::bare("there are 2^15 peppers"));
    }
    let key = match given {
        Some(key) => {
            let proof = proof_of(Kind::Pepper, key);
            if let Some(known) = rows.iter().find(|row| row.kind == Kind::Pepper && fits(&row.proof, &proof)) {
                return Err(Fault::bare(format!(
                    "secrets.pepper is version {} already: give a new one there on every node, and the one of now in \
                     secrets.older_peppers",
                    known.version
                )));
            }
            let row = KeyVersion { begins_at, ..made::bare(Kind::Pepper, version, &proof, tx.now()) };
            tx.key_versions().insert(&row)?;
            return Ok(Made { version, elsewhere: true, begins_at });
        }
        None => made::fresh(tx.dice())?,
    };
    made::add(tx, keks, kek, (Kind::Pepper, version), (&key, begins_at))?;
    Ok(Made { version, elsewhere: false, begins_at })
}
