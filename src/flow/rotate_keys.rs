//! The life of keys: asks the rule what is due, does it in one transaction, and puts the
//! keys in hand into the world.
//!
//! Several nodes may do so at once: they wait for one another, and the second finds nothing due.

pub(super) mod begun;
mod in_hand;
mod made;
pub(super) mod seen;

pub use in_hand::Damaged;
pub(super) use made::{NewKey, NewRow, add};

use made::{Made, created};
use seen::Seen;

use super::{
    journal::own_work,
    key_tally::KeyTally,
    keys_elsewhere,
    secrets::{Envelope, Secrets},
    world::{Policy, World, note, only_fault},
};
use crate::{
    audit::{Actor, Event},
    base::{
        entropy::Entropy,
        fault::{Fault, FaultKind, Stop},
        id::KeyId,
        moment::Moment,
    },
    jose::{Alg, Purpose},
    keyring::{InHand, KeyRecord, Keyring, Rotation, State, Step},
    remote::Signers,
    store::{
        Store, Tx,
        feed::{Change, Subject},
        signing_keys::{KeyRow, Origin},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
};

/// So often it is begun again because more is due than was made.
const TRIES: usize = 4;

/// What the life of keys needs of the world, which at the start does not exist yet.
#[derive(Clone, Copy)]
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
    /// Whoever holds private halves for us.
    pub signers: &'k Signers,
    /// Randomness.
    pub dice: &'k dyn Entropy,
}

impl std::fmt::Debug for Keeper<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keeper({})", self.node)
    }
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
    let steps = keeper.keep(wanted, by).await;
    // Also where a key could not be made: what was due besides was done.
    reload(world).await?;
    keys_elsewhere::destroy_gone(world).await?;
    steps
}

/// Reads the keys anew and puts them into the world.
///
/// # Errors
/// A fault of the store, or where a key does not open. Those in hand stay then, but for those that are gone: that a key
/// was revoked is known without opening any.
pub async fn reload(world: &World) -> Result<(), Fault> {
    let _alone = world.reading_keys.lock().await;
    let policy = world.policy.load();
    let keeper = Keeper::of(world, &policy);
    let rows = keeper.rows().await?;
    let (keyring, read) = match keeper.opened(&rows, Damaged::Refused).await {
        Ok(keyring) => (keyring, Ok(())),
        Err(fault) => (keeper.left(&world.keyring.load(), &rows)?, Err(fault.passing())),
    };
    world.metrics.signing_keys.set(keyring.keys().len());
    world.keyring.store(Arc::new(keyring));
    read
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
/// they are missing. A successor that cannot be made now is a matter for later.
///
/// # Errors
/// As [`run`].
pub async fn build(keeper: Keeper<'_>, damaged: Damaged) -> Result<Keyring, Fault> {
    let kept = keeper.keep(Wanted::only(Rotation::OnSchedule), Actor::System).await;
    let keyring = keeper.read(damaged).await?;
    match kept {
        Err(fault) if fault.kind() == FaultKind::Unavailable && seen::always_signed(keeper.policy, &keyring) => {
            tracing::warn!(error = %fault, "what is due of signing keys could not be done yet");
        }
        kept => drop(kept?),
    }
    Ok(keyring)
}

impl<'k> Keeper<'k> {
    fn of(world: &'k World, policy: &'k Policy) -> Self {
        Self {
            store: &world.store,
            secrets: &world.secrets,
            policy,
            node: &world.node,
            tally: &world.key_tally,
            signers: &world.signers,
            dice: &*world.dice,
        }
    }

    /// Looks first, so that a sweep which finds nothing due writes nothing; and makes keys before
    /// the transaction, because that may take longer than anything should hold a lock.
    async fn keep(&self, wanted: Wanted, by: Actor) -> Result<Vec<Step>, Fault> {
        let mut made = Made::default();
        for _ in 0..TRIES {
            let (policy, also) = (self.policy.clone(), wanted.also);
            let look = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(Seen::load(tx, &policy, also)?);
            let seen = self.store.read("list_signing_keys", look).await.map_err(only_fault)?;
            seen.possible(&wanted)?;
            let due = seen.due(&wanted);
            if due.is_empty() && !seen.changed() {
                made.destroy_unused(self, &due).await;
                return Ok(due);
            }
            made.make(self, &due).await?;
            let work = Work {
                envelope: self.secrets.envelope.clone(),
                policy: self.policy.clone(),
                node: self.node.to_owned(),
                wanted: wanted.clone(),
                made: made.keys(),
                lacking: made.lacking(),
                elsewhere: Purpose::ALL.into_iter().filter(|alg| made::elsewhere(self.signers, *alg)).collect(),
                by: by.clone(),
            };
            match self.store.write("rotate_keys", move |tx: &mut Tx<'_>| work.run(tx)).await {
                Ok(steps) => {
                    made.destroy_unused(self, &steps).await;
                    return match made.fault() {
                        // What has to go went, whether or not there is something in its place.
                        Some(fault) if wanted.revoke.is_some() => {
                            tracing::error!(error = %fault, "there is no successor of the key that was revoked");
                            Ok(steps)
                        }
                        Some(fault) => Err(fault),
                        None => Ok(steps),
                    };
                }
                Err(Stop::Refusal(Again::MoreIsDue)) => {}
                Err(Stop::Refusal(Again::GivenUp)) => {
                    made.destroy_unused(self, &[]).await;
                    return Err(Fault::bare("a key took so long to be made elsewhere that it was given up").passing());
                }
                // Whether it was written or not: what was made may be needed.
                Err(Stop::Fault(fault)) => return Err(fault),
            }
        }
        Err(Fault::bare("what is due of signing keys changes all the time").passing())
    }
}

/// A key to be made, as the rule says.
struct New {
    alg: Purpose,
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
    made: Arc<BTreeMap<Purpose, NewKey>>,
    /// For these no key can be made now.
    lacking: BTreeSet<Purpose>,
    /// The keys of these are made elsewhere, which takes too long for a transaction.
    elsewhere: BTreeSet<Purpose>,
    by: Actor,
}

/// Why it is to be begun again.
enum Again {
    /// Behind the lock more is due than was made.
    MoreIsDue,
    /// What was made is about to be destroyed, because that took so long.
    GivenUp,
}

impl Work {
    fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Step>, Stop<Again>> {
        tx.signing_keys().lock()?;
        // Only what is read behind the lock counts: another node may have been faster.
        let seen = Seen::load(tx, &self.policy, self.wanted.also)?;
        let mut steps = seen.due(&self.wanted);
        steps.retain(|step| created(std::slice::from_ref(step)).all(|alg| !self.lacking.contains(&alg)));
        if created(&steps).any(|alg| self.elsewhere.contains(&alg) && !self.made.contains_key(&alg)) {
            return Err(Stop::Refusal(Again::MoreIsDue));
        }
        for made in created(&steps).filter_map(|alg| self.made.get(&alg)) {
            if let NewKey::Elsewhere(made) = made
                && !begun::stands(tx, &made.at)?
            {
                return Err(Stop::Refusal(Again::GivenUp));
            }
        }
        if seen.changed() {
            seen.remember(tx)?;
        }
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
        let made = match self.made.get(&alg) {
            Some(made) => made.clone(),
            // What is due changed while we waited for the lock.
            None => NewKey::Here(InHand::generate(alg, self.policy.keys.rsa_bits)?),
        };
        let kid = made.name(alg)?;
        let public = made.public(kid.clone(), alg)?;
        let record = KeyRecord { kid: kid.clone(), alg, epoch, created_at: at, known_at, signed_at: None, state };
        let new = NewRow { record, key: &made, public, origin: Origin::Made, why };
        add(tx, &self.envelope, new)?;
        if let NewKey::Elsewhere(made) = &made {
            begun::done(tx, &made.at)?;
        }
        Ok(kid)
    }
}

#[cfg(test)]
mod tests;
