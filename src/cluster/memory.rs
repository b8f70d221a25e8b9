//! Counters in the memory of this node: maps behind mutexes, spread by hash, bounded.

use super::{Exhausted, Take};
use crate::{
    base::moment::Moment,
    limit::{self, Outcome, Rule},
};
use std::{
    collections::{BTreeMap, HashMap, hash_map::RandomState},
    hash::BuildHasher,
    sync::{Mutex, MutexGuard, PoisonError},
};

const SHARDS: usize = 16;

/// What is known of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// When it is full.
    pub(super) tat: Moment,
    /// When it was begun, in µs of the clock of whoever counts for all; 0 for one of this node.
    pub(super) begun: i64,
}

impl State {
    fn here(tat: Moment) -> Self {
        Self { tat, begun: 0 }
    }
}

/// Counters in memory. A key whose bucket is full again is as good as one never seen, so such
/// keys are forgotten whenever a shard is at its bound; if every key is still in use, those
/// closest to full are forgotten first, an eighth of the shard at once.
#[derive(Debug)]
pub(super) struct Memory {
    shards: Vec<Mutex<HashMap<Box<str>, State>>>,
    // Keyed at random, so that nobody can choose keys that meet in one shard.
    hasher: RandomState,
    most_per_shard: usize,
}

impl Memory {
    /// Counters for at most about `most` keys at once, some 150 bytes each.
    pub(super) fn new(most: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            most_per_shard: most.div_ceil(SHARDS).max(8),
        }
    }

    fn shard(&self, key: &str) -> Option<MutexGuard<'_, HashMap<Box<str>, State>>> {
        let shards = u64::try_from(self.shards.len()).unwrap_or(1).max(1);
        let at = usize::try_from(self.hasher.hash_one(key) % shards).unwrap_or_default();
        // A panic inside the lock could at worst leave one counter untouched.
        self.shards.get(at).map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes `cost` units from the counter of this key, as `(now, cost)`; one that is not known yet
    /// begins with this state.
    pub(super) fn take(&self, key: &str, begins: Option<Moment>, rule: Rule, (now, cost): (Moment, u32)) -> Outcome {
        let Some(mut shard) = self.shard(key) else { return limit::take(None, rule, now, cost) };
        if let Some(known) = shard.get_mut(key) {
            let got = limit::take(Some(known.tat), rule, now, cost);
            known.tat = got.tat;
            return got;
        }
        let got = limit::take(begins, rule, now, cost);
        if got.allowed {
            self.insert(&mut shard, key, State::here(got.tat), now);
        }
        got
    }

    /// See [`super::Counters::take_all`].
    pub(super) fn take_all(&self, wanted: &mut [Take<'_>], now: Moment, nodes: u32) -> Result<(), Exhausted> {
        for index in 0..wanted.len() {
            let Some(one) = wanted.get_mut(index) else { break };
            let got = self.take(one.key, None, one.rule.share(nodes), (now, one.cost));
            one.outcome = Some(got);
            if !got.allowed {
                self.give_back_all(wanted.get(..index).unwrap_or_default(), now, nodes);
                return Err(Exhausted { index, retry_after: got.retry_after });
            }
        }
        Ok(())
    }

    /// See [`super::Counters::give_back_all`].
    pub(super) fn give_back_all(&self, taken: &[Take<'_>], now: Moment, nodes: u32) {
        for one in taken {
            self.give_back(one.key, one.rule.share(nodes), (now, one.cost));
        }
    }

    fn give_back(&self, key: &str, rule: Rule, (now, cost): (Moment, u32)) {
        let Some(mut shard) = self.shard(key) else { return };
        let Some(known) = shard.get_mut(key) else { return };
        known.tat = limit::give_back(known.tat, rule, now, cost);
        if known.tat <= now {
            shard.remove(key);
        }
    }

    /// The state of this key; `None` where it is not known, which is as good as a full bucket.
    pub(super) fn state(&self, key: &str) -> Option<State> {
        self.shard(key)?.get(key).copied()
    }

    /// Writes down the state of this key, whatever it was.
    pub(super) fn put(&self, key: &str, state: State, now: Moment) {
        let Some(mut shard) = self.shard(key) else { return };
        if state.tat <= now {
            shard.remove(key);
        } else if let Some(known) = shard.get_mut(key) {
            *known = state;
        } else {
            self.insert(&mut shard, key, state, now);
        }
    }

    /// Forgets the keys whose buckets are full again, and gives their memory back.
    pub(super) fn tidy(&self, now: Moment) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, state| state.tat > now);
            let wanted = shard.len().saturating_mul(2);
            shard.shrink_to(wanted);
        }
    }

    /// Forgets this key.
    pub(super) fn forget(&self, key: &str) {
        if let Some(mut shard) = self.shard(key) {
            shard.remove(key);
        }
    }

    fn insert(&self, shard: &mut HashMap<Box<str>, State>, key: &str, state: State, now: Moment) {
        if shard.len() >= self.most_per_shard {
            make_room(shard, now);
        }
        shard.insert(key.into(), state);
    }
}

fn make_room(shard: &mut HashMap<Box<str>, State>, now: Moment) {
    let before = shard.len();
    shard.retain(|_, state| state.tat > now);
    let wanted = before / 8;
    let gone = before - shard.len();
    if gone >= wanted {
        return;
    }
    // Who is closest to a full bucket loses least by being forgotten.
    let mut ages: BTreeMap<Moment, usize> = BTreeMap::new();
    for state in shard.values() {
        *ages.entry(state.tat).or_default() += 1;
    }
    let mut left = wanted - gone;
    let mut cut = now;
    for (tat, n) in ages {
        cut = tat;
        left = left.saturating_sub(n);
        if left == 0 {
            break;
        }
    }
    shard.retain(|_, state| state.tat > cut);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::moment::Span;
    use std::sync::{
        Barrier,
        atomic::{AtomicU32, Ordering},
    };

    const NOW: Moment = Moment::from_unix(1_000_000);

    impl Memory {
        fn len(&self) -> usize {
            self.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
        }
        fn one(&self, key: &str, rule: Rule, now: Moment) -> Outcome {
            self.take(key, None, rule, (now, 1))
        }
    }

    #[test]
    fn of_64_threads_at_once_exactly_the_burst_gets_through() {
        let counters = Memory::new(1000);
        let rule = Rule::every(Span::hours(1), 10);
        let (passed, start) = (AtomicU32::new(0), Barrier::new(64));
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..50 {
                        if counters.one("ann", rule, NOW).allowed {
                            passed.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        assert_eq!(passed.load(Ordering::SeqCst), 10);
        assert_eq!(counters.len(), 1);
    }

    #[test]
    fn it_stays_within_its_bound_and_forgets_full_buckets_first() {
        let counters = Memory::new(1600);
        let quick = Rule::every(Span::seconds(1), 1);
        let slow = Rule::every(Span::days(1), 1);
        for n in 0..100 {
            assert!(counters.one(&format!("slow{n}"), slow, NOW).allowed);
        }
        for n in 0..20_000 {
            let _ = counters.one(&format!("quick{n}"), quick, NOW + Span::millis(n));
        }
        assert!(counters.len() <= 1616, "{}", counters.len());
        let refused = (0..100).filter(|n| !counters.one(&format!("slow{n}"), slow, NOW).allowed).count();
        assert_eq!(refused, 100);
    }

    #[test]
    fn what_is_full_again_is_tidied_away_and_nothing_else() {
        let counters = Memory::new(1600);
        let (quick, slow) = (Rule::every(Span::seconds(1), 1), Rule::every(Span::days(1), 1));
        for n in 0..50 {
            assert!(counters.one(&format!("slow{n}"), slow, NOW).allowed);
            assert!(counters.one(&format!("quick{n}"), quick, NOW).allowed);
        }
        counters.tidy(NOW + Span::seconds(2));
        assert_eq!(counters.len(), 50);
        assert!(!counters.one("slow7", slow, NOW + Span::seconds(2)).allowed);
    }

    #[test]
    fn a_flood_of_keys_in_use_cannot_grow_it() {
        let counters = Memory::new(160);
        let rule = Rule::every(Span::days(1), 5);
        for n in 0..5000 {
            let _ = counters.one(&format!("{n}"), rule, NOW);
        }
        assert!(counters.len() <= 160, "{}", counters.len());
    }

    #[test]
    fn several_are_taken_together_or_not_at_all() {
        let counters = Memory::new(1000);
        let (wide, narrow) = (Rule::every(Span::hours(1), 5), Rule::every(Span::hours(1), 1));
        let mut wanted = [Take::one("wide", wide), Take::one("narrow", narrow)];
        assert_eq!(counters.take_all(&mut wanted, NOW, 1), Ok(()));
        let refused = counters.take_all(&mut wanted, NOW, 1).unwrap_err();
        assert_eq!(refused, Exhausted { index: 1, retry_after: Span::hours(1) });
        assert_eq!(counters.one("wide", wide, NOW).remaining, 3);
        counters.give_back_all(&wanted, NOW, 1);
        assert_eq!(counters.take_all(&mut wanted, NOW, 1), Ok(()));
    }

    #[test]
    fn nodes_that_count_alone_let_no_more_through_than_one() {
        let rule = Rule::every(Span::hours(1), 5);
        let passed = |_| {
            let node = Memory::new(1000);
            (0..1000).filter(|_| node.take_all(&mut [Take::one("k", rule)], NOW, 2).is_ok()).count()
        };
        assert_eq!((0..2).map(passed).sum::<usize>(), 4);
    }
}
