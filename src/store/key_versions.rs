//! Table `key_versions`: the keys that everything secret hangs from. Of a key-encryption key there is
//! only the proof by which it is known again; the others rest here sealed under one, or are kept elsewhere.

use super::{Tx, column::At, dialect, failure::illegal, schema::key_versions, tx::sql};
use crate::base::{fault::Fault, moment::Moment};
use diesel::prelude::*;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Seals the other keys; it is never stored.
    Kek,
    /// What forms, sign-ins in progress and the line of refresh tokens are protected with is derived from it.
    Root,
    /// Seals what rests in tables.
    Data,
    /// Hashes secrets for storage.
    Pepper,
}

impl Kind {
    /// The word in the column.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kek => "kek",
            Self::Root => "root",
            Self::Data => "data",
            Self::Pepper => "pepper",
        }
    }

    /// What people call it.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Kek => "key-encryption key",
            Self::Root => "root key",
            Self::Data => "data key",
            Self::Pepper => "pepper",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Kek, Self::Root, Self::Data, Self::Pepper].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A version of a key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyVersion {
    /// What it is for.
    pub kind: Kind,
    /// Its version, from 1.
    pub version: i32,
    /// The version of the key-encryption key that it is sealed under.
    pub sealed_by: Option<i32>,
    /// The key, sealed; empty where it is kept elsewhere.
    pub sealed: Vec<u8>,
    /// What it makes of a text that is known: by this it is known again.
    pub proof: Vec<u8>,
    /// How many values were sealed with it.
    pub uses: i64,
    /// When it was first known.
    pub created_at: Moment,
    /// From when it is used for what is new.
    pub begins_at: Moment,
    /// When another took its place for what is new.
    pub retired_at: Option<Moment>,
}

impl std::fmt::Debug for KeyVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyVersion({} {})", self.kind.as_str(), self.version)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = key_versions)]
struct Loaded {
    kind: String,
    version: i32,
    sealed_by: Option<i32>,
    sealed: Vec<u8>,
    proof: Vec<u8>,
    uses: i64,
    created_at: At,
    begins_at: At,
    retired_at: Option<At>,
}

impl Loaded {
    fn into_row(self) -> Result<KeyVersion, Fault> {
        Ok(KeyVersion {
            kind: Kind::parse(&self.kind).ok_or_else(|| illegal("key_versions", &self.kind, "kind"))?,
            version: self.version,
            sealed_by: self.sealed_by,
            sealed: self.sealed,
            proof: self.proof,
            uses: self.uses,
            created_at: self.created_at.0,
            begins_at: self.begins_at.0,
            retired_at: self.retired_at.map(|at| at.0),
        })
    }
}

/// Queries on this table.
#[derive(Debug)]
pub struct KeyVersions<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl KeyVersions<'_, '_> {
    /// Lets one transaction at a time past this point, on all nodes, until it ends.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn lock(&mut self) -> Result<(), Fault> {
        dialect::exclusive(self.tx, "key_versions")
    }

    /// All of them, by kind and version; none in a database that has the form before there were any.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn list(&mut self) -> Result<Vec<KeyVersion>, Fault> {
        let rows: Vec<Loaded> = sql!(self.tx, "listing rows of key_versions", "all", |c| {
            key_versions::table.select(Loaded::as_select()).order((key_versions::kind, key_versions::version)).load(c)
        })?;
        rows.into_iter().map(Loaded::into_row).collect()
    }

    /// Adds a version.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or there is one of that kind and number.
    pub fn insert(&mut self, row: &KeyVersion) -> Result<(), Fault> {
        sql!(self.tx, "adding a row of key_versions", row.version, |c| {
            diesel::insert_into(key_versions::table)
                .values((
                    key_versions::kind.eq(row.kind.as_str()),
                    key_versions::version.eq(row.version),
                    key_versions::sealed_by.eq(row.sealed_by),
                    key_versions::sealed.eq(&row.sealed),
                    key_versions::proof.eq(&row.proof),
                    key_versions::uses.eq(row.uses),
                    key_versions::created_at.eq(At(row.created_at)),
                    key_versions::begins_at.eq(At(row.begins_at)),
                    key_versions::retired_at.eq(row.retired_at.map(At)),
                ))
                .execute(c)
        })?;
        Ok(())
    }

    /// Replaces how a version rests: under which key-encryption key, and its sealed text.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn reseal(&mut self, kind: Kind, version: i32, by: i32, sealed: &[u8]) -> Result<(), Fault> {
        sql!(self.tx, "changing a row of key_versions", version, |c| {
            diesel::update(key_versions::table.find((kind.as_str(), version)))
                .set((key_versions::sealed_by.eq(Some(by)), key_versions::sealed.eq(sealed)))
                .execute(c)
        })?;
        Ok(())
    }

    /// Counts `n` more values that are sealed with it; false, and nothing counted, where that would
    /// be more than `most` in all.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn spend(&mut self, kind: Kind, version: i32, n: i64, most: i64) -> Result<bool, Fault> {
        let counted = sql!(self.tx, "counting in a row of key_versions", version, |c| {
            diesel::update(
                key_versions::table
                    .find((kind.as_str(), version))
                    .filter(key_versions::uses.le(most.saturating_sub(n))),
            )
            .set(key_versions::uses.eq(key_versions::uses + n))
            .execute(c)
        })?;
        Ok(counted == 1)
    }

    /// Says that another takes the place of every version of this kind before this one, from now on.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn retire_before(&mut self, kind: Kind, version: i32, at: Moment) -> Result<(), Fault> {
        sql!(self.tx, "retiring rows of key_versions", version, |c| {
            diesel::update(
                key_versions::table
                    .filter(key_versions::kind.eq(kind.as_str()))
                    .filter(key_versions::version.lt(version))
                    .filter(key_versions::retired_at.is_null()),
            )
            .set(key_versions::retired_at.eq(Some(At(at))))
            .execute(c)
        })?;
        Ok(())
    }

    /// Forgets a version.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn delete(&mut self, kind: Kind, version: i32) -> Result<(), Fault> {
        sql!(self.tx, "deleting a row of key_versions", version, |c| {
            diesel::delete(key_versions::table.find((kind.as_str(), version))).execute(c)
        })?;
        Ok(())
    }
}
