//! Table `idempotency`: requests that carried a key of their own (`Idempotency-Key`), and what
//! they made, so that one that is sent again makes nothing twice. Never what they were answered:
//! an answer may hold a secret.

use super::{Tx, column::At, schema::idempotency, tx::sql};
use crate::base::{fault::Fault, moment::Moment};
use diesel::{prelude::*, query_dsl::methods, upsert::excluded};

/// Queries on this table.
#[derive(Debug)]
pub struct Idempotency<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl Idempotency<'_, '_> {
    /// Remembers until `expires_at` what a request of this caller made, and gives `None`; what it
    /// made before, where it is not the first. Of several at once exactly one is the first, and
    /// the others wait for its transaction to end.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn remember(
        &mut self,
        caller: &str,
        hash: &[u8; 32],
        subject: &str,
        expires_at: Moment,
    ) -> Result<Option<String>, Fault> {
        let now = At(self.tx.now());
        let first = sql!(self.tx, "writing a row of idempotency", caller, |c| {
            let written = diesel::insert_into(idempotency::table)
                .values((
                    idempotency::caller.eq(caller),
                    idempotency::hash.eq(hash.as_slice()),
                    idempotency::subject.eq(subject),
                    idempotency::expires_at.eq(At(expires_at)),
                ))
                .on_conflict((idempotency::caller, idempotency::hash))
                .do_update()
                .set((
                    idempotency::subject.eq(excluded(idempotency::subject)),
                    idempotency::expires_at.eq(excluded(idempotency::expires_at)),
                ));
            methods::FilterDsl::filter(written, idempotency::expires_at.le(now)).execute(c)
        })?;
        if first == 1 {
            return Ok(None);
        }
        self.find(caller, hash)
    }

    /// What a request of this caller made, where it is still remembered.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn find(&mut self, caller: &str, hash: &[u8; 32]) -> Result<Option<String>, Fault> {
        let now = At(self.tx.now());
        sql!(self.tx, "finding a row of idempotency", caller, |c| {
            let known = idempotency::table.find((caller, hash.as_slice())).filter(idempotency::expires_at.gt(now));
            known.select(idempotency::subject).get_result(c).optional()
        })
    }
}
