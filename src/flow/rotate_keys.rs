//! The life of signing keys: asks the rule what is due, does it in one transaction, and puts the
//! keys in hand into the world.
//!
//! Several nodes may do so at once: they wait for one another, and the second finds nothing due.

pub(super) mod seen;

use seen::{Seen, needed};

use super::{
    journal::own_work,
    key_tally::KeyTally,
    secrets::{Envelope, Secrets},
    world::{Policy, World, key_policy, note, only_fault},
};
use crate::{
    audit::{Actor, Event},
    base::{
        fault::{Fault, Stop},
        id::KeyId,
        moment::Moment,
        secret::Secret,
    },
    jose::{Alg, SigningKey},
    keyring::{HeldKey, KeyRecord, Keyring, Rotation, State, Step, Uses},
    store::{
        Store, Tx,
        feed::{Change, Subject},
        sealed::Column,
        signing_keys::{KeyRow, Origin, Standing},
    },
};
use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

/// Of so many keys that are gone it is still counted that tokens name them.
const GONE: usize = 32;

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
    /// Where it is counted what they are used for.
    pub tally: &'k KeyTally,
}

/// What is asked for beyond what the policy does by itself.
#[derive(Clone, Debug)]
struct Wanted {
    rotation: Rotation,
    also: Option<Alg>,
    revoke: Option<Revocation>,
}

impl Wanted {
    const fn only(rotation: Rotation) -> Self {
        Self { rotation, also: None, revoke: None }
    }
}

/// A key that is to go at once, and why.
#[derive(Clone, Debug)]
pub(super) struct Revocation {
    /// Which.
    pub(super) kid: KeyId,
    /// Why, in the operator's words.
    pub(super) reason: String,
}

/// Does what is due, or more where an operator asks for it; says what was done. The world has the
/// outcome in hand afterwards; other nodes hear of it by the change feed.
///
/// # Errors
/// A fault of the store or of OpenSSL, after which nothing has changed.
pub async fn run(world: &World, rotation: Rotation, by: Actor) -> Result<Vec<Step>, Fault> {
    with(world, Wanted::only(rotation), by).await
}

/// Makes a key of this algorithm unless there is one: keys that are dear to make are made when
/// they are first needed.
///
/// # Errors
/// As [`run`].
pub async fn ensure(world: &World, alg: Alg) -> Result<(), Fault> {
    if world.keyring.load().signer(alg).is_none() {
        let wanted = Wanted { also: Some(alg), ..Wanted::only(Rotation::OnSchedule) };
        with(world, wanted, Actor::System).await?;
    }
    Ok(())
}

/// Ends a key at once; says what was done, which is nothing where there is no such key or it is gone.
///
/// # Errors
/// As [`run`].
pub(super) async fn revoke(world: &World, revocation: Revocation, by: Actor) -> Result<Vec<Step>, Fault> {
    let wanted = Wanted { revoke: Some(revocation), ..Wanted::only(Rotation::OnSchedule) };
    with(world, wanted, by).await
}

async fn with(world: &World, wanted: Wanted, by: Actor) -> Result<Vec<Step>, Fault> {
    let policy = world.policy.load();
    let keeper = Keeper::of(world, &policy);
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
    let keeper = Keeper::of(world, &policy);
    let keyring = keeper.read().await?;
    world.metrics.signing_keys.set(keyring.records().count());
    world.keyring.store(Arc::new(keyring));
    Ok(())
}

/// Goes by a policy that has just come into force. The set is handed out under it first, and then it
/// is written down what the policy before has left behind: what was handed out between the two would
/// be forgotten otherwise.
///
/// # Errors
/// As [`run`].
pub async fn policy_changed(world: &World) -> Result<(), Fault> {
    reload(world).await?;
    run(world, Rotation::OnSchedule, Actor::System).await.map(drop)
}

/// The keys in hand for a world that is being built: those that are cheap to make are made where
/// they are missing.
///
/// # Errors
/// As [`run`].
pub async fn build(keeper: Keeper<'_>) -> Result<Keyring, Fault> {
    keeper.keep(Wanted::only(Rotation::OnSchedule), Actor::System).await?;
    keeper.read().await
}

impl<'k> Keeper<'k> {
    fn of(world: &'k World, policy: &'k Policy) -> Self {
        Self { store: &world.store, secrets: &world.secrets, policy, node: &world.node, tally: &world.key_tally }
    }

    async fn rows(&self) -> Result<Vec<KeyRow>, Fault> {
        let list = |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.signing_keys().list()?);
        self.store.read("list_signing_keys", list).await.map_err(only_fault)
    }

    async fn read(&self) -> Result<Keyring, Fault> {
        let mut held = Vec::new();
        let rows = self.rows().await?;
        self.secrets.learn(self.store).await?;
        for row in rows.iter().filter(|row| row.record.state.is_published()) {
            held.push(open(&self.secrets.envelope, row, self.tally.of(&row.record.kid))?);
        }
        // The youngest of those that are gone: tokens by a key that was revoked may still come for a while.
        let mut gone: Vec<&KeyRow> = rows.iter().filter(|row| row.record.state == State::Gone).collect();
        gone.sort_by_key(|row| std::cmp::Reverse(row.standing.as_ref().map(|standing| standing.since)));
        let gone = gone.into_iter().take(GONE).map(|row| {
            let kid = &row.record.kid;
            (kid.clone(), self.tally.of(kid))
        });
        Keyring::new(held, gone, &key_policy(self.policy, needed(self.policy, &rows, None))?)
    }

    /// Looks first, so that a sweep which finds nothing due writes nothing; and makes keys before
    /// the transaction, because one for RS256 takes longer than anything should hold a lock.
    async fn keep(&self, wanted: Wanted, by: Actor) -> Result<Vec<Step>, Fault> {
        let (policy, also) = (self.policy.clone(), wanted.also);
        let look = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(Seen::load(tx, &policy, also)?);
        let seen = self.store.read("list_signing_keys", look).await.map_err(only_fault)?;
        let due = seen.due(&wanted);
        if due.is_empty() && !seen.changed() {
            return Ok(due);
        }
        let made = make(&due, self.policy.keys.rsa_bits).await?;
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

/// Makes the keys that these steps need, on a thread where nobody waits for anything else.
async fn make(steps: &[Step], rsa_bits: u32) -> Result<BTreeMap<Alg, Secret<Vec<u8>>>, Fault> {
    let algs: Vec<Alg> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Create { alg, .. } => Some(*alg),
            Step::Promote { .. } | Step::Retire { .. } | Step::Revoke { .. } | Step::Delete { .. } => None,
        })
        .collect();
    let make = move || algs.into_iter().map(|alg| Ok((alg, SigningKey::generate_sized(alg, rsa_bits)?))).collect();
    tokio::task::spawn_blocking(make).await.map_err(|e| Fault::new("making signing keys", e))?
}

fn open(envelope: &Envelope, row: &KeyRow, uses: Uses) -> Result<HeldKey, Fault> {
    let record = row.record.clone();
    let private = envelope
        .open(Column::SigningKeys, record.kid.as_str(), &row.sealed)
        .map_err(|e| Fault::new(format!("opening the private half of signing key {}", record.kid), e))?;
    let key = SigningKey::from_private(record.kid.clone(), record.alg, &private)?;
    Ok(HeldKey { record, key, uses })
}

/// A key to be remembered.
pub(super) struct NewRow<'n> {
    pub(super) record: KeyRecord,
    pub(super) private: &'n Secret<Vec<u8>>,
    pub(super) public: serde_json::Value,
    pub(super) origin: Origin,
    pub(super) why: &'n str,
}

/// Remembers a key, its private half sealed.
pub(super) fn add(tx: &mut Tx<'_>, envelope: &Envelope, new: NewRow<'_>) -> Result<(), Fault> {
    let NewRow { record, private, public, origin, why } = new;
    let sealed = envelope.seal(tx, Column::SigningKeys, record.kid.as_str(), private.expose())?;
    let standing = Some(Standing { since: record.created_at, why: why.to_owned() });
    let row = KeyRow { record, sealed, public, origin, revoked: None, standing };
    if tx.signing_keys().insert(&row)? {
        return Ok(());
    }
    let KeyRecord { kid, alg, epoch, .. } = row.record;
    Err(Fault::bare(format!("there is a signing key {kid}, or one for {alg} numbered {epoch}, already")))
}

/// A key to be made, as the rule says.
struct New {
    alg: Alg,
    epoch: i32,
    state: State,
    at: Moment,
    known_at: Moment,
    why: &'static str,
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
        let seen = Seen::load(tx, &self.policy, self.wanted.also)?;
        if seen.changed() {
            seen.remember(tx)?;
        }
        let steps = seen.due(&self.wanted);
        for step in &steps {
            self.apply(tx, &seen.rows, step)?;
        }
        if !steps.is_empty() {
            tx.feed().add(&Change::about(Subject::SigningKeys, "all"))?;
        }
        Ok(steps)
    }

    fn apply(&self, tx: &mut Tx<'_>, rows: &[KeyRow], step: &Step) -> Result<(), Fault> {
        let (by, why) = (self.by.clone(), step.why());
        let alg_of = |kid| {
            let found = rows.iter().find(|row| &row.record.kid == kid);
            found.map(|row| row.record.alg.name()).ok_or_else(|| Fault::bare(format!("no signing key {kid}")))
        };
        let event = match step {
            Step::Create { alg, epoch, state, at, known_at, .. } => {
                let new = New { alg: *alg, epoch: *epoch, state: *state, at: *at, known_at: *known_at, why };
                let kid = self.create(tx, &new)?;
                Event::SigningKeyCreated { kid, alg: alg.name(), why, by }
            }
            Step::Promote { kid, since, .. } => {
                tx.signing_keys().set_state(kid, State::Active { since: *since }, why)?;
                Event::SigningKeyPromoted { kid: kid.clone(), alg: alg_of(kid)?, why, by }
            }
            Step::Retire { kid, until, .. } => {
                tx.signing_keys().set_state(kid, State::Retiring { until: *until }, why)?;
                Event::SigningKeyRetired { kid: kid.clone(), alg: alg_of(kid)?, why, by }
            }
            Step::Revoke { kid } => {
                let reason = self.wanted.revoke.as_ref().map(|one| one.reason.clone()).unwrap_or_default();
                tx.signing_keys().revoke(kid, &reason)?;
                Event::SigningKeyRevoked { kid: kid.clone(), alg: alg_of(kid)?, reason, by }
            }
            Step::Delete { kid, .. } => {
                tx.signing_keys().set_state(kid, State::Gone, why)?;
                Event::SigningKeyDeleted { kid: kid.clone(), alg: alg_of(kid)?, why, by }
            }
        };
        note(tx, &own_work(&self.node), event)
    }

    fn create(&self, tx: &mut Tx<'_>, new: &New) -> Result<KeyId, Fault> {
        let New { alg, epoch, state, at, known_at, why } = *new;
        let private = match self.made.get(&alg) {
            Some(made) => made.clone(),
            // What is due changed while we waited for the lock.
            None => SigningKey::generate_sized(alg, self.policy.keys.rsa_bits)?,
        };
        let kid = SigningKey::name_of(alg, &private)?;
        let key = SigningKey::from_private(kid.clone(), alg, &private)?;
        let record = KeyRecord { kid: kid.clone(), alg, epoch, created_at: at, known_at, signed_at: None, state };
        let new = NewRow { record, private: &private, public: key.public_jwk().clone(), origin: Origin::Made, why };
        add(tx, &self.envelope, new)?;
        Ok(kid)
    }
}

#[cfg(test)]
mod tests;
