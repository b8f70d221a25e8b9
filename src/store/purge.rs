//! Forgetting: rows that can no longer matter are deleted, a batch at a time, so that no
//! transaction is long.

use super::{
    Tx,
    column::At,
    schema::{change_feed, codes, grants, idempotency, jwks_fetches, key_claims, outbox, replay, sessions},
    statement::Statement,
    tx::sql,
};
use crate::base::{
    fault::Fault,
    moment::{CLOCKS, Moment, Span},
};
use diesel::{
    dsl::{exists, not},
    prelude::*,
};

/// The most rows of a table that one call deletes.
pub const BATCH: i64 = 1000;
/// For how long what has ended is kept, so that a replay is still seen for what it is.
pub const KEPT: Span = Span::days(7);

/// For how long it is kept, by the minute, what keys were used for. Minutes are a lot of rows, but limits are
/// advised from them, and a month has days that no fortnight has.
pub const USAGE_KEPT: Span = Span::days(31);
/// For how long it is kept, by the hour, from where keys are used that have a successor: what comes
/// once a week is seen too.
pub const PLACES_KEPT: Span = Span::days(8);
/// For how long it is kept what was used of a quota in a period, from its beginning: longer than a
/// year, so that this month can be compared with the same one a year ago.
pub const QUOTAS_KEPT: Span = Span::days(400);

/// For how long it is kept who fetched the key set, after they did so last.
pub const FETCHES_KEPT: Span = Span::days(30);

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
    /// Links for API keys.
    pub claims: usize,
    /// Requests that must not be done twice.
    pub idempotency: usize,
    /// Minutes of what API keys were used for.
    pub usage: usize,
    /// Hours in which keys that have a successor were used from somewhere.
    pub places: usize,
    /// What was used of quotas.
    pub quotas: usize,
    /// Who fetched the key set long ago.
    pub fetches: usize,
    /// Reports that are too old to come again, and what was summed of them by the minute.
    pub reports: usize,
}

impl Purged {
    /// Whether some table had as many as one call deletes, so that there may be more.
    #[must_use]
    pub fn more(&self) -> bool {
        let signing_in = [self.codes, self.sessions, self.replay, self.feed, self.grants, self.outbox];
        let keys = [self.fetches, self.claims, self.idempotency, self.usage, self.places, self.quotas, self.reports];
        signing_in.into_iter().chain(keys).any(|n| i64::try_from(n).is_ok_and(|n| n >= BATCH))
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

/// Minutes of usage, found by an index of their own.
fn old_usage(tx: &mut Tx<'_>) -> Result<usize, Fault> {
    let statement: Statement<'_> = Statement::new(
        "DELETE FROM usage_minutes WHERE (key_id, minute, outcome) IN \
         (SELECT key_id, minute, outcome FROM usage_minutes WHERE minute < ",
    )
    .at(tx.now() - USAGE_KEPT)
    .sql(" ORDER BY minute LIMIT ")
    .count(BATCH)
    .sql(")");
    sql!(tx, "deleting rows of usage_minutes", "old ones", |c| statement.execute(c))
}

/// From where keys were used, found by an index of its own.
fn old_places(tx: &mut Tx<'_>) -> Result<usize, Fault> {
    let statement: Statement<'_> = Statement::new(
        "DELETE FROM key_places WHERE (key_id, hour, address, agent) IN \
         (SELECT key_id, hour, address, agent FROM key_places WHERE hour < ",
    )
    .at(tx.now() - PLACES_KEPT)
    .sql(" ORDER BY hour LIMIT ")
    .count(BATCH)
    .sql(")");
    sql!(tx, "deleting rows of key_places", "old ones", |c| statement.execute(c))
}

/// Reports, and what was summed of them; the most of one table, which says whether there may be more.
fn old_reports(tx: &mut Tx<'_>) -> Result<usize, Fault> {
    let gone = |from: &'static str, until: Moment| -> Statement<'static> {
        Statement::new(from).at(until).sql(" LIMIT ").count(BATCH).sql(")")
    };
    let (now, kept) = (tx.now(), tx.now() - USAGE_KEPT);
    let all = [
        gone(
            "DELETE FROM usage_reports WHERE (api_id, id) IN \
             (SELECT api_id, id FROM usage_reports WHERE expires_at <= ",
            now,
        ),
        gone(
            "DELETE FROM usage_latencies WHERE (key_id, minute, bucket) IN \
             (SELECT key_id, minute, bucket FROM usage_latencies WHERE minute < ",
            kept,
        ),
        gone(
            "DELETE FROM api_loads WHERE (api_id, minute) IN \
             (SELECT api_id, minute FROM api_loads WHERE minute < ",
            kept,
        ),
    ];
    let mut most = 0;
    for statement in all {
        most = most.max(sql!(tx, "deleting rows of usage_reports", "old ones", |c| statement.execute(c))?);
    }
    Ok(most)
}

/// Fetches of the key set by those who have not come for long.
fn old_fetches(tx: &mut Tx<'_>) -> Result<usize, Fault> {
    let until = At(tx.now() - FETCHES_KEPT);
    sql!(tx, "deleting rows of jwks_fetches", "old ones", |c| {
        diesel::delete(jwks_fetches::table.filter(jwks_fetches::last_at.lt(until))).execute(c)
    })
}

/// Counters of periods long past. A quota that is never filled up again counts from
/// [`Moment::EPOCH`] on; its counter is never old.
fn old_quotas(tx: &mut Tx<'_>) -> Result<usize, Fault> {
    let statement: Statement<'_> = Statement::new(
        "DELETE FROM quota_counters WHERE (family_id, name, period_start) IN \
         (SELECT family_id, name, period_start FROM quota_counters WHERE period_start < ",
    )
    .at(tx.now() - QUOTAS_KEPT)
    .sql(" AND period_start > ")
    .at(Moment::EPOCH)
    .sql(" LIMIT ")
    .count(BATCH)
    .sql(")");
    sql!(tx, "deleting rows of quota_counters", "old ones", |c| statement.execute(c))
}

/// What was granted in periods long past.
fn old_grants(tx: &mut Tx<'_>) -> Result<usize, Fault> {
    let statement: Statement<'_> =
        Statement::new("DELETE FROM quota_grants WHERE id IN (SELECT id FROM quota_grants WHERE period_start < ")
            .at(tx.now() - QUOTAS_KEPT)
            .sql(" AND period_start > ")
            .at(Moment::EPOCH)
            .sql(" LIMIT ")
            .count(BATCH)
            .sql(")");
    sql!(tx, "deleting rows of quota_grants", "old ones", |c| statement.execute(c))
}

/// Deletes at most [`BATCH`] rows of each table: what has expired, and after a week what was ended.
///
/// # Errors
/// A [`Fault`] where the database could not do it.
pub fn purge(tx: &mut Tx<'_>) -> Result<Purged, Fault> {
    let now = At(tx.now());
    let week_ago = At(tx.now() - KEPT);
    // That something was used once is kept until it is too old by the clock of every node where it may come again.
    let a_minute_ago = At(tx.now() - CLOCKS);
    // While a session is open its grants say which clients are to hear of its end.
    let open = || {
        let theirs = sessions::table.filter(sessions::id.eq(grants::session_id));
        theirs.filter(sessions::ended_at.is_null()).filter(sessions::expires_at.gt(now))
    };
    Ok(Purged {
        codes: old!(tx, "deleting rows of codes", codes::hash: Vec<u8>, codes::expires_at.lt(week_ago)),
        sessions: old!(tx, "deleting rows of sessions", sessions::id: String, sessions::expires_at.lt(week_ago)),
        replay: old!(tx, "deleting rows of replay", replay::hash: Vec<u8>, replay::expires_at.le(a_minute_ago)),
        feed: old!(tx, "deleting rows of change_feed", change_feed::epoch: i64, change_feed::expires_at.le(now)),
        grants: old!(
            tx,
            "deleting rows of grants",
            grants::id: String,
            grants::expires_at.lt(week_ago).and(not(exists(open())))
        ),
        outbox: old!(
            tx,
            "deleting rows of outbox",
            outbox::id: String,
            outbox::done_at.lt(week_ago).or(outbox::dead_at.lt(week_ago))
        ),
        claims: old!(tx, "deleting rows of key_claims", key_claims::id: String, key_claims::expires_at.lt(week_ago)),
        idempotency: old!(
            tx,
            "deleting rows of idempotency",
            idempotency::hash: Vec<u8>,
            idempotency::expires_at.le(now)
        ),
        usage: old_usage(tx)?,
        places: old_places(tx)?,
        quotas: old_quotas(tx)?.saturating_add(old_grants(tx)?),
        fetches: old_fetches(tx)?,
        reports: old_reports(tx)?,
    })
}
