//! Quotas of bytes: counted after the call, when a resource server reports what it answered. Until
//! then nobody knows, so what is in flight can go beyond the quota; calls after it are refused.
//!
//! What is used is read from the database once in a few seconds for each family that calls, and
//! known at once on the node that the report came to.

use super::{
    directory::Entry,
    slices::{Left, Meter},
    verify::QuotaNow,
};
use crate::{
    apikey::{policy::quota::OnExceed, verdict::Denied},
    base::{
        fault::{Fault, Stop},
        moment::{Moment, Span},
    },
    flow::world::{World, only_fault},
    store::{Tx, quotas::Counter},
};
use moka::sync::Cache;
use std::convert::Infallible;

/// For how long what was read is gone by.
const KNOWN_FOR: Span = Span::seconds(5);
/// For how long it is while the database cannot be asked.
const AT_MOST: Span = Span::minutes(1);
/// The most quotas that are remembered.
const MOST: u64 = 50_000;

#[derive(Clone, Copy, Debug)]
struct Seen {
    began: Moment,
    counter: Counter,
    at: Moment,
}

/// What this node knows of quotas of bytes.
#[derive(Debug)]
pub struct Egress {
    seen: Cache<u128, Seen>,
}

impl Default for Egress {
    fn default() -> Self {
        Self { seen: Cache::new(MOST) }
    }
}

impl Egress {
    /// Takes note of how a counter stands in the period that began then.
    pub fn heard(&self, slot: u128, (began, counter): (Moment, Counter), now: Moment) {
        if self.seen.get(&slot).is_none_or(|seen| seen.began <= began) {
            self.seen.insert(slot, Seen { began, counter, at: now });
        }
    }
}

/// Whether every quota of bytes has something left. Nothing is spent.
///
/// # Errors
/// A fault where that cannot be said, which must end in a refusal.
pub async fn check(
    world: &World,
    entry: &Entry,
    now: Moment,
    quotas: &mut Vec<QuotaNow>,
) -> Result<Result<(), Denied>, Fault> {
    for (at, meter) in &entry.bytes {
        let Some(budget) = entry.policy.budgets().get(*at) else { continue };
        let left = left(world, meter, now).await?;
        let resets_in = left.ends.map(|end| end.since(now));
        let quota = &budget.quota;
        quotas.push(QuotaNow {
            name: quota.name.clone(),
            unit: quota.unit,
            limit: left.limit,
            remaining: left.remaining,
            resets_in,
        });
        if left.remaining == 0 && quota.on_exceed == OnExceed::Deny {
            return Ok(Err(Denied::Quota { name: quota.name.clone(), retry_after: resets_in }));
        }
    }
    Ok(Ok(()))
}

/// What is left of a quota of bytes, as this node knows it.
async fn left(world: &World, meter: &Meter, now: Moment) -> Result<Left, Fault> {
    let (egress, began) = (&world.api_keys.egress, meter.per.start(now));
    let known = egress.seen.get(&meter.counted).filter(|seen| seen.began == began && now >= seen.at);
    let counter = match known {
        Some(seen) if now.since(seen.at) < KNOWN_FOR => seen.counter,
        known => {
            if let Some(seen) = known {
                // Whoever comes meanwhile goes by what is known: one question is enough.
                egress.seen.insert(meter.counted, Seen { at: now, ..seen });
            }
            match read(world, meter, began).await {
                Ok(counter) => {
                    egress.heard(meter.counted, (began, counter), now);
                    counter
                }
                Err(fault) => {
                    let old = known.filter(|seen| now.since(seen.at) < AT_MOST).ok_or(fault)?;
                    egress.seen.insert(meter.counted, old);
                    old.counter
                }
            }
        }
    };
    let limit = meter.limit.saturating_add(counter.topped_up);
    Ok(Left { remaining: limit.saturating_sub(counter.used), limit, ends: meter.per.end(now), began })
}

async fn read(world: &World, meter: &Meter, began: Moment) -> Result<Counter, Fault> {
    let counter = meter.counter_of(began);
    let read = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.quotas().find(&counter)?.unwrap_or_default());
    world.store.read("find_quota", read).await.map_err(only_fault)
}
