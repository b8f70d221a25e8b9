//! Table `signing_key_uses`: what each signing key signed, and how often it was met in tokens that
//! were presented to us. Added to now and then, never for each signature.

use super::{
    Tx,
    column::{At, from_count, to_count},
    schema::signing_key_uses,
    statement::Statement,
    tx::sql,
};
use crate::base::{fault::Fault, id::KeyId, moment::Moment};
use diesel::prelude::*;
use std::collections::BTreeMap;

/// What a key was used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Signatures made.
    pub signed: u64,
    /// When the last of them was written down.
    pub signed_at: Option<Moment>,
    /// Tokens by it that were presented to us.
    pub seen: u64,
    /// When the last of them was written down.
    pub seen_at: Option<Moment>,
}

/// The time of the last of so many, where there was one.
fn when(out: Statement<'_>, n: u64, now: Moment) -> Statement<'_> {
    if n > 0 { out.at(now) } else { out.sql("NULL") }
}

/// Queries on this table.
#[derive(Debug)]
pub struct SigningKeyUses<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl SigningKeyUses<'_, '_> {
    /// Adds to what is counted: of each key what it signed and how often it was met, up to now.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn add(&mut self, counted: &BTreeMap<KeyId, (u64, u64)>) -> Result<(), Fault> {
        let now = self.tx.now();
        if counted.is_empty() {
            return Ok(());
        }
        // In the order of their names, so that two nodes cannot wait for one another.
        let counted: Vec<_> = counted.iter().collect();
        let statement: Statement<'_> =
            Statement::new("INSERT INTO signing_key_uses (kid, signed, signed_at, seen, seen_at) ")
                .rows(&counted, |out, (kid, (signed, seen))| {
                    let out = out.text(kid.as_str()).sql(", ").count(to_count(*signed)).sql(", ");
                    when(when(out, *signed, now).sql(", ").count(to_count(*seen)).sql(", "), *seen, now)
                })
                .sql(
                    " ON CONFLICT (kid) DO UPDATE SET signed = signing_key_uses.signed + excluded.signed, \
                     signed_at = COALESCE(excluded.signed_at, signing_key_uses.signed_at), \
                     seen = signing_key_uses.seen + excluded.seen, \
                     seen_at = COALESCE(excluded.seen_at, signing_key_uses.seen_at)",
                );
        sql!(self.tx, "adding to rows of signing_key_uses", "several", |c| statement.execute(c))?;
        Ok(())
    }

    /// What every key was used for, as far as it was written down.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn all(&mut self) -> Result<BTreeMap<String, Uses>, Fault> {
        type Row = (String, i64, Option<At>, i64, Option<At>);
        let rows: Vec<Row> =
            sql!(self.tx, "listing rows of signing_key_uses", "all", |c| signing_key_uses::table.load(c))?;
        let uses = |(kid, signed, signed_at, seen, seen_at): Row| {
            let at = |at: Option<At>| at.map(|at| at.0);
            let (signed, seen) = (from_count(signed), from_count(seen));
            (kid, Uses { signed, signed_at: at(signed_at), seen, seen_at: at(seen_at) })
        };
        Ok(rows.into_iter().map(uses).collect())
    }
}
