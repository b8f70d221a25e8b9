//! Table `mac_keys`: keys of HMAC under which others hashed the API keys that were brought from them, sealed; and which API
//! keys are known by each (`api_keys.mac_key`).

use super::{
    Tx,
    column::At,
    dialect,
    schema::{api_keys, mac_keys},
    tx::sql,
};
use crate::{
    apikey::key::State,
    base::{digest::TokenHash, fault::Fault, moment::Moment},
};
use diesel::{dsl::sql as raw, prelude::*, sql_types::Bool};

/// What the index of keys that were brought from elsewhere asks for.
const BROUGHT: &str = "api_keys.origin <> 'minted'";
/// What people know a key by of which an HMAC was brought begins so.
const HINT: &str = "hmac:%";
/// Digests that are looked for at once.
const BATCH: usize = 500;

/// A key, as it rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacKeyRow {
    /// Its handle, which is in what is hashed of the API keys that hang from it.
    pub id: String,
    /// It, sealed for this row.
    pub sealed: Vec<u8>,
    /// When it first came.
    pub created_at: Moment,
}

/// API keys that have not ended, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Those that are known by one key of HMAC.
    pub by_it: i64,
    /// Those that are known by one of them; by which, nobody wrote down.
    pub by_any: i64,
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
        let rows: Vec<(String, Vec<u8>, At)> =
            sql!(self.tx, "listing rows of mac_keys", "all", |c| mac_keys::table.order(mac_keys::id).load(c))?;
        Ok(rows.into_iter().map(|(id, sealed, At(created_at))| MacKeyRow { id, sealed, created_at }).collect())
    }

    /// Adds one.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the handle is in use.
    pub fn insert(&mut self, row: &MacKeyRow) -> Result<(), Fault> {
        let made = mac_keys::created_at.eq(At(row.created_at));
        sql!(self.tx, "adding a row of mac_keys", row.id, |c| {
            diesel::insert_into(mac_keys::table)
                .values((mac_keys::id.eq(&row.id), mac_keys::sealed.eq(&row.sealed), made))
                .execute(c)
        })?;
        Ok(())
    }

    /// Forgets one.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn delete(&mut self, id: &str) -> Result<(), Fault> {
        sql!(self.tx, "deleting a row of mac_keys", id, |c| diesel::delete(mac_keys::table.find(id)).execute(c))?;
        Ok(())
    }

    /// Writes down that the API keys of these digests are known by this one.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn makes_known(&mut self, id: &str, digests: &[TokenHash]) -> Result<(), Fault> {
        for batch in digests.chunks(BATCH) {
            let wanted: Vec<&[u8]> = batch.iter().map(|digest| digest.as_bytes().as_slice()).collect();
            sql!(self.tx, "changing rows of api_keys", id, |c| {
                diesel::update(api_keys::table.filter(api_keys::digest.eq_any(&wanted)))
                    .set(api_keys::mac_key.eq(id))
                    .execute(c)
            })?;
        }
        Ok(())
    }

    /// How many API keys that have not ended are known by this one.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn known_by(&mut self, id: &str) -> Result<Known, Fault> {
        let now = At(self.tx.now());
        let live = || {
            api_keys::table
                .filter(raw::<Bool>(BROUGHT))
                .filter(api_keys::state.ne(State::Revoked.as_str()))
                .filter(api_keys::state.ne(State::Compromised.as_str()))
                .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(Some(now))))
        };
        let by_it = sql!(self.tx, "counting rows of api_keys by key of HMAC", id, |c| {
            live().filter(api_keys::mac_key.eq(id)).count().get_result(c)
        })?;
        let by_any = sql!(self.tx, "counting rows of api_keys by key of HMAC", "none", |c| {
            live().filter(api_keys::mac_key.is_null()).filter(api_keys::hint.like(HINT)).count().get_result(c)
        })?;
        Ok(Known { by_it, by_any })
    }
}
