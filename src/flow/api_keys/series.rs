//! What a key was used for in a stretch of time: sums, quantiles, and a series of steps.

use super::{life::reach, refused::Refused};
use crate::{
    apikey::{
        access::{Act, Caller},
        latency,
    },
    base::{
        fault::Stop,
        id::ApiKeyId,
        moment::{Moment, Span},
    },
    flow::world::World,
    store::{
        Tx,
        usage::{Counts, UsageRow},
    },
};
use std::collections::BTreeMap;

/// The most steps of a series.
pub const MOST: i64 = 1500;

/// Use in a stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Calls by what became of them when the key was verified.
    pub outcomes: BTreeMap<String, u64>,
    /// All together; what was reported is in it.
    pub counts: Counts,
}

impl Step {
    fn add(&mut self, row: &UsageRow) {
        if row.counts.calls > 0 {
            let calls = self.outcomes.entry(row.outcome.clone()).or_default();
            *calls = calls.saturating_add(row.counts.calls);
        }
        self.counts = self.counts.and(row.counts);
    }

    /// Of a thousand reported calls, how many were answered with a status from 400 on; `None` where none was reported.
    #[must_use]
    pub fn errors_per_mille(&self) -> Option<u64> {
        let errors = self.counts.errors_4.saturating_add(self.counts.errors_5);
        errors.saturating_mul(1000).checked_div(self.counts.reported)
    }
}

/// What a key was used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// From when.
    pub from: Moment,
    /// Until when.
    pub to: Moment,
    /// All of it.
    pub total: Step,
    /// How many calls took how long, by bucket.
    pub latencies: BTreeMap<u8, u64>,
    /// The steps in which the key was used, by when they began.
    pub steps: BTreeMap<Moment, Step>,
}

impl Series {
    fn of(rows: &[UsageRow], latencies: BTreeMap<u8, u64>, (from, to): (Moment, Moment), step: Span) -> Self {
        let mut series = Self { from, to, total: Step::default(), latencies, steps: BTreeMap::new() };
        for row in rows {
            series.total.add(row);
            series.steps.entry(floor(row.minute, step)).or_default().add(row);
        }
        series
    }

    /// How long the calls took of which that was reported, at this percentage.
    #[must_use]
    pub fn quantile(&self, percent: u64) -> Option<Span> {
        latency::quantile(&self.latencies, percent)
    }
}

/// When the step began that a moment is in, counted from the epoch: hours and days are UTC's.
#[must_use]
pub fn floor(at: Moment, step: Span) -> Moment {
    Moment::from_micros(at.micros() - at.micros().rem_euclid(step.as_micros().max(1)))
}

/// What a key was used for from `from` on and before `to`.
///
/// # Errors
/// [`Refused`] where the caller may not look, or there is no such key.
pub async fn run(
    world: &World,
    caller: &Caller,
    id: ApiKeyId,
    (from, to): (Moment, Moment),
    step: Span,
) -> Result<Series, Stop<Refused>> {
    let (caller, from) = (caller.clone(), floor(from, Span::minutes(1)));
    let read = move |tx: &mut Tx<'_>| -> Result<_, Stop<Refused>> {
        reach(tx, &caller, Act::Read, &id)?;
        Ok((tx.usage().of_key(&id, from, to)?, tx.usage_reports().latencies(&id, from, to)?))
    };
    let (rows, latencies) = world.store.read("show_usage", read).await?;
    Ok(Series::of(&rows, latencies, (from, to), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_summed_by_step_and_errors_are_of_what_was_reported() {
        let row = |minute: i64, outcome: &str, calls, reported| UsageRow {
            key: ApiKeyId::from_u128(1),
            minute: Moment::from_unix(minute * 60),
            outcome: outcome.to_owned(),
            counts: Counts { calls, reported, errors_4: reported / 2, ..Counts::default() },
        };
        let rows = [row(59, "ok", 5, 4), row(60, "ok", 1, 0), row(61, "restricted", 2, 0), row(119, "ok", 1, 0)];
        let bounds = (Moment::EPOCH, Moment::from_unix(7200));
        let series = Series::of(&rows, BTreeMap::new(), bounds, Span::hours(1));
        let calls: Vec<(i64, u64)> = series.steps.iter().map(|(at, step)| (at.unix(), step.counts.calls)).collect();
        assert_eq!(calls, [(0, 5), (3600, 4)]);
        assert_eq!(series.total.outcomes, BTreeMap::from([("ok".to_owned(), 7), ("restricted".to_owned(), 2)]));
        assert_eq!((series.total.errors_per_mille(), Step::default().errors_per_mille()), (Some(500), None));
        assert_eq!(series.quantile(50), None);
    }
}
