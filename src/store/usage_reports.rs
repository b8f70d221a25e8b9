//! Tables `usage_reports`, `usage_latencies` and `api_loads`: what resource servers report of the
//! calls they served, each report once.

use super::{
    Tx,
    column::{At, from_count, to_count},
    schema::{api_loads, usage_latencies},
    statement::Statement,
    tx::sql,
};
use crate::base::{
    fault::Fault,
    id::{ApiId, ApiKeyId},
    moment::Moment,
};
use diesel::{
    dsl::sql as raw,
    prelude::*,
    sql_types::{BigInt, Text},
};
use std::collections::{BTreeMap, BTreeSet};

/// Rows in one statement.
const BATCH: usize = 500;

/// How many calls of an API were reported, and how many of them it had no room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// All that were reported.
    pub reported: u64,
    /// Those that it answered with 429, or with a status from 500 on.
    pub rejected: u64,
}

/// Queries on these tables.
#[derive(Debug)]
pub struct UsageReports<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl UsageReports<'_, '_> {
    /// Remembers reports until `expires_at`, and says which of them come for the first time. Of
    /// several at once, exactly one is told so.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn first_of(
        &mut self,
        reports: &BTreeSet<(ApiId, String)>,
        expires_at: Moment,
    ) -> Result<BTreeSet<(String, String)>, Fault> {
        // In one order, so that two nodes cannot wait for one another.
        let all: Vec<&(ApiId, String)> = reports.iter().collect();
        let mut first = BTreeSet::new();
        for batch in all.chunks(BATCH) {
            let statement: Statement<'_, (Text, Text)> =
                Statement::new("INSERT INTO usage_reports (api_id, id, expires_at) ")
                    .rows(batch, |out, (api, id)| out.text(api.as_str()).sql(", ").text(id).sql(", ").at(expires_at))
                    .sql(" ON CONFLICT (api_id, id) DO NOTHING RETURNING api_id, id");
            let rows: Vec<(String, String)> =
                sql!(self.tx, "adding rows of usage_reports", "several", |c| statement.load(c))?;
            first.extend(rows);
        }
        Ok(first)
    }

    /// Adds calls to the buckets of how long they took.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn add_latencies(&mut self, calls: &BTreeMap<(ApiKeyId, Moment, u8), u64>) -> Result<(), Fault> {
        let all: Vec<_> = calls.iter().collect();
        for batch in all.chunks(BATCH) {
            let statement: Statement<'_> =
                Statement::new("INSERT INTO usage_latencies (key_id, minute, bucket, calls) ")
                    .rows(batch, |out, ((key, minute, bucket), n)| {
                        let out = out.text(key.as_str()).sql(", ").at(*minute).sql(", ").count(i64::from(*bucket));
                        out.sql(", ").count(to_count(**n))
                    })
                    .sql(
                        " ON CONFLICT (key_id, minute, bucket) \
                         DO UPDATE SET calls = usage_latencies.calls + excluded.calls",
                    );
            sql!(self.tx, "adding to rows of usage_latencies", "several", |c| statement.execute(c))?;
        }
        Ok(())
    }

    /// Adds to what APIs had to bear.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn add_loads(&mut self, loads: &BTreeMap<(ApiId, Moment), Load>) -> Result<(), Fault> {
        let all: Vec<_> = loads.iter().collect();
        for batch in all.chunks(BATCH) {
            let statement: Statement<'_> = Statement::new(
                "INSERT INTO api_loads (api_id, minute, reported, rejected) ",
            )
            .rows(batch, |out, ((api, minute), load)| {
                let out = out.text(api.as_str()).sql(", ").at(*minute).sql(", ");
                out.count(to_count(load.reported)).sql(", ").count(to_count(load.rejected))
            })
            .sql(
                " ON CONFLICT (api_id, minute) DO UPDATE SET reported = api_loads.reported + excluded.reported, \
                         rejected = api_loads.rejected + excluded.rejected",
            );
            sql!(self.tx, "adding to rows of api_loads", "several", |c| statement.execute(c))?;
        }
        Ok(())
    }

    /// How many calls of a key took how long from `from` on and before `to`, by bucket.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn latencies(&mut self, key: &ApiKeyId, from: Moment, to: Moment) -> Result<BTreeMap<u8, u64>, Fault> {
        let rows: Vec<(i64, i64)> = sql!(self.tx, "summing rows of usage_latencies of a key", key, |c| {
            usage_latencies::table
                .filter(usage_latencies::key_id.eq(key.as_str()))
                .filter(usage_latencies::minute.ge(At(from)))
                .filter(usage_latencies::minute.lt(At(to)))
                .group_by(usage_latencies::bucket)
                .select((usage_latencies::bucket, raw::<BigInt>("CAST(sum(calls) AS bigint)")))
                .load(c)
        })?;
        Ok(rows.into_iter().filter_map(|(bucket, n)| Some((u8::try_from(bucket).ok()?, from_count(n)))).collect())
    }

    /// What each API had to bear in the minutes that began after `after`.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn loads(&mut self, after: Moment) -> Result<BTreeMap<String, Load>, Fault> {
        let rows: Vec<(String, i64, i64)> = sql!(self.tx, "summing rows of api_loads", "all", |c| {
            api_loads::table
                .filter(api_loads::minute.gt(At(after)))
                .group_by(api_loads::api_id)
                .select((
                    api_loads::api_id,
                    raw::<BigInt>("CAST(sum(reported) AS bigint)"),
                    raw::<BigInt>("CAST(sum(rejected) AS bigint)"),
                ))
                .load(c)
        })?;
        let load =
            |(api, reported, rejected)| (api, Load { reported: from_count(reported), rejected: from_count(rejected) });
        Ok(rows.into_iter().map(load).collect())
    }
}
