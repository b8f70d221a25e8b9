//! Table `key_places`: from where, and by what, API keys are used that have a successor. Whoever
//! ends the old key wants to know whom that would cut off.

use super::{
    Tx,
    column::{At, from_count, to_count},
    failure::illegal,
    schema::key_places,
    statement::Statement,
    tx::sql,
};
use crate::base::{
    fault::Fault,
    id::ApiKeyId,
    moment::{Moment, Span},
};
use diesel::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
};

/// Rows in one statement.
const BATCH: usize = 500;
/// The most places of a key and an hour that are told apart; all others count as one.
pub const MOST: usize = 32;
/// The length of the stretches that are counted.
pub const STRETCH: Span = Span::hours(1);

const NOT_SAID: &str = "";
const OTHERS: &str = "*";

/// From where a key is used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// From this address, by this program, as far as either was said.
    Of {
        /// The address.
        address: Option<IpAddr>,
        /// What the program says it is.
        agent: Option<String>,
    },
    /// From any of the places beyond [`MOST`].
    Others,
}

impl Place {
    fn columns(&self) -> (String, String) {
        match self {
            Self::Of { address, agent } => {
                (address.map_or_else(|| NOT_SAID.to_owned(), |a| a.to_string()), agent.clone().unwrap_or_default())
            }
            Self::Others => (OTHERS.to_owned(), NOT_SAID.to_owned()),
        }
    }
    /// `None` for an address that is none.
    fn read(address: &str, agent: String) -> Option<Self> {
        let agent = Some(agent).filter(|agent| !agent.is_empty());
        match address {
            OTHERS => Some(Self::Others),
            NOT_SAID => Some(Self::Of { address: None, agent }),
            text => Some(Self::Of { address: Some(text.parse().ok()?), agent }),
        }
    }
}

/// How often a key was used from a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How many calls.
    pub calls: u64,
    /// When the last of them was.
    pub last: Moment,
}

impl Seen {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { calls: self.calls.saturating_add(other.calls), last: self.last.max(other.last) }
    }
}

/// Uses of a key from a place within an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceRow {
    /// Which key.
    pub key: ApiKeyId,
    /// From where.
    pub place: Place,
    /// How often, and when last: the hour that is counted is that of the last.
    pub seen: Seen,
}

/// Key, hour, address, agent.
type Slot = (String, Moment, String, String);
/// The places that are told apart, as columns, by key and hour.
type Known = HashMap<(String, Moment), BTreeSet<(String, String)>>;

fn hour(at: Moment) -> Moment {
    Moment::from_micros(at.micros() - at.micros().rem_euclid(STRETCH.as_micros()))
}

/// Queries on this table.
#[derive(Debug)]
pub struct KeyPlaces<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl KeyPlaces<'_, '_> {
    /// Adds to what is counted. Of each key and hour the first [`MOST`] places are told apart.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn add(&mut self, rows: &[PlaceRow]) -> Result<(), Fault> {
        for batch in rows.chunks(BATCH) {
            let mut known = self.known(batch)?;
            // Each once, and in one order, so that two nodes cannot wait for one another.
            let mut sums: BTreeMap<Slot, Seen> = BTreeMap::new();
            for row in batch {
                let (key, hour) = (row.key.to_string(), hour(row.seen.last));
                let places = known.entry((key.clone(), hour)).or_default();
                let mut columns = row.place.columns();
                if !places.contains(&columns) && places.len() >= MOST {
                    columns = Place::Others.columns();
                }
                places.insert(columns.clone());
                let sum = sums.entry((key, hour, columns.0, columns.1));
                sum.and_modify(|sum| *sum = sum.and(row.seen)).or_insert(row.seen);
            }
            self.write(&sums)?;
        }
        Ok(())
    }

    /// The places that are told apart already, by key and hour.
    fn known(&mut self, rows: &[PlaceRow]) -> Result<Known, Fault> {
        let keys: BTreeSet<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        let Some(from) = rows.iter().map(|row| hour(row.seen.last)).min() else { return Ok(HashMap::new()) };
        let found: Vec<(String, At, String, String)> = sql!(self.tx, "listing rows of key_places", "several", |c| {
            key_places::table
                .filter(key_places::key_id.eq_any(&keys))
                .filter(key_places::hour.ge(At(from)))
                .select((key_places::key_id, key_places::hour, key_places::address, key_places::agent))
                .load(c)
        })?;
        let mut known = Known::new();
        for (key, At(hour), address, agent) in found {
            known.entry((key, hour)).or_default().insert((address, agent));
        }
        Ok(known)
    }

    fn write(&mut self, sums: &BTreeMap<Slot, Seen>) -> Result<(), Fault> {
        let all: Vec<(&Slot, &Seen)> = sums.iter().collect();
        let statement: Statement<'_> =
            Statement::new("INSERT INTO key_places (key_id, hour, address, agent, calls, last_at) SELECT v.* FROM (")
                .rows(&all, |out, ((key, hour, address, agent), seen)| {
                    let out = out.text(key).sql(", ").at(*hour).sql(", ").text(address).sql(", ").text(agent);
                    out.sql(", ").count(to_count(seen.calls)).sql(", ").at(seen.last)
                })
                .sql(
                    ") AS v WHERE EXISTS (SELECT 1 FROM api_keys WHERE api_keys.id = v.column1) \
                     ORDER BY v.column1, v.column2, v.column3, v.column4 \
                     ON CONFLICT (key_id, hour, address, agent) DO UPDATE SET \
                     calls = key_places.calls + excluded.calls, last_at = CASE \
                     WHEN key_places.last_at < excluded.last_at THEN excluded.last_at ELSE key_places.last_at END",
                );
        sql!(self.tx, "adding to rows of key_places", "several", |c| statement.execute(c))?;
        Ok(())
    }

    /// From where a key was used in the hours from that of `from` on: the busiest place first, and
    /// of [`Place::Others`] how many calls they were.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn of_key(&mut self, key: &ApiKeyId, from: Moment) -> Result<(Vec<(Place, Seen)>, u64), Fault> {
        let rows: Vec<(String, String, i64, At)> = sql!(self.tx, "listing rows of key_places of a key", key, |c| {
            key_places::table
                .filter(key_places::key_id.eq(key.as_str()))
                .filter(key_places::hour.ge(At(hour(from))))
                .select((key_places::address, key_places::agent, key_places::calls, key_places::last_at))
                .load(c)
        })?;
        let mut sums: BTreeMap<Place, Seen> = BTreeMap::new();
        for (address, agent, calls, At(last)) in rows {
            let place = Place::read(&address, agent).ok_or_else(|| illegal("key_places", key, "address"))?;
            let seen = Seen { calls: from_count(calls), last };
            sums.entry(place).and_modify(|sum| *sum = sum.and(seen)).or_insert(seen);
        }
        let others = sums.remove(&Place::Others).map_or(0, |seen| seen.calls);
        let mut all: Vec<(Place, Seen)> = sums.into_iter().collect();
        all.sort_by_key(|(_, seen)| std::cmp::Reverse((seen.calls, seen.last)));
        Ok((all, others))
    }
}
