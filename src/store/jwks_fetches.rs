//! Table `jwks_fetches`: who fetched the published key set, by address and agent, and what they
//! were given last. Strangers can invent agents without end, so the table has an end of its own:
//! beyond it, whoever is new is counted among [`OTHERS`].

use super::{
    Tx,
    column::{At, from_count, to_count},
    schema::jwks_fetches,
    statement::Statement,
    tx::sql,
};
use crate::base::{fault::Fault, moment::Moment};
use diesel::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The most rows.
pub const MOST: usize = 5000;
/// The address under which everybody is counted who comes when there are so many.
pub const OTHERS: &str = "others";
/// Rows in one statement.
const BATCH: usize = 200;

/// Who fetches: an address, and what it says it is.
pub type Fetcher = (String, String);

/// How often somebody fetched the set, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetches {
    /// How often.
    pub count: u64,
    /// When first.
    pub first: Moment,
    /// When last.
    pub last: Moment,
    /// The entity tag of the set that they were given last.
    pub etag: String,
}

impl Fetches {
    /// Both together: what came last counts for what they have.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let newer = if other.last >= self.last { other.etag } else { self.etag };
        Self {
            count: self.count.saturating_add(other.count),
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            etag: newer,
        }
    }
}

/// Queries on this table.
#[derive(Debug)]
pub struct JwksFetches<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl JwksFetches<'_, '_> {
    /// Adds to what is counted.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn add(&mut self, counted: &BTreeMap<Fetcher, Fetches>) -> Result<(), Fault> {
        let known: BTreeSet<Fetcher> = sql!(self.tx, "listing rows of jwks_fetches", "all", |c| {
            jwks_fetches::table.select((jwks_fetches::address, jwks_fetches::agent)).load::<Fetcher>(c)
        })?
        .into_iter()
        .collect();
        let mut room = MOST.saturating_sub(known.len());
        let mut rows: BTreeMap<Fetcher, Fetches> = BTreeMap::new();
        for (who, fetches) in counted {
            let who = if known.contains(who) {
                who.clone()
            } else if room > 0 {
                room -= 1;
                who.clone()
            } else {
                (OTHERS.to_owned(), String::new())
            };
            let sum = match rows.remove(&who) {
                Some(before) => before.and(fetches.clone()),
                None => fetches.clone(),
            };
            rows.insert(who, sum);
        }
        let rows: Vec<_> = rows.into_iter().collect();
        for batch in rows.chunks(BATCH) {
            let statement: Statement<'_> =
                Statement::new("INSERT INTO jwks_fetches (address, agent, fetches, first_at, last_at, etag) ")
                    .rows(batch, |out, ((address, agent), n)| {
                        let out = out.text(address).sql(", ").text(agent).sql(", ").count(to_count(n.count));
                        out.sql(", ").at(n.first).sql(", ").at(n.last).sql(", ").text(&n.etag)
                    })
                    .sql(
                        " ON CONFLICT (address, agent) DO UPDATE SET \
                         fetches = jwks_fetches.fetches + excluded.fetches, last_at = excluded.last_at, \
                         etag = excluded.etag",
                    );
            sql!(self.tx, "adding to rows of jwks_fetches", "several", |c| statement.execute(c))?;
        }
        Ok(())
    }

    /// Everybody who fetched the set and is still remembered; who came last, first.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn all(&mut self) -> Result<Vec<(Fetcher, Fetches)>, Fault> {
        type Row = (String, String, i64, At, At, String);
        let rows: Vec<Row> = sql!(self.tx, "listing rows of jwks_fetches", "all", |c| {
            let order = (jwks_fetches::last_at.desc(), jwks_fetches::address, jwks_fetches::agent);
            jwks_fetches::table.order(order).load(c)
        })?;
        let one = |(address, agent, count, first, last, etag): Row| {
            ((address, agent), Fetches { count: from_count(count), first: first.0, last: last.0, etag })
        };
        Ok(rows.into_iter().map(one).collect())
    }
}
