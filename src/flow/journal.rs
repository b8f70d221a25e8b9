//! Audit events of work that has no transaction of its own (a machine's tokens, a refused
//! client): kept in memory, written in batches, within a second as a rule.
//!
//! What a crash may lose is what has not been written yet; how much that is can be seen in the
//! metrics at any time, and what had to be dropped because the database was away too long is
//! counted and becomes an event itself.

use crate::{
    audit::{Asker, Event, Origin, Record},
    base::moment::Moment,
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The most events that wait; beyond it the newest are counted as lost.
const CAPACITY: usize = 200_000;
/// The most events written by one statement.
pub const BATCH: usize = 500;

/// Events waiting to be written.
#[derive(Debug, Default)]
pub struct Journal {
    waiting: Mutex<Waiting>,
    lost: AtomicU64,
    /// Held by whoever writes: whoever wants it written waits for what another has taken out.
    pub(super) writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    records: Vec<Record>,
    /// How many things they tell of.
    weight: usize,
    /// Where among them the last tokens stand that a client got on its own account.
    last_own: HashMap<Asker, usize>,
}

impl Journal {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_lost(&self, weight: usize) {
        self.lost.fetch_add(u64::try_from(weight).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Writes a token of a client's own account to the event of one like it that still waits, if
    /// there is one; gives back every other event, to be added.
    #[must_use]
    pub fn join(&self, event: Event, origin: &Origin, now: Moment) -> Option<Event> {
        let Some(asker) = event.asker(origin.address) else { return Some(event) };
        let mut waiting = self.waiting();
        let Waiting { records, weight, last_own } = &mut *waiting;
        let last = last_own.get(&asker).and_then(|at| records.get_mut(*at)).filter(|_| *weight < CAPACITY);
        let Some(last) = last else { return Some(event) };
        let apart = last.take_in(event, origin, now);
        if apart.is_none() {
            *weight = weight.saturating_add(1);
        }
        apart
    }

    /// Adds an event. Never blocks for longer than a push takes, never fails: an event too many
    /// is counted as lost.
    pub fn add(&self, record: Record) {
        let weight = record.event.weight();
        let mut waiting = self.waiting();
        if waiting.weight.saturating_add(weight) > CAPACITY {
            return self.count_lost(weight);
        }
        if let Some(asker) = record.event.asker(record.address) {
            let at = waiting.records.len();
            waiting.last_own.insert(asker, at);
        }
        waiting.weight = waiting.weight.saturating_add(weight);
        waiting.records.push(record);
    }

    /// How many things are told of by what waits.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.waiting().weight
    }

    /// Takes out all that wait, oldest first, to be written.
    #[must_use]
    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut *self.waiting()).records
    }

    /// Puts back, in front, what could not be written; the newest that do not fit are lost.
    pub fn put_back(&self, mut unwritten: Vec<Record>) {
        let mut waiting = self.waiting();
        unwritten.append(&mut waiting.records);
        let mut weight: usize = unwritten.iter().map(|record| record.event.weight()).sum();
        while weight > CAPACITY
            && let Some(newest) = unwritten.pop()
        {
            weight = weight.saturating_sub(newest.event.weight());
            self.count_lost(newest.event.weight());
        }
        *waiting = Waiting { records: unwritten, weight, last_own: HashMap::new() };
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
    use crate::{
        audit::Also,
        base::{
            entropy::SeededEntropy,
            id::{ClientId, KeyId},
            scope::Scope,
        },
    };

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

    fn own_token(n: u64) -> Event {
        Event::TokensIssued {
            client: ClientId::from_u128(1),
            user: None,
            grant: None,
            grant_type: "client_credentials",
            scope: Scope::none(),
            audience: Vec::new(),
            jti: n.to_string(),
            kid: KeyId::parse("k").unwrap(),
            also: Also::default(),
        }
    }

    #[test]
    fn tokens_of_one_machine_wait_in_one_record_until_it_is_taken() {
        let journal = Journal::default();
        let note = |n: u64| {
            let (origin, now) = (own_work("n"), Moment::EPOCH);
            if let Some(event) = journal.join(own_token(n), &origin, now) {
                journal.add(origin.record(event, now, &SeededEntropy::new(n)).unwrap());
            }
        };
        (1..=3).for_each(note);
        assert_eq!(journal.pending(), 3);
        let taken = journal.take();
        assert_eq!((taken.len(), journal.pending()), (1, 0));
        note(4);
        journal.put_back(taken);
        assert_eq!(journal.pending(), 4);
        note(5);
        assert_eq!(journal.take().len(), 3);
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
