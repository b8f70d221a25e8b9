//! The life of signing keys: asks the rule what is due, does it in one transaction, and puts the
//! keys in hand into the world.
//!
//! Several nodes may do so at once: they wait for one another, and the second finds nothing due.

use super::{
    journal::own_work,
    secrets::{Envelope, Secrets},
    world::{Policy, World, key_policy, note, only_fault},
};
use crate::{
    audit::{Actor, Event},
    base::{
        fault::{Fault, Stop},
        moment::Moment,
        secret::Secret,
    },
    jose::{Alg, SigningKey},
    keyring::{self, HeldKey, KeyRecord, Keyring, Rotation, State, Step, sweep},
    store::{
        Store, Tx,
        feed::{Change, Subject},
        sealed::Column,
        signing_keys::KeyRow,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
};

/// What the life of keys needs of the world, which at the start does not exist yet.
#[derive(Clone, Copy, Debug)]
pub struct Keeper<'k> {
    /// Where the keys are.
    pub store: &'k Store,
    /// What seals them.
    pub secrets: &'k Secrets,
    /// How long they live.
    pub policy: &'k Policy,
    /// This node's name in events.
    pub node: &'k str,
}

/// What is asked for beyond what the policy does by itself.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    rotation: Rotation,
    also: Option<Alg>,
}

/// Does what is due, or more where an operator asks for it; says what was done. The world has the
/// outcome in hand afterwards; other nodes hear of it by the change feed.
///
/// # Errors
/// A fault of the store or of OpenSSL, after which nothing has changed.
pub async fn run(world: &World, rotation: Rotation, by: Actor) -> Result<Vec<Step>, Fault> {
    with(world, Wanted { rotation, also: None }, by).await
}

/// Makes a key of this algorithm unless there is one: keys that are dear to make are made when
/// they are first needed.
///
/// # Errors
/// As [`run`].
pub async fn ensure(world: &World, alg: Alg) -> Result<(), Fault> {
    if world.keyring.load().signer(alg).is_none() {
        with(world, Wanted { rotation: Rotation::OnSchedule, also: Some(alg) }, Actor::System).await?;
    }
    Ok(())
}

async fn with(world: &World, wanted: Wanted, by: Actor) -> Result<Vec<Step>, Fault> {
    let policy = world.policy.load();
    let keeper = Keeper { store: &world.store, secrets: &world.secrets, policy: &policy, node: &world.node };
    let steps = keeper.keep(wanted, by).await?;
    reload(world).await?;
    Ok(steps)
}

/// Reads the keys anew and puts them into the world.
///
/// # Errors
/// A fault of the store, or where a key does not open.
pub async fn reload(world: &World) -> Result<(), Fault> {
    let policy = world.policy.load();
    let keeper = Keeper { store: &world.store, secrets: &world.secrets, policy: &policy, node: &world.node };
    let keyring = keeper.read().await?;
    world.metrics.signing_keys.set(keyring.records().count());
    world.keyring.store(Arc::new(keyring));
    Ok(())
}

/// The keys in hand for a world that is being built: those that are cheap to make are made where
/// they are missing.
///
/// # Errors
/// As [`run`].
pub async fn build(keeper: Keeper<'_>) -> Result<Keyring, Fault> {
    keeper.keep(Wanted { rotation: Rotation::OnSchedule, also: None }, Actor::System).await?;
    keeper.read().await
}

impl Keeper<'_> {
    async fn rows(&self) -> Result<Vec<KeyRow>, Fault> {
        let list = |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.signing_keys().list()?);
        self.store.read("list_signing_keys", list).await.map_err(only_fault)
    }

    async fn read(&self) -> Result<Keyring, Fault> {
        let mut held = Vec::new();
        let rows = self.rows().await?;
        self.secrets.learn(self.store).await?;
        for row in rows.iter().filter(|row| row.record.state.is_published()) {
            held.push(open(&self.secrets.envelope, row)?);
        }
        Keyring::new(held, &key_policy(self.policy, needed(self.policy, &rows, None))?)
    }

    /// Looks first, so that a sweep which finds nothing due writes nothing; and makes keys before
    /// the transaction, because one for RS256 takes longer than anything should hold a lock.
    async fn keep(&self, wanted: Wanted, by: Actor) -> Result<Vec<Step>, Fault> {
        let look = |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>((tx.signing_keys().list()?, tx.now()));
        let (rows, now) = self.store.read("list_signing_keys", look).await.map_err(only_fault)?;
        let due = due(self.policy, wanted, &rows, now)?;
        if due.is_empty() {
            return Ok(due);
        }
        let made = make(&due).await?;
        let work = Work {
            envelope: self.secrets.envelope.clone(),
            policy: self.policy.clone(),
            node: self.node.to_owned(),
            wanted,
            made,
            by,
        };
        let write = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(work.run(tx)?);
        self.store.write("rotate_keys", write).await.map_err(only_fault)
    }
}

/// The algorithms that a key is needed for: that of access tokens, those that cost nothing to
/// offer, and those that somebody has needed before.
fn needed(policy: &Policy, rows: &[KeyRow], also: Option<Alg>) -> BTreeSet<Alg> {
    let held = rows.iter().filter(|row| row.record.state.is_published()).map(|row| row.record.alg);
    [policy.tokens.access_token_alg, Alg::Es256, Alg::EdDsa].into_iter().chain(also).chain(held).collect()
}

fn due(policy: &Policy, wanted: Wanted, rows: &[KeyRow], now: Moment) -> Result<Vec<Step>, Fault> {
    let policy: keyring::Policy = key_policy(policy, needed(policy, rows, wanted.also))?;
    let records: Vec<KeyRecord> = rows.iter().map(|row| row.record.clone()).collect();
    Ok(sweep(&records, &policy, wanted.rotation, now))
}

/// Makes the keys that these steps need, on a thread where nobody waits for anything else.
async fn make(steps: &[Step]) -> Result<BTreeMap<Alg, Secret<Vec<u8>>>, Fault> {
    let algs: Vec<Alg> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Create { alg, .. } => Some(*alg),
            Step::Promote { .. } | Step::Retire { .. } | Step::Delete { .. } => None,
        })
        .collect();
    let make = move || algs.into_iter().map(|alg| Ok((alg, SigningKey::generate(alg)?))).collect();
    tokio::task::spawn_blocking(make).await.map_err(|e| Fault::new("making signing keys", e))?
}

fn open(envelope: &Envelope, row: &KeyRow) -> Result<HeldKey, Fault> {
    let record = row.record.clone();
    let private = envelope
        .open(Column::SigningKeys, record.kid.as_str(), &row.sealed)
        .map_err(|e| Fault::new(format!("opening the private half of signing key {}", record.kid), e))?;
    let key = SigningKey::from_private(record.kid.clone(), record.alg, &private)?;
    Ok(HeldKey { record, key })
}

/// The transaction, with all it needs: it may run more than once.
struct Work {
    envelope: Envelope,
    policy: Policy,
    node: String,
    wanted: Wanted,
    made: BTreeMap<Alg, Secret<Vec<u8>>>,
    by: Actor,
}

impl Work {
    fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Step>, Fault> {
        tx.signing_keys().lock()?;
        // Only what is read behind the lock counts: another node may have been faster.
        let rows = tx.signing_keys().list()?;
        let steps = due(&self.policy, self.wanted, &rows, tx.now())?;
        for step in &steps {
            self.apply(tx, &rows, step)?;
        }
        if !steps.is_empty() {
            tx.feed().add(&Change::about(Subject::SigningKeys, "all"))?;
        }
        Ok(steps)
    }

    fn apply(&self, tx: &mut Tx<'_>, rows: &[KeyRow], step: &Step) -> Result<(), Fault> {
        let (by, why, now) = (self.by.clone(), step.why(), tx.now());
        let alg_of = |kid| {
            let found = rows.iter().find(|row| &row.record.kid == kid);
            found.map(|row| row.record.alg.name()).ok_or_else(|| Fault::bare(format!("no signing key {kid}")))
        };
        let event = match step {
            Step::Create { alg, epoch, state, .. } => {
                let kid = self.create(tx, *alg, *epoch, *state)?;
                Event::SigningKeyCreated { kid, alg: alg.name(), why, by }
            }
            Step::Promote { kid, .. } => {
                tx.signing_keys().set_state(kid, State::Active { since: now })?;
                Event::SigningKeyPromoted { kid: kid.clone(), alg: alg_of(kid)?, why, by }
            }
            Step::Retire { kid, until, .. } => {
                tx.signing_keys().set_state(kid, State::Retiring { until: *until })?;
                Event::SigningKeyRetired { kid: kid.clone(), alg: alg_of(kid)?, why, by }
            }
            Step::Delete { kid, .. } => {
                tx.signing_keys().set_state(kid, State::Gone)?;
                Event::SigningKeyDeleted { kid: kid.clone(), alg: alg_of(kid)?, why, by }
            }
        };
        note(tx, &own_work(&self.node), event)
    }

    fn create(&self, tx: &mut Tx<'_>, alg: Alg, epoch: i32, state: State) -> Result<crate::base::id::KeyId, Fault> {
        let private = match self.made.get(&alg) {
            Some(made) => made.clone(),
            // What is due changed while we waited for the lock.
            None => SigningKey::generate(alg)?,
        };
        let kid = SigningKey::name_of(alg, &private)?;
        let key = SigningKey::from_private(kid.clone(), alg, &private)?;
        let sealed = self.envelope.seal(tx, Column::SigningKeys, kid.as_str(), private.expose())?;
        let record = KeyRecord { kid: kid.clone(), alg, epoch, created_at: tx.now(), state };
        let row = KeyRow { record, sealed, public: key.public_jwk().clone() };
        if tx.signing_keys().insert(&row)? {
            Ok(kid)
        } else {
            Err(Fault::bare(format!("there is a signing key for {alg} numbered {epoch} already")))
        }
    }
}

#[cfg(test)]
mod tests;
