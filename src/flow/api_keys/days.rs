//! What keys were used for, day by day: for the charts and sums that people look at.

use super::{life::reach, refused::Refused, show::Listed};
use crate::{
    apikey::{
        access::{Act, Caller},
        latency,
    },
    base::{
        fault::{Fault, Stop},
        id::ApiKeyId,
        moment::{Moment, Span},
    },
    flow::world::{World, only_fault},
    store::{
        Tx,
        usage::{Counts, Use},
    },
};
use std::{collections::BTreeMap, convert::Infallible};

/// How often a key was used in 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// When they begin: midnight UTC.
    pub begins: Moment,
    /// Calls that it was good for.
    pub good: u64,
    /// Calls that it was refused for.
    pub refused: u64,
    /// What was reported of the good ones.
    pub served: Counts,
}

/// What a key was used for, day by day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// The days, oldest first.
    pub days: Vec<Day>,
    /// How many of the reported calls took how long, by bucket.
    pub latencies: BTreeMap<u8, u64>,
}

impl Used {
    /// What was reported on all of the days together.
    #[must_use]
    pub fn served(&self) -> Counts {
        self.days.iter().fold(Counts::default(), |sum, day| sum.and(day.served))
    }

    /// How long the reported calls took, at this percentage; `None` where nobody has said.
    #[must_use]
    pub fn took(&self, percent: u64) -> Option<Span> {
        latency::quantile(&self.latencies, percent)
    }
}

/// So many days up to and with today, without use.
fn none(now: Moment, days: i64) -> Vec<Day> {
    let today = now.unix() - now.unix().rem_euclid(86_400);
    let begins = |n: i64| Moment::from_unix(today) - Span::days(days - 1 - n);
    (0..days).map(|n| Day { begins: begins(n), good: 0, refused: 0, served: Counts::default() }).collect()
}

fn bounds(days: &[Day]) -> Vec<Moment> {
    let end = days.last().map(|day| day.begins + Span::days(1));
    days.iter().map(|day| day.begins).chain(end).collect()
}

fn count(days: &mut [Day], one: &Use) {
    if let Some(day) = days.get_mut(one.stretch) {
        let sum = if one.outcome == "ok" { &mut day.good } else { &mut day.refused };
        *sum = sum.saturating_add(one.counts.calls);
        day.served = day.served.and(one.counts);
    }
}

/// The last days of these keys, each by its handle; of keys that the caller was shown before.
///
/// # Errors
/// A fault of the store.
pub async fn of_listed(world: &World, listed: &[Listed], days: i64) -> Result<BTreeMap<String, Vec<Day>>, Fault> {
    let ids: Vec<ApiKeyId> = listed.iter().map(|one| one.key.id.clone()).collect();
    let empty = none(world.now(), days);
    let mut all: BTreeMap<String, Vec<Day>> = ids.iter().map(|id| (id.to_string(), empty.clone())).collect();
    let bounds = bounds(&empty);
    let read = move |tx: &mut Tx<'_>| -> Result<Vec<Use>, Stop<Infallible>> { Ok(tx.usage().of_keys(&ids, &bounds)?) };
    for one in world.store.read("show_usage_by_day", read).await.map_err(only_fault)? {
        if let Some(days) = all.get_mut(&one.key) {
            count(days, &one);
        }
    }
    Ok(all)
}

/// The last days of a key.
///
/// # Errors
/// [`Refused`] where the caller may not look, or there is no such key.
pub async fn of_key(world: &World, caller: &Caller, id: ApiKeyId, days: i64) -> Result<Used, Stop<Refused>> {
    let caller = caller.clone();
    let mut all = none(world.now(), days);
    let bounds = bounds(&all);
    let ends = bounds.first().copied().zip(bounds.last().copied());
    let read = move |tx: &mut Tx<'_>| -> Result<_, Stop<Refused>> {
        reach(tx, &caller, Act::Read, &id)?;
        let used = tx.usage().of_keys(std::slice::from_ref(&id), &bounds)?;
        let latencies = ends.map(|(from, to)| tx.usage_reports().latencies(&id, from, to)).transpose()?;
        Ok((used, latencies.unwrap_or_default()))
    };
    let (used, latencies) = world.store.read("show_usage_by_day", read).await?;
    used.iter().for_each(|one| count(&mut all, one));
    Ok(Used { days: all, latencies })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight_and_the_last_is_today() {
        let now = Moment::from_unix(1_793_000_000);
        let days = none(now, 3);
        let last = days.last().unwrap().begins;
        assert_eq!(last.unix() % 86_400, 0);
        assert!(last <= now && now < last + Span::days(1));
        let bounds = bounds(&days);
        assert_eq!(bounds.len(), 4);
        assert!(bounds.windows(2).all(|pair| pair[1].since(pair[0]) == Span::days(1)));
    }

    #[test]
    fn what_is_not_ok_was_refused() {
        let mut days = none(Moment::from_unix(0), 2);
        for (stretch, outcome, calls) in
            [(0, "ok", 3), (1, "ok", 4), (1, "rate_limited", 2), (1, "restricted", 1), (9, "ok", 1)]
        {
            let counts = Counts { calls, bytes_out: 10, ..Counts::default() };
            count(&mut days, &Use { key: "key_1".into(), stretch, outcome: outcome.into(), counts });
        }
        assert_eq!(days.iter().map(|day| (day.good, day.refused)).collect::<Vec<_>>(), [(3, 0), (4, 3)]);
        assert_eq!(days.iter().map(|day| day.served.bytes_out).collect::<Vec<_>>(), [10, 30]);
    }
}
