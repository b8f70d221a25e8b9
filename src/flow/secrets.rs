//! The keys that everything secret of an installation hangs from: how they come into hand at the
//! start, and how they are made for a database that has none.
//!
//! The key-encryption key never rests in the database. Under it rest, sealed, the root key (from
//! which one key is derived for each purpose), the data keys and the peppers; each has versions.
//! A database of the form before has no such rows: there everything is derived from the
//! key-encryption key itself, until [`rewrap`] is asked for.

pub mod drop_pepper;
pub mod envelope;
pub mod keks;
pub mod made;
pub mod peppers;
pub mod rehash;
pub mod rewrap;
pub mod status;

pub use self::{envelope::Envelope, keks::Keks, peppers::Peppers};

use super::world::only_fault;
use crate::{
    base::{
        credential::RefreshKeys,
        digest,
        fault::{Fault, Stop},
        moment::Clock,
        secret::{Secret, same},
    },
    jose::Sealer,
    store::{
        Store, Tx,
        key_versions::{KeyVersion, Kind},
    },
};
use std::{convert::Infallible, sync::Arc};

/// The row of `meta` by which a database of the form before knows its key.
const PROOF: &str = "kek proof 1";
/// What stands there once the keys have rows of their own: no key fits it, so a program that knows
/// only the form before says so instead of making keys of its own.
const MOVED: &[u8] = b"the keys have rows of their own";

/// Everything secret that work is done with: one key for each purpose, so that none can be used for another.
#[derive(Debug)]
pub struct Secrets {
    /// Hashes credentials for storage.
    pub pepper: Peppers,
    /// Derives the successors of refresh tokens, and marks them as ours.
    pub refresh: RefreshKeys,
    /// Seals the state of a sign-in in progress.
    pub interactions: Sealer,
    /// Seals what rests in the database.
    pub envelope: Envelope,
    /// Authenticates forms and the memory of known browsers.
    pub forms: Secret<[u8; 32]>,
}

impl Secrets {
    /// From one key alone, as databases of the form before have it.
    #[must_use]
    pub fn from(kek: &Secret<[u8; 32]>, clock: Arc<dyn Clock>) -> Self {
        let pepper = Peppers::before(&pepper_before(kek), Vec::new(), clock);
        Self::of(kek, pepper, Envelope::before(kek, Keks::new([kek.clone()])))
    }

    fn of(root: &Secret<[u8; 32]>, pepper: Peppers, envelope: Envelope) -> Self {
        let key = |purpose: &str| digest::derive(root, purpose);
        Self {
            pepper,
            refresh: RefreshKeys {
                succession: key("keywright refresh succession 1"),
                mark: key("keywright refresh mark 1"),
            },
            interactions: Sealer::new(key("keywright interactions 1")),
            envelope,
            forms: key("keywright forms 1"),
        }
    }

    /// Takes in hand the keys that were made since: to be asked before values are read anew.
    ///
    /// # Errors
    /// A fault of the store, or one that says which key is missing.
    pub async fn learn(&self, store: &Store) -> Result<(), Fault> {
        let rows = known(store).await?.rows;
        self.envelope.take(&rows)?;
        self.pepper.take(&rows, &self.envelope.keks())
    }
}

/// What the operator gives, each newest first.
#[derive(Clone, Debug)]
pub struct Given {
    /// Key-encryption keys.
    pub keks: Keks,
    /// Peppers that are kept outside the database; as a rule there are none.
    pub peppers: Vec<Secret<[u8; 32]>>,
}

/// The pepper of a database of the form before.
fn pepper_before(kek: &Secret<[u8; 32]>) -> Secret<[u8; 32]> {
    digest::derive(kek, "keywright pepper 1")
}

/// What a database knows of its keys.
#[derive(Clone, Debug)]
pub struct Known {
    /// The keys with rows of their own.
    rows: Vec<KeyVersion>,
    /// The proof of the one key of the form before.
    before: Option<Vec<u8>>,
}

impl Known {
    /// Whether this database belongs to a key-encryption key already.
    #[must_use]
    pub fn belongs(&self) -> bool {
        !self.rows.is_empty() || self.before.is_some()
    }
}

/// Reads what the database knows of its keys.
///
/// # Errors
/// A fault of the store.
pub async fn known(store: &Store) -> Result<Known, Fault> {
    store.read("list_key_versions", |tx: &mut Tx<'_>| Ok(read(tx)?)).await.map_err(only_fault)
}

fn read(tx: &mut Tx<'_>) -> Result<Known, Fault> {
    Ok(Known { rows: tx.key_versions().list()?, before: tx.meta().get(PROOF)? })
}

/// The keys of this database, opened with the key-encryption keys that are given; made where it has none.
///
/// # Errors
/// A fault that says which version of the key-encryption key is expected, where none of those given
/// is the one; nothing was changed then.
pub async fn open(store: &Store, given: Given, clock: Arc<dyn Clock>) -> Result<Secrets, Fault> {
    let mut known = known(store).await?;
    if !known.belongs() {
        let given = given.clone();
        let make = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(made::first(tx, &given)?);
        store.write("make_first_keys", make).await.map_err(only_fault)?;
        known = self::known(store).await?;
    }
    if known.rows.is_empty() {
        let (proof, keks) = (known.before.unwrap_or_default(), &given.keks);
        let own = keks.proven_by(&proof).ok_or_else(|| Fault::bare(misfit_before(keks)))?;
        let pepper = Peppers::before(&pepper_before(own), given.peppers, clock);
        return Ok(Secrets::of(own, pepper, Envelope::before(own, keks.clone())));
    }
    held(&known.rows, given, clock)
}

/// Opens every key that has a row of its own.
fn held(rows: &[KeyVersion], given: Given, clock: Arc<dyn Clock>) -> Result<Secrets, Fault> {
    let root = rows.iter().rfind(|row| row.kind == Kind::Root);
    let root = given.keks.open(rows, root.ok_or_else(|| Fault::bare("this database has no root key"))?)?;
    let pepper = Peppers::held(rows, &given.keks, given.peppers, clock)?;
    let envelope = Envelope::held(rows, given.keks, &root)?;
    Ok(Secrets::of(&root, pepper, envelope))
}

/// Takes what the operator gives now in hand while work goes on, if it opens every key of the database.
///
/// # Errors
/// As [`open`]; those in hand stay then.
pub async fn take(secrets: &Secrets, store: &Store, given: Given) -> Result<(), Fault> {
    let (known, Given { keks, peppers }) = (known(store).await?, given);
    peppers::check(&known.rows, &peppers)?;
    for row in known.rows.iter().filter(|row| row.sealed_by.is_some()) {
        keks.open(&known.rows, row)?;
    }
    if known.rows.is_empty() && keks.proven_by(&known.before.unwrap_or_default()).is_none() {
        return Err(Fault::bare(misfit_before(&keks)));
    }
    secrets.envelope.give(keks);
    secrets.pepper.give(peppers);
    secrets.learn(store).await
}

fn misfit_before(keks: &Keks) -> String {
    format!(
        "this database was made with another key-encryption key than the one given ({}): it expects version 1, the \
         first that it had. Nothing was changed: give the key that belongs to it, or another database",
        keks.in_words(&[])
    )
}

/// Whether a proof is that of a key.
fn fits(proof: &[u8], own: &[u8; 32]) -> bool {
    same(proof, own)
}

#[cfg(test)]
mod pepper_tests;
#[cfg(test)]
mod tests;
