//! Says every few seconds that this node is running, and hears how many are: what each may let
//! through when it counts limits alone is its share.

use super::{
    pace::{Ending, goes_on},
    world::{World, only_fault},
};
use crate::{
    base::{
        fault::{Fault, Stop},
        moment::Span,
    },
    store::Tx,
};
use std::{convert::Infallible, sync::Arc};

/// How often it is said.
const EVERY: Span = Span::seconds(5);

/// Says it once, now.
///
/// # Errors
/// A fault of the store; the number of nodes stays what it was.
pub async fn now(world: &World) -> Result<(), Fault> {
    let name = world.node.clone();
    let say = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.nodes().alive(&name)?);
    let alive = world.store.write("say_alive", say).await.map_err(only_fault)?;
    if alive != world.counters.nodes() {
        tracing::info!(nodes = alive, "the number of nodes has changed");
        world.counters.nodes_alive(alive);
    }
    Ok(())
}

/// Says it until the server ends, and then that it has ended.
pub async fn run(world: Arc<World>, mut ending: Ending) {
    while goes_on(&mut ending, EVERY).await {
        if let Err(fault) = now(&world).await {
            // The change feed tells of an outage; that others may take this node for dead is all that is added.
            tracing::debug!(error = %fault, "this node could not say that it is running");
        }
    }
    gone(&world).await;
}

/// Says that this node has ended. Where it cannot, others take it for one that runs for some seconds more.
pub async fn gone(world: &World) {
    let name = world.node.clone();
    let say = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.nodes().gone(&name)?);
    if let Err(fault) = world.store.write("say_gone", say).await.map_err(only_fault) {
        tracing::debug!(error = %fault, "this node could not say that it has ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::sample::in_sample;

    #[test]
    fn on_sqlite_a_node_is_alone() {
        in_sample(async |sample| {
            sample.world.counters.nodes_alive(3);
            now(&sample.world).await.unwrap();
            assert_eq!(sample.world.counters.nodes(), 1);
        });
    }
}
