//! What verification counts without asking the database: how often each key was used with what
//! outcome, and when last. Kept in memory by the minute, written each few seconds; a crash loses
//! what has not been written, which no decision rests on.

use crate::base::moment::Moment;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

const SHARDS: usize = 16;
const MINUTE: i64 = 60_000_000;
/// The most keys and minutes that wait in a shard. Beyond it what is new is counted as left out.
const MOST: usize = 8192;
/// The most bytes kept of a user agent.
const AGENT: usize = 200;

/// Which key, which minute, which outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// The number in the key's identifier.
    pub key: u128,
    /// The minute, as the moment it began, in microseconds.
    pub minute: i64,
    /// The code of the verdict.
    pub outcome: &'static str,
}

/// A last use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// When.
    pub at: Moment,
    /// From where.
    pub address: Option<IpAddr>,
    /// By what.
    pub agent: Option<String>,
}

#[derive(Debug, Default)]
struct Shard {
    calls: HashMap<Slot, u64>,
    uses: HashMap<u128, Use>,
    left_out: u64,
}

/// What was taken out to be written.
#[derive(Debug, Default)]
pub struct Counted {
    /// Calls.
    pub calls: Vec<(Slot, u64)>,
    /// Last uses.
    pub uses: Vec<(u128, Use)>,
    /// Calls that were not counted, because too many different ones waited.
    pub left_out: u64,
}

impl Counted {
    /// Takes a part out, of at most so many keys and minutes; `None` where nothing is left.
    #[must_use]
    pub fn part(&mut self, most: usize) -> Option<Self> {
        let calls = self.calls.split_off(self.calls.len().saturating_sub(most));
        let uses = self.uses.split_off(self.uses.len().saturating_sub(most));
        let empty = calls.is_empty() && uses.is_empty();
        (!empty).then_some(Self { calls, uses, left_out: 0 })
    }
}

/// The counts of this node.
#[derive(Debug)]
pub struct Tally {
    shards: Vec<Mutex<Shard>>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Tally {
    /// Counts a call of a key.
    pub fn call(&self, key: u128, outcome: &'static str, now: Moment) {
        let Some(mut shard) = self.shard(key) else { return };
        let minute = now.micros() - now.micros().rem_euclid(MINUTE);
        let slot = Slot { key, minute, outcome };
        if let Some(n) = shard.calls.get_mut(&slot) {
            *n = n.saturating_add(1);
        } else if shard.calls.len() < MOST {
            shard.calls.insert(slot, 1);
        } else {
            shard.left_out = shard.left_out.saturating_add(1);
        }
    }

    /// Notes that a key was good for a call. Of one second only the first is noted.
    pub fn used(&self, key: u128, now: Moment, address: Option<IpAddr>, agent: Option<&str>) {
        let Some(mut shard) = self.shard(key) else { return };
        match shard.uses.get(&key) {
            Some(last) if now.unix() <= last.at.unix() => {}
            None if shard.uses.len() >= MOST => {}
            Some(_) | None => {
                let agent = agent.map(|text| text.chars().take(AGENT).filter(|c| !c.is_control()).collect());
                shard.uses.insert(key, Use { at: now, address, agent });
            }
        }
    }

    /// Takes everything out.
    #[must_use]
    pub fn take(&self) -> Counted {
        let mut all = Counted::default();
        for shard in &self.shards {
            let taken = std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner));
            all.calls.extend(taken.calls);
            all.uses.extend(taken.uses);
            all.left_out = all.left_out.saturating_add(taken.left_out);
        }
        // In one order everywhere, so that two nodes that write the same rows never wait for each other in a circle.
        all.calls.sort_unstable_by_key(|(slot, _)| *slot);
        all.uses.sort_unstable_by_key(|(key, _)| *key);
        all
    }

    /// Puts back what could not be written, as far as there is room: a database that is away for
    /// long must not cost the memory too.
    pub fn put_back(&self, unwritten: Counted) {
        for (slot, n) in unwritten.calls {
            let Some(mut shard) = self.shard(slot.key) else { continue };
            if let Some(count) = shard.calls.get_mut(&slot) {
                *count = count.saturating_add(n);
            } else if shard.calls.len() < MOST {
                shard.calls.insert(slot, n);
            } else {
                shard.left_out = shard.left_out.saturating_add(n);
            }
        }
        for (key, last) in unwritten.uses {
            let Some(mut shard) = self.shard(key) else { continue };
            if shard.uses.len() < MOST {
                shard.uses.entry(key).or_insert(last);
            }
        }
    }

    fn shard(&self, key: u128) -> Option<MutexGuard<'_, Shard>> {
        // The low bits of an identifier are random.
        let at = usize::try_from(key & 0xf).unwrap_or_default();
        self.shards.get(at).map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::moment::Span;

    const NOW: Moment = Moment::from_unix(1_000_000_020);

    #[test]
    fn calls_add_up_by_minute_and_outcome_and_are_taken_once() {
        let tally = Tally::default();
        for _ in 0..3 {
            tally.call(7, "ok", NOW);
        }
        tally.call(7, "restricted", NOW);
        tally.call(7, "ok", NOW + Span::minutes(1));
        let counted = tally.take();
        let seen: Vec<_> = counted.calls.iter().map(|(slot, n)| (slot.outcome, *n)).collect();
        assert_eq!(seen, [("ok", 3), ("restricted", 1), ("ok", 1)]);
        assert!(tally.take().calls.is_empty());
        tally.put_back(counted);
        tally.call(7, "ok", NOW);
        assert_eq!(tally.take().calls.iter().map(|(_, n)| n).sum::<u64>(), 6);
    }

    #[test]
    fn the_last_use_moves_forward_only_and_is_cut_to_what_is_decent() {
        let tally = Tally::default();
        let long = format!("a\n{}", "b".repeat(999));
        tally.used(7, NOW + Span::seconds(5), None, Some(&long));
        tally.used(7, NOW, Some(IpAddr::from([127, 0, 0, 1])), None);
        let uses = tally.take().uses;
        assert_eq!(uses.len(), 1);
        assert_eq!(uses[0].1.at, NOW + Span::seconds(5));
        assert_eq!(uses[0].1.agent.as_ref().map(String::len), Some(AGENT - 1));
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let tally = Tally::default();
        for n in 0..200_000u128 {
            tally.call(n, "ok", NOW);
            tally.used(n, NOW, None, None);
        }
        let counted = tally.take();
        assert_eq!(counted.calls.len(), SHARDS * MOST);
        assert_eq!(counted.uses.len(), SHARDS * MOST);
        assert_eq!(counted.left_out, 200_000 - u64::try_from(SHARDS * MOST).unwrap());
        for n in 200_000..400_000u128 {
            tally.call(n, "ok", NOW);
        }
        tally.put_back(counted);
        assert_eq!(tally.take().calls.len(), SHARDS * MOST, "nor while nothing can be written");
    }
}
