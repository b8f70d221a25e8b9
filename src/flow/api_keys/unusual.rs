//! Keys that read far more than they usually do are noticed, and somebody is told: one alert of a key
//! at a time, which ends by itself.
//!
//! One node at a time looks, twice a minute: at the keys that read something in the last five minutes,
//! most first. What is usual for a key is kept in memory for an hour, and learned of a few keys with
//! each look, so that a look stays cheap whatever there is to see.

use crate::{
    apikey::unusual::{self, EGRESS, Evidence, HISTORY, LATELY, LEAST, Minute, QUIET, STRETCH, Usual},
    audit::{Event, Origin},
    base::{
        fault::{Fault, Stop},
        id::ApiKeyId,
        moment::{Moment, Span},
    },
    flow::{
        journal::own_work,
        world::{World, note, only_fault},
    },
    store::Tx,
};
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Mutex, MutexGuard, PoisonError},
};

pub use crate::store::key_alerts::Alert;

/// How often one node looks.
pub const EVERY: Span = Span::seconds(30);
/// For how long nobody looks after somebody did: a little less, or each would wait for its own last look.
const TURN: Span = Span::seconds(24);
/// The name under which it is remembered when somebody looked.
const LOOKED: &str = "unusual.looked";
/// The most keys of one look: those that read most.
const MOST: i64 = 1000;
/// The most keys of one look of which it is learned what is usual.
const LEARNED: usize = 50;
/// For how long it is known what is usual for a key.
const KNOWN_FOR: Span = Span::hours(1);
/// The same, while too little is known of it.
const NEW_FOR: Span = Span::minutes(5);
/// The most alerts that may be open and are looked after.
const MOST_OPEN: i64 = 10_000;

/// What is usual for keys, as far as this node has learned it, and when.
#[derive(Debug, Default)]
pub struct Habits(Mutex<HashMap<ApiKeyId, (Moment, Option<Usual>)>>);

impl Habits {
    fn known(&self) -> MutexGuard<'_, HashMap<ApiKeyId, (Moment, Option<Usual>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, key: &ApiKeyId) -> Option<Option<Usual>> {
        self.known().get(key).map(|(_, usual)| *usual)
    }

    fn forget_old(&self, now: Moment) {
        let kept_for = |usual: &Option<Usual>| if usual.is_some() { KNOWN_FOR } else { NEW_FOR };
        self.known().retain(|_, (at, usual)| now.since(*at) < kept_for(usual));
    }
}

/// Looks at all keys, unless another node did so a short while ago.
///
/// # Errors
/// A fault of the store.
pub async fn look(world: &World) -> Result<(), Fault> {
    if world.store.write("unusual_turn", turn).await.map_err(only_fault)? {
        at_all(world).await?;
    }
    Ok(())
}

/// Whether it is this node's turn: nobody has looked for a while. Of several at once it is the turn of one.
fn turn(tx: &mut Tx<'_>) -> Result<bool, Stop<Infallible>> {
    tx.key_alerts().lock()?;
    let now = tx.now();
    let last = tx.meta().get(LOOKED)?.and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()).map(i64::from_be_bytes);
    let due = last.is_none_or(|last| now.micros().abs_diff(last) >= TURN.as_micros().unsigned_abs());
    if due {
        tx.meta().put(LOOKED, &now.micros().to_be_bytes())?;
    }
    Ok(due)
}

/// Looks at all keys.
///
/// # Errors
/// A fault of the store.
pub async fn at_all(world: &World) -> Result<(), Fault> {
    let now = world.now();
    let read = move |tx: &mut Tx<'_>| -> Result<_, Stop<Infallible>> {
        Ok((tx.usage().most_read(now - STRETCH, LEAST, MOST)?, tx.key_alerts().all(MOST_OPEN)?))
    };
    let (readers, open) = world.store.read("find_unusual_keys", read).await.map_err(only_fault)?;
    learn(world, &readers, now).await?;
    let unusual: HashMap<ApiKeyId, Evidence> = readers
        .into_iter()
        .filter_map(|(key, bytes)| {
            let usual = world.api_keys.habits.of(&key)??;
            unusual::judge(bytes, usual).map(|evidence| (key, evidence))
        })
        .collect();
    if unusual.is_empty() && !open.iter().any(|alert| is_over(alert, &unusual, now)) {
        return Ok(());
    }
    let origin = own_work(&world.node);
    let write = move |tx: &mut Tx<'_>| -> Result<(), Stop<Infallible>> {
        for (key, evidence) in &unusual {
            seen(tx, key, evidence, open.iter().find(|alert| alert.key == *key), &origin)?;
        }
        for alert in open.iter().filter(|alert| is_over(alert, &unusual, now)) {
            closed(tx, alert, &origin)?;
        }
        Ok(())
    };
    world.store.write("note_unusual_keys", write).await.map_err(only_fault)
}

fn is_over(alert: &Alert, unusual: &HashMap<ApiKeyId, Evidence>, now: Moment) -> bool {
    !unusual.contains_key(&alert.key) && now.since(alert.seen_at) >= QUIET
}

/// Learns what is usual for some of the keys of which it is not known.
async fn learn(world: &World, readers: &[(ApiKeyId, u64)], now: Moment) -> Result<(), Fault> {
    let habits = &world.api_keys.habits;
    habits.forget_old(now);
    let new = readers.iter().map(|(key, _)| key).filter(|key| habits.of(key).is_none());
    for key in new.take(LEARNED) {
        let wanted = key.clone();
        let read = move |tx: &mut Tx<'_>| -> Result<Vec<Minute>, Stop<Infallible>> {
            Ok(tx.usage().bytes_of(&wanted, now - HISTORY, now - LATELY)?)
        };
        let history = world.store.read("learn_use_of_key", read).await.map_err(only_fault)?;
        habits.known().insert(key.clone(), (now, unusual::usual(&history, now)));
    }
    Ok(())
}

/// Something unusual was seen: a new alert, or the one that is open goes on.
fn seen(
    tx: &mut Tx<'_>,
    key: &ApiKeyId,
    evidence: &Evidence,
    open: Option<&Alert>,
    origin: &Origin,
) -> Result<(), Fault> {
    let most = open.map(|alert| alert.evidence).filter(|before| before.bytes > evidence.bytes);
    if tx.key_alerts().open(key, EGRESS, evidence)? {
        let Evidence { bytes, usual, stretches } = *evidence;
        let (api_key, times) = (key.clone(), evidence.times());
        return note(tx, origin, Event::AnomalyOpened { api_key, detector: EGRESS, bytes, usual, times, stretches });
    }
    tx.key_alerts().seen(key, EGRESS, &most.unwrap_or(*evidence))
}

fn closed(tx: &mut Tx<'_>, alert: &Alert, origin: &Origin) -> Result<(), Fault> {
    if !tx.key_alerts().close(&alert.key, &alert.detector)? {
        return Ok(());
    }
    let Evidence { bytes, usual, .. } = alert.evidence;
    let (api_key, opened_at) = (alert.key.clone(), alert.opened_at.to_string());
    note(tx, origin, Event::AnomalyClosed { api_key, detector: EGRESS, bytes, usual, opened_at })
}
