//! The world that the flows act in: everything with state or with an outside, built once by
//! `app` and handed down. Nothing here is a process global, so one process can hold several.

use super::{
    api_keys::Keys, challenges::Challenges, clients::Directory, follow::Follower, guard::GuardPolicy, journal::Journal,
    key_tally::KeyTally, revocations::Revocations, secret_uses::SecretUses, secrets::Secrets, unrecorded::Unrecorded,
};
use crate::{
    account::{rules::PasswordPolicy, session::SessionPolicy, throttle::ThrottlePolicy},
    audit::{Event, Origin},
    base::{
        entropy::Entropy,
        fault::{Fault, Stop},
        moment::{Clock, Moment, Span},
        uri::Resource,
    },
    cluster::Counters,
    geo::Geo,
    hashing::Hashing,
    jose::{KeyManagement, Purpose},
    keyring::{self, Keyring},
    oauth::issue,
    remote::{Outbound, Signers},
    store::{Store, Tx},
    telemetry::Metrics,
};
use arc_swap::ArcSwap;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// An API that tokens are for, as the operator declared it.
#[derive(Clone, Debug)]
pub struct OfferedResource {
    /// Its resource indicator.
    pub identifier: Resource,
    /// What people see of it.
    pub name: String,
    /// Its scope tokens, each with what it allows, in words for people.
    pub scopes: Vec<(String, String)>,
}

/// Everything an operator decides that may change while the server runs.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Tokens and codes.
    pub tokens: issue::Policy,
    /// Life of signing keys, but for the algorithms that clients need.
    pub keys: KeyPolicy,
    /// Life of sessions.
    pub sessions: SessionPolicy,
    /// What a new password must be.
    pub passwords: PasswordPolicy,
    /// How often a password may be tried.
    pub throttle: ThrottlePolicy,
    /// What our own endpoints allow.
    pub guard: GuardPolicy,
    /// The APIs.
    pub resources: Vec<OfferedResource>,
    /// What the service is called on its pages.
    pub service_name: String,
}

impl Policy {
    /// What people see of a resource: its name, or its indicator where the operator gave none.
    #[must_use]
    pub fn name_of(&self, resource: &Resource) -> String {
        let known = self.resources.iter().find(|offered| offered.identifier == *resource);
        known
            .map(|offered| offered.name.clone())
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| resource.to_string())
    }

    /// What a scope token of one of the APIs allows, as its operator put it.
    #[must_use]
    pub fn scope_in_words(&self, token: &str) -> Option<&str> {
        let scopes = self.resources.iter().flat_map(|offered| &offered.scopes);
        scopes.filter(|(name, words)| name == token && !words.is_empty()).map(|(_, words)| words.as_str()).next()
    }
}

/// Life of keys.
#[derive(Clone, Debug)]
pub struct KeyPolicy {
    /// See [`keyring::Policy`].
    pub rotation_period: Span,
    /// See [`keyring::Policy`].
    pub publish_before_use: Span,
    /// See [`keyring::Policy`].
    pub jwks_max_age: Span,
    /// See [`keyring::Policy`].
    pub library_cache: Span,
    /// How many bits a new RSA key has.
    pub rsa_bits: u32,
    /// In which ways clients may encrypt for us.
    pub encryption: Vec<KeyManagement>,
}

/// The world.
pub struct World {
    /// The database.
    pub store: Store,
    /// Clients, cached.
    pub clients: Directory,
    /// When clients' secrets were used.
    pub secret_uses: SecretUses,
    /// API keys: those in memory, what they were used for, what is in hand of their quotas.
    pub api_keys: Keys,
    /// What has been revoked.
    pub revocations: Revocations,
    /// Where this node stands in the change feed.
    pub follower: Follower,
    /// PKCE challenges of late.
    pub challenges: Challenges,
    /// Whoever holds private halves of signing keys for us.
    pub signers: Signers,
    /// Signing keys.
    pub keyring: ArcSwap<Keyring>,
    /// Held while they are read anew, so that what was read earlier is not put in the place of what was read later.
    pub reading_keys: tokio::sync::Mutex<()>,
    /// What signing keys are used for.
    pub key_tally: KeyTally,
    /// Everything secret that work is done with.
    pub secrets: Secrets,
    /// What the operator decides.
    pub policy: ArcSwap<Policy>,
    /// Password hashing, on its own threads.
    pub hashing: Hashing,
    /// Calls to the outside.
    pub outbound: Outbound,
    /// Limits.
    pub counters: Counters,
    /// Where addresses are.
    pub geo: Geo,
    /// Events without a transaction.
    pub journal: Journal,
    /// Events that were only counted.
    pub unrecorded: Unrecorded,
    /// Measurements.
    pub metrics: Arc<Metrics>,
    /// This node's name in events.
    pub node: Arc<str>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub dice: Arc<dyn Entropy>,
    /// Whether this node is about to stop: see [`World::draining`].
    pub leaving: AtomicBool,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "World({})", self.node)
    }
}

impl World {
    /// The time now. A piece of work asks once.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// How many nodes are alive, this one among them.
    #[must_use]
    pub fn live_nodes(&self) -> u64 {
        u64::from(self.counters.nodes())
    }

    /// Whether this node finishes what it has begun and wants no new requests.
    #[must_use]
    pub fn draining(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// Says that this node is about to stop. There is no way back.
    pub fn set_draining(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// Notes an event that has no transaction: see [`Journal`].
    pub fn note(&self, origin: &Origin, event: Event) {
        let now = self.now();
        let Some(event) = self.journal.join(event, origin, now) else { return };
        match origin.record(event, now, &*self.dice) {
            Ok(record) => self.journal.add(record),
            Err(fault) => tracing::error!(error = %fault, "an event could not be recorded"),
        }
    }
}

/// Notes an event in the transaction of what it records.
///
/// # Errors
/// A fault of the store, which rolls back what it records too.
pub fn note(tx: &mut Tx<'_>, origin: &Origin, event: Event) -> Result<(), Fault> {
    let record = origin.record(event, tx.now(), tx.dice())?;
    tx.audit().add(&record)
}

/// The longest life of an access token that any client may have; how long a revoked grant is remembered.
pub const LONGEST_TOKEN: Span = Span::hours(1);

/// A stop whose refusal cannot happen is a fault.
pub fn only_fault(stop: Stop<std::convert::Infallible>) -> Fault {
    match stop {
        Stop::Fault(fault) => fault,
        Stop::Refusal(never) => match never {},
    }
}

/// The policy of keys, for what they are needed for.
///
/// # Errors
/// A fault where the settings contradict one another; `config` has refused those before.
pub fn key_policy(policy: &Policy, algs: impl IntoIterator<Item = Purpose>) -> Result<keyring::Policy, Fault> {
    let longest = LONGEST_TOKEN.max(policy.tokens.id_token_lifetime);
    let keys = &policy.keys;
    let times = keyring::Times {
        rotation_period: keys.rotation_period,
        publish_before_use: keys.publish_before_use,
        longest_token_life: longest,
        jwks_max_age: keys.jwks_max_age,
        library_cache: keys.library_cache,
    };
    keyring::Policy::new(algs, times).map_err(|e| Fault::new("reading the policy of signing keys", e.to_string()))
}
