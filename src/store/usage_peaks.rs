//! How busy the busiest minutes were, of table `usage_minutes`: for those who choose limits.

use super::{
    column::{At, UtcTime, from_count},
    statement::Statement,
    tx::sql,
    usage::Usage,
};
use crate::{
    apikey::advice::Measured,
    base::{
        fault::Fault,
        id::{ApiId, ApiKeyId, PlanId},
        moment::Moment,
    },
};
use diesel::{
    prelude::*,
    sql_types::{BigInt, Text},
};

/// Whose minutes.
#[derive(Clone, Copy, Debug)]
pub enum PeaksOf<'p> {
    /// Of each of these keys, at least one and at most a thousand.
    Keys(&'p [ApiKeyId]),
    /// Of the families of a plan: each minute of each of them.
    Plan(&'p PlanId),
    /// Of all keys of an API together.
    Api(&'p ApiId),
}

type Peaks = (Text, BigInt, BigInt, BigInt, BigInt, BigInt, UtcTime, UtcTime);
type Row = (String, i64, i64, i64, i64, i64, At, At);

/// Minutes with the calls of each, under the name of whose they are.
const MINUTES: &str = " AS subject, u.minute AS minute, sum(u.calls) AS n, \
     sum(CASE WHEN u.outcome = 'rate_limited' THEN u.calls ELSE 0 END) AS refused FROM usage_minutes u ";

/// Of the minutes in order of their calls, the one that 99 in a hundred do not exceed.
const RANKED: &str = " HAVING sum(u.calls) > 0), \
     ranked AS (SELECT subject, n, row_number() OVER (PARTITION BY subject ORDER BY n) AS place, \
     count(*) OVER w AS minutes, sum(n) OVER w AS calls, sum(refused) OVER w AS refused, max(n) OVER w AS most, \
     min(minute) OVER w AS first, max(minute) OVER w AS last FROM minutes WINDOW w AS (PARTITION BY subject)) \
     SELECT subject, minutes, CAST(calls AS bigint), CAST(refused AS bigint), CAST(n AS bigint), CAST(most AS bigint), \
     first, last FROM ranked WHERE place = (minutes * 99 + 99) / 100";

impl Usage<'_, '_> {
    /// How busy the minutes with calls were from `from` on and before `to`, each with whose they are: the
    /// handle of a key, or a word where all are one. Calls count that were good, or that a limit of rate
    /// refused. One statement, of which the database sends a row for each.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn peaks(&mut self, of: PeaksOf<'_>, (from, to): (Moment, Moment)) -> Result<Vec<(String, Measured)>, Fault> {
        let statement: Statement<'_, Peaks> = match of {
            PeaksOf::Keys(keys) => Statement::new("WITH minutes AS (SELECT u.key_id")
                .sql(MINUTES)
                .sql("WHERE u.key_id IN (")
                .rows(keys, |out, key| out.text(key.as_str()))
                .sql(")"),
            PeaksOf::Plan(plan) => Statement::new("WITH minutes AS (SELECT 'plan'")
                .sql(MINUTES)
                .sql(
                    "JOIN api_keys k ON k.id = u.key_id JOIN key_families f ON f.id = k.family_id \
                     JOIN apis a ON a.id = k.api_id WHERE coalesce(f.plan_id, a.plan_id) = ",
                )
                .text(plan.as_str()),
            PeaksOf::Api(api) => Statement::new("WITH minutes AS (SELECT 'api'")
                .sql(MINUTES)
                .sql("JOIN api_keys k ON k.id = u.key_id WHERE k.api_id = ")
                .text(api.as_str()),
        };
        let grouped = match of {
            PeaksOf::Keys(_) => " GROUP BY u.key_id, u.minute",
            PeaksOf::Plan(_) => " GROUP BY k.family_id, u.minute",
            PeaksOf::Api(_) => " GROUP BY u.minute",
        };
        let statement = statement
            .sql(" AND u.outcome IN ('ok', 'rate_limited') AND u.minute >= ")
            .at(from)
            .sql(" AND u.minute < ")
            .at(to)
            .sql(grouped)
            .sql(RANKED);
        let rows: Vec<Row> = sql!(self.tx, "ranking rows of usage_minutes", "several", |c| statement.load(c))?;
        Ok(rows.into_iter().map(measured).collect())
    }
}

fn measured((subject, minutes, calls, refused, p99, most, first, last): Row) -> (String, Measured) {
    let measured = Measured {
        minutes: from_count(minutes),
        first: first.0,
        last: last.0,
        calls: from_count(calls),
        refused: from_count(refused),
        p99: from_count(p99),
        most: from_count(most),
    };
    (subject, measured)
}
