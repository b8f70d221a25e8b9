//! Audit events of work that has no transaction of its own (a machine's tokens, a refused
//! client): kept in memory, written in batches, within a second as a rule.
//!
//! What a crash may lose is what has not been written yet; how much that is can be seen in the
//! metrics at any time, and what had to be dropped because the database was away too long is
//! counted and becomes an event itself.

use crate::audit::{Event, Origin, Record};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// The most events that wait; beyond it the newest are counted as lost.
const CAPACITY: usize = 200_000;
/// The most events written by one statement.
pub const BATCH: usize = 500;

/// Events waiting to be written.
#[derive(Debug, Default)]
pub struct Journal {
    waiting: Mutex<Vec<Record>>,
    lost: AtomicU64,
}

impl Journal {
    /// Adds an event. Never blocks for longer than a push takes, never fails: an event too many
    /// is counted as lost.
    pub fn add(&self, record: Record) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < CAPACITY {
            waiting.push(record);
        } else {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many wait.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Takes out all that wait, oldest first, to be written.
    #[must_use]
    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts back, in front, what could not be written.
    pub fn put_back(&self, mut unwritten: Vec<Record>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        unwritten.append(&mut waiting);
        let excess = unwritten.len().saturating_sub(CAPACITY);
        unwritten.truncate(CAPACITY);
        self.lost.fetch_add(u64::try_from(excess).unwrap_or(u64::MAX), Ordering::Relaxed);
        *waiting = unwritten;
    }

    /// The event that tells of what was lost since it was last asked; none where nothing was.
    #[must_use]
    pub fn loss(&self) -> Option<Event> {
        let count = self.lost.swap(0, Ordering::Relaxed);
        (count > 0).then_some(Event::AuditLost { count })
    }
}

/// The origin of work that no request asked for.
#[must_use]
pub fn own_work(node: &str) -> Origin {
    Origin { node: Arc::from(node), request: None, address: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{entropy::SeededEntropy, moment::Moment};

    fn record(n: u64) -> Record {
        own_work("n").record(Event::AuditLost { count: n }, Moment::EPOCH, &SeededEntropy::new(n)).unwrap()
    }

    #[test]
    fn what_could_not_be_written_stays_in_front() {
        let journal = Journal::default();
        journal.add(record(1));
        let taken = journal.take();
        journal.add(record(2));
        journal.put_back(taken);
        assert_eq!(journal.take(), [record(1), record(2)]);
        assert_eq!(journal.loss(), None);
    }

    #[test]
    fn what_does_not_fit_is_counted_and_told_once() {
        let journal = Journal::default();
        journal.put_back(vec![record(1); CAPACITY]);
        journal.add(record(2));
        assert_eq!(journal.pending(), CAPACITY);
        assert_eq!(journal.loss(), Some(Event::AuditLost { count: 1 }));
        assert_eq!(journal.loss(), None);
    }
}
