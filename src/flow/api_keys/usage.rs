//! What keys were used for: the counts of this node written down, and what resource servers
//! report of the calls that they served.

use super::tally::Counted;
use crate::{
    base::{
        fault::{Fault, Stop},
        id::ApiKeyId,
        moment::Moment,
    },
    flow::world::{World, only_fault},
    store::{
        Tx,
        key_uses::KeyUse,
        usage::{Counts, UsageRow},
    },
};
use std::{convert::Infallible, sync::Arc};

/// Writes what has been counted since it was last written.
///
/// # Errors
/// A fault of the store; what could not be written stays counted.
pub async fn flush(world: &World) -> Result<(), Fault> {
    let counted = Arc::new(world.api_keys.tally.take());
    if counted.left_out > 0 {
        tracing::warn!(calls = counted.left_out, "calls of API keys were not counted: too many keys at once");
    }
    if counted.calls.is_empty() && counted.uses.is_empty() {
        return Ok(());
    }
    let (rows, uses) = (rows(&counted), uses(&counted));
    let write = move |tx: &mut Tx<'_>| -> Result<(), Stop<Infallible>> {
        tx.usage().add(&rows)?;
        Ok(tx.key_uses().used(&uses)?)
    };
    let written = world.store.write("write_usage", write).await.map_err(only_fault);
    if written.is_err() {
        world.api_keys.tally.put_back(Arc::try_unwrap(counted).unwrap_or_default());
    }
    written
}

fn rows(counted: &Counted) -> Vec<UsageRow> {
    let row = |(slot, calls): &(super::tally::Slot, u64)| UsageRow {
        key: ApiKeyId::from_u128(slot.key),
        minute: Moment::from_micros(slot.minute),
        outcome: slot.outcome.to_owned(),
        counts: Counts { calls: *calls, ..Counts::default() },
    };
    counted.calls.iter().map(row).collect()
}

fn uses(counted: &Counted) -> Vec<KeyUse> {
    let one = |(key, last): &(u128, super::tally::Use)| KeyUse {
        key: ApiKeyId::from_u128(*key),
        at: last.at,
        address: last.address,
        agent: last.agent.clone(),
    };
    counted.uses.iter().map(one).collect()
}
