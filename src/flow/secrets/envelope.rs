//! Sealing what rests in the database: under the newest data key, for one table, column and row.

use super::{Keks, made};
use crate::{
    base::{digest::derive, fault::Fault, secret::Secret},
    jose::{
        BadSeal, Ring, Sealer,
        envelope::{MOST_USES, sealed_under},
    },
    store::{
        Tx,
        key_versions::{KeyVersion, Kind},
        sealed::Column,
    },
};
use arc_swap::ArcSwap;
use std::{collections::BTreeMap, sync::Arc};

/// From this many uses on a data key is followed by a next one: half of what it may have, so that
/// nodes that still have the older one in mind never reach the end.
const ENOUGH: i64 = MOST_USES / 2;

/// Seals and opens what rests in the database.
#[derive(Clone, Debug)]
pub struct Envelope {
    hand: Arc<ArcSwap<Hand>>,
    /// For values of the form before.
    before: Sealer,
}

/// The keys in hand.
#[derive(Clone, Debug)]
struct Hand {
    keks: Keks,
    ring: Ring,
    /// The proofs of what is on the ring.
    proofs: BTreeMap<i32, Vec<u8>>,
}

impl Envelope {
    fn new(keks: Keks, before: Sealer) -> Self {
        let hand = Hand { keks, ring: Ring::default(), proofs: BTreeMap::new() };
        Self { hand: Arc::new(ArcSwap::from_pointee(hand)), before }
    }

    /// For a database of the form before, which has one key for all of it.
    pub(super) fn before(own: &Secret<[u8; 32]>, keks: Keks) -> Self {
        Self::new(keks, sealer_before(own))
    }

    /// With every data key of these rows. The root of a database that had the form before is the
    /// key that it had, so values of that form open too.
    pub(super) fn held(rows: &[KeyVersion], keks: Keks, root: &Secret<[u8; 32]>) -> Result<Self, Fault> {
        let envelope = Self::new(keks, sealer_before(root));
        envelope.take(rows)?;
        Ok(envelope)
    }

    /// Opens a value in its place.
    ///
    /// # Errors
    /// [`BadSeal`] unless it was sealed for this place under a key in hand, and is whole.
    pub fn open(&self, column: Column, row: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, BadSeal> {
        match sealed_under(sealed) {
            Some(_) => self.hand.load().ring.open(column.place(row), sealed),
            None => self.before.open(&aad_before(column, row), sealed),
        }
    }

    /// Seals a value for its place, in the transaction that puts it there. While the database has
    /// the form before, so has the value: a node of the release before can read it.
    ///
    /// # Errors
    /// A fault of the store, or where the newest data key cannot be had.
    pub fn seal(&self, tx: &mut Tx<'_>, column: Column, row: &str, plain: &[u8]) -> Result<Vec<u8>, Fault> {
        let sealed = self.seal_many(tx, column, &[(row, plain)])?;
        sealed.into_iter().next().ok_or_else(|| Fault::bare("sealing a value made none"))
    }

    /// As [`Envelope::seal`], for several values of one column, each with its row.
    ///
    /// # Errors
    /// As [`Envelope::seal`].
    pub fn seal_many(&self, tx: &mut Tx<'_>, column: Column, values: &[(&str, &[u8])]) -> Result<Vec<Vec<u8>>, Fault> {
        let mut rows = tx.key_versions().list()?;
        let newest =
            |rows: &[KeyVersion]| rows.iter().rfind(|row| row.kind == Kind::Data).map(|row| (row.version, row.uses));
        let Some((mut version, uses)) = newest(&rows) else {
            let seal = |(row, plain): &(&str, &[u8])| self.before.seal(&aad_before(column, row), plain, tx.dice());
            return values.iter().map(seal).collect();
        };
        if uses >= ENOUGH {
            // Of those who find that at once one makes it, and nobody while the key above it is being replaced.
            tx.key_versions().lock()?;
            rows = tx.key_versions().list()?;
            version = match newest(&rows) {
                Some((made, uses)) if uses < ENOUGH => made,
                Some(_) | None => made::next_data_key(tx, &self.keks(), &rows)?.version,
            };
            rows = tx.key_versions().list()?;
        }
        self.take(&rows)?;
        made::spend(tx, Kind::Data, version, i64::try_from(values.len()).unwrap_or(i64::MAX))?;
        let hand = self.hand.load();
        values.iter().map(|(row, plain)| hand.ring.seal(version, column.place(row), plain, tx.dice())).collect()
    }

    /// Takes those data keys in hand that are not there yet. One that was made in a transaction which
    /// failed may be there in vain, and another have its number since: so its proof is compared.
    pub(super) fn take(&self, rows: &[KeyVersion]) -> Result<(), Fault> {
        let hand = self.hand.load_full();
        let lacks = |row: &&KeyVersion| row.kind == Kind::Data && hand.proofs.get(&row.version) != Some(&row.proof);
        let mut opened = Vec::new();
        for row in rows.iter().filter(lacks) {
            opened.push((row, hand.keks.open(rows, row)?));
        }
        if opened.is_empty() {
            return Ok(());
        }
        // Others may take something in hand at the same time: what is there then counts, and not what was there before.
        self.hand.rcu(|hand| {
            let mut next = Hand::clone(hand);
            for (row, key) in &opened {
                next.ring.add(row.version, key.clone());
                next.proofs.insert(row.version, row.proof.clone());
            }
            next
        });
        Ok(())
    }

    /// Whether every data key of these rows is in hand.
    #[cfg(test)]
    pub(super) fn holds_all(&self, rows: &[KeyVersion]) -> bool {
        let hand = self.hand.load();
        rows.iter().filter(|row| row.kind == Kind::Data).all(|row| hand.ring.holds(row.version))
    }

    /// The key-encryption keys in hand.
    #[must_use]
    pub(super) fn keks(&self) -> Keks {
        self.hand.load().keks.clone()
    }

    /// Takes other key-encryption keys in hand; the data keys stay.
    pub fn give(&self, keks: Keks) {
        self.hand.rcu(|hand| Hand { keks: keks.clone(), ..Hand::clone(hand) });
    }
}

/// What private signing keys were sealed with before there were data keys.
fn sealer_before(own: &Secret<[u8; 32]>) -> Sealer {
    Sealer::new(derive(own, "keywright private keys 1"))
}

fn aad_before(column: Column, row: &str) -> Vec<u8> {
    match column {
        Column::SigningKeys => format!("signing_keys {row} private").into_bytes(),
        Column::MacKeys => format!("mac_keys {row} key").into_bytes(),
    }
}
