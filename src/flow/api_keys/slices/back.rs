//! What is left of slices goes back to the counters that it was debited from: of those that nobody
//! spends from, of the longest unused where there are too many, of all at the end.

use super::{MOST, Meter, Slice, Slices};
use crate::{
    base::{
        fault::{Fault, Stop},
        moment::{Moment, Span},
    },
    flow::world::{World, only_fault},
    store::{Tx, quotas::CounterId},
};
use std::{convert::Infallible, sync::Arc};

/// A slice that nobody has spent from for as long goes back.
const IDLE: Span = Span::seconds(30);
/// Counters that are given back to by one transaction: whoever waits for a slice waits behind it.
const BATCH: usize = 200;

/// Which slices go back, besides those that are over and those that are cut by what has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    /// Those that nobody has spent from since then.
    UnusedSince(Moment),
    /// A quarter of a shard that is full: those that were spent from longest ago.
    Longest,
    /// All.
    All,
}

/// What is given back.
type Rest = Vec<(CounterId, u64)>;

impl Slices {
    fn take_back(&self, which: Which, now: Moment) -> Rest {
        let mut back = Vec::new();
        for mut shard in self.shards() {
            let longest = if which == Which::Longest { longest(shard.values()) } else { None };
            shard.retain(|_, slice| {
                let over = slice.is_over(now);
                let unused = match which {
                    Which::UnusedSince(since) => slice.last <= since,
                    Which::Longest => longest.is_some_and(|until| loss(slice) <= until),
                    Which::All => true,
                };
                // Whoever is filling it holds another handle, and will look for it here.
                if !(over || unused || slice.stale) || Arc::strong_count(&slice.filling) > 1 {
                    return true;
                }
                let (period_start, units) = slice.hand.return_rest();
                if units > 0 && !over {
                    let (family, name) = (slice.family.clone(), slice.counter.clone());
                    back.push((CounterId { family, name, period_start }, units));
                }
                false
            });
        }
        back
    }
}

impl Slices {
    /// Of the same counter, what is held for keys with another limit.
    fn take_from_siblings(&self, meter: &Meter, now: Moment) -> Rest {
        let mut back = Vec::new();
        for mut shard in self.shards() {
            shard.retain(|slot, slice| {
                let sibling = *slot != meter.slot && slice.family == meter.family && slice.counter == meter.counter;
                if !sibling || slice.hand.left() == 0 || slice.is_over(now) || Arc::strong_count(&slice.filling) > 1 {
                    return true;
                }
                let (period_start, units) = slice.hand.return_rest();
                back.push((meter.counter_of(period_start), units));
                false
            });
        }
        back
    }
}

/// Gives back what is held for keys with another limit, where the counter has too little left for a
/// key with this one: debited ahead is not used. Whether there was anything.
///
/// # Errors
/// As [`give_back_idle`].
pub(super) async fn of_siblings(world: &World, meter: &Meter) -> Result<bool, Fault> {
    let back = world.api_keys.slices.take_from_siblings(meter, world.now());
    let any = !back.is_empty();
    give_back(world, back).await?;
    Ok(any)
}

/// What is lost with a slice: first those go that hold nothing, as those of which the database could
/// not debit anything, then those that were spent from longest ago.
fn loss(slice: &Slice) -> (bool, Moment) {
    (slice.hand.left() > 0, slice.last)
}

/// The greatest loss among those of these that have to go; `None` where they are few enough.
fn longest<'s>(slices: impl Iterator<Item = &'s Slice>) -> Option<(bool, Moment)> {
    let mut all: Vec<_> = slices.map(loss).collect();
    let excess = all.len().checked_sub(MOST / 4 * 3)?;
    let (_, last, _) = all.select_nth_unstable(excess.checked_sub(1)?);
    Some(*last)
}

/// Gives back the slices that nobody spends from, and forgets those of periods that are over.
///
/// # Errors
/// A fault of the store; what it concerns is lost to the quota's owner until somebody corrects it.
pub async fn give_back_idle(world: &World) -> Result<(), Fault> {
    let now = world.now();
    give_back(world, world.api_keys.slices.take_back(Which::UnusedSince(now - IDLE), now)).await
}

/// Gives back those that were spent from longest ago, where more are held than should be: many
/// families that make a call each must not fill the memory.
///
/// # Errors
/// As [`give_back_idle`].
pub async fn make_room(world: &World) -> Result<(), Fault> {
    give_back(world, world.api_keys.slices.take_back(Which::Longest, world.now())).await
}

/// Gives back every slice: this node stops, or what they are cut by has changed.
///
/// # Errors
/// As [`give_back_idle`].
pub async fn give_back_all(world: &World) -> Result<(), Fault> {
    give_back(world, world.api_keys.slices.take_back(Which::All, world.now())).await
}

async fn give_back(world: &World, mut back: Rest) -> Result<(), Fault> {
    // In one order everywhere, so that two nodes never wait for each other in a circle.
    back.sort_unstable_by(|(a, _), (b, _)| (&a.family, &a.name).cmp(&(&b.family, &b.name)));
    let mut lost = Ok(());
    for batch in back.chunks(BATCH) {
        let batch = batch.to_vec();
        let units = batch.iter().map(|(_, units)| units).sum();
        let write = move |tx: &mut Tx<'_>| -> Result<(), Stop<Infallible>> {
            for (counter, units) in &batch {
                tx.quotas().give_back(counter, *units)?;
            }
            Ok(())
        };
        match world.store.write("return_quota", write).await.map_err(only_fault) {
            Ok(()) => world.metrics.quota_returned.add(units),
            // The others may fare better.
            Err(fault) => lost = Err(fault),
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::{super::Meter, *};
    use crate::{apikey::quota::Period, base::id::FamilyId};

    const NOW: Moment = Moment::from_unix(1_000_000_000);

    /// A slice of a family's, with so many units in hand, last spent from so many seconds ago.
    fn hold(slices: &Slices, family: u128, units: u64, ago: i64) -> Meter {
        let meter = Meter::new(&FamilyId::from_u128(family), "month", (1000, Period::Month(1)), 1);
        slices.with(&meter, NOW, |slice| {
            slice.hand.take_up(slice.period, units);
            slice.last = NOW - Span::seconds(ago);
        });
        meter
    }

    #[test]
    fn of_too_many_those_go_that_hold_nothing_and_then_the_longest_unused_and_all_of_it_is_told() {
        let slices = Slices::default();
        let families = 20_000u32;
        for family in 0..families {
            let (units, ago) = if family % 4 == 0 { (0, 1) } else { (3, i64::from(family) % 50) };
            hold(&slices, family.into(), units, ago);
        }
        let back = slices.take_back(Which::Longest, NOW);
        let held: usize = slices.shards().map(|shard| shard.len()).sum();
        assert!(held <= MOST * 16 / 4 * 3, "{held}");
        assert!(held > MOST * 16 / 4, "no more than has to: {held}");
        assert_eq!(slices.in_hand() + back.iter().map(|(_, units)| units).sum::<u64>(), 15_000 * 3);
        let kept = slices.shards().map(|shard| shard.values().filter(|slice| slice.hand.left() == 0).count());
        assert_eq!(kept.sum::<usize>(), 0);
        assert!(slices.take_back(Which::Longest, NOW).is_empty());
    }

    #[test]
    fn a_slice_that_is_being_filled_stays() {
        let slices = Slices::default();
        let meter = hold(&slices, 1, 5, 100);
        let filling = slices.with(&meter, NOW, |slice| Arc::clone(&slice.filling));
        assert!(slices.take_back(Which::All, NOW).is_empty());
        drop(filling);
        assert_eq!(slices.take_back(Which::All, NOW).len(), 1);
    }
}
