//! Quotas, spent in memory from slices that were debited in the database before: what is served
//! was paid for, on every node, whatever crashes. A crash can only lose the rest of a slice, to
//! the disadvantage of nobody but the quota's owner, and at most one for each family and node.
//!
//! One debit at a time for each quota: callers that find a slice empty wait for whoever fills it.

use crate::{
    apikey::quota::{Hand, Need},
    audit::Event,
    base::{
        fault::{Fault, Stop},
        id::FamilyId,
        moment::{Moment, Span},
    },
    flow::{
        journal::own_work,
        world::{World, note, only_fault},
    },
    store::Tx,
};
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

const SHARDS: usize = 16;
/// A slice that nobody has spent from for as long goes back.
const IDLE: Span = Span::seconds(30);
/// Percentages of a quota at whose use its owner is warned.
const WARN_AT: [u8; 2] = [80, 100];

/// A quota of a family, in its current period.
#[derive(Clone, Debug)]
pub struct Meter {
    /// Whose.
    pub family: FamilyId,
    /// The number in that identifier.
    pub number: u128,
    /// Its name in the policy.
    pub name: Arc<str>,
    /// Units for each period.
    pub limit: u64,
    /// When its current period began.
    pub period: Moment,
    /// When the next begins; `None` if never.
    pub ends: Option<Moment>,
    /// Units a second that this family may use, by its rate.
    pub per_second: u64,
}

/// What is left after a spending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Units, as far as this node knows.
    pub remaining: u64,
    /// Units for the period, topped up as they are.
    pub limit: u64,
}

/// A quota that does not have as much left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded(pub Left);

#[derive(Debug)]
struct Slice {
    hand: Hand,
    ends: Option<Moment>,
    /// Of the counter, when it was last seen.
    used: u64,
    limit: u64,
    last: Moment,
    filling: Arc<tokio::sync::Mutex<()>>,
}

impl Slice {
    fn empty(meter: &Meter, now: Moment) -> Self {
        let (hand, ends, limit) = (Hand::empty(meter.period), meter.ends, meter.limit);
        Self { hand, ends, used: 0, limit, last: now, filling: Arc::default() }
    }
    /// What nobody has spent: what was not debited yet, and what is in hand.
    fn told(&self) -> Left {
        Left { remaining: self.limit.saturating_sub(self.used).saturating_add(self.hand.left()), limit: self.limit }
    }
}

type Key = (u128, Arc<str>);
type Shard = HashMap<Key, (FamilyId, Slice)>;

/// The slices of this node.
#[derive(Debug)]
pub struct Slices {
    first: Mutex<Shard>,
    others: Vec<Mutex<Shard>>,
}

impl Default for Slices {
    fn default() -> Self {
        Self { first: Mutex::default(), others: (1..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

enum Tried {
    Spent(Left),
    Missing(u64, Arc<tokio::sync::Mutex<()>>),
}

impl Slices {
    fn shard(&self, number: u128) -> MutexGuard<'_, Shard> {
        // The low bits of an identifier are random.
        let at = usize::try_from(number & 0xf).unwrap_or_default();
        self.others.get(at).unwrap_or(&self.first).lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shards(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        let all = std::iter::once(&self.first).chain(&self.others);
        all.map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn try_spend(&self, meter: &Meter, cost: u64, now: Moment) -> Tried {
        let mut shard = self.shard(meter.number);
        let (_, slice) = shard
            .entry((meter.number, Arc::clone(&meter.name)))
            .or_insert_with(|| (meter.family.clone(), Slice::empty(meter, now)));
        if slice.ends != meter.ends {
            // Another period: what was counted of the one before says nothing of it.
            *slice = Slice { filling: Arc::clone(&slice.filling), ..Slice::empty(meter, now) };
        }
        match slice.hand.serve(meter.period, cost) {
            Ok(()) => {
                slice.last = now;
                Tried::Spent(slice.told())
            }
            Err(missing) => Tried::Missing(missing, Arc::clone(&slice.filling)),
        }
    }

    fn fill(&self, meter: &Meter, debited: &Debited, now: Moment) -> Left {
        let mut shard = self.shard(meter.number);
        let (_, slice) = shard
            .entry((meter.number, Arc::clone(&meter.name)))
            .or_insert_with(|| (meter.family.clone(), Slice::empty(meter, now)));
        slice.hand.take_up(meter.period, debited.units);
        (slice.used, slice.limit, slice.last) = (debited.used, debited.limit, now);
        slice.told()
    }

    /// Units that were debited and are not spent; for a gauge.
    #[must_use]
    pub fn in_hand(&self) -> u64 {
        self.shards().map(|shard| shard.values().map(|(_, slice)| slice.hand.left()).sum::<u64>()).sum()
    }

    fn take_back(&self, idle_since: Option<Moment>, now: Moment) -> Vec<Return> {
        let mut back = Vec::new();
        for mut shard in self.shards() {
            shard.retain(|(_, name), (family, slice)| {
                let over = slice.ends.is_some_and(|end| end <= now);
                let idle = idle_since.is_none_or(|since| slice.last <= since);
                // Whoever is filling it holds another handle, and will look for it here.
                if !(over || idle) || Arc::strong_count(&slice.filling) > 1 {
                    return true;
                }
                let (period, units) = slice.hand.return_rest();
                if units > 0 && !over {
                    back.push(Return { family: family.clone(), name: Arc::clone(name), period, units });
                }
                false
            });
        }
        back
    }
}

#[derive(Clone, Debug)]
struct Return {
    family: FamilyId,
    name: Arc<str>,
    period: Moment,
    units: u64,
}

/// What came of a debit.
#[derive(Clone, Copy, Debug)]
struct Debited {
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
    let slices = &world.slices;
    let filling = match slices.try_spend(meter, cost, world.now()) {
        Tried::Spent(left) => return Ok(left),
        Tried::Missing(_, filling) => filling,
    };
    let _filling = filling.lock().await;
    loop {
        let missing = match slices.try_spend(meter, cost, world.now()) {
            Tried::Spent(left) => return Ok(left),
            Tried::Missing(missing, _) => missing,
        };
        let debited = debit(world, meter, missing).await?;
        let left = slices.fill(meter, &debited, world.now());
        if debited.units == 0 {
            return Err(Stop::Refusal(Exceeded(left)));
        }
        // Others spend without waiting, and may have taken what was just debited: then again.
    }
}

/// Gives back what was spent for a call that was refused after all.
pub fn refund(world: &World, meter: &Meter, cost: u64) {
    let mut shard = world.slices.shard(meter.number);
    if let Some((_, slice)) = shard.get_mut(&(meter.number, Arc::clone(&meter.name)))
    {
        slice.hand.take_back(meter.period, cost);
    }
}

/// Debits a slice in the database: as large as is sensible, less where that does not fit, and
/// nothing where not even what is missing does.
async fn debit(world: &World, meter: &Meter, missing: u64) -> Result<Debited, Fault> {
    let (meter, nodes, origin) = (meter.clone(), world.live_nodes(), own_work(&world.node));
    let write = move |tx: &mut Tx<'_>| -> Result<Debited, Stop<Infallible>> {
        let counted = tx.quotas().find(&meter.family, &meter.name, meter.period)?;
        let (used, topped_up) = counted.map_or((0, 0), |row| (row.used, row.topped_up));
        let limit = meter.limit.saturating_add(topped_up);
        let need =
            Need { missing, limit, remaining: limit.saturating_sub(used), per_second: meter.per_second, nodes };
        let mut next = Some(need.slice());
        while let Some(units) = next {
            if let Some(used) = tx.quotas().debit(&meter.family, &meter.name, meter.period, units, meter.limit)? {
                warn(tx, &meter, used, limit, &origin)?;
                return Ok(Debited { units, used, limit });
            }
            next = need.less_than(units);
        }
        Ok(Debited { units: 0, used, limit })
    };
    let debited = world.store.write("debit_quota", write).await.map_err(only_fault)?;
    world.metrics.quota_debited.add(debited.units);
    Ok(debited)
}

/// Tells of a quota that is nearly or wholly used, once for each percentage and period.
fn warn(tx: &mut Tx<'_>, meter: &Meter, used: u64, limit: u64, origin: &crate::audit::Origin) -> Result<(), Fault> {
    for percent in WARN_AT {
        let reached = u128::from(used).saturating_mul(100) >= u128::from(limit).saturating_mul(u128::from(percent));
        if reached && tx.quotas().warned(&meter.family, &meter.name, meter.period, percent)? {
            let (family, quota) = (meter.family.clone(), meter.name.to_string());
            note(tx, origin, Event::QuotaWarned { family, quota, percent: u64::from(percent) })?;
        }
    }
    Ok(())
}

/// Gives back the slices that nobody spends from, and forgets those of periods that are over.
///
/// # Errors
/// A fault of the store; what it concerns is lost to the quota's owner until somebody corrects it.
pub async fn give_back_idle(world: &World) -> Result<(), Fault> {
    let now = world.now();
    give_back(world, world.slices.take_back(Some(now - IDLE), now)).await
}

/// Gives back every slice: this node stops, or what they are cut by has changed.
///
/// # Errors
/// As [`give_back_idle`].
pub async fn give_back_all(world: &World) -> Result<(), Fault> {
    give_back(world, world.slices.take_back(None, world.now())).await
}

async fn give_back(world: &World, back: Vec<Return>) -> Result<(), Fault> {
    if back.is_empty() {
        return Ok(());
    }
    let units = back.iter().map(|one| one.units).sum();
    let write = move |tx: &mut Tx<'_>| -> Result<(), Stop<Infallible>> {
        for one in &back {
            tx.quotas().give_back(&one.family, &one.name, one.period, one.units)?;
        }
        Ok(())
    };
    world.store.write("return_quota", write).await.map_err(only_fault)?;
    world.metrics.quota_returned.add(units);
    Ok(())
}
