//! Making keys: the first of a new database, those of one that had the form before, and a next data key.

use super::{Given, Keks, MOVED, PROOF, keks::proof_of, pepper_before, read};
use crate::{
    base::{
        entropy::{self, Entropy},
        fault::Fault,
        moment::Moment,
        secret::Secret,
    },
    jose::envelope::MOST_USES,
    store::{
        Tx,
        key_versions::{KeyVersion, Kind},
    },
};

/// A row for a key that is not sealed: a key-encryption key.
pub(super) fn bare(kind: Kind, version: i32, proof: &[u8], now: Moment) -> KeyVersion {
    KeyVersion {
        kind,
        version,
        sealed_by: None,
        sealed: Vec::new(),
        proof: proof.to_vec(),
        uses: 0,
        created_at: now,
        begins_at: now,
        retired_at: None,
    }
}

/// Adds a key, sealed under the key-encryption key of this row.
pub(super) fn add(
    tx: &mut Tx<'_>,
    keks: &Keks,
    kek: &KeyVersion,
    name: (Kind, i32),
    (key, begins_at): (&Secret<[u8; 32]>, Moment),
) -> Result<KeyVersion, Fault> {
    let sealed = keks.seal(kek, name, key, tx.dice())?;
    spend(tx, Kind::Kek, kek.version, 1)?;
    let bare = bare(name.0, name.1, &proof_of(name.0, key), tx.now());
    let row = KeyVersion { sealed_by: Some(kek.version), sealed, begins_at, ..bare };
    tx.key_versions().insert(&row)?;
    Ok(row)
}

/// Counts `n` more values under a key.
pub(super) fn spend(tx: &mut Tx<'_>, kind: Kind, version: i32, n: i64) -> Result<(), Fault> {
    if tx.key_versions().spend(kind, version, n, MOST_USES)? {
        return Ok(());
    }
    Err(Fault::bare(format!(
        "{} {version} has sealed 2^32 values, and may seal no more: run `keywright secrets rewrap`",
        kind.in_words()
    )))
}

/// A key by chance.
pub(super) fn fresh(dice: &dyn Entropy) -> Result<Secret<[u8; 32]>, Fault> {
    entropy::bytes::<32>(dice).map(Secret::new)
}

/// The first keys of a database that has none: all by chance, sealed under the newest key-encryption
/// key. Where another node was faster, theirs count.
///
/// # Errors
/// A fault of the store, or where randomness fails.
pub(super) fn first(tx: &mut Tx<'_>, given: &Given) -> Result<(), Fault> {
    tx.key_versions().lock()?;
    if read(tx)?.belongs() {
        return Ok(());
    }
    let (keks, now) = (&given.keks, tx.now());
    let kek = bare(Kind::Kek, 1, &keks.newest()?, now);
    tx.key_versions().insert(&kek)?;
    for kind in [Kind::Root, Kind::Data] {
        let key = fresh(tx.dice())?;
        add(tx, keks, &kek, (kind, 1), (&key, now))?;
    }
    match given.peppers.first() {
        Some(own) => tx.key_versions().insert(&bare(Kind::Pepper, 1, &proof_of(Kind::Pepper, own), now))?,
        None => {
            let key = fresh(tx.dice())?;
            add(tx, keks, &kek, (Kind::Pepper, 1), (&key, now))?;
        }
    }
    tx.meta().put(PROOF, MOVED)
}

/// Gives rows of their own to the keys of a database of the form before: the root is the key that
/// everything was derived from, so nothing that was handed out becomes void.
pub(super) fn adopt(tx: &mut Tx<'_>, keks: &Keks, before: &[u8]) -> Result<(), Fault> {
    let own = keks.proven_by(before).ok_or_else(|| Fault::bare(super::misfit_before(keks)))?.clone();
    let now = tx.now();
    let kek = bare(Kind::Kek, 1, &proof_of(Kind::Kek, &own), now);
    tx.key_versions().insert(&kek)?;
    add(tx, keks, &kek, (Kind::Root, 1), (&own, now))?;
    add(tx, keks, &kek, (Kind::Pepper, 1), (&pepper_before(&own), now))?;
    let key = fresh(tx.dice())?;
    add(tx, keks, &kek, (Kind::Data, 1), (&key, now))?;
    tx.meta().put(PROOF, MOVED)
}

/// Makes the next data key, sealed under the newest key-encryption key that the database knows.
pub(super) fn next_data_key(tx: &mut Tx<'_>, keks: &Keks, rows: &[KeyVersion]) -> Result<KeyVersion, Fault> {
    let newest = |kind: Kind| rows.iter().rfind(|row| row.kind == kind);
    let kek = newest(Kind::Kek).ok_or_else(|| Fault::bare("this database knows no key-encryption key"))?;
    let version = newest(Kind::Data).map_or(0, |row| row.version).checked_add(1);
    let version = version.ok_or_else(|| Fault::bare("there are 2^31 data keys"))?;
    let key = fresh(tx.dice())?;
    let now = tx.now();
    let row = add(tx, keks, kek, (Kind::Data, version), (&key, now))?;
    tx.key_versions().retire_before(Kind::Data, version, now)?;
    Ok(row)
}
