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
        key_places::{Place, PlaceRow, Seen},
        key_uses::KeyUse,
        usage::{Counts, UsageRow},
    },
};
use std::convert::Infallible;

/// Keys and minutes that are written by one transaction: whoever waits for the database waits behind it, and of
/// every page that it changes SQLite keeps the old one in memory until it has ended, which are several for each key.
const BATCH: usize = 200;

/// Writes what has been counted since it was last written. When it has ended, everything that was counted before is
/// written, also what somebody else was writing meanwhile.
///
/// # Errors
/// A fault of the store; what could not be written stays counted.
pub async fn flush(world: &World) -> Result<(), Fault> {
    let _writing = world.api_keys.tally.writing.lock().await;
    let mut counted = world.api_keys.tally.take();
    if counted.left_out > 0 {
        tracing::warn!(calls = counted.left_out, "calls of API keys were not counted: too many keys at once");
    }
    while let Some(part) = counted.part(BATCH) {
        let (rows, uses, places) = (rows(&part), uses(&part), places(&part));
        let write = move |tx: &mut Tx<'_>| -> Result<(), Stop<Infallible>> {
            tx.usage().add(&rows)?;
            tx.key_places().add(&places)?;
            Ok(tx.key_uses().used(&uses)?)
        };
        if let Err(fault) = world.store.write("write_usage", write).await.map_err(only_fault) {
            world.api_keys.tally.put_back(part);
            world.api_keys.tally.put_back(counted);
            return Err(fault);
        }
    }
    Ok(())
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
        first: last.first,
        address: last.address,
        agent: last.agent.clone(),
    };
    counted.uses.iter().map(one).collect()
}

fn places(counted: &Counted) -> Vec<PlaceRow> {
    let one = |(key, place, seen): &(u128, Place, Seen)| PlaceRow {
        key: ApiKeyId::from_u128(*key),
        place: place.clone(),
        seen: *seen,
    };
    counted.places.iter().map(one).collect()
}
