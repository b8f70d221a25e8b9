//! From settings to the world: the database brought up to date, the keys above all keys, the
//! signing keys, and everything else that work is done with.

use super::{kek, observe::Counting, settings};
use crate::{
    account::Cost,
    base::{
        entropy::{Entropy, OsEntropy},
        fault::Fault,
        moment::{Clock, Moment, SystemClock},
        secret::Secret,
    },
    cluster::Counters,
    config::{Config, Rate, Reachable, Synchronous},
    flow::{
        api_keys::Keys,
        guard::GuardPolicy,
        key_tally::KeyTally,
        rotate_keys::{self, Damaged, Keeper},
        secrets::{self, Given, Keks},
        world::{KeyPolicy, OfferedResource, Policy, World},
    },
    geo::Geo,
    hashing::{Hashing, HashingPolicy},
    remote::{
        Allowed, Outbound, OutboundPolicy, Signers,
        signers::{Holder, Pkcs11Access, SignerPolicy, TransitAccess},
    },
    store::{self, Store},
    telemetry::Metrics,
};
use arc_swap::ArcSwap;
use std::{
    fs::DirBuilder,
    io,
    num::NonZeroUsize,
    os::unix::fs::DirBuilderExt,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    thread,
};

/// The most counters of limits that are kept in memory.
const COUNTERS: usize = 100_000;

/// What a world takes from outside besides its settings.
#[derive(Clone)]
pub struct Edges {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub dice: Arc<dyn Entropy>,
    /// What hashing a password costs.
    pub hash_cost: Cost,
}

impl std::fmt::Debug for Edges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Edges")
    }
}

impl Edges {
    /// The system's clock and dice, and hashes at their full cost.
    #[must_use]
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), dice: Arc::new(OsEntropy), hash_cost: Cost::STANDARD }
    }
}

/// A database that is open, and who counts what it does.
#[derive(Debug)]
pub struct Opened {
    /// The database.
    pub store: Store,
    /// The measurements that everything else adds to as well.
    pub metrics: Arc<Metrics>,
}

/// Opens the database, and makes it where it is a file that does not exist. Nothing is migrated.
///
/// # Errors
/// A fault where the directory of data cannot be made or the database cannot be opened.
pub fn database(config: &Config, edges: &Edges) -> Result<Opened, Fault> {
    make_directory(&config.server.data_dir)?;
    let metrics = Arc::new(Metrics::new());
    let database = &config.database;
    let settings = store::Settings {
        url: config.database_url().address(),
        connections: database.connections,
        pool_wait: database.pool_wait,
        statement_timeout: database.statement_timeout,
        sqlite_synchronous: match database.sqlite_synchronous {
            Synchronous::Full => store::Synchronous::Full,
            Synchronous::Normal => store::Synchronous::Normal,
        },
    };
    let observer = Arc::new(Counting(Arc::clone(&metrics)));
    let store = Store::open_observed(&settings, Arc::clone(&edges.clock), Arc::clone(&edges.dice), observer)?;
    Ok(Opened { store, metrics })
}

/// Opens everything: brings the database up to date, finds or makes the key-encryption key and
/// the signing keys, and starts the threads that hash and call.
///
/// # Errors
/// A fault that says what is wrong, such as a database that is away or was made with another key.
pub async fn open(config: &Config, edges: &Edges) -> Result<Arc<World>, Fault> {
    opened(config, edges, Damaged::Refused).await
}

/// As [`open`], for somebody who manages what is there: a signing key that is damaged is left out, with a warning,
/// so that it can be ended.
///
/// # Errors
/// As [`open`].
pub async fn to_manage(config: &Config, edges: &Edges) -> Result<Arc<World>, Fault> {
    opened(config, edges, Damaged::LeftOut).await
}

async fn opened(config: &Config, edges: &Edges, damaged: Damaged) -> Result<Arc<World>, Fault> {
    let opened = database(config, edges)?;
    let done = opened.store.migrate().await?;
    if !done.is_empty() {
        tracing::info!(migrations = done.join(" "), "the database was brought up to date");
    }
    world(config, opened, edges, damaged).await
}

/// Builds the world around a database that is up to date.
///
/// # Errors
/// As [`open`].
pub async fn world(config: &Config, opened: Opened, edges: &Edges, damaged: Damaged) -> Result<Arc<World>, Fault> {
    let dice = Arc::clone(&edges.dice);
    let Opened { store, metrics } = opened;
    let given = kek::given(config, &store, &*dice).await?;
    let secrets = secrets::open(&store, given, Arc::clone(&edges.clock)).await?;
    let (policy, node) = (policy(config), node(config));
    let key_tally = KeyTally::default();
    let signers = Signers::start(&signer_policy(config))?;
    let keeper = Keeper {
        store: &store,
        secrets: &secrets,
        policy: &policy,
        node: &node,
        tally: &key_tally,
        signers: &signers,
        dice: &*dice,
    };
    let keyring = rotate_keys::build(keeper, damaged).await?;
    metrics.signing_keys.set(keyring.keys().len());
    let world = World {
        clients: Default::default(),
        api_keys: Keys {
            per_owner: config.api_keys.per_owner,
            ..Keys::new(config.api_keys.random_length, config.api_keys.cached)
        },
        revocations: Default::default(),
        challenges: Default::default(),
        follower: Default::default(),
        secret_uses: Default::default(),
        journal: Default::default(),
        unrecorded: Default::default(),
        signers,
        keyring: ArcSwap::from_pointee(keyring),
        reading_keys: Default::default(),
        key_tally,
        policy: ArcSwap::from_pointee(policy),
        hashing: Hashing::start(HashingPolicy { cost: edges.hash_cost, ..hashing_policy(config) }, &dice)?,
        outbound: Outbound::new(&outbound_policy(config)),
        counters: counters(config)?,
        geo: geo(config, edges.clock.now())?,
        clock: Arc::clone(&edges.clock),
        store,
        secrets,
        metrics,
        node: node.into(),
        dice,
        leaving: AtomicBool::new(false),
    };
    Ok(Arc::new(world))
}

/// The key-encryption keys that are given for this database, the newest first.
///
/// # Errors
/// As [`open`].
pub async fn keks(config: &Config, store: &Store, edges: &Edges) -> Result<Vec<Secret<[u8; 32]>>, Fault> {
    let keys = kek::keys(config, store, &*edges.dice).await?;
    // Only those that open what is there are worth keeping.
    let given = Given { keks: Keks::new(keys.iter().cloned()), peppers: config.secrets.peppers() };
    secrets::open(store, given, Arc::clone(&edges.clock)).await?;
    Ok(keys)
}

/// Everything that the settings decide and that may change while the server runs.
#[must_use]
pub fn policy(config: &Config) -> Policy {
    let resource = |r: &crate::config::ProtectedResource| OfferedResource {
        identifier: r.identifier.clone(),
        name: r.name.clone(),
        scopes: r.scopes.iter().map(|s| (s.name.clone(), s.description.clone())).collect(),
    };
    Policy {
        tokens: config.token_policy(),
        keys: KeyPolicy {
            rotation_period: config.keys.rotation_period,
            publish_before_use: config.keys.publish_before_use,
            jwks_max_age: config.keys.jwks_max_age,
            library_cache: config.keys.library_cache,
            rsa_bits: config.keys.rsa_bits,
            encryption: config.keys.encryption_algorithms.clone(),
        },
        sessions: config.session_policy(),
        passwords: config.password_policy(),
        throttle: config.throttle_policy(),
        guard: guard_policy(config),
        resources: config.resources.iter().map(resource).collect(),
        service_name: config.sign_in.display_name.clone(),
    }
}

/// Who holds private halves of signing keys for us.
fn signer_policy(config: &Config) -> SignerPolicy {
    let keys = &config.keys;
    let pkcs11 = match (&keys.pkcs11_module, &keys.pkcs11_token, &keys.pkcs11_pin) {
        (Some(module), Some(token), Some(pin)) => {
            Some(Pkcs11Access { module: module.clone(), token: token.clone(), pin: pin.clone() })
        }
        // Settings that say a part of it were refused.
        (_, _, _) => None,
    };
    // Also where nothing new is made there: what was may sign still.
    let transit = config
        .secrets
        .vault()
        .map(|access| TransitAccess { vault: settings::vault(access), mount: keys.transit_mount.clone() });
    let in_token = keys.pkcs11.iter().map(|alg| (*alg, Holder::Pkcs11));
    let makers = in_token.chain(keys.transit.iter().map(|alg| (*alg, Holder::Transit))).collect();
    SignerPolicy { makers, deadline: keys.signature_deadline, pkcs11, transit }
}

/// The counters of limits, where the settings say.
fn counters(config: &Config) -> Result<Counters, Fault> {
    match config.redis() {
        Some(url) => Counters::shared(COUNTERS, url, config.limits.redis_deadline.to_std()),
        None => Ok(Counters::local(COUNTERS)),
    }
}

/// The database of addresses, if there is one.
fn geo(config: &Config, now: Moment) -> Result<Geo, Fault> {
    config.geo.database.as_deref().map_or_else(|| Ok(Geo::default()), |path| Geo::open(path, now))
}

/// What the settings decide about requests to our own endpoints.
fn guard_policy(config: &Config) -> GuardPolicy {
    let limits = &config.limits;
    GuardPolicy {
        pages: limits.pages_per_address.rule(),
        token: limits.token_per_address.rule(),
        revoke: limits.revoke_per_address.rule(),
        introspect: limits.introspect_per_address.rule(),
        decrypt: limits.decrypt_per_address.rule(),
        token_of_client: limits.token_per_client.map(Rate::rule),
        introspect_of_client: limits.introspect_per_client.map(Rate::rule),
    }
}

/// What the settings decide about outgoing calls.
#[must_use]
pub fn outbound_policy(config: &Config) -> OutboundPolicy {
    let outbound = &config.outbound;
    let allow = outbound.allow.iter().map(|one| match one {
        Reachable::Network(net) => Allowed::Network(*net),
        Reachable::Host(name) => Allowed::Host(name.clone()),
    });
    OutboundPolicy { allow: allow.collect(), timeout: outbound.timeout, max_bytes: outbound.max_bytes }
}

/// What the settings decide about hashing.
#[must_use]
pub fn hashing_policy(config: &Config) -> HashingPolicy {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    HashingPolicy { threads: config.hash_threads(cores), queue: config.sign_in.hash_queue, ..HashingPolicy::default() }
}

/// This node's name in events: its host and the port it listens at, so that two on one host differ. The host is what the
/// kernel says: the files that tell it may be hidden from a server (`/proc/sys`), or be the same on machines that were cloned.
fn node(config: &Config) -> String {
    let told = rustix::system::uname();
    let host = told.nodename().to_string_lossy();
    let host: &str = if host.is_empty() { "localhost" } else { &host };
    format!("{host}:{}", config.server.listen.port())
}

/// Makes the directory of data, for its owner alone.
fn make_directory(path: &Path) -> Result<(), Fault> {
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(e) => Err(Fault::new(format!("making the directory {}", path.display()), e)),
    }
}
