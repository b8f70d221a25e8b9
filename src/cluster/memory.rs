//! Counters in the memory of this node: maps behind mutexes, spread by hash, bounded.

use super::Counters;
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

/// Counters in memory. A key whose bucket is full again is as good as one never seen, so such
/// keys are forgotten whenever a shard is at its bound; if every key is still in use, those
/// closest to full are forgotten first, an eighth of the shard at once.
#[derive(Debug)]
pub struct Memory {
    shards: Vec<Mutex<HashMap<Box<str>, Moment>>>,
    // Keyed at random, so that nobody can choose keys that meet in one shard.
    hasher: RandomState,
    most_per_shard: usize,
}

impl Memory {
    /// Counters for at most about `most` keys at once, some 150 bytes each.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            most_per_shard: most.div_ceil(SHARDS).max(8),
        }
    }

    /// Keys kept now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
    /// Whether no key is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, key: &str) -> Option<MutexGuard<'_, HashMap<Box<str>, Moment>>> {
        let shards = u64::try_from(self.shards.len()).unwrap_or(1).max(1);
        let at = usize::try_from(self.hasher.hash_one(key) % shards).unwrap_or_default();
        // A panic inside the lock could at worst leave one counter untouched.
        self.shards.get(at).map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Memory {
    /// For 100,000 keys.
    fn default() -> Self {
        Self::new(100_000)
    }
}

impl Counters for Memory {
    fn take(&self, key: &str, rule: Rule, now: Moment, cost: u32) -> Outcome {
        let Some(mut shard) = self.shard(key) else { return limit::take(None, rule, now, cost) };
        if let Some(tat) = shard.get_mut(key) {
            let got = limit::take(Some(*tat), rule, now, cost);
            *tat = got.tat;
            return got;
        }
        if shard.len() >= self.most_per_shard {
            make_room(&mut shard, now);
        }
        let got = limit::take(None, rule, now, cost);
        if got.allowed {
            shard.insert(key.into(), got.tat);
        }
        got
    }

    fn give_back(&self, key: &str, rule: Rule, now: Moment, cost: u32) {
        let Some(mut shard) = self.shard(key) else { return };
        let Some(tat) = shard.get_mut(key) else { return };
        *tat = limit::give_back(*tat, rule, now, cost);
        if *tat <= now {
            shard.remove(key);
        }
    }
}

fn make_room(shard: &mut HashMap<Box<str>, Moment>, now: Moment) {
    let before = shard.len();
    shard.retain(|_, tat| *tat > now);
    let wanted = before / 8;
    let gone = before - shard.len();
    if gone >= wanted {
        return;
    }
    // Who is closest to a full bucket loses least by being forgotten.
    let mut ages: BTreeMap<Moment, usize> = BTreeMap::new();
    for tat in shard.values() {
        *ages.entry(*tat).or_default() += 1;
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
    shard.retain(|_, tat| *tat > cut);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::moment::Span,
        cluster::{Exhausted, give_back_all, take_all},
    };
    use std::sync::{
        Barrier,
        atomic::{AtomicU32, Ordering},
    };

    const NOW: Moment = Moment::from_unix(1_000_000);

    #[test]
    fn of_64_threads_at_once_exactly_the_burst_gets_through() {
        let counters = Memory::default();
        let rule = Rule::every(Span::hours(1), 10);
        let (passed, start) = (AtomicU32::new(0), Barrier::new(64));
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..50 {
                        if counters.take("ann", rule, NOW, 1).allowed {
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
            assert!(counters.take(&format!("slow{n}"), slow, NOW, 1).allowed);
        }
        for n in 0..20_000 {
            let _ = counters.take(&format!("quick{n}"), quick, NOW + Span::millis(n), 1);
        }
        assert!(counters.len() <= 1616, "{}", counters.len());
        let refused = (0..100).filter(|n| !counters.take(&format!("slow{n}"), slow, NOW, 1).allowed).count();
        assert_eq!(refused, 100);
    }

    #[test]
    fn a_flood_of_keys_in_use_cannot_grow_it() {
        let counters = Memory::new(160);
        let rule = Rule::every(Span::days(1), 5);
        for n in 0..5000 {
            let _ = counters.take(&format!("{n}"), rule, NOW, 1);
        }
        assert!(counters.len() <= 160, "{}", counters.len());
    }

    #[test]
    fn several_are_taken_together_or_not_at_all() {
        let counters = Memory::default();
        let (wide, narrow) = (Rule::every(Span::hours(1), 5), Rule::every(Span::hours(1), 1));
        let wanted = [("wide", wide), ("narrow", narrow)];
        assert_eq!(take_all(&counters, &wanted, NOW), Ok(()));
        let refused = take_all(&counters, &wanted, NOW).unwrap_err();
        assert_eq!(refused, Exhausted { index: 1, retry_after: Span::hours(1) });
        assert_eq!(counters.take("wide", wide, NOW, 1).remaining, 3);
        give_back_all(&counters, &wanted, NOW);
        assert_eq!(take_all(&counters, &wanted, NOW), Ok(()));
    }
}
