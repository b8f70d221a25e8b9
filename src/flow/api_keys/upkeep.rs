//! What API keys need in the background: counts written down, slices of quotas given back, people
//! reminded of keys that end.

use super::{capacity, create::parties, slices, unusual, usage};
use crate::{
    apikey::{
        create::{REMINDERS, reminders_due},
        key::ApiKey,
    },
    audit::Event,
    base::{
        fault::{Fault, Stop},
        moment::Span,
    },
    flow::{
        journal::own_work,
        pace::{Ending, either, goes_on, goes_on_or},
        world::{World, note, only_fault},
    },
    store::{
        Tx,
        key_lists::{KeyFilter, ListedKey},
    },
};
use std::{convert::Infallible, sync::Arc};

/// How often counts are written and idle slices given back.
const EVERY: Span = Span::seconds(5);
/// How often it is looked for keys that end soon.
const SELDOM: Span = Span::minutes(10);
/// Keys that are looked at by one transaction.
const BATCH: i64 = 200;

/// Does all of it until the server ends, and gives every slice back then.
pub async fn run(world: Arc<World>, mut ending: Ending) {
    let (mut due, mut seldom, mut looked) = (world.now() + EVERY, world.now(), world.now());
    loop {
        let wait = due.since(world.now()).clamp(Span::ZERO, EVERY);
        let crowded = either(world.api_keys.slices.full(), world.api_keys.tally.full());
        if !goes_on_or(&mut ending, wait, crowded).await {
            break;
        }
        let room = slices::make_room(&world).await;
        let written = if world.api_keys.tally.is_full() { usage::flush(&world).await } else { Ok(()) };
        // A database that is away is not asked again for each key.
        if (room.is_err() || written.is_err()) && !goes_on(&mut ending, EVERY).await {
            break;
        }
        warned("slices of quotas cannot be given back", room);
        warned("what keys were used for cannot be written", written);
        // A clock that was set back is no reason to wait.
        if (Span::micros(1)..=EVERY).contains(&due.since(world.now())) {
            continue;
        }
        world.counters.tidy(world.now());
        warned("what keys were used for cannot be written", usage::flush(&world).await);
        warned("slices of quotas cannot be given back", slices::give_back_idle(&world).await);
        warned("how much of their limits APIs give cannot be measured", capacity::measure(&world).await);
        if world.now() >= looked {
            looked = world.now() + unusual::EVERY;
            warned("it cannot be seen which keys read too much", unusual::look(&world).await);
        }
        if world.now() >= seldom {
            seldom = world.now() + SELDOM;
            warned("nobody could be reminded of keys that end soon", remind(&world).await);
        }
        due = world.now() + EVERY;
    }
    end(&world).await;
}

/// Gives back what this node holds, and writes what it has counted. To be called when nothing is
/// answered any more.
pub async fn end(world: &World) {
    warned("slices of quotas could not be given back before the end", slices::give_back_all(world).await);
    warned("what keys were used for could not be written before the end", usage::flush(world).await);
}

fn warned(what: &'static str, outcome: Result<(), Fault>) {
    if let Err(fault) = outcome {
        tracing::warn!(error = %fault, "{what}");
    }
}

/// Records for each key that ends in 14, 3 or 1 days that it does, once for each.
///
/// # Errors
/// A fault of the store.
pub async fn remind(world: &World) -> Result<(), Fault> {
    let longest = REMINDERS.iter().copied().max().unwrap_or(Span::ZERO);
    let mut after = None;
    loop {
        let (from, origin) = (after.clone(), own_work(&world.node));
        let write = move |tx: &mut Tx<'_>| -> Result<_, Stop<Infallible>> {
            let filter = KeyFilter { expiring_before: Some(tx.now() + longest), ..KeyFilter::default() };
            let batch = tx.api_keys().list(&filter, from.as_ref(), BATCH)?;
            for listed in &batch {
                remind_of(tx, listed, &origin)?;
            }
            Ok(batch.last().map(|listed| listed.key.id.clone()))
        };
        after = world.store.write("remind_of_keys", write).await.map_err(only_fault)?;
        if after.is_none() {
            return Ok(());
        }
    }
}

fn remind_of(tx: &mut Tx<'_>, listed: &ListedKey, origin: &crate::audit::Origin) -> Result<(), Fault> {
    let (key, now) = (&listed.key, tx.now());
    let Some(ends) = key.expires_at.filter(|ends| *ends > now && key.successor.is_none()) else { return Ok(()) };
    let due = reminders_due(ends, now);
    if due <= key.reminded {
        return Ok(());
    }
    let reminded = ApiKey { reminded: due, version: key.version.saturating_add(1), ..key.clone() };
    if tx.api_keys().replace(&reminded)? {
        let (user, client) = parties(&listed.family.owner);
        let left = u64::try_from(ends.since(now).as_seconds()).unwrap_or(0).div_ceil(86_400);
        note(tx, origin, Event::ApiKeyExpiring { api_key: key.id.clone(), user, client, days: left })?;
    }
    Ok(())
}
