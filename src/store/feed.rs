//! Table `change_feed`: what every node has to hear of within a second, such as a revoked grant.
//!
//! Nodes poll it. Postgres numbers rows when they are written and shows them when they are
//! committed, so a row may appear below the highest number seen: [`Reader`] looks back for a while.
//! That it need not be a long while, rows are written when all else of their transaction is done,
//! however long that took.

use super::{Tx, column::At, schema::change_feed, tx::sql};
use crate::base::{
    fault::Fault,
    moment::{Moment, Span},
};
use diesel::prelude::*;
use std::collections::BTreeMap;

/// How long a change is kept: no access token lives longer, so none outlives the word that it is revoked.
pub const KEPT: Span = Span::hours(24);
/// How long a reader waits for rows with lower numbers: between the writing of a row and the end of its
/// commit, which is all that a transaction does after it, there is never as long.
pub const LOOK_BACK: Span = Span::seconds(10);
/// Rows in one statement.
const BATCH: usize = 500;

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A client's registration or secrets, or whether it is disabled.
    Client,
    /// A grant was revoked, with all its tokens.
    Grant,
    /// An access token was revoked, by its `jti`.
    Token,
    /// A person was disabled or enabled, or their profile has changed.
    User,
    /// The signing keys.
    SigningKeys,
    /// An API key: its state, restrictions, or that it was made.
    ApiKey,
    /// A family of API keys: its plan or restrictions.
    KeyFamily,
    /// An API that keys are for.
    Api,
    /// A plan.
    Plan,
}

impl Subject {
    const ALL: [Self; 9] = [
        Self::Client,
        Self::Grant,
        Self::Token,
        Self::User,
        Self::SigningKeys,
        Self::ApiKey,
        Self::KeyFamily,
        Self::Api,
        Self::Plan,
    ];

    /// The word that is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Grant => "grant",
            Self::Token => "token",
            Self::User => "user",
            Self::SigningKeys => "signing_keys",
            Self::ApiKey => "api_key",
            Self::KeyFamily => "key_family",
            Self::Api => "api",
            Self::Plan => "plan",
        }
    }
    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|subject| subject.as_str() == word)
    }
}

/// A change to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What kind of thing.
    pub subject: Subject,
    /// Which one: its identifier.
    pub id: String,
    /// Until when it matters; [`KEPT`] from now where that is not said.
    pub until: Option<Moment>,
}

impl Change {
    /// A change that matters for as long as any.
    #[must_use]
    pub fn about(subject: Subject, id: &str) -> Self {
        Self { subject, id: id.to_owned(), until: None }
    }
    /// A change that matters until then: a revoked token's expiry.
    #[must_use]
    pub fn until(subject: Subject, id: &str, until: Moment) -> Self {
        Self { subject, id: id.to_owned(), until: Some(until) }
    }
}

/// A change as told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRow {
    /// Its number: unique, and nearly in order.
    pub epoch: i64,
    /// What kind of thing.
    pub subject: Subject,
    /// Which one.
    pub id: String,
    /// When it was written, by the clock of its node.
    pub at: Moment,
    /// Until when it matters.
    pub expires_at: Moment,
}

type Loaded = (i64, String, String, At, At);

/// `None` for a kind that this program does not know: a newer release, running beside this one
/// while nodes are updated one by one, may tell of things that this one does not have.
fn into_row((epoch, kind, id, at, expires_at): Loaded) -> Option<FeedRow> {
    let subject = Subject::parse(&kind)?;
    Some(FeedRow { epoch, subject, id, at: at.0, expires_at: expires_at.0 })
}

/// Queries on this table.
#[derive(Debug)]
pub struct Feed<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl Feed<'_, '_> {
    /// Tells every node of a change, once this transaction commits.
    ///
    /// # Errors
    /// None yet: what the database could not write is the fault of the whole transaction, at its end.
    pub fn add(&mut self, change: &Change) -> Result<(), Fault> {
        self.add_many(std::slice::from_ref(change))
    }

    /// Tells every node of many changes, as [`Feed::add`] of one.
    ///
    /// # Errors
    /// As [`Feed::add`].
    pub fn add_many(&mut self, changes: &[Change]) -> Result<(), Fault> {
        self.tx.tell(changes);
        Ok(())
    }

    /// Writes the rows, in this order.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub(super) fn write(&mut self, changes: &[Change]) -> Result<(), Fault> {
        let now = self.tx.now();
        for batch in changes.chunks(BATCH) {
            let rows: Vec<_> = batch
                .iter()
                .map(|change| {
                    (
                        change_feed::kind.eq(change.subject.as_str()),
                        change_feed::subject.eq(change.id.as_str()),
                        change_feed::at.eq(At(now)),
                        change_feed::expires_at.eq(At(change.until.unwrap_or(now + KEPT))),
                    )
                })
                .collect();
            sql!(self.tx, "adding rows of change_feed", "several", |c| {
                diesel::insert_into(change_feed::table).values(&rows).execute(c)
            })?;
        }
        Ok(())
    }

    /// All rows above this number, in order, but for what this transaction tells itself; without those
    /// of kinds that this program does not know.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn since(&mut self, floor: i64) -> Result<Vec<FeedRow>, Fault> {
        let rows: Vec<Loaded> = sql!(self.tx, "reading rows of change_feed", floor, |c| {
            change_feed::table.filter(change_feed::epoch.gt(floor)).order(change_feed::epoch).load(c)
        })?;
        Ok(rows.into_iter().filter_map(into_row).collect())
    }

    /// All rows that still matter, in order: for a node that starts. Without those of kinds that
    /// this program does not know.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn live(&mut self) -> Result<Vec<FeedRow>, Fault> {
        let now = At(self.tx.now());
        let rows: Vec<Loaded> = sql!(self.tx, "reading rows of change_feed", "live", |c| {
            change_feed::table.filter(change_feed::expires_at.gt(now)).order(change_feed::epoch).load(c)
        })?;
        Ok(rows.into_iter().filter_map(into_row).collect())
    }
}

/// Where a node stands in the feed. Give it what [`Feed::live`] returned at the start, then again
/// and again what [`Feed::since`] returns for [`Reader::floor`].
#[derive(Clone, Debug, Default)]
pub struct Reader {
    floor: i64,
    seen: BTreeMap<i64, Moment>,
}

impl Reader {
    /// The number above which to read.
    #[must_use]
    pub const fn floor(&self) -> i64 {
        self.floor
    }

    /// Takes rows in and gives back those that are new. `now` is this node's own time, so clocks
    /// that differ between nodes lose nothing.
    pub fn take(&mut self, rows: Vec<FeedRow>, now: Moment) -> Vec<FeedRow> {
        let fresh: Vec<_> =
            rows.into_iter().filter(|row| row.epoch > self.floor && !self.seen.contains_key(&row.epoch)).collect();
        self.seen.extend(fresh.iter().map(|row| (row.epoch, now)));
        // Up to a row seen long ago, whatever was to come has come.
        let settled = self.seen.iter().filter(|(_, at)| now.since(**at) >= LOOK_BACK).map(|(epoch, _)| *epoch).max();
        if let Some(settled) = settled {
            self.floor = settled;
            self.seen = self.seen.split_off(&settled.saturating_add(1));
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(epoch: i64) -> FeedRow {
        let at = Moment::from_unix(1);
        FeedRow { epoch, subject: Subject::Grant, id: epoch.to_string(), at, expires_at: at + KEPT }
    }
    fn epochs(rows: &[FeedRow]) -> Vec<i64> {
        rows.iter().map(|row| row.epoch).collect()
    }

    #[test]
    fn a_row_that_appears_late_is_new_and_none_is_new_twice() {
        let mut reader = Reader::default();
        let start = Moment::from_unix(1000);
        assert_eq!(epochs(&reader.take(vec![row(1), row(3)], start)), [1, 3]);
        assert_eq!(reader.floor(), 0);
        assert_eq!(epochs(&reader.take(vec![row(1), row(2), row(3)], start + Span::seconds(9))), [2]);
        assert_eq!(epochs(&reader.take(vec![row(1), row(2), row(3), row(4)], start + Span::seconds(10))), [4]);
        assert_eq!(reader.floor(), 3);
        assert_eq!(epochs(&reader.take(vec![row(4)], start + Span::seconds(11))), [0i64; 0]);
        assert_eq!(epochs(&reader.take(vec![row(4)], start + Span::seconds(20))), [0i64; 0]);
        assert_eq!(reader.floor(), 4);
    }
}
