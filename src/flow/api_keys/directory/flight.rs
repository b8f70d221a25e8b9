//! Look-ups that are under way: of many who want one thing at once, one asks the store, and all have its answer.

use crate::base::fault::Fault;
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::OnceCell;

/// What one look-up comes to. A fault is everybody's too: else each who waits would try the same store after the other.
type Answer<V> = Arc<OnceCell<Result<V, Fault>>>;

/// The look-ups that are under way, by what is wanted.
#[derive(Debug)]
pub(super) struct Flights<K, V>(Mutex<HashMap<K, Answer<V>>>);

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Flights<K, V> {
    /// What `look` finds, or what it finds for somebody who wants the same and came before. Where that one goes away
    /// before the end, the next looks.
    ///
    /// # Errors
    /// The fault of whoever looked.
    pub(super) async fn join(&self, wanted: K, look: impl Future<Output = Result<V, Fault>>) -> Result<V, Fault> {
        let seat = self.seat(wanted);
        match seat.answer.get_or_init(|| look).await {
            Ok(found) => Ok(found.clone()),
            Err(fault) => Err(fault.retold()),
        }
    }

    fn seat(&self, wanted: K) -> Seat<'_, K, V> {
        let answer = Arc::clone(self.open().entry(wanted.clone()).or_default());
        Seat { flights: self, wanted, answer }
    }
}

impl<K, V> Flights<K, V> {
    fn open(&self) -> MutexGuard<'_, HashMap<K, Answer<V>>> {
        // A panic inside the lock leaves the map as it was: every change is a single insertion or removal.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who waits for an answer.
struct Seat<'f, K: Eq + Hash, V> {
    flights: &'f Flights<K, V>,
    wanted: K,
    answer: Answer<V>,
}

impl<K: Eq + Hash, V> Drop for Seat<'_, K, V> {
    /// What is answered is joined by nobody more; what the last has left, answered or not, is forgotten.
    fn drop(&mut self) {
        let mut open = self.flights.open();
        // Given up under the lock, so that of two who leave at once one sees that it is the last.
        let answer = std::mem::take(&mut self.answer);
        let mine = open.get(&self.wanted).is_some_and(|there| Arc::ptr_eq(there, &answer));
        if mine && (answer.initialized() || Arc::strong_count(&answer) <= 2) {
            open.remove(&self.wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::fault::FaultKind;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::{sync::Notify, task::JoinSet};

    type Texts = Flights<u8, &'static str>;

    /// On one thread, so that what has been spawned comes as far as it can before anything else goes on.
    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test);
    }

    async fn until(done: impl Fn() -> bool) {
        while !done() {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn of_many_who_want_one_thing_at_once_one_looks_and_all_have_its_answer() {
        run(async {
            let flights = Arc::new(Texts::default());
            let [came, looks] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
            let found = Arc::new(Notify::new());
            let mut all = JoinSet::new();
            for n in 0..100 {
                let (flights, found) = (Arc::clone(&flights), Arc::clone(&found));
                let (came, looks) = (Arc::clone(&came), Arc::clone(&looks));
                all.spawn(async move {
                    came.fetch_add(1, Ordering::SeqCst);
                    let look = async {
                        looks.fetch_add(1, Ordering::SeqCst);
                        found.notified().await;
                        Ok("it")
                    };
                    flights.join(n % 2, look).await.unwrap()
                });
            }
            until(|| came.load(Ordering::SeqCst) == 100).await;
            assert_eq!((looks.load(Ordering::SeqCst), flights.open().len()), (2, 2), "one for each thing");
            found.notify_waiters();
            assert_eq!(all.join_all().await, ["it"; 100]);
            assert_eq!(looks.load(Ordering::SeqCst), 2);
            assert!(flights.open().is_empty(), "whoever comes now looks anew");
        });
    }

    #[test]
    fn where_whoever_looks_goes_away_the_next_does_and_nothing_is_left_when_all_have_gone() {
        run(async {
            let flights = Arc::new(Texts::default());
            let came = Arc::new(AtomicUsize::new(0));
            let spawned = |look: Option<&'static str>| {
                let (flights, came) = (Arc::clone(&flights), Arc::clone(&came));
                tokio::spawn(async move {
                    came.fetch_add(1, Ordering::SeqCst);
                    match look {
                        Some(found) => flights.join(1, async { Ok(found) }).await,
                        None => flights.join(1, std::future::pending()).await,
                    }
                })
            };
            let (first, second, third) = (spawned(None), spawned(None), spawned(Some("it")));
            until(|| came.load(Ordering::SeqCst) == 3).await;
            for gone in [first, second] {
                assert!(!third.is_finished());
                gone.abort();
                assert!(gone.await.unwrap_err().is_cancelled());
            }
            assert_eq!(third.await.unwrap().unwrap(), "it");
            assert!(flights.open().is_empty());
            let last = spawned(None);
            until(|| came.load(Ordering::SeqCst) == 4).await;
            assert_eq!(flights.open().len(), 1);
            last.abort();
            assert!(last.await.unwrap_err().is_cancelled());
            assert!(flights.open().is_empty());
        });
    }

    #[test]
    fn a_fault_is_told_to_all_who_waited_and_kept_for_nobody() {
        run(async {
            let flights = Texts::default();
            let away = async {
                tokio::task::yield_now().await;
                Err(Fault::new("asking", "nobody is there").passing())
            };
            let (one, other) = tokio::join!(flights.join(1, away), flights.join(1, async { Ok("it") }));
            for fault in [one.unwrap_err(), other.unwrap_err()] {
                assert_eq!(
                    (fault.kind(), fault.to_string().as_str()),
                    (FaultKind::Unavailable, "asking: nobody is there")
                );
            }
            assert_eq!(flights.join(1, async { Ok("it") }).await.unwrap(), "it");
        });
    }
}
