//! What signing keys are used for, and who fetches their public halves: counted in memory, written
//! down every few seconds. Nobody waits for it, and what a node had not written when it was killed
//! is not counted.

use super::world::{World, only_fault};
use crate::{
    base::{
        fault::{Fault, Stop},
        id::KeyId,
        moment::{Moment, Span},
    },
    keyring::Uses,
    store::{
        Tx,
        jwks_fetches::{Fetcher, Fetches, OTHERS},
    },
};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How often what was counted is written.
pub const EVERY: Span = Span::seconds(5);
/// The most fetchers that wait to be written. Beyond it whoever is new is counted among the others.
const MOST: usize = 1000;
/// The most characters kept of an agent.
const AGENT: usize = 120;

/// The counts of this node.
#[derive(Debug, Default)]
pub struct KeyTally {
    uses: Mutex<BTreeMap<KeyId, Uses>>,
    fetches: Mutex<BTreeMap<Fetcher, Fetches>>,
    /// Held by whoever writes: whoever wants it written waits for what another has taken out.
    writing: tokio::sync::Mutex<()>,
}

impl KeyTally {
    /// The counts of a key, to be added to. They are kept for as long as the process lives: keys
    /// come one in a month.
    #[must_use]
    pub fn of(&self, kid: &KeyId) -> Uses {
        locked(&self.uses).entry(kid.clone()).or_default().clone()
    }

    /// Counts that somebody was given the set with this tag, or told that they have it.
    pub fn fetched(&self, address: Option<IpAddr>, agent: Option<&str>, etag: &str, now: Moment) {
        let agent = agent.unwrap_or_default().chars().filter(|c| !c.is_control()).take(AGENT).collect();
        let who = (address.map_or_else(String::new, |address| address.to_string()), agent);
        let fetch = Fetches { count: 1, first: now, last: now, etag: etag.to_owned() };
        add(&mut locked(&self.fetches), who, fetch);
    }

    /// Takes everything out that is to be written.
    fn take(&self) -> Counted {
        let uses = locked(&self.uses);
        let used = uses.iter().map(|(kid, uses)| (kid.clone(), uses.take())).filter(|(_, counted)| *counted != (0, 0));
        Counted { uses: used.collect(), fetches: std::mem::take(&mut *locked(&self.fetches)) }
    }

    fn put_back(&self, counted: &Counted) {
        let uses = locked(&self.uses);
        for (kid, counted) in &counted.uses {
            if let Some(uses) = uses.get(kid) {
                uses.put_back(*counted);
            }
        }
        let mut fetches = locked(&self.fetches);
        for (who, one) in &counted.fetches {
            add(&mut fetches, who.clone(), one.clone());
        }
    }
}

/// What was taken out to be written.
#[derive(Debug)]
struct Counted {
    uses: BTreeMap<KeyId, (u64, u64)>,
    fetches: BTreeMap<Fetcher, Fetches>,
}

fn add(to: &mut BTreeMap<Fetcher, Fetches>, who: Fetcher, fetch: Fetches) {
    let who = if to.len() < MOST || to.contains_key(&who) { who } else { (OTHERS.to_owned(), String::new()) };
    let sum = match to.remove(&who) {
        Some(before) => before.and(fetch),
        None => fetch,
    };
    to.insert(who, sum);
}

// A panic while the lock was held leaves the map usable: every change is a single insertion.
fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes down what was counted, and waits for whoever is at it already.
///
/// # Errors
/// A fault of the store; what could not be written stays in memory.
pub async fn flush(world: &World) -> Result<(), Fault> {
    let _writing = world.key_tally.writing.lock().await;
    let counted = Arc::new(world.key_tally.take());
    if counted.uses.is_empty() && counted.fetches.is_empty() {
        return Ok(());
    }
    let written = Arc::clone(&counted);
    let write = move |tx: &mut Tx<'_>| -> Result<(), Stop<Infallible>> {
        tx.signing_key_uses().add(&written.uses)?;
        if !written.fetches.is_empty() {
            tx.jwks_fetches().add(&written.fetches)?;
        }
        Ok(())
    };
    world.store.write("count_key_uses", write).await.map_err(only_fault).inspect_err(|_| {
        world.key_tally.put_back(&counted);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{flow::sample::in_sample, jose::Typ};
    use std::sync::atomic::Ordering;

    fn key(world: &World) -> (KeyId, impl Fn()) {
        let keyring = world.keyring.load_full();
        let kid = keyring.signer(crate::jose::Alg::Es256).unwrap().kid().clone();
        let sign = move || {
            let key = keyring.signer(crate::jose::Alg::Es256).unwrap();
            key.sign(Typ::IdToken, &serde_json::json!({"a": 1})).unwrap();
        };
        (kid, sign)
    }

    #[test]
    fn signatures_are_counted_exactly_and_written_once_for_many() {
        in_sample(async |sample| {
            let world = &sample.world;
            let (kid, sign) = key(world);
            (0..1000).for_each(|_| sign());
            flush(world).await.unwrap();
            flush(world).await.unwrap();
            sign();
            flush(world).await.unwrap();
            let uses = sample.write(|tx| tx.signing_key_uses().all()).await;
            let one = &uses[kid.as_str()];
            assert_eq!((one.signed, one.signed_at, one.seen, one.seen_at), (1001, Some(world.now()), 0, None));
        });
    }

    #[test]
    fn what_cannot_be_written_is_counted_later() {
        in_sample(async |sample| {
            let (kid, sign) = key(&sample.world);
            sign();
            sample.world.key_tally.fetched(None, Some("curl"), "\"x\"", sample.world.now());
            sample.world.store.close();
            flush(&sample.world).await.unwrap_err();
            assert_eq!(sample.world.key_tally.of(&kid).signed.load(Ordering::Relaxed), 1);
            assert_eq!(sample.world.key_tally.take().fetches.len(), 1);
        });
    }

    #[test]
    fn agents_without_end_cost_no_memory_without_end() {
        let tally = KeyTally::default();
        for n in 0..10_000 {
            let agent = format!("agent\n{n} {}", "x".repeat(500));
            tally.fetched(Some(IpAddr::from([127, 0, 0, 1])), Some(&agent), "\"x\"", Moment::EPOCH);
        }
        let counted = tally.take();
        assert_eq!(counted.fetches.len(), MOST + 1);
        assert_eq!(counted.fetches.values().map(|one| one.count).sum::<u64>(), 10_000);
        assert!(counted.fetches.keys().all(|(_, agent)| agent.len() <= AGENT && !agent.contains('\n')));
    }
}
