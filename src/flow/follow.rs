//! Follows the change feed: what any node, or a command, has changed is known here within half a
//! second, and until then nothing is vouched for that depends on it.

use super::{
    pace::Ending,
    rotate_keys,
    world::{World, only_fault},
};
use crate::{
    base::{
        fault::{Fault, Stop},
        id::{ClientId, GrantId},
        moment::Span,
    },
    store::{
        Tx,
        feed::{FeedRow, Reader, Subject},
    },
};
use std::{convert::Infallible, sync::Arc};
use tokio::sync::Mutex;

/// How often the feed is read.
const EVERY: Span = Span::millis(400);

/// Where this node stands in the feed.
#[derive(Debug, Default)]
pub struct Follower(Mutex<Place>);

#[derive(Debug, Default)]
struct Place {
    reader: Reader,
    /// Keys have changed and could not be read yet.
    keys_changed: bool,
}

/// Learns all that still matters of the past. A server begins with it, before it answers anything.
///
/// # Errors
/// A fault of the store.
pub async fn start(world: &World) -> Result<(), Fault> {
    let mut place = world.follower.0.lock().await;
    let now = world.now();
    let live = |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.feed().live()?);
    let rows = world.store.read("read_change_feed", live).await.map_err(only_fault)?;
    let fresh = place.reader.take(rows, now);
    settle(world, &mut place, fresh).await?;
    world.revocations.looked(now);
    Ok(())
}

/// Reads the feed once, now: for whoever has just changed something and wants this node to act on
/// it before they answer.
///
/// # Errors
/// A fault of the store.
pub async fn now(world: &World) -> Result<(), Fault> {
    let mut place = world.follower.0.lock().await;
    // Before the read: what commits while it runs may be missing from it.
    let now = world.now();
    let floor = place.reader.floor();
    let since = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.feed().since(floor)?);
    let rows = world.store.read("read_change_feed", since).await.map_err(only_fault)?;
    let fresh = place.reader.take(rows, now);
    settle(world, &mut place, fresh).await?;
    world.revocations.looked(now);
    Ok(())
}

/// Reads the feed until the server ends. An outage is told once when it begins and once when it
/// is over; meanwhile the age of the last look speaks for itself.
pub async fn run(world: Arc<World>, mut ending: Ending) {
    let mut away = false;
    while ending.not_within(EVERY).await {
        match now(&world).await {
            Ok(()) if away => {
                away = false;
                tracing::info!("changes are heard again");
            }
            Ok(()) => {}
            Err(fault) if away => tracing::debug!(error = %fault, "the change feed can still not be read"),
            Err(fault) => {
                away = true;
                tracing::warn!(error = %fault, "the change feed cannot be read: this node stops vouching soon");
            }
        }
    }
}

async fn settle(world: &World, place: &mut Place, fresh: Vec<FeedRow>) -> Result<(), Fault> {
    for row in fresh {
        match row.subject {
            Subject::Client => ClientId::parse(&row.id).iter().for_each(|id| world.clients.forget(id)),
            Subject::Grant => {
                GrantId::parse(&row.id).into_iter().for_each(|id| world.revocations.grant(id, row.expires_at));
            }
            Subject::Token => world.revocations.token(row.id, row.expires_at),
            Subject::SigningKeys => place.keys_changed = true,
            // People are read from the database whenever one is needed.
            Subject::User => {}
        }
    }
    if place.keys_changed {
        rotate_keys::reload(world).await?;
        place.keys_changed = false;
    }
    Ok(())
}
