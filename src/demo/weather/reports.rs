//! What was served, on its way to the issuer: each call once, also when an answer is lost, for the
//! issuer counts a report by its name.

use crate::base::{base62, entropy::Entropy, fault::Fault, moment::Moment};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The most in one report, as the issuer takes it.
const AT_ONCE: usize = 1000;
/// The most that waits. Beyond it the oldest are dropped: an issuer that is away must not fill our memory.
const WAITING: usize = 20_000;

/// A call that was served.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Served {
    id: String,
    key_id: String,
    at: String,
    status: u16,
    bytes_in: u64,
    bytes_out: u64,
    duration_ms: f64,
}

/// Sizes of a call, in bytes, and how long it took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) status: u16,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) took: Duration,
}

impl Served {
    /// A call with this key, under this name or else one of its own.
    ///
    /// # Errors
    /// A fault where there is no randomness for a name.
    pub(super) fn new(
        name: Option<String>,
        key: &str,
        at: Moment,
        measured: Measured,
        dice: &dyn Entropy,
    ) -> Result<Self, Fault> {
        let id = match name {
            Some(name) => name,
            None => base62::random(22, dice)?,
        };
        let Measured { status, bytes_in, bytes_out, took } = measured;
        let duration_ms = took.as_secs_f64() * 1000.0;
        Ok(Self { id, key_id: key.to_owned(), at: at.to_string(), status, bytes_in, bytes_out, duration_ms })
    }
}

/// Calls that are not reported yet.
#[derive(Debug, Default)]
pub(super) struct Reports(Mutex<VecDeque<Served>>);

impl Reports {
    pub(super) fn add(&self, call: Served) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= WAITING {
            waiting.pop_front();
        }
        waiting.push_back(call);
    }

    /// Reports what waits, in the order in which it was served. What `send` says was not taken waits on.
    pub(super) fn send(&self, send: impl Fn(&Value) -> bool) {
        loop {
            let batch: Vec<Served> = {
                let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let some = waiting.len().min(AT_ONCE);
                waiting.drain(..some).collect()
            };
            if batch.is_empty() {
                return;
            }
            if !send(&json!({"items": batch})) {
                let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                batch.into_iter().rev().for_each(|call| waiting.push_front(call));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;
    use std::cell::RefCell;

    fn served(name: &str) -> Served {
        let measured = Measured { status: 200, bytes_in: 0, bytes_out: 3, took: Duration::from_millis(2) };
        Served::new(Some(name.to_owned()), "key_1", Moment::from_unix(0), measured, &SeededEntropy::new(1)).unwrap()
    }

    #[test]
    fn what_was_not_taken_is_reported_again_under_the_same_name() {
        let reports = Reports::default();
        reports.add(served("a"));
        reports.add(served("b"));
        reports.send(|_| false);
        let told = RefCell::new(Vec::new());
        reports.send(|body| {
            told.borrow_mut().extend(body["items"].as_array().unwrap().iter().map(|one| one["id"].clone()));
            true
        });
        assert_eq!(*told.borrow(), ["a", "b"]);
        reports.send(|_| panic!("nothing waits"));
    }
}
