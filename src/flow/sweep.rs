//! Housekeeping in the background: writes the journal, deletes what can no longer matter, forgets
//! what has expired, keeps the signing keys, and measures.

use super::{
    client_secrets, end,
    journal::{BATCH, own_work},
    key_tally,
    pace::{Ending, goes_on},
    presence, rotate_keys, secret_uses, unrecorded,
    world::{World, only_fault},
};
use crate::{
    audit::{Actor, Record},
    base::{
        fault::{Fault, Stop},
        moment::{Moment, Span},
    },
    jose::Alg,
    keyring::Rotation,
    store::{Tx, purge},
};
use std::{convert::Infallible, sync::Arc};
use tokio::task::JoinHandle;

/// How often the journal is written.
const EVERY: Span = Span::seconds(1);
/// How often it is written when clients' secrets were used.
const USES: Span = Span::seconds(5);
/// How often everything else is done.
const SELDOM: Span = Span::minutes(1);
/// For how long rows are deleted at a time: the journal must not wait for it.
const DELETING: Span = Span::millis(300);

/// Does all of it until the server ends, and writes the journal once more then. Before anything is
/// answered the node has said that it is running: see [`presence::begin`].
pub async fn run(world: Arc<World>, mut ending: Ending) {
    let mut away = false;
    let begin = world.now();
    let (mut seldom, mut keys, mut uses, mut counts, mut old) = (begin, begin, begin, begin, Old::Gone);
    let mut keeping = None;
    while goes_on(&mut ending, EVERY).await {
        told(&mut away, flush(&world).await, "audit events cannot be written and are kept in memory");
        measure(&world);
        let now = world.now();
        if due(&mut uses, now, USES) {
            warned("what clients' secrets were used for cannot be written", secret_uses::flush(&world).await);
        }
        if due(&mut seldom, now, SELDOM) {
            old = Old::More;
            minutely(&world).await;
        }
        if old == Old::More {
            old = delete_old(&world).await.unwrap_or_else(|fault| {
                tracing::warn!(error = %fault, "old rows could not be deleted");
                Old::Gone
            });
        }
        if due(&mut counts, now, key_tally::EVERY) {
            warned("what signing keys were used for could not be written", key_tally::flush(&world).await);
        }
        if due(&mut keys, now, pace_of_keys(&world)) {
            keep_keys(&world, &mut keeping).await;
        }
    }
    // Whatever it was in the middle of is begun again by whoever comes next.
    keeping.iter().for_each(JoinHandle::abort);
    unrecorded::tell(&world);
    warned("what clients' secrets were used for could not be written", secret_uses::flush(&world).await);
    warned("what signing keys were used for could not be written", key_tally::flush(&world).await);
    if let Err(fault) = flush(&world).await {
        let pending = world.journal.pending();
        tracing::error!(error = %fault, audit.pending = pending, "audit events could not be written before the end");
        return;
    }
    if let Err(fault) = presence::end(&world).await {
        tracing::warn!(error = %fault, "this node could not say that it ended well");
    }
}

/// Whether the time for something has come, which is then done again after this long. It has come also where it is further
/// ahead than that: the clock was set back.
fn due(next: &mut Moment, now: Moment, every: Span) -> bool {
    let come = now >= *next || *next > now + every;
    if come {
        *next = now + every;
    }
    come
}

/// Tells of an outage once.
fn told(away: &mut bool, outcome: Result<(), Fault>, what: &'static str) {
    match outcome {
        Ok(()) if *away => {
            *away = false;
            tracing::info!("the database is written again");
        }
        Ok(()) => {}
        Err(fault) if *away => tracing::debug!(error = %fault, "{what}"),
        Err(fault) => {
            *away = true;
            tracing::warn!(error = %fault, "{what}");
        }
    }
}

/// Writes what the journal holds. When it has ended, everything that was noted before is written,
/// also what somebody else was writing meanwhile.
///
/// # Errors
/// A fault of the store; what could not be written stays in the journal.
pub async fn flush(world: &World) -> Result<(), Fault> {
    let _writing = world.journal.writing.lock().await;
    let mut waiting = world.journal.take().into_iter();
    loop {
        let batch: Arc<[Record]> = waiting.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        if let Err(fault) = write(world, Arc::clone(&batch)).await {
            world.journal.put_back(batch.iter().cloned().chain(waiting).collect());
            return Err(fault);
        }
        let told: usize = batch.iter().map(|record| record.event.weight()).sum();
        world.metrics.audit_written.add(u64::try_from(told).unwrap_or(0));
    }
    // Told only when there is somewhere to tell it.
    if let Some(loss) = world.journal.loss() {
        if let crate::audit::Event::AuditLost { count } = &loss {
            world.metrics.audit_lost.add(*count);
        }
        world.note(&own_work(&world.node), loss);
    }
    Ok(())
}

/// A batch may be written twice, where the connection broke before the answer: each has its own
/// identifier, so the second changes nothing.
async fn write(world: &World, batch: Arc<[Record]>) -> Result<(), Fault> {
    let add = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.audit().add_many(&batch)?);
    world.store.write("write_journal", add).await.map_err(only_fault)
}

fn measure(world: &World) {
    world.metrics.revocations.set(world.revocations.len());
    world.metrics.hash_queue.set(world.hashing.waiting());
}

async fn minutely(world: &World) {
    unrecorded::tell(world);
    world.revocations.forget_expired(world.now());
    // The third kind of key is dear to make: this is the first moment when nobody waits for it.
    if !world.signers.any() {
        warned("a signing key for RS256 could not be made", rotate_keys::ensure(world, Alg::Rs256).await);
    }
    warned("grants that are to end could not be ended", end::rest(world).await);
    warned("nobody could be told of secrets that end soon", client_secrets::remind(world).await);
    warned("this node cannot say that it is running", presence::go_on(world).await);
}

fn warned(what: &'static str, outcome: Result<(), Fault>) {
    if let Err(fault) = outcome {
        tracing::warn!(error = %fault, "{what}");
    }
}

/// Keeps the signing keys. Where somebody holds keys for us, who may hang, nothing else waits for that.
async fn keep_keys(world: &Arc<World>, keeping: &mut Option<JoinHandle<()>>) {
    let own = Arc::clone(world);
    let keep = async move {
        let kept = rotate_keys::run(&own, Rotation::OnSchedule, Actor::System).await;
        warned("signing keys could not be kept", kept.map(drop));
        if own.signers.any() {
            warned("a signing key for RS256 could not be made", rotate_keys::ensure(&own, Alg::Rs256).await);
        }
    };
    if !world.signers.any() {
        keep.await;
    } else if keeping.as_ref().is_none_or(JoinHandle::is_finished) {
        *keeping = Some(tokio::spawn(keep));
    }
}

/// How often it is asked whether a signing key is due: often enough that a successor begins to
/// sign about when it may.
fn pace_of_keys(world: &World) -> Span {
    let published = world.policy.load().keys.publish_before_use;
    Span::millis(published.as_micros() / 2000).min(SELDOM).max(EVERY)
}

/// Whether there are rows that can no longer matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Old {
    More,
    Gone,
}

/// Deletes what is old for a while, a batch at a time.
async fn delete_old(world: &World) -> Result<Old, Fault> {
    let until: Moment = world.now() + DELETING;
    loop {
        let old = |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(purge::purge(tx)?);
        if !world.store.write("purge", old).await.map_err(only_fault)?.more() {
            return Ok(Old::Gone);
        }
        if world.now() >= until {
            return Ok(Old::More);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit::Event, base::id::ClientId, flow::sample::in_sample};

    fn note(world: &World, times: usize) {
        for _ in 0..times {
            let event = Event::ChallengeReused { client: ClientId::from_u128(1) };
            world.note(&own_work("a"), event);
        }
    }

    #[test]
    fn the_journal_is_written_in_batches_and_once() {
        in_sample(async |sample| {
            note(&sample.world, BATCH + 3);
            flush(&sample.world).await.unwrap();
            flush(&sample.world).await.unwrap();
            assert_eq!(sample.world.journal.pending(), 0);
            assert_eq!(sample.events().await.len(), BATCH + 3);
            assert_eq!(sample.world.metrics.audit_written.get(), 503);
        });
    }

    #[test]
    fn what_cannot_be_written_waits() {
        in_sample(async |sample| {
            note(&sample.world, BATCH + 3);
            sample.world.store.close();
            flush(&sample.world).await.unwrap_err();
            assert_eq!(sample.world.journal.pending(), BATCH + 3);
        });
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_stop_it() {
        in_sample(async |sample| {
            let world = &sample.world;
            presence::begin(world).await.unwrap();
            sample.clock.advance(Span::seconds(1));
            let (end, ending) = tokio::sync::watch::channel(false);
            let running = tokio::spawn(run(Arc::clone(world), ending));
            // Each minute it says that it is running, and when.
            let says = async |at: Moment| {
                for _ in 0..1200 {
                    if sample.write(presence::latest).await == Some(at) {
                        return;
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
                panic!("it has not said that it is running at {at}");
            };
            says(world.now()).await;
            sample.clock.advance(Span::hours(-1));
            says(world.now()).await;
            end.send_replace(true);
            running.await.unwrap();
        });
    }

    #[test]
    fn a_node_that_ends_well_has_written_everything_and_leaves_no_gap() {
        in_sample(async |sample| {
            for _ in 0..2 {
                presence::begin(&sample.world).await.unwrap();
                let (end, ending) = tokio::sync::watch::channel(false);
                let running = tokio::spawn(run(Arc::clone(&sample.world), ending));
                tokio::task::yield_now().await;
                note(&sample.world, 1);
                end.send_replace(true);
                running.await.unwrap();
            }
            assert_eq!(sample.events().await, ["code.challenge_reused"; 2]);
        });
    }
}
