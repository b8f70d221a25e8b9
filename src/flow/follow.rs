//! Follows the change feed: what any node, or a command, has changed is known here as a rule at
//! once, because the database tells of it, and where that is lost within half a second.

use super::{
    api_keys,
    pace::{Ending, goes_on, goes_on_or},
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
        Bell, Tx,
        feed::{FeedRow, Reader, Subject},
    },
};
use std::{
    convert::Infallible,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::Mutex, time::timeout};

/// How often the feed is read though nothing was heard.
const EVERY: Span = Span::millis(400);
/// How many times as long as a reading took there is none: a storm of changes costs this node a
/// fifth of a connection at most, as long as that is within [`EVERY`].
const REST: u32 = 4;

/// More changed keys than this in one look, and all keys in memory are forgotten at once.
const MANY: usize = 100;

/// A node that has not even tried to look for so long was asleep: stopped, or starved of its processor.
const ASLEEP: Duration = Duration::from_secs(3);
/// For how long a request waits for a look after such a sleep. Then it goes on with what is known.
const WAKING: Duration = Duration::from_secs(1);

/// Where this node stands in the feed.
#[derive(Debug, Default)]
pub struct Follower {
    place: Mutex<Place>,
    pulse: Pulse,
    waking: Mutex<()>,
}

/// When somebody last tried to look, by a clock that nobody sets. It beats once [`run`] has begun.
#[derive(Debug, Default)]
struct Pulse {
    began: OnceLock<Instant>,
    last: AtomicU64,
}

impl Pulse {
    fn beat(&self) {
        let passed = self.began.get_or_init(Instant::now).elapsed();
        self.last.store(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX), Ordering::Release);
    }

    fn has_stopped(&self) -> bool {
        let last = Duration::from_millis(self.last.load(Ordering::Acquire));
        self.began.get().is_some_and(|began| began.elapsed().saturating_sub(last) > ASLEEP)
    }
}

/// Before keys are handed out or signed with: where this node was asleep it looks first, because
/// others may have rotated them meanwhile. Where that fails it goes on with what it knows, for others
/// that are away from the database cannot rotate anything either.
pub async fn awake(world: &World) {
    let follower = &world.follower;
    if !follower.pulse.has_stopped() {
        return;
    }
    let Ok(_alone) = timeout(WAKING, follower.waking.lock()).await else { return };
    if !follower.pulse.has_stopped() {
        return;
    }
    match timeout(WAKING, now(world)).await {
        Ok(Ok(())) => tracing::info!("this node was asleep, and has caught up"),
        Ok(Err(fault)) => tracing::warn!(error = %fault, "this node was asleep, and cannot hear what has changed"),
        Err(_) => tracing::warn!("this node was asleep, and has not heard yet what has changed"),
    }
    follower.pulse.beat();
}

#[derive(Debug, Default)]
struct Place {
    reader: Reader,
    /// Keys have changed and could not be read yet.
    keys_changed: bool,
    /// It is known whether there are API keys that were brought from elsewhere.
    foreign_known: bool,
}

/// Reads the feed once, now: at the start all that still matters of the past, and later for
/// whoever has just changed something and wants this node to act on it before they answer.
///
/// # Errors
/// A fault of the store.
pub async fn now(world: &World) -> Result<(), Fault> {
    let mut place = world.follower.place.lock().await;
    // Before the read: what commits while it runs may be missing from it.
    let now = world.now();
    let floor = place.reader.floor();
    let read = move |tx: &mut Tx<'_>| -> Result<Vec<FeedRow>, Stop<Infallible>> {
        Ok(if floor == 0 { tx.feed().live()? } else { tx.feed().since(floor)? })
    };
    let rows = world.store.read("read_change_feed", read).await.map_err(only_fault)?;
    let fresh = place.reader.take(rows, now);
    settle(world, &mut place, fresh).await?;
    world.revocations.looked(now);
    Ok(())
}

/// Reads the feed until the server ends. An outage is told once when it begins and once when it
/// is over; meanwhile the age of the last look speaks for itself.
pub async fn run(world: Arc<World>, mut ending: Ending) {
    let mut away = false;
    let bell = world.store.listen().unwrap_or_else(|fault| {
        tracing::warn!(error = %fault, "changes are heard at the pace of the change feed only");
        Bell::default()
    });
    world.follower.pulse.beat();
    while goes_on_or(&mut ending, EVERY, bell.rung()).await {
        let began = Instant::now();
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
        world.follower.pulse.beat();
        let rest = i64::try_from(began.elapsed().saturating_mul(REST).as_millis()).unwrap_or(i64::MAX);
        if !goes_on(&mut ending, Span::millis(rest).min(EVERY)).await {
            return;
        }
    }
}

async fn settle(world: &World, place: &mut Place, fresh: Vec<FeedRow>) -> Result<(), Fault> {
    let many = fresh.iter().filter(|row| row.subject == Subject::ApiKey).count() > MANY;
    if many {
        world.api_keys.directory.forget_all();
    }
    for row in fresh {
        if !(many && row.subject == Subject::ApiKey) {
            world.api_keys.directory.changed(row.subject, &row.id);
        }
        match row.subject {
            Subject::Client => ClientId::parse(&row.id).iter().for_each(|id| world.clients.forget(id)),
            Subject::Grant => {
                GrantId::parse(&row.id).into_iter().for_each(|id| world.revocations.grant(id, row.expires_at));
            }
            Subject::Token => world.revocations.token(row.id, row.expires_at),
            Subject::SigningKeys => place.keys_changed = true,
            // People are read from the database whenever one is needed, and keys have a directory of their own.
            Subject::User | Subject::ApiKey => {}
            Subject::KeyFamily => world.api_keys.slices.outdated(Some(&row.id)),
            Subject::Plan => world.api_keys.slices.outdated(None),
            Subject::Api => {
                world.api_keys.slices.outdated(None);
                place.foreign_known = false;
            }
        }
    }
    if !place.foreign_known {
        api_keys::directory::look_for_foreign(world).await?;
        place.foreign_known = true;
    }
    if place.keys_changed {
        rotate_keys::reload(world).await?;
        place.keys_changed = false;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit::Actor, flow::sample::in_sample, jose::Alg, keyring::Rotation, store::feed::Change};

    #[test]
    fn what_was_revoked_is_known_after_a_look_and_only_then_is_anything_vouched_for() {
        in_sample(async |sample| {
            let world = &sample.world;
            assert!(!world.revocations.is_fresh(world.now()));
            let grant = GrantId::from_u128(1);
            let change = [
                Change::about(Subject::Grant, grant.as_str()),
                Change::until(Subject::Token, "jti", world.now() + Span::minutes(5)),
            ];
            sample.write(move |tx| tx.feed().add_many(&change)).await;
            assert!(!world.revocations.includes("jti", None));
            now(world).await.unwrap();
            assert!(world.revocations.includes("jti", None));
            assert!(world.revocations.includes("x", Some(&grant)));
            assert!(world.revocations.is_fresh(world.now()));
            sample.clock.advance(Span::seconds(11));
            assert!(!world.revocations.is_fresh(world.now()));
        });
    }

    #[test]
    fn new_keys_of_another_node_are_in_hand_after_a_look() {
        in_sample(async |sample| {
            let world = &sample.world;
            let before = world.keyring.load_full();
            sample.clock.advance(Span::seconds(1));
            rotate_keys::run(world, Rotation::Requested, Actor::System).await.unwrap();
            world.keyring.store(before);
            now(world).await.unwrap();
            assert_eq!(world.keyring.load().records().filter(|key| key.alg == Alg::Es256).count(), 2);
        });
    }

    #[test]
    fn a_node_that_was_asleep_looks_before_it_hands_out_or_uses_a_key() {
        in_sample(async |sample| {
            let world = &sample.world;
            sample.clock.advance(Span::seconds(1));
            let before = world.keyring.load_full();
            rotate_keys::run(world, Rotation::Requested, Actor::System).await.unwrap();
            world.keyring.store(Arc::clone(&before));
            awake(world).await;
            assert_eq!(world.keyring.load().jwks(), before.jwks(), "nobody follows here, so nobody sleeps");
            world.follower.pulse.began.set(Instant::now().checked_sub(ASLEEP * 2).unwrap()).unwrap();
            awake(world).await;
            assert_ne!(world.keyring.load().jwks(), before.jwks());
            assert!(!world.follower.pulse.has_stopped());
        });
    }

    #[test]
    fn it_goes_on_through_an_outage_and_ends_when_told() {
        in_sample(async |sample| {
            let (end, ending) = tokio::sync::watch::channel(false);
            let running = tokio::spawn(run(Arc::clone(&sample.world), ending));
            sample.world.store.close();
            tokio::time::sleep(std::time::Duration::from_millis(900)).await;
            assert!(!running.is_finished());
            end.send_replace(true);
            running.await.unwrap();
        });
    }
}
