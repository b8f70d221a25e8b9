//! Table `usage_minutes`: what API keys were used for, summed by key, minute and outcome.

use super::{
    Tx,
    column::{At, from_count, to_count},
    failure::illegal,
    schema::{api_keys, usage_minutes},
    statement::Statement,
    tx::sql,
};
use crate::{
    apikey::unusual::Minute,
    base::{
        fault::Fault,
        id::{ApiId, ApiKeyId},
        moment::Moment,
    },
};
use diesel::{
    dsl::sql as raw,
    expression::SqlLiteral,
    prelude::*,
    sql_types::{BigInt, Text},
};
use std::collections::BTreeMap;

/// Rows in one statement.
const BATCH: usize = 500;

/// The most of a column, and of a sum of one: more is not counted. Each is told as a number that
/// every reader of JSON can hold, and what is reported can fill it within a minute.
pub const MOST: u64 = 1 << 53;
/// What is counted, by name.
const COLUMNS: [&str; 7] = ["calls", "errors_4", "errors_5", "bytes_in", "bytes_out", "millis", "reported"];

/// The sum of a column, and no more than [`MOST`]. Summed as whole numbers it would overflow: the one
/// database fails in the sum, the other in the cast of it.
fn sum_of(column: &str) -> SqlLiteral<BigInt> {
    let sum = format!("sum({column} * 1.0)");
    raw(&format!("CAST(CASE WHEN {sum} > {MOST} THEN {MOST} ELSE {sum} END AS bigint)"))
}

type Sum = SqlLiteral<BigInt>;

/// The sums of all that is counted.
fn sums() -> (Sum, Sum, Sum, Sum, Sum, Sum, Sum) {
    (
        sum_of("calls"),
        sum_of("errors_4"),
        sum_of("errors_5"),
        sum_of("bytes_in"),
        sum_of("bytes_out"),
        sum_of("millis"),
        sum_of("reported"),
    )
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls.
    pub calls: u64,
    /// Calls that the resource server answered with a status from 400 to 499.
    pub errors_4: u64,
    /// Calls that it answered with a status from 500 on.
    pub errors_5: u64,
    /// Bytes of requests.
    pub bytes_in: u64,
    /// Bytes of answers.
    pub bytes_out: u64,
    /// Milliseconds that the calls took, all together.
    pub millis: u64,
    /// Calls of which the resource server has reported how they ended: what the five above are of.
    pub reported: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            errors_4: self.errors_4.saturating_add(other.errors_4),
            errors_5: self.errors_5.saturating_add(other.errors_5),
            bytes_in: self.bytes_in.saturating_add(other.bytes_in),
            bytes_out: self.bytes_out.saturating_add(other.bytes_out),
            millis: self.millis.saturating_add(other.millis),
            reported: self.reported.saturating_add(other.reported),
        }
    }
}

/// What a key was used for in a minute, with one outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// Which key.
    pub key: ApiKeyId,
    /// When the minute began.
    pub minute: Moment,
    /// What became of the calls: the word of a verdict.
    pub outcome: String,
    /// How much it was.
    pub counts: Counts,
}

/// What all keys of an API were used for in a minute, with one outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiUsageRow {
    /// When the minute began.
    pub minute: Moment,
    /// What became of the calls.
    pub outcome: String,
    /// How much it was.
    pub counts: Counts,
}

/// What a key was used for in a stretch of time, with one outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Which key.
    pub key: String,
    /// Which of the stretches, counted from 0.
    pub stretch: usize,
    /// What became of the calls.
    pub outcome: String,
    /// How much it was.
    pub counts: Counts,
}

type Seven = (i64, i64, i64, i64, i64, i64, i64);

fn counts_of((calls, errors_4, errors_5, bytes_in, bytes_out, millis, reported): Seven) -> Counts {
    Counts {
        calls: from_count(calls),
        errors_4: from_count(errors_4),
        errors_5: from_count(errors_5),
        bytes_in: from_count(bytes_in),
        bytes_out: from_count(bytes_out),
        millis: from_count(millis),
        reported: from_count(reported),
    }
}

/// Queries on this table.
#[derive(Debug)]
pub struct Usage<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl Usage<'_, '_> {
    /// Adds to what is counted.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn add(&mut self, rows: &[UsageRow]) -> Result<(), Fault> {
        // Each once, and in one order, so that two nodes cannot wait for one another.
        let mut sums: BTreeMap<(&str, Moment, &str), Counts> = BTreeMap::new();
        for row in rows {
            let sum = sums.entry((row.key.as_str(), row.minute, &row.outcome)).or_default();
            *sum = sum.and(row.counts);
        }
        let sums: Vec<_> = sums.into_iter().collect();
        for batch in sums.chunks(BATCH) {
            let statement: Statement<'_> = Statement::new(
                "INSERT INTO usage_minutes \
                 (key_id, minute, outcome, calls, errors_4, errors_5, bytes_in, bytes_out, millis, reported) ",
            )
            .rows(batch, |out, ((key, minute, outcome), n)| {
                let out = out.text(key).sql(", ").at(*minute).sql(", ").text(outcome);
                [n.calls, n.errors_4, n.errors_5, n.bytes_in, n.bytes_out, n.millis, n.reported]
                    .into_iter()
                    .fold(out, |out, n| out.sql(", ").count(to_count(n.min(MOST))))
            })
            .sql(" ON CONFLICT (key_id, minute, outcome) DO UPDATE SET ");
            // Both together, and no more than the most.
            let statement = COLUMNS.into_iter().enumerate().fold(statement, |out, (at, column)| {
                let out =
                    out.sql(if at == 0 { "" } else { ", " }).sql(column).sql(" = CASE WHEN usage_minutes.").sql(column);
                let out = out.sql(" > 9007199254740992 - excluded.").sql(column);
                let out = out.sql(" THEN 9007199254740992 ELSE usage_minutes.").sql(column);
                out.sql(" + excluded.").sql(column).sql(" END")
            });
            sql!(self.tx, "adding to rows of usage_minutes", "several", |c| statement.execute(c))?;
        }
        Ok(())
    }

    /// What a key was used for from `from` on and before `to`, in order.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn of_key(&mut self, key: &ApiKeyId, from: Moment, to: Moment) -> Result<Vec<UsageRow>, Fault> {
        let rows: Vec<(At, String, Seven)> = sql!(self.tx, "listing rows of usage_minutes of a key", key, |c| {
            usage_minutes::table
                .filter(usage_minutes::key_id.eq(key.as_str()))
                .filter(usage_minutes::minute.ge(At(from)))
                .filter(usage_minutes::minute.lt(At(to)))
                .order((usage_minutes::minute, usage_minutes::outcome))
                .select((
                    usage_minutes::minute,
                    usage_minutes::outcome,
                    (
                        usage_minutes::calls,
                        usage_minutes::errors_4,
                        usage_minutes::errors_5,
                        usage_minutes::bytes_in,
                        usage_minutes::bytes_out,
                        usage_minutes::millis,
                        usage_minutes::reported,
                    ),
                ))
                .load(c)
        })?;
        let row = |(minute, outcome, counts): (At, String, Seven)| UsageRow {
            key: key.clone(),
            minute: minute.0,
            outcome,
            counts: counts_of(counts),
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// What all keys of an API were used for from `from` on and before `to`, summed, in order.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn of_api(&mut self, api: &ApiId, from: Moment, to: Moment) -> Result<Vec<ApiUsageRow>, Fault> {
        let rows: Vec<(At, String, Seven)> = sql!(self.tx, "summing rows of usage_minutes of an API", api, |c| {
            usage_minutes::table
                .inner_join(api_keys::table.on(api_keys::id.eq(usage_minutes::key_id)))
                .filter(api_keys::api_id.eq(api.as_str()))
                .filter(usage_minutes::minute.ge(At(from)))
                .filter(usage_minutes::minute.lt(At(to)))
                .group_by((usage_minutes::minute, usage_minutes::outcome))
                .order((usage_minutes::minute, usage_minutes::outcome))
                .select((usage_minutes::minute, usage_minutes::outcome, sums()))
                .load(c)
        })?;
        let row = |(minute, outcome, counts): (At, String, Seven)| ApiUsageRow {
            minute: minute.0,
            outcome,
            counts: counts_of(counts),
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// The keys with which at least so many bytes of answers were read in the minutes that began after
    /// `after`, at most `n`, those first that read most.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn most_read(&mut self, after: Moment, least: u64, n: i64) -> Result<Vec<(ApiKeyId, u64)>, Fault> {
        let statement: Statement<'_, (Text, BigInt)> = Statement::new(
            "SELECT key_id, CAST(CASE WHEN sum(bytes_out * 1.0) > 9007199254740992 THEN 9007199254740992 \
             ELSE sum(bytes_out * 1.0) END AS bigint) FROM usage_minutes WHERE minute > ",
        )
        .at(after)
        .sql(" AND bytes_out > 0 GROUP BY key_id HAVING sum(bytes_out * 1.0) >= ")
        .count(to_count(least))
        .sql(" ORDER BY sum(bytes_out * 1.0) DESC, key_id LIMIT ")
        .count(n);
        let rows: Vec<(String, i64)> =
            sql!(self.tx, "summing rows of usage_minutes", "those that read most", |c| statement.load(c))?;
        let key = |(key, bytes): (String, i64)| {
            let id = ApiKeyId::parse(&key).ok_or_else(|| illegal("usage_minutes", &key, "key_id"))?;
            Ok((id, from_count(bytes)))
        };
        rows.into_iter().map(key).collect()
    }

    /// The bytes of answers that were read with a key from `from` on and before `to`, by the minute.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn bytes_of(&mut self, key: &ApiKeyId, from: Moment, to: Moment) -> Result<Vec<Minute>, Fault> {
        let rows: Vec<(At, i64)> = sql!(self.tx, "listing rows of usage_minutes of a key", key, |c| {
            usage_minutes::table
                .filter(usage_minutes::key_id.eq(key.as_str()))
                .filter(usage_minutes::minute.ge(At(from)))
                .filter(usage_minutes::minute.lt(At(to)))
                .filter(usage_minutes::bytes_out.gt(0))
                .order(usage_minutes::minute)
                .select((usage_minutes::minute, usage_minutes::bytes_out))
                .load(c)
        })?;
        Ok(rows.into_iter().map(|(at, bytes)| Minute { at: at.0, bytes: from_count(bytes) }).collect())
    }

    /// What each of these keys was used for, by outcome, in each stretch from one of these moments
    /// to the next: one statement for each stretch, none of which reads the table beyond the index.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn of_keys(&mut self, keys: &[ApiKeyId], bounds: &[Moment]) -> Result<Vec<Use>, Fault> {
        let keys: Vec<&str> = keys.iter().map(ApiKeyId::as_str).collect();
        let mut all = Vec::new();
        for (stretch, pair) in bounds.windows(2).enumerate() {
            let [from, to] = pair else { continue };
            let rows: Vec<(String, String, Seven)> = sql!(self.tx, "summing rows of usage_minutes", "several", |c| {
                usage_minutes::table
                    .filter(usage_minutes::key_id.eq_any(&keys))
                    .filter(usage_minutes::minute.ge(At(*from)))
                    .filter(usage_minutes::minute.lt(At(*to)))
                    .group_by((usage_minutes::key_id, usage_minutes::outcome))
                    .select((usage_minutes::key_id, usage_minutes::outcome, sums()))
                    .load(c)
            })?;
            let row = |(key, outcome, counts)| Use { key, stretch, outcome, counts: counts_of(counts) };
            all.extend(rows.into_iter().map(row));
        }
        Ok(all)
    }
}
