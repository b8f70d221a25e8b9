//! The signing keys as people want to see them: where each stands, since when and why, what comes
//! next and when, and what it is used for.

use super::{
    key_tally,
    world::{World, key_policy, only_fault},
};
use crate::{
    base::{
        fault::{Fault, Stop},
        moment::Moment,
    },
    jose::{Alg, Outside},
    keyring::{KeyRecord, Next, State, next},
    store::{
        Tx,
        jwks_fetches::{Fetcher, Fetches},
        signing_key_uses::Uses,
        signing_keys::Origin,
    },
};
use serde_json::Value;
use std::convert::Infallible;

/// A key, for people.
#[derive(Clone, Debug)]
pub struct Shown {
    /// As remembered.
    pub record: KeyRecord,
    /// Since when it is in its state.
    pub since: Moment,
    /// Why; keys from before that was written down lack it.
    pub why: Option<String>,
    /// When an operator ended it before its time, where one did.
    pub revoked: Option<Moment>,
    /// What comes next.
    pub next: Option<Next>,
    /// Where it came from.
    pub origin: Origin,
    /// Where its private half is, where that is not here.
    pub outside: Option<Outside>,
    /// What it is used for, as far as it was written down.
    pub uses: Uses,
    /// Its public half.
    pub public: Value,
}

/// All keys, also those that are gone, by algorithm and age.
///
/// # Errors
/// A fault of the store.
pub async fn run(world: &World) -> Result<Vec<Shown>, Fault> {
    key_tally::flush(world).await?;
    let read = |tx: &mut Tx<'_>| -> Result<_, Stop<Infallible>> {
        Ok((tx.signing_keys().list()?, tx.signing_key_uses().all()?))
    };
    let (rows, mut uses) = world.store.read("list_signing_keys", read).await.map_err(only_fault)?;
    let records: Vec<KeyRecord> = rows.iter().map(|row| row.record.clone()).collect();
    let policy = key_policy(&world.policy.load(), records.iter().map(|key| key.alg).chain([Alg::Es256.into()]))?;
    let shown = rows.into_iter().map(|row| {
        let own = match row.record.state {
            State::Active { since } => since,
            State::Pending | State::Retiring { .. } | State::Gone => row.record.created_at,
        };
        Shown {
            since: row.standing.as_ref().map_or(own, |standing| standing.since),
            why: row.standing.map(|standing| standing.why),
            revoked: row.revoked,
            next: next(&row.record, &records, &policy),
            origin: row.origin,
            outside: row.outside,
            uses: uses.remove(row.record.kid.as_str()).unwrap_or_default(),
            public: row.public,
            record: row.record,
        }
    });
    Ok(shown.collect())
}

/// Somebody who fetched the published set.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Who.
    pub who: Fetcher,
    /// How often, and when.
    pub fetches: Fetches,
    /// What they have.
    pub copy: Held,
}

/// What somebody has of the published set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The set as it is now.
    Current,
    /// One from before, and they may go by it until then.
    Old(Moment),
    /// One from before that nobody may go by any more.
    Expired,
}

/// Everybody who fetched the published set, with what they have of it.
///
/// # Errors
/// A fault of the store.
pub async fn fetches(world: &World) -> Result<Vec<Holder>, Fault> {
    key_tally::flush(world).await?;
    let read = |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.jwks_fetches().all()?);
    let all = world.store.read("list_jwks_fetches", read).await.map_err(only_fault)?;
    let keys = world.policy.load().keys.clone();
    let (now, keyring) = (world.now(), world.keyring.load());
    let holder = |(who, fetches): (Fetcher, Fetches)| {
        let until = fetches.last + keys.jwks_max_age + keys.library_cache;
        let copy = match (fetches.etag == keyring.etag(), until > now) {
            (true, _) => Held::Current,
            (false, true) => Held::Old(until),
            (false, false) => Held::Expired,
        };
        Holder { who, fetches, copy }
    };
    Ok(all.into_iter().map(holder).collect())
}
