//! Which nodes are running: so that the end of one that could not write its last audit events is
//! noticed, and stands among those events.
//!
//! A node that cannot write its journal any more cannot say so. It says beforehand that it is
//! running, and since when nothing is owed; whoever finds such a word long after nobody has
//! renewed it knows that up to a minute's worth of batched events may be missing.

use super::{
    journal::own_work,
    world::{World, note, only_fault},
};
use crate::{
    audit::Event,
    base::{
        fault::{Fault, Stop},
        moment::{Moment, Span},
    },
    store::Tx,
};
use std::convert::Infallible;

/// What the names of these rows begin with.
const PREFIX: &str = "running ";
/// A node that did not say for this long that it is running is not. It says so every minute.
const GONE_AFTER: Span = Span::minutes(5);

/// Says that this node is running, and records the bad end of those that have not said so since.
///
/// # Errors
/// A fault of the store.
pub async fn begin(world: &World) -> Result<(), Fault> {
    say(world, Beginning::Yes).await
}

/// Says that this node is still running, and that it has written its journal.
///
/// # Errors
/// A fault of the store.
pub async fn go_on(world: &World) -> Result<(), Fault> {
    say(world, Beginning::No).await
}

/// Says that this node has ended, with nothing left to write.
///
/// # Errors
/// A fault of the store.
pub async fn end(world: &World) -> Result<(), Fault> {
    let name = format!("{PREFIX}{}", world.node);
    let remove = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.meta().remove(&name)?);
    world.store.write("say_ended", remove).await.map_err(only_fault)
}

/// The latest time at which any node said that it is running: what time it has been at least.
///
/// # Errors
/// A fault of the store.
pub fn latest(tx: &mut Tx<'_>) -> Result<Option<Moment>, Fault> {
    Ok(tx.meta().starting_with(PREFIX)?.iter().map(|(_, value)| read(value)).max())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Beginning {
    Yes,
    No,
}

async fn say(world: &World, beginning: Beginning) -> Result<(), Fault> {
    let node = world.node.clone();
    let write = move |tx: &mut Tx<'_>| -> Result<(), Stop<Infallible>> {
        let said: Vec<(String, Vec<u8>)> = tx.meta().starting_with(PREFIX)?;
        for (name, value) in said {
            let of = name.strip_prefix(PREFIX).unwrap_or_default();
            let said = read(&value);
            // An own word from before this beginning was never taken back.
            let died = if of == &*node { beginning == Beginning::Yes } else { tx.now().since(said) > GONE_AFTER };
            if died {
                tx.meta().remove(&name)?;
                note(tx, &own_work(&node), Event::AuditGap { of: of.to_owned(), since: said.to_string() })?;
            }
        }
        let now = tx.now().micros().to_string();
        Ok(tx.meta().put(&format!("{PREFIX}{node}"), now.as_bytes())?)
    };
    world.store.write("say_running", write).await.map_err(only_fault)
}

fn read(value: &[u8]) -> Moment {
    let text = std::str::from_utf8(value).ok();
    text.and_then(|text| text.parse().ok()).map_or(Moment::EPOCH, Moment::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::sample::in_sample;

    #[test]
    fn an_end_without_a_word_is_noticed_at_the_next_beginning() {
        in_sample(async |sample| {
            begin(&sample.world).await.unwrap();
            go_on(&sample.world).await.unwrap();
            end(&sample.world).await.unwrap();
            begin(&sample.world).await.unwrap();
            assert!(sample.events().await.is_empty());
            begin(&sample.world).await.unwrap();
            assert_eq!(sample.events().await, ["audit.gap"]);
        });
    }

    #[test]
    fn another_node_notices_when_nothing_was_said_for_long() {
        in_sample(async |sample| {
            let at = sample.world.now().micros().to_string();
            sample.write(move |tx| tx.meta().put("running b", at.as_bytes())).await;
            go_on(&sample.world).await.unwrap();
            assert!(sample.events().await.is_empty());
            sample.clock.advance(Span::minutes(6));
            go_on(&sample.world).await.unwrap();
            go_on(&sample.world).await.unwrap();
            assert_eq!(sample.events().await, ["audit.gap"]);
        });
    }
}
