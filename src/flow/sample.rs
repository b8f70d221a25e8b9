//! A world for tests: a database in memory, a clock that stands still, reproducible dice.

use super::{
    guard::GuardPolicy,
    key_tally::KeyTally,
    manage_clients,
    manage_users::{self, NewUser},
    rotate_keys::{self, Damaged, Keeper},
    secrets::Secrets,
    world::{KeyPolicy, Policy, World, only_fault},
};
use crate::{
    account::{Amr, Cost, PasswordPolicy, Profile, Session, SessionPolicy, ThrottlePolicy},
    audit::Actor,
    base::{
        entropy::{Entropy, SeededEntropy},
        fault::{Fault, Stop},
        id::{ClientId, GrantId, SessionId, UserId},
        moment::{Clock, ManualClock, Moment, Span},
        scope::Scope,
        secret::Secret,
        uri::Issuer,
    },
    cluster::Counters,
    hashing::{Hashing, HashingPolicy},
    jose::Alg,
    oauth::{
        grant::{Authentication, Grant, Granted},
        issue,
        register::RegistrationPolicy,
    },
    remote::{Allowed, Outbound, OutboundPolicy, Signers},
    store::{self, Store, Tx, audit::Filter},
    telemetry::Metrics,
};
use arc_swap::ArcSwap;
use serde_json::json;
use std::{convert::Infallible, sync::Arc};

/// When these worlds begin.
pub(crate) const BEGIN: Moment = Moment::from_unix(1_800_000_000);

/// A world and its clock.
pub(crate) struct Sample {
    pub(crate) world: Arc<World>,
    pub(crate) clock: Arc<ManualClock>,
}

/// Runs a test in a world of its own.
pub(crate) fn in_sample(test: impl AsyncFnOnce(Sample)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let sample = sample().await;
        let world = Arc::clone(&sample.world);
        test(sample).await;
        world.store.close();
    });
}

fn policy() -> Policy {
    Policy {
        tokens: issue::Policy {
            issuer: Issuer::parse("https://id.example").unwrap(),
            access_token_lifetime: Span::minutes(5),
            id_token_lifetime: Span::minutes(5),
            code_lifetime: Span::seconds(60),
            refresh_idle: Span::days(30),
            refresh_absolute: Span::days(90),
            refresh_grace: Span::seconds(30),
            access_token_alg: Alg::Es256,
            default_audience: None,
        },
        keys: KeyPolicy {
            rotation_period: Span::days(90),
            publish_before_use: Span::hours(1),
            jwks_max_age: Span::minutes(5),
            library_cache: Span::minutes(10),
            rsa_bits: 2048,
            encryption: Vec::new(),
        },
        sessions: SessionPolicy::default(),
        passwords: PasswordPolicy::default(),
        throttle: ThrottlePolicy::default(),
        guard: GuardPolicy::default(),
        resources: Vec::new(),
        service_name: "Keywright".to_owned(),
    }
}

async fn sample() -> Sample {
    let clock = Arc::new(ManualClock::at(BEGIN));
    let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let dice: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
    let settings = store::Settings {
        url: Secret::new("sqlite::memory:".to_owned()),
        connections: 1,
        pool_wait: Span::seconds(5),
        statement_timeout: Span::seconds(5),
        sqlite_synchronous: store::Synchronous::Normal,
    };
    let store = Store::open(&settings, Arc::clone(&time), Arc::clone(&dice)).unwrap();
    store.migrate().await.unwrap();
    let (secrets, policy) = (Secrets::from(&Secret::new([7; 32]), Arc::clone(&time)), policy());
    let key_tally = KeyTally::default();
    let signers = Signers::none();
    let keeper = Keeper {
        store: &store,
        secrets: &secrets,
        policy: &policy,
        node: "a",
        tally: &key_tally,
        signers: &signers,
        dice: &*dice,
    };
    let keyring = rotate_keys::build(keeper, Damaged::Refused).await.unwrap();
    let hashing = HashingPolicy { threads: 1, queue: 8, cost: Cost::new(64, 1, 1).unwrap() };
    let allow = vec![Allowed::Host("127.0.0.1".to_owned())];
    let outbound = OutboundPolicy { allow, timeout: Span::seconds(60), ..OutboundPolicy::default() };
    let world = World {
        clients: Default::default(),
        api_keys: Default::default(),
        revocations: Default::default(),
        follower: Default::default(),
        challenges: Default::default(),
        secret_uses: Default::default(),
        journal: Default::default(),
        unrecorded: Default::default(),
        signers,
        keyring: ArcSwap::from_pointee(keyring),
        reading_keys: Default::default(),
        key_tally,
        policy: ArcSwap::from_pointee(policy),
        hashing: Hashing::start(hashing, &dice).unwrap(),
        outbound: Outbound::new(&outbound),
        counters: Counters::local(1000),
        geo: Default::default(),
        metrics: Arc::new(Metrics::new()),
        node: "a".into(),
        clock: time,
        leaving: false.into(),
        store,
        secrets,
        dice,
    };
    Sample { world: Arc::new(world), clock }
}

impl Sample {
    /// Writes to the database.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&mut Tx<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> T {
        let write = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(work(tx)?);
        self.world.store.write("test", write).await.map_err(only_fault).unwrap()
    }

    /// The kinds of all events that were written, but for the two keys of the beginning, by name:
    /// at a clock that stands still nothing is older than anything else.
    pub(crate) async fn events(&self) -> Vec<String> {
        let rows = self.write(|tx| tx.audit().list(&Filter::default(), None, 1000)).await;
        let (keys, mut kinds): (Vec<String>, Vec<String>) =
            rows.into_iter().map(|row| row.kind).partition(|kind| kind == "key.created");
        kinds.extend(keys.into_iter().skip(2));
        kinds.sort();
        kinds
    }

    /// A client that hears of the end of sessions at this address.
    pub(crate) async fn client(&self, hears_at: &str) {
        let metadata = json!({
            "redirect_uris": ["https://app.example/cb"],
            "backchannel_logout_uri": hears_at,
            "id_token_signed_response_alg": "EdDSA",
        });
        let (id, policy) = (ClientId::parse("cli_app"), RegistrationPolicy::default());
        manage_clients::add(&self.world, id, metadata.as_object().unwrap(), policy, Actor::System).await.unwrap();
    }

    /// A person who is signed in, and a client that they gave a grant to in this session, which
    /// hears of its end at this address.
    pub(crate) async fn signed_in(&self, hears_at: &str) -> (UserId, SessionId, GrantId) {
        let world = &self.world;
        let new = NewUser { username: "ada".to_owned(), profile: Profile::default(), password: None };
        let user = manage_users::add(world, new, Actor::System).await.unwrap().id;
        self.client(hears_at).await;
        let (session, grant) = (SessionId::from_u128(1), GrantId::from_u128(2));
        let (out, now) = ((user.clone(), session.clone(), grant.clone()), world.now());
        let session = Session {
            id: session,
            user: user.clone(),
            auth_time: now,
            seen_at: now,
            amr: vec![Amr::Pwd],
            agent: None,
            address: None,
            ended_at: None,
        };
        let granted = Granted {
            client: ClientId::parse("cli_app").unwrap(),
            user,
            session: session.id.clone(),
            scope: Scope::parse("openid").unwrap(),
            resources: Default::default(),
            claims: Default::default(),
            authentication: Authentication { at: now, amr: Vec::new(), acr: None },
            nonce: None,
        };
        let grant = Grant { id: grant, granted, created_at: now, expires_at: now + Span::days(1) };
        let hash = world.secrets.pepper.hash("a cookie");
        self.write(move |tx| {
            tx.sessions().insert(&session, &hash, now + Span::days(1))?;
            tx.grants().insert(&grant, None)
        })
        .await;
        out
    }
}
