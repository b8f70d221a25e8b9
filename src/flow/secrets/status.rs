//! What is sealed under which version of which key.

use super::{Known, read};
use crate::{
    base::{
        fault::{Fault, Stop},
        moment::Moment,
    },
    flow::world::{World, only_fault},
    store::{
        Tx,
        hashes::Table,
        key_versions::{KeyVersion, Kind},
        sealed::Column,
    },
};
use std::convert::Infallible;

/// A version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// What it is for.
    pub kind: Kind,
    /// Its number.
    pub version: i32,
    /// The name by which a key-encryption key can be told from others; it does not lead back to the key.
    pub name: String,
    /// The version of the key-encryption key that it is sealed under.
    pub sealed_by: Option<i32>,
    /// How many values it has sealed, where it seals.
    pub uses: Option<i64>,
    /// When it was first known.
    pub created_at: Moment,
    /// When another took its place.
    pub retired_at: Option<Moment>,
    /// Whether it is in hand here.
    pub in_hand: bool,
}

/// What is under which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Every version of every key; none where the database has the form before.
    pub versions: Vec<Version>,
    /// How many values of which column are under which data key; `None` for the form before.
    pub values: Vec<(Column, Option<i32>, i64)>,
    /// How many hashes of secrets without an end were made with which pepper: of client secrets and of API keys.
    pub hashes: Vec<(&'static str, i16, i64)>,
}

impl Status {
    /// How many values wait to be moved to the newest data key.
    #[must_use]
    pub fn waiting(&self) -> i64 {
        let newest = self.versions.iter().rfind(|one| one.kind == Kind::Data).map(|one| one.version);
        self.values.iter().filter(|(_, under, _)| *under != newest).map(|(_, _, n)| n).sum()
    }
}

/// Reads it.
///
/// # Errors
/// A fault of the store.
pub async fn status(world: &World) -> Result<Status, Fault> {
    let look = |tx: &mut Tx<'_>| -> Result<_, Stop<Infallible>> {
        let mut values = Vec::new();
        for column in Column::ALL {
            let counted = tx.sealed().count(*column)?;
            values.extend(counted.into_iter().map(|(under, n)| (*column, under, n)));
        }
        let mut hashes = Vec::new();
        hashes.extend(tx.hashes().by_pepper(Table::ClientSecrets)?.into_iter().map(|(v, n)| ("client_secrets", v, n)));
        hashes.extend(tx.hashes().by_pepper(Table::ApiKeys)?.into_iter().map(|(v, n)| ("api_keys", v, n)));
        Ok((read(tx)?, values, hashes))
    };
    let (Known { rows, .. }, values, hashes) = world.store.read("count_sealed", look).await.map_err(only_fault)?;
    let keks = world.secrets.envelope.keks();
    let version = |row: &KeyVersion| Version {
        kind: row.kind,
        version: row.version,
        name: super::keks::name_of(&row.proof),
        sealed_by: row.sealed_by,
        uses: matches!(row.kind, Kind::Kek | Kind::Data).then_some(row.uses),
        created_at: row.created_at,
        retired_at: row.retired_at,
        in_hand: match row.kind {
            Kind::Kek => keks.proven_by(&row.proof).is_some(),
            Kind::Pepper if row.sealed_by.is_none() => world.secrets.pepper.has(row),
            Kind::Root | Kind::Data | Kind::Pepper => keks.open(&rows, row).is_ok(),
        },
    };
    Ok(Status { versions: rows.iter().map(version).collect(), values, hashes })
}

/// Values that are opened at once.
const BATCH: i64 = 500;

/// Opens every value that rests sealed; answers how many there are.
///
/// # Errors
/// A fault of the store, or one that names the first that does not open.
pub async fn all_open(world: &World) -> Result<u64, Fault> {
    let mut opened = 0;
    for column in Column::ALL {
        let mut after = String::new();
        loop {
            let (column, from) = (*column, after.clone());
            // There is no data key of this version, so these are all.
            let list =
                move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.sealed().elsewhere(column, 0, &from, BATCH)?);
            let batch = world.store.read("list_sealed", list).await.map_err(only_fault)?;
            let Some((last, _)) = batch.last() else { break };
            after.clone_from(last);
            for (row, sealed) in &batch {
                let open = world.secrets.envelope.open(column, row, sealed);
                open.map_err(|e| {
                    Fault::new(format!("opening the sealed value of {} {row}", column.place("").table), e)
                })?;
                opened += 1;
            }
        }
    }
    Ok(opened)
}
