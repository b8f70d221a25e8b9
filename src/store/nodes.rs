//! Table `nodes`: who is running, so that nodes that count alone know how many they are.

use super::{Tx, column::At, dialect, schema::nodes, tx::sql};
use crate::base::{fault::Fault, moment::Span};
use diesel::prelude::*;

/// For how long after its last word a node counts as running.
pub const ALIVE: Span = Span::seconds(15);
/// For how long the row of one that is gone is kept, for whoever looks.
const KEPT: Span = Span::days(1);

/// Queries on this table.
#[derive(Debug)]
pub struct Nodes<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl Nodes<'_, '_> {
    /// Says that the node of this name is running; answers how many are. On SQLite there is one,
    /// and nothing is written.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn alive(&mut self, name: &str) -> Result<u32, Fault> {
        if dialect::has_one_node(self.tx) {
            return Ok(1);
        }
        let now = self.tx.now();
        sql!(self.tx, "writing a row of nodes", name, |c| {
            diesel::insert_into(nodes::table)
                .values((nodes::name.eq(name), nodes::seen_at.eq(At(now))))
                .on_conflict(nodes::name)
                .do_update()
                .set(nodes::seen_at.eq(At(now)))
                .execute(c)
        })?;
        sql!(self.tx, "deleting rows of nodes", "old ones", |c| {
            diesel::delete(nodes::table.filter(nodes::seen_at.lt(At(now - KEPT)))).execute(c)
        })?;
        let alive: i64 = sql!(self.tx, "counting rows of nodes", "alive", |c| {
            nodes::table.filter(nodes::seen_at.gt(At(now - ALIVE))).count().get_result(c)
        })?;
        Ok(u32::try_from(alive).unwrap_or(1).max(1))
    }

    /// Says that the node of this name has ended.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn gone(&mut self, name: &str) -> Result<(), Fault> {
        sql!(self.tx, "deleting a row of nodes", name, |c| diesel::delete(nodes::table.find(name)).execute(c))?;
        Ok(())
    }
}
