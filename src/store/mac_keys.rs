//! Table `mac_keys`: keys of HMAC under which others hashed the API keys that were brought from them, sealed.

use super::{Tx, column::At, dialect, schema::mac_keys, tx::sql};
use crate::base::fault::Fault;
use diesel::prelude::*;

/// A key, as it rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacKeyRow {
    /// Its handle, which is in what is hashed of the API keys that hang from it.
    pub id: String,
    /// It, sealed for this row.
    pub sealed: Vec<u8>,
}

/// Queries on this table.
#[derive(Debug)]
pub struct MacKeys<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl MacKeys<'_, '_> {
    /// Lets one transaction at a time past this point, on all nodes, until it ends.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn lock(&mut self) -> Result<(), Fault> {
        dialect::exclusive(self.tx, "mac_keys")
    }

    /// All of them, by handle; there are few.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn list(&mut self) -> Result<Vec<MacKeyRow>, Fault> {
        let rows: Vec<(String, Vec<u8>)> = sql!(self.tx, "listing rows of mac_keys", "all", |c| {
            mac_keys::table.order(mac_keys::id).select((mac_keys::id, mac_keys::sealed)).load(c)
        })?;
        Ok(rows.into_iter().map(|(id, sealed)| MacKeyRow { id, sealed }).collect())
    }

    /// Adds one.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the handle is in use.
    pub fn insert(&mut self, row: &MacKeyRow) -> Result<(), Fault> {
        let now = At(self.tx.now());
        sql!(self.tx, "adding a row of mac_keys", row.id, |c| {
            diesel::insert_into(mac_keys::table)
                .values((mac_keys::id.eq(&row.id), mac_keys::sealed.eq(&row.sealed), mac_keys::created_at.eq(now)))
                .execute(c)
        })?;
        Ok(())
    }
}
