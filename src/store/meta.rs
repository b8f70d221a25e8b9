//! Table `meta`: single values of the whole installation, such as the proof that two nodes hold the same key.

use super::{Tx, schema::meta, tx::sql};
use crate::base::fault::Fault;
use diesel::prelude::*;

/// Queries on this table.
#[derive(Debug)]
pub struct Meta<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl Meta<'_, '_> {
    /// The value of this name, if there is one.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn get(&mut self, name: &str) -> Result<Option<Vec<u8>>, Fault> {
        sql!(self.tx, "finding a row of meta", name, |c| {
            meta::table.find(name).select(meta::value).get_result(c).optional()
        })
    }

    /// Gives the name a value, whatever it had before.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn put(&mut self, name: &str, value: &[u8]) -> Result<(), Fault> {
        sql!(self.tx, "writing a row of meta", name, |c| {
            diesel::insert_into(meta::table)
                .values((meta::name.eq(name), meta::value.eq(value)))
                .on_conflict(meta::name)
                .do_update()
                .set(meta::value.eq(value))
                .execute(c)
        })?;
        Ok(())
    }

    /// The value of this name, made by whoever asks first: of several that ask at once, all get the same.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn get_or_put(&mut self, name: &str, value: &[u8]) -> Result<Vec<u8>, Fault> {
        sql!(self.tx, "adding a row of meta", name, |c| {
            diesel::insert_into(meta::table)
                .values((meta::name.eq(name), meta::value.eq(value)))
                .on_conflict_do_nothing()
                .execute(c)
        })?;
        let found = self.get(name)?;
        found.ok_or_else(|| Fault::bare(format!("a row of meta, key {name}, that vanished")))
    }

    /// The values whose names begin so, by name.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn starting_with(&mut self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, Fault> {
        sql!(self.tx, "listing rows of meta", prefix, |c| {
            // Names are ASCII: all that begin so lie before the prefix with the last ASCII character.
            meta::table
                .filter(meta::name.ge(prefix))
                .filter(meta::name.lt(format!("{prefix}\u{7f}")))
                .order(meta::name)
                .load(c)
        })
    }

    /// Forgets the value of this name.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn remove(&mut self, name: &str) -> Result<(), Fault> {
        sql!(self.tx, "deleting a row of meta", name, |c| diesel::delete(meta::table.find(name)).execute(c))?;
        Ok(())
    }
}
