//! How limits of rate refuse that have not as much left, and quotas get back what was taken in vain.

use super::LimitNow;
use crate::{
    apikey::{
        capacity::{FULL, Share},
        verdict::Denied,
    },
    base::{
        entropy,
        moment::{Moment, Span},
    },
    flow::{
        api_keys::slices::{self, Meter},
        world::World,
    },
};

/// The refusal by these limits. While they give less, callers are spread: all who were refused at
/// once would else come back at once.
pub(super) fn refusal(world: &World, names: Vec<String>, retry_after: Span, share: Share) -> Denied {
    if share == FULL {
        return Denied::Rate { names, retry_after };
    }
    let dice = entropy::bytes::<1>(&*world.dice).map_or(0, |[byte]| i64::from(byte));
    let wait = retry_after.max(Span::seconds(1));
    let more = wait.as_micros().saturating_mul(dice) / 512;
    Denied::Reduced { names, retry_after: wait + Span::micros(more) }
}

/// The names of the limits that have not as much left, where nothing was taken from them, and when
/// they are full again, before which the call may pass.
pub(super) fn would_be_denied(limits: &[LimitNow], cost: u32) -> Option<(Vec<String>, Span)> {
    let short: Vec<&LimitNow> = limits.iter().filter(|limit| limit.outcome.remaining < cost).collect();
    let retry_after = short.iter().map(|limit| limit.outcome.reset).max()?;
    Some((short.iter().map(|limit| limit.name.clone()).collect(), retry_after))
}

/// Gives back what was taken from each of these quotas, in the period that began then; never to one
/// that let the call pass without having as much.
pub(super) fn give_back(world: &World, taken: &[(&Meter, Moment)], cost: u64) {
    for (meter, began) in taken {
        slices::refund(world, meter, cost, *began);
    }
}
