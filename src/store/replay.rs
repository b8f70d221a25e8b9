//! Table `replay`: what may be used once only, such as the `jti` of a client's assertion (RFC 7523 §3).

use super::{Tx, column::At, schema::replay, tx::sql};
use crate::base::{fault::Fault, moment::Moment};
use diesel::prelude::*;

/// Queries on this table.
#[derive(Debug)]
pub struct Replay<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl Replay<'_, '_> {
    /// Whether this is its first use: of several at once, exactly one hears yes. It is remembered
    /// until `expires_at`, after which it must be refused for its age, and a little longer: clocks differ.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn first_use(&mut self, scope: &str, hash: &[u8; 32], expires_at: Moment) -> Result<bool, Fault> {
        let added = sql!(self.tx, "adding a row of replay", scope, |c| {
            diesel::insert_into(replay::table)
                .values((
                    replay::scope.eq(scope),
                    replay::hash.eq(hash.as_slice()),
                    replay::expires_at.eq(At(expires_at)),
                ))
                .on_conflict_do_nothing()
                .execute(c)
        })?;
        Ok(added == 1)
    }
}
