//! Forgetting: rows that can no longer matter are deleted, a batch at a time, so that no
//! transaction is long.

use super::{
    Tx,
    column::At,
    schema::{change_feed, codes, grants, outbox, replay, sessions},
    tx::sql,
};
use crate::base::{fault::Fault, moment::Span};
use diesel::prelude::*;

/// The most rows of a table that one call deletes.
pub const BATCH: i64 = 1000;
/// For how long what has ended is kept, so that a replay is still seen for what it is.
pub const KEPT: Span = Span::days(7);

/// How many rows were deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Authorization codes.
    pub codes: usize,
    /// Sessions.
    pub sessions: usize,
    /// Things that could be used once.
    pub replay: usize,
    /// Changes that every node has heard of.
    pub feed: usize,
    /// Grants.
    pub grants: usize,
    /// Messages that were delivered or given up.
    pub outbox: usize,
}

impl Purged {
    /// Whether some table had as many as one call deletes, so that there may be more.
    #[must_use]
    pub fn more(&self) -> bool {
        let all = [self.codes, self.sessions, self.replay, self.feed, self.grants, self.outbox];
        all.into_iter().any(|n| i64::try_from(n).is_ok_and(|n| n >= BATCH))
    }
}

/// Finds a batch of keys, then deletes those rows that are still old.
macro_rules! old {
    ($tx:ident, $doing:literal, $table:ident::$key:ident: $ty:ty, $old:expr) => {{
        let keys: Vec<$ty> = sql!($tx, $doing, "old ones", |c| {
            $table::table.filter($old).select($table::$key).limit(BATCH).load(c)
        })?;
        sql!($tx, $doing, "old ones", |c| {
            diesel::delete($table::table.filter($table::$key.eq_any(&keys)).filter($old)).execute(c)
        })?
    }};
}

/// Deletes at most [`BATCH`] rows of each table: what has expired, and after a week what was ended.
///
/// # Errors
/// A [`Fault`] where the database could not do it.
pub fn purge(tx: &mut Tx<'_>) -> Result<Purged, Fault> {
    let now = At(tx.now());
    let week_ago = At(tx.now() - KEPT);
    Ok(Purged {
        codes: old!(tx, "deleting rows of codes", codes::hash: Vec<u8>, codes::expires_at.lt(week_ago)),
        sessions: old!(tx, "deleting rows of sessions", sessions::id: String, sessions::expires_at.lt(week_ago)),
        replay: old!(tx, "deleting rows of replay", replay::hash: Vec<u8>, replay::expires_at.le(now)),
        feed: old!(tx, "deleting rows of change_feed", change_feed::epoch: i64, change_feed::expires_at.le(now)),
        grants: old!(tx, "deleting rows of grants", grants::id: String, grants::expires_at.lt(week_ago)),
        outbox: old!(
            tx,
            "deleting rows of outbox",
            outbox::id: String,
            outbox::done_at.lt(week_ago).or(outbox::dead_at.lt(week_ago))
        ),
    })
}
