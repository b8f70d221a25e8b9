//! What verification counts without asking the database: how often each key was used with what
//! outcome, when first and last, and from where those that have a successor. Kept in memory by the minute, written each few seconds; a crash loses
//! what has not been written, which no decision rests on.

use crate::{
    base::moment::Moment,
    store::key_places::{self, Place, Seen},
};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

const SHARDS: usize = 16;
const MINUTE: i64 = 60_000_000;
/// The most keys and minutes that wait in a shard. Beyond it what is new is counted as left out.
const MOST: usize = 8192;
/// How many in a shard are written without waiting for the time.
const CROWDED: usize = 128;
/// The most places of a key that wait, told apart.
const PLACES: usize = key_places::MOST;
/// The most characters kept of a user agent.
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

/// A last use, and when the first was of those that are not written yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// When.
    pub at: Moment,
    /// When first.
    pub first: Moment,
    /// From where.
    pub address: Option<IpAddr>,
    /// By what.
    pub agent: Option<String>,
}

#[derive(Debug, Default)]
struct Shard {
    calls: HashMap<Slot, u64>,
    uses: HashMap<u128, Use>,
    places: HashMap<u128, HashMap<Place, Seen>>,
    left_out: u64,
}

/// What was taken out to be written.
#[derive(Debug, Default)]
pub struct Counted {
    /// Calls.
    pub calls: Vec<(Slot, u64)>,
    /// Last uses.
    pub uses: Vec<(u128, Use)>,
    /// From where keys were used that have a successor.
    pub places: Vec<(u128, Place, Seen)>,
    /// Calls that were not counted, because too many different ones waited.
    pub left_out: u64,
}

impl Counted {
    /// Takes a part out, of at most so many keys and minutes; `None` where nothing is left.
    #[must_use]
    pub fn part(&mut self, most: usize) -> Option<Self> {
        let calls = self.calls.split_off(self.calls.len().saturating_sub(most));
        let uses = self.uses.split_off(self.uses.len().saturating_sub(most));
        let places = self.places.split_off(self.places.len().saturating_sub(most));
        let empty = calls.is_empty() && uses.is_empty() && places.is_empty();
        (!empty).then_some(Self { calls, uses, places, left_out: 0 })
    }
}

/// The counts of this node.
#[derive(Debug)]
pub struct Tally {
    shards: Vec<Mutex<Shard>>,
    full: Notify,
    /// Held by whoever writes: whoever wants it written waits for what another has taken out.
    pub(super) writing: tokio::sync::Mutex<()>,
}

impl Shard {
    fn place(&mut self, key: u128, place: Place, seen: Seen) {
        if self.places.len() >= MOST && !self.places.contains_key(&key) {
            return;
        }
        let places = self.places.entry(key).or_default();
        let place = if places.len() >= PLACES && !places.contains_key(&place) { Place::Others } else { place };
        places.entry(place).and_modify(|sum| *sum = sum.and(seen)).or_insert(seen);
    }
}

/// What a program says it is, without what could disturb a terminal.
fn decent(agent: Option<&str>) -> Option<String> {
    agent.map(|text| text.chars().take(AGENT).filter(|c| !c.is_control()).collect())
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            full: Notify::new(),
            writing: tokio::sync::Mutex::default(),
        }
    }
}

impl Tally {
    /// Waits until so many keys were counted that they should be written.
    pub async fn full(&self) {
        self.full.notified().await;
    }

    /// Whether so many keys were counted that they should be written.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let crowded = |shard: &Mutex<Shard>| shard.lock().unwrap_or_else(PoisonError::into_inner).calls.len() > CROWDED;
        self.shards.iter().any(crowded)
    }

    /// Counts a call of a key.
    pub fn call(&self, key: u128, outcome: &'static str, now: Moment) {
        let Some(mut shard) = self.shard(key) else { return };
        let minute = now.micros() - now.micros().rem_euclid(MINUTE);
        let slot = Slot { key, minute, outcome };
        if let Some(n) = shard.calls.get_mut(&slot) {
            *n = n.saturating_add(1);
        } else if shard.calls.len() < MOST {
            shard.calls.insert(slot, 1);
            if shard.calls.len() > CROWDED {
                self.full.notify_one();
            }
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
            before => {
                let first = before.map_or(now, |before| before.first);
                shard.uses.insert(key, Use { at: now, first, address, agent: decent(agent) });
            }
        }
    }

    /// Notes from where a key was used that has a successor: each call, so that it is seen who still
    /// has to change.
    pub fn placed(&self, key: u128, now: Moment, address: Option<IpAddr>, agent: Option<&str>) {
        let Some(mut shard) = self.shard(key) else { return };
        let place = Place::Of { address: address.map(|address| address.to_canonical()), agent: decent(agent) };
        shard.place(key, place, Seen { calls: 1, last: now });
    }

    /// Takes everything out.
    #[must_use]
    pub fn take(&self) -> Counted {
        let mut all = Counted::default();
        for shard in &self.shards {
            let taken = std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner));
            all.calls.extend(taken.calls);
            all.uses.extend(taken.uses);
            let of_key = |(key, places): (u128, HashMap<Place, Seen>)| {
                places.into_iter().map(move |(place, seen)| (key, place, seen))
            };
            all.places.extend(taken.places.into_iter().flat_map(of_key));
            all.left_out = all.left_out.saturating_add(taken.left_out);
        }
        // In one order everywhere, so that two nodes that write the same rows never wait for each other in a circle.
        all.calls.sort_unstable_by_key(|(slot, _)| *slot);
        all.uses.sort_unstable_by_key(|(key, _)| *key);
        all.places.sort_unstable_by(|(a, x, _), (b, y, _)| (a, x).cmp(&(b, y)));
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
            if let Some(later) = shard.uses.get_mut(&key) {
                later.first = later.first.min(last.first);
            } else if shard.uses.len() < MOST {
                shard.uses.insert(key, last);
            }
        }
        for (key, place, seen) in unwritten.places {
            if let Some(mut shard) = self.shard(key) {
                shard.place(key, place, seen);
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
        assert_eq!((uses[0].1.at, uses[0].1.first), (NOW + Span::seconds(5), NOW + Span::seconds(5)));
        assert_eq!(uses[0].1.agent.as_ref().map(String::len), Some(AGENT - 1));
    }

    #[test]
    fn the_first_use_stays_the_first_also_where_it_could_not_be_written() {
        let tally = Tally::default();
        tally.used(7, NOW, None, None);
        tally.used(7, NOW + Span::seconds(5), None, None);
        let unwritten = tally.take();
        assert_eq!((unwritten.uses[0].1.first, unwritten.uses[0].1.at), (NOW, NOW + Span::seconds(5)));
        tally.used(7, NOW + Span::seconds(9), None, None);
        tally.put_back(unwritten);
        let uses = tally.take().uses;
        assert_eq!((uses[0].1.first, uses[0].1.at), (NOW, NOW + Span::seconds(9)));
    }

    #[test]
    fn of_very_many_places_some_are_told_apart_and_every_call_is_counted() {
        let tally = Tally::default();
        for n in 0..1000u32 {
            tally.placed(7, NOW, Some(IpAddr::V4(std::net::Ipv4Addr::from_bits(n))), Some("curl\n/8"));
        }
        let unwritten = tally.take();
        tally.placed(7, NOW, None, None);
        tally.put_back(unwritten);
        let places = tally.take().places;
        assert_eq!(places.len(), PLACES + 1);
        assert_eq!(places.iter().map(|(_, _, seen)| seen.calls).sum::<u64>(), 1001);
        let Place::Of { agent: Some(agent), .. } = &places[1].1 else { panic!() };
        assert_eq!(agent, "curl/8");
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let tally = Tally::default();
        for n in 0..200_000u128 {
            tally.call(n, "ok", NOW);
            tally.used(n, NOW, None, None);
            tally.placed(n, NOW, None, None);
        }
        let counted = tally.take();
        assert_eq!(counted.calls.len(), SHARDS * MOST);
        assert_eq!((counted.uses.len(), counted.places.len()), (SHARDS * MOST, SHARDS * MOST));
        assert_eq!(counted.left_out, 200_000 - u64::try_from(SHARDS * MOST).unwrap());
        for n in 200_000..400_000u128 {
            tally.call(n, "ok", NOW);
        }
        tally.put_back(counted);
        assert_eq!(tally.take().calls.len(), SHARDS * MOST, "nor while nothing can be written");
    }
}
