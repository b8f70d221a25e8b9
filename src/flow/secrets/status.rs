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
        Ok((read(tx)?, values))
    };
    let (Known { rows, .. }, values) = world.store.read("count_sealed", look).await.map_err(only_fault)?;
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
            Kind::Root | Kind::Data | Kind::Pepper => keks.open(&rows, row).is_ok(),
        },
    };
    Ok(Status { versions: rows.iter().map(version).collect(), values })
}
