//! Quotas, spent in memory from slices that were debited in the database before: what is served
//! was paid for, on every node, whatever crashes. A crash can only lose the rest of a slice, to
//! the disadvantage of nobody but the quota's owner, and at most one for each family and node.
//!
//! One debit at a time for each quota: callers that find a slice empty wait for whoever fills it.

use super::{directory::Entry, verify::QuotaNow};
use crate::{
    apikey::quota::{Hand, Need, Period},
    audit::{Event, Origin},
    base::{
        digest::sha256,
        fault::{Fault, Stop},
        id::FamilyId,
        moment::{Moment, Span},
    },
    flow::{
        journal::own_work,
        world::{World, note, only_fault},
    },
    store::{
        Tx,
        quotas::{Counter, CounterId},
    },
};
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

mod back;

pub use back::{give_back_all, give_back_idle, make_room};

const SHARDS: usize = 16;
/// The most slices that are held, in a shard: beyond it those that were spent from longest ago go back.
const MOST: usize = 320;
/// For how long a quota that had too little left is not asked about again: what is refused is given
/// back to the limits of rate, so nothing else bounds how often its owner could make us ask.
const ASK_AGAIN: Span = Span::seconds(1);
/// Percentages of a quota at whose use its owner is warned.
const WARN_AT: [u8; 2] = [80, 100];

/// A quota of a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    /// Of what this node holds of it: of keys with one counter, those alone share a slice that have one
    /// limit. What was debited under a higher one would serve more than the lower allows.
    slot: u128,
    /// Of its counter.
    pub(super) counted: u128,
    family: FamilyId,
    counter: String,
    pub(super) limit: u64,
    pub(super) per: Period,
    per_second: u64,
}

impl Meter {
    /// Of this family, under this name among its counters: so many units each period. `per_second`
    /// is what the family may use by its rate, which bounds what is debited ahead.
    #[must_use]
    pub fn new(family: &FamilyId, counter: &str, (limit, per): (u64, Period), per_second: u64) -> Self {
        let of = |text: String| sha256(text.as_bytes()).first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes));
        let slot = of(format!("{family} {counter} {limit} {per:?}"));
        let counted = of(format!("{family} {counter}"));
        Self { slot, counted, family: family.clone(), counter: counter.to_owned(), limit, per, per_second }
    }

    pub(super) fn counter_of(&self, period_start: Moment) -> CounterId {
        CounterId { family: self.family.clone(), name: self.counter.clone(), period_start }
    }
}

/// What is left after a spending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Units, as far as this node knows.
    pub remaining: u64,
    /// Units for the period, topped up as they are.
    pub limit: u64,
    /// When the next period begins; `None` if never.
    pub ends: Option<Moment>,
    /// When the period began that this is about: what is given back belongs there.
    pub began: Moment,
}

/// A quota that does not have as much left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded(pub Left);

#[derive(Debug)]
struct Slice {
    family: FamilyId,
    counter: String,
    period: Moment,
    ends: Option<Moment>,
    hand: Hand,
    /// Of the counter, when it was last seen.
    used: u64,
    limit: u64,
    last: Moment,
    /// Units that the counter had not, and when it was asked.
    lacking: Option<(u64, Moment)>,
    filling: Arc<tokio::sync::Mutex<()>>,
    /// What it was cut by has changed: what is left of it goes back soon.
    stale: bool,
}

impl Slice {
    fn empty(meter: &Meter, now: Moment) -> Self {
        let period = meter.per.start(now);
        Self {
            family: meter.family.clone(),
            counter: meter.counter.clone(),
            period,
            ends: meter.per.end(now),
            hand: Hand::empty(period),
            used: 0,
            limit: meter.limit,
            last: now,
            lacking: None,
            filling: Arc::default(),
            stale: false,
        }
    }
    /// What nobody has spent: what was not debited yet, and what is in hand.
    fn told(&self) -> Left {
        let remaining = self.limit.saturating_sub(self.used).saturating_add(self.hand.left());
        Left { remaining, limit: self.limit, ends: self.ends, began: self.period }
    }
    /// Whether the counter had not as many a moment ago. A clock that was set back knows nothing.
    fn lacks(&self, missing: u64, now: Moment) -> bool {
        self.lacking.is_some_and(|(units, at)| missing >= units && now >= at && now.since(at) < ASK_AGAIN)
    }
    fn is_over(&self, now: Moment) -> bool {
        self.ends.is_some_and(|end| end <= now)
    }
}

type Shard = HashMap<u128, Slice>;

/// The slices of this node.
#[derive(Debug)]
pub struct Slices {
    first: Mutex<Shard>,
    others: Vec<Mutex<Shard>>,
    /// That a shard holds more than it should.
    full: Notify,
}

impl Default for Slices {
    fn default() -> Self {
        let others = (1..SHARDS).map(|_| Mutex::default()).collect();
        Self { first: Mutex::default(), others, full: Notify::new() }
    }
}

enum Tried {
    Spent(Left),
    Missing(u64, Arc<tokio::sync::Mutex<()>>),
    Exceeded(Left),
}

impl Slices {
    fn shard(&self, slot: u128) -> MutexGuard<'_, Shard> {
        let at = usize::try_from(slot & 0xf).unwrap_or_default();
        self.others.get(at).unwrap_or(&self.first).lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there are too many.
    pub async fn full(&self) {
        self.full.notified().await;
    }

    fn shards(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        let all = std::iter::once(&self.first).chain(&self.others);
        all.map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn with<T>(&self, meter: &Meter, now: Moment, f: impl FnOnce(&mut Slice) -> T) -> T {
        let mut shard = self.shard(meter.slot);
        if shard.len() > MOST {
            self.full.notify_one();
        }
        let slice = shard.entry(meter.slot).or_insert_with(|| Slice::empty(meter, now));
        if slice.is_over(now) {
            // What is left of a period that is over is worth nothing.
            *slice = Slice { filling: Arc::clone(&slice.filling), ..Slice::empty(meter, now) };
        }
        f(slice)
    }

    fn try_spend(&self, meter: &Meter, cost: u64, now: Moment) -> Tried {
        self.with(meter, now, |slice| match slice.hand.serve(slice.period, cost) {
            Ok(()) => {
                slice.last = now;
                Tried::Spent(slice.told())
            }
            Err(missing) if slice.lacks(missing, now) => Tried::Exceeded(slice.told()),
            Err(missing) => Tried::Missing(missing, Arc::clone(&slice.filling)),
        })
    }

    /// What is left, without spending: of this node, and of the counter as it was last seen.
    #[must_use]
    pub fn peek(&self, meter: &Meter, now: Moment) -> Left {
        self.with(meter, now, |slice| slice.told())
    }

    /// Units that were debited and are not spent; for a gauge.
    #[must_use]
    pub fn in_hand(&self) -> u64 {
        self.shards().map(|shard| shard.values().map(|slice| slice.hand.left()).sum::<u64>()).sum()
    }

    /// What slices of a family (of all, where none is named) were cut by has changed: what is left of
    /// them goes back at the next turn of [`give_back_idle`], and is cut anew.
    pub fn outdated(&self, family: Option<&str>) {
        for mut shard in self.shards() {
            let concerned = shard.values_mut().filter(|slice| family.is_none_or(|id| slice.family.as_str() == id));
            concerned.for_each(|slice| slice.stale = true);
        }
    }
}

/// What came of a debit.
#[derive(Clone, Copy, Debug)]
struct Debited {
    period: Moment,
    units: u64,
    used: u64,
    limit: u64,
}

/// Spends from a quota.
///
/// # Errors
/// [`Exceeded`] where it does not have as much left: nothing is spent then; a fault where a slice
/// had to be debited and the database could not do it, which must end in a refusal too.
pub async fn spend(world: &World, meter: &Meter, cost: u64) -> Result<Left, Stop<Exceeded>> {
    let slices = &world.api_keys.slices;
    let filling = match slices.try_spend(meter, cost, world.now()) {
        Tried::Spent(left) => return Ok(left),
        Tried::Exceeded(left) => return Err(Stop::Refusal(Exceeded(left))),
        Tried::Missing(_, filling) => filling,
    };
    let _filling = filling.lock().await;
    loop {
        let missing = match slices.try_spend(meter, cost, world.now()) {
            Tried::Spent(left) => return Ok(left),
            Tried::Exceeded(left) => return Err(Stop::Refusal(Exceeded(left))),
            Tried::Missing(missing, _) => missing,
        };
        let mut debited = debit(world, meter, missing).await?;
        if debited.units == 0 && back::of_siblings(world, meter).await? {
            debited = debit(world, meter, missing).await?;
        }
        let left = slices.with(meter, world.now(), |slice| {
            if slice.period == debited.period {
                slice.hand.take_up(debited.period, debited.units);
                (slice.used, slice.limit, slice.last) = (debited.used, debited.limit, world.now());
                slice.lacking = (debited.units == 0).then(|| (missing, world.now()));
            }
            slice.told()
        });
        if debited.units == 0 {
            return Err(Stop::Refusal(Exceeded(left)));
        }
        // Others spend without waiting, and may have taken what was just debited: then again.
    }
}

/// Gives back what was spent, in the period that began then, for a call that was refused after
/// all. Where that period is over it is worth nothing: the new one did not pay for it.
pub fn refund(world: &World, meter: &Meter, cost: u64, began: Moment) {
    world.api_keys.slices.with(meter, world.now(), |slice| slice.hand.take_back(began, cost));
}

/// Debits a slice in the database: as large as is sensible, less where that does not fit, and
/// nothing where not even what is missing does.
async fn debit(world: &World, meter: &Meter, missing: u64) -> Result<Debited, Fault> {
    let period = world.api_keys.slices.with(meter, world.now(), |slice| slice.period);
    let (meter, nodes, origin) = (meter.clone(), world.live_nodes(), own_work(&world.node));
    let counter = meter.counter_of(period);
    let write = move |tx: &mut Tx<'_>| -> Result<Debited, Stop<Infallible>> {
        let (used, topped_up) = tx.quotas().find(&counter)?.map_or((0, 0), |row| (row.used, row.topped_up));
        let limit = meter.limit.saturating_add(topped_up);
        let remaining = limit.saturating_sub(used);
        let need = Need { missing, limit, remaining, per_second: meter.per_second, nodes };
        let mut next = Some(need.slice());
        while let Some(units) = next {
            if let Some(used) = tx.quotas().debit(&counter, units, meter.limit)? {
                warn(tx, &counter, (used, limit), &origin)?;
                return Ok(Debited { period, units, used, limit });
            }
            next = need.less_than(units);
        }
        Ok(Debited { period, units: 0, used, limit })
    };
    let debited = world.store.write("debit_quota", write).await.map_err(only_fault)?;
    world.metrics.quota_debited.add(debited.units);
    Ok(debited)
}

/// Tells of a quota that is nearly or wholly used, once for each percentage and period.
pub(super) fn warn(
    tx: &mut Tx<'_>,
    counter: &CounterId,
    (used, limit): (u64, u64),
    origin: &Origin,
) -> Result<(), Fault> {
    for percent in WARN_AT {
        let reached = u128::from(used).saturating_mul(100) >= u128::from(limit).saturating_mul(u128::from(percent));
        if reached && tx.quotas().warned(counter, percent)? {
            let (family, quota) = (counter.family.clone(), counter.name.clone());
            note(tx, origin, Event::QuotaWarned { family, quota, percent: u64::from(percent) })?;
        }
    }
    Ok(())
}

/// What is left of a key's quotas, read from their counters.
///
/// # Errors
/// A fault of the store.
pub async fn counted(world: &World, entry: &Entry) -> Result<Vec<QuotaNow>, Fault> {
    let now = world.now();
    let meters: Vec<&(usize, Meter)> = entry.meters.iter().chain(&entry.bytes).collect();
    let wanted: Vec<CounterId> = meters.iter().map(|(_, meter)| meter.counter_of(meter.per.start(now))).collect();
    let read = move |tx: &mut Tx<'_>| -> Result<Vec<Option<Counter>>, Stop<Infallible>> {
        wanted.iter().map(|counter| Ok(tx.quotas().find(counter)?)).collect()
    };
    let found = world.store.read("show_quotas", read).await.map_err(only_fault)?;
    let told = meters.into_iter().zip(found).filter_map(|((at, meter), counter)| {
        let budget = entry.policy.budgets().get(*at)?;
        let (used, topped_up) = counter.map_or((0, 0), |counter| (counter.used, counter.topped_up));
        let limit = meter.limit.saturating_add(topped_up);
        Some(QuotaNow {
            name: budget.quota.name.clone(),
            unit: budget.quota.unit,
            limit,
            remaining: limit.saturating_sub(used),
            resets_in: meter.per.end(now).map(|end| end.since(now)),
        })
    });
    Ok(told.collect())
}
