//! What the store tells of its own doing, for metrics.

use std::time::Duration;

/// How a piece of work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeded, and was committed.
    Done,
    /// It ended with a refusal, and was committed.
    Refused,
    /// It was rolled back because of a fault of ours.
    Fault,
    /// It was rolled back, or never begun, because the database or its queue was not available.
    Unavailable,
}

impl Outcome {
    /// Its name as a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Fault => "fault",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Somebody who counts. Called on the database threads: it must be quick and must not block.
pub trait Observer: Send + Sync {
    /// A piece of work named `name` has ended, so long after it was asked for (the time in the
    /// queue included), having been tried again `retries` times.
    fn transaction(&self, name: &'static str, duration: Duration, outcome: Outcome, retries: u32);
}

/// Nobody counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn transaction(&self, _name: &'static str, _duration: Duration, _outcome: Outcome, _retries: u32) {}
}
