//! Table `quota_counters`: what each family has used of each quota in each period. A period begins
//! when its row does: nothing has to be reset.

use super::{
    Tx,
    column::{At, UtcTime, from_count},
    failure::illegal,
    schema::{quota_counters, quota_grants},
    statement::Statement,
    tx::sql,
};
use crate::base::{
    fault::Fault,
    id::{EventId, FamilyId},
    moment::Moment,
};
use diesel::{
    prelude::*,
    sql_types::{BigInt, Text},
};
use std::collections::{BTreeMap, BTreeSet};

/// Counters in one statement.
const BATCH: usize = 500;

/// The highest limit, and the most that can be debited or topped up; also the highest number that
/// JSON carries without loss. Sums of three do not overflow a column.
pub const MOST: u64 = 1 << 53;

/// Which counter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterId {
    /// Whose it is.
    pub family: FamilyId,
    /// The name of the quota.
    pub name: String,
    /// When its period began; [`Moment::EPOCH`] for a quota that is never filled up again, so that
    /// its counter is never taken for an old one.
    pub period_start: Moment,
}

/// What is to be taken of a quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debit {
    /// Of which.
    pub counter: CounterId,
    /// How much.
    pub n: u64,
    /// The limit of the quota, before top-ups.
    pub limit: u64,
}

/// A counter as it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// What was used.
    pub used: u64,
    /// What the limit was raised by.
    pub topped_up: u64,
    /// The highest level, in percent, that its owner was warned of.
    pub warned: u8,
}

type Loaded = (i64, i64, i16);

/// As a column holds it, where arithmetic is done with it.
fn bounded(n: u64) -> i64 {
    i64::try_from(n.min(MOST)).unwrap_or(i64::MAX)
}

/// Queries on this table.
#[derive(Debug)]
pub struct Quotas<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl Quotas<'_, '_> {
    /// Takes `n` of a quota: what is used afterwards, or `None`, and nothing changed, where that
    /// would be more than `limit` and what it was topped up by. One statement, so that however
    /// many take at once, never more than that is taken.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn debit(&mut self, counter: &CounterId, n: u64, limit: u64) -> Result<Option<u64>, Fault> {
        if n > MOST {
            return Ok(None);
        }
        let (family, name, period_start) = (&counter.family, &counter.name, counter.period_start);
        let (n, limit) = (bounded(n), bounded(limit));
        // A row that is there may have been topped up, so it is for the second condition to judge.
        let statement: Statement<'_, BigInt> = Statement::new(
            "INSERT INTO quota_counters (family_id, name, period_start, used, topped_up, warned) SELECT ",
        )
        .text(family.as_str())
        .sql(", ")
        .text(name)
        .sql(", ")
        .at(period_start)
        .sql(", ")
        .count(n)
        .sql(", 0, 0 WHERE ")
        .count(n)
        .sql(" <= ")
        .count(limit)
        .sql(" OR EXISTS (SELECT 1 FROM quota_counters WHERE family_id = ")
        .text(family.as_str())
        .sql(" AND name = ")
        .text(name)
        .sql(" AND period_start = ")
        .at(period_start)
        .sql(
            ") ON CONFLICT (family_id, name, period_start) DO UPDATE \
                     SET used = quota_counters.used + excluded.used \
                     WHERE quota_counters.used + excluded.used <= quota_counters.topped_up + ",
        )
        .count(limit)
        .sql(" RETURNING used");
        let used: Option<i64> =
            sql!(self.tx, "debiting a row of quota_counters", family, |c| statement.get_result(c).optional())?;
        Ok(used.map(from_count))
    }

    /// Takes of many quotas, each by itself as [`Quotas::debit`] does, in two statements for some
    /// hundreds of them: what is used of each afterwards, in the order in which they are given.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn debit_many(&mut self, debits: &[Debit]) -> Result<Vec<Option<u64>>, Fault> {
        let mut used = vec![None; debits.len()];
        let mut waiting: Vec<(usize, &Debit)> = debits.iter().enumerate().filter(|(_, d)| d.n <= MOST).collect();
        // In one order, so that two nodes cannot wait for one another.
        waiting.sort_by_key(|(_, debit)| &debit.counter);
        while !waiting.is_empty() {
            // A counter that is named twice waits for another turn.
            let mut taken = BTreeSet::new();
            let (turn, later) = waiting.into_iter().partition(|(_, debit)| taken.insert(&debit.counter));
            waiting = later;
            let turn: Vec<(usize, &Debit)> = turn;
            for batch in turn.chunks(BATCH) {
                let debited = self.debit_batch(batch)?;
                for (n, debit) in batch {
                    if let Some(place) = used.get_mut(*n) {
                        *place = debited.get(&debit.counter).copied();
                    }
                }
            }
        }
        Ok(used)
    }

    fn debit_batch(&mut self, batch: &[(usize, &Debit)]) -> Result<BTreeMap<CounterId, u64>, Fault> {
        // The rows that are there already are locked, in order, and left as they are.
        let begin: Statement<'_> =
            Statement::new("INSERT INTO quota_counters (family_id, name, period_start, used, topped_up, warned) ")
                .rows(batch, |out, (_, debit)| {
                    let id = &debit.counter;
                    let out = out.text(id.family.as_str()).sql(", ").text(&id.name).sql(", ").at(id.period_start);
                    out.sql(", 0, 0, 0")
                })
                .sql(
                    " ON CONFLICT (family_id, name, period_start) DO UPDATE SET used = quota_counters.used \
             WHERE quota_counters.used < 0",
                );
        sql!(self.tx, "adding rows of quota_counters", "several", |c| begin.execute(c))?;
        let debit: Statement<'_, (Text, Text, UtcTime, BigInt)> =
            Statement::new("UPDATE quota_counters SET used = quota_counters.used + v.column4 FROM (")
                .rows(batch, |out, (_, debit)| {
                    let id = &debit.counter;
                    let out = out.text(id.family.as_str()).sql(", ").text(&id.name).sql(", ").at(id.period_start);
                    out.sql(", ").count(bounded(debit.n)).sql(", ").count(bounded(debit.limit))
                })
                .sql(
                    ") AS v WHERE quota_counters.family_id = v.column1 AND quota_counters.name = v.column2 \
                     AND quota_counters.period_start = v.column3 \
                     AND quota_counters.used + v.column4 <= quota_counters.topped_up + v.column5 \
                     RETURNING family_id, name, period_start, used",
                );
        let rows: Vec<(String, String, At, i64)> =
            sql!(self.tx, "debiting rows of quota_counters", "several", |c| debit.load(c))?;
        rows.into_iter()
            .map(|(family, name, at, used)| {
                let bad = || illegal("quota_counters", &family, "family_id");
                let family = FamilyId::parse(&family).ok_or_else(bad)?;
                Ok((CounterId { family, name, period_start: at.0 }, from_count(used)))
            })
            .collect()
    }

    /// Gives back what was taken and not used; what is used afterwards, at least nothing. `None`
    /// where there is no such counter.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn give_back(&mut self, counter: &CounterId, n: u64) -> Result<Option<u64>, Fault> {
        let n = bounded(n);
        let statement: Statement<'_, BigInt> = Statement::new("UPDATE quota_counters SET used = CASE WHEN used > ")
            .count(n)
            .sql(" THEN used - ")
            .count(n)
            .sql(" ELSE 0 END WHERE family_id = ")
            .text(counter.family.as_str())
            .sql(" AND name = ")
            .text(&counter.name)
            .sql(" AND period_start = ")
            .at(counter.period_start)
            .sql(" RETURNING used");
        let used: Option<i64> = sql!(self.tx, "giving back to a row of quota_counters", counter.family, |c| {
            statement.get_result(c).optional()
        })?;
        Ok(used.map(from_count))
    }

    /// Raises the limit for this period by `n`; how it stands afterwards.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn top_up(&mut self, counter: &CounterId, n: u64) -> Result<Counter, Fault> {
        let set = ") ON CONFLICT (family_id, name, period_start) DO UPDATE SET topped_up = \
                   CASE WHEN quota_counters.topped_up > 9007199254740992 - excluded.topped_up THEN 9007199254740992 \
                   ELSE quota_counters.topped_up + excluded.topped_up END, warned = 0 RETURNING used, topped_up, warned";
        self.set(counter, (0, bounded(n)), set)
    }

    /// Takes back what a limit was raised by in this period; `None`, and nothing changed, where it was
    /// not raised by as much, or where less than what was used would be left.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn take_back(&mut self, counter: &CounterId, n: u64, limit: u64) -> Result<Option<Counter>, Fault> {
        let n = bounded(n);
        let statement: Statement<'_, (BigInt, BigInt, diesel::sql_types::SmallInt)> =
            Statement::new("UPDATE quota_counters SET topped_up = topped_up - ")
                .count(n)
                .sql(" WHERE family_id = ")
                .text(counter.family.as_str())
                .sql(" AND name = ")
                .text(&counter.name)
                .sql(" AND period_start = ")
                .at(counter.period_start)
                .sql(" AND topped_up >= ")
                .count(n)
                .sql(" AND used <= topped_up - ")
                .count(n)
                .sql(" + ")
                .count(bounded(limit))
                .sql(" RETURNING used, topped_up, warned");
        let row: Option<Loaded> = sql!(self.tx, "changing a row of quota_counters", counter.family, |c| {
            statement.get_result(c).optional()
        })?;
        row.map(|row| into_counter(counter, row)).transpose()
    }

    /// Remembers by how much a limit was raised (lowered, where that is less than nothing), and why.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn granted(&mut self, counter: &CounterId, amount: i64, reason: Option<&str>) -> Result<(), Fault> {
        let now = self.tx.now();
        let id = EventId::mint(now, self.tx.dice())?;
        sql!(self.tx, "adding a row of quota_grants", counter.family, |c| {
            diesel::insert_into(quota_grants::table)
                .values((
                    quota_grants::id.eq(id.as_str()),
                    quota_grants::family_id.eq(counter.family.as_str()),
                    quota_grants::name.eq(&counter.name),
                    quota_grants::period_start.eq(At(counter.period_start)),
                    quota_grants::amount.eq(amount),
                    quota_grants::reason.eq(reason),
                    quota_grants::at.eq(At(now)),
                ))
                .execute(c)
        })?;
        Ok(())
    }

    /// Adds to what was used, whatever the limit: what is counted has been served already.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn charge(&mut self, counter: &CounterId, n: u64) -> Result<Counter, Fault> {
        let set = ") ON CONFLICT (family_id, name, period_start) DO UPDATE SET used = \
                   CASE WHEN quota_counters.used > 9007199254740992 - excluded.used THEN 9007199254740992 \
                   ELSE quota_counters.used + excluded.used END RETURNING used, topped_up, warned";
        self.set(counter, (bounded(n), 0), set)
    }

    /// Corrects what was used; how it stands afterwards.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn adjust(&mut self, counter: &CounterId, used: u64) -> Result<Counter, Fault> {
        let set = ") ON CONFLICT (family_id, name, period_start) DO UPDATE SET used = excluded.used, warned = 0 \
                   RETURNING used, topped_up, warned";
        self.set(counter, (bounded(used), 0), set)
    }

    fn set(&mut self, counter: &CounterId, (used, topped_up): (i64, i64), set: &'static str) -> Result<Counter, Fault> {
        let statement: Statement<'_, (BigInt, BigInt, diesel::sql_types::SmallInt)> = Statement::new(
            "INSERT INTO quota_counters (warned, family_id, name, period_start, used, topped_up) VALUES (0, ",
        )
        .text(counter.family.as_str())
        .sql(", ")
        .text(&counter.name)
        .sql(", ")
        .at(counter.period_start)
        .sql(", ")
        .count(used)
        .sql(", ")
        .count(topped_up)
        .sql(set);
        let row: Loaded =
            sql!(self.tx, "changing a row of quota_counters", counter.family, |c| statement.get_result(c))?;
        into_counter(counter, row)
    }

    /// How a counter stands; `None` where nothing was used, topped up or corrected.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn find(&mut self, counter: &CounterId) -> Result<Option<Counter>, Fault> {
        let key = (counter.family.as_str(), counter.name.as_str(), At(counter.period_start));
        let found: Option<Loaded> = sql!(self.tx, "finding a row of quota_counters", counter.family, |c| {
            quota_counters::table
                .find(key)
                .select((quota_counters::used, quota_counters::topped_up, quota_counters::warned))
                .get_result(c)
                .optional()
        })?;
        found.map(|row| into_counter(counter, row)).transpose()
    }

    /// Remembers that the owner was warned of this level, in percent; true for exactly one of all
    /// who ask, and never for a level below one that was warned of. A counter that is topped up or
    /// corrected begins anew.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn warned(&mut self, counter: &CounterId, level: u8) -> Result<bool, Fault> {
        let key = (counter.family.as_str(), counter.name.as_str(), At(counter.period_start));
        let level = i16::from(level);
        let warned = sql!(self.tx, "changing a row of quota_counters", counter.family, |c| {
            diesel::update(quota_counters::table.find(key).filter(quota_counters::warned.lt(level)))
                .set(quota_counters::warned.eq(level))
                .execute(c)
        })?;
        Ok(warned == 1)
    }
}

fn into_counter(id: &CounterId, (used, topped_up, warned): Loaded) -> Result<Counter, Fault> {
    let warned = u8::try_from(warned).map_err(|_| illegal("quota_counters", &id.family, "warned"))?;
    Ok(Counter { used: from_count(used), topped_up: from_count(topped_up), warned })
}
