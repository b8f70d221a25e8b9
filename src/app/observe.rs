//! What the store tells of its doing, counted.

use crate::{
    store::{Observer, Outcome},
    telemetry::Metrics,
};
use std::{sync::Arc, time::Duration};

/// Counts transactions in the metrics.
#[derive(Debug)]
pub struct Counting(pub Arc<Metrics>);

impl Observer for Counting {
    fn transaction(&self, name: &'static str, duration: Duration, outcome: Outcome, retries: u32) {
        let metrics = &self.0;
        let ended = if outcome == Outcome::Done { "committed" } else { outcome.as_str() };
        metrics.transactions.one(name, ended);
        metrics.transaction_duration.note(name, duration);
        if retries > 0 {
            metrics.transaction_retries.add(name, u64::from(retries));
        }
    }
}
