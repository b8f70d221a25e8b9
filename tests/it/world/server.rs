//! The whole server on a port of its own, with a clock that stands still until it is told to go
//! on, and dice that fall the same way each time.

use super::{
    JWT_BEARER, Key,
    app::{App, Auth},
    browser::Browser,
    database::{Database, START},
    http::{Reply, Request, get, post},
};
use keywright::{
    account::{Cost, Profile},
    app::{
        open::{self, Edges},
        serve::{self, Sockets},
    },
    audit::Actor,
    base::{
        entropy::SeededEntropy,
        fault::Stop,
        id::ClientId,
        moment::{ManualClock, Moment, Span},
        secret::Secret,
    },
    config::Config,
    flow::{
        follow, manage_clients,
        manage_users::{self, NewUser},
        sweep,
        world::World,
    },
    jose::{Alg, Typ},
    store::{
        Tx,
        audit::{AuditRow, Filter},
        feed::{Change, Subject},
        purge,
    },
};
use serde_json::{Map, Value, json};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
};

/// Who the server says it is: a proxy in front would end TLS.
pub const ISSUER: &str = "https://id.example";
/// A password that is good enough.
pub const PASSWORD: &str = "violet tractor hums at noon";
/// The two APIs that tokens are for.
pub const DOCS: &str = "https://docs.example/";
pub const MAIL: &str = "https://mail.example/";

const RESOURCES: &str = r#"
[[resources]]
identifier = "https://docs.example/"
name = "Documents"
scopes = [{ name = "docs.read", description = "read your documents" }, { name = "docs.write", description = "change your documents" }]
[[resources]]
identifier = "https://mail.example/"
name = "Mail"
scopes = [{ name = "mail.read", description = "read your mail" }]
"#;

/// What a test wants otherwise than usual, by the names of the settings.
pub struct Settings(Vec<(String, String)>);

impl Settings {
    pub fn set(&mut self, setting: &str, value: &str) {
        let name = format!("KEYWRIGHT_{}", setting.replace('.', "_").to_uppercase());
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value.to_owned()));
    }
}

pub struct Server {
    pub address: SocketAddr,
    /// Where gateways ask, where the settings say so.
    pub gateway: Option<SocketAddr>,
    pub world: Arc<World>,
    pub clock: Arc<ManualClock>,
    pub config: Config,
    pub issuer: String,
    runtime: tokio::runtime::Runtime,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _directory: tempfile::TempDir,
}

/// Somebody who can sign in.
#[derive(Clone)]
pub struct Person {
    pub name: String,
    pub password: String,
    pub id: String,
}

fn configure(database: &Database, directory: &tempfile::TempDir, change: impl FnOnce(&mut Settings)) -> Config {
    let mut settings = Settings(Vec::new());
    settings.set("server.issuer", ISSUER);
    settings.set("server.listen", "127.0.0.1:0");
    settings.set("server.workers", "1");
    settings.set("server.drain_timeout", "1s");
    settings.set("server.data_dir", directory.path().to_str().unwrap());
    settings.set("database.url", database.settings.url.expose());
    settings.set("database.connections", "4");
    // The machine may be busy with something else; a test that waits is better than one that fails.
    settings.set("database.pool_wait", "20s");
    settings.set("database.statement_timeout", "10s");
    settings.set("database.sqlite_synchronous", "normal");
    settings.set("secrets.kek", &"4b".repeat(32));
    change(&mut settings);
    let file = directory.path().join("keywright.toml");
    std::fs::write(&file, RESOURCES).unwrap();
    Config::load(Some(&file), settings.0.into_iter()).unwrap()
}

impl Server {
    /// A server as most tests want it.
    pub fn on(database: &Database) -> Self {
        Self::start(database, |_| ())
    }

    /// A server with settings of its own. Several may share one database, as nodes do.
    pub fn start(database: &Database, change: impl FnOnce(&mut Settings)) -> Self {
        static SEED: AtomicU64 = AtomicU64::new(1);
        let directory = tempfile::tempdir().unwrap();
        let config = configure(database, &directory, change);
        let edges = Edges {
            clock: Arc::<ManualClock>::clone(&database.clock),
            dice: Arc::new(SeededEntropy::new(SEED.fetch_add(1, Ordering::SeqCst))),
            hash_cost: Cost::new(64, 1, 1).unwrap(),
        };
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let own = config.clone();
        let serve = move || {
            actix_web::rt::System::new().block_on(async move {
                let world = open::open(&own, &edges).await.unwrap();
                let running = serve::start(&own, Arc::clone(&world), Sockets::bind(&own).unwrap()).await.unwrap();
                tell.send((running.address, running.gateway, world)).unwrap();
                let _ = stopped.await;
                running.end().await;
            });
        };
        let thread = thread::spawn(serve);
        let (address, gateway, world) = told.recv().expect("the server starts");
        Self {
            address,
            gateway,
            world,
            clock: Arc::clone(&database.clock),
            issuer: config.server.issuer.as_str().to_owned(),
            config,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            stop: Some(stop),
            thread: Some(thread),
            _directory: directory,
        }
    }

    /// Runs a flow, as a command would.
    pub fn run<T>(&self, flow: impl Future<Output = T>) -> T {
        self.runtime.block_on(flow)
    }

    pub fn now(&self) -> Moment {
        self.world.now()
    }

    /// Lets time go by; the change feed is read, as it is a few times each second.
    pub fn advance(&self, span: Span) {
        self.clock.advance(span);
        self.follow_now();
    }

    pub fn follow_now(&self) {
        self.run(follow::now(&self.world)).unwrap();
    }

    /// Deletes what is old, as happens each minute.
    pub fn sweep_now(&self) {
        let purge = |tx: &mut Tx<'_>| -> Result<_, Stop<()>> { Ok(purge::purge(tx)?) };
        self.run(self.world.store.write("purge", purge)).unwrap();
    }

    pub fn get(&self, target: &str) -> Reply {
        get(target).send(self.address)
    }
    pub fn post(&self, target: &str, form: &[(&str, &str)]) -> Reply {
        post(target, form).send(self.address)
    }
    pub fn send(&self, request: &Request) -> Reply {
        request.send(self.address)
    }

    pub fn browser(&self) -> Browser {
        Browser::at(self)
    }

    pub fn person(&self, name: &str) -> Person {
        let profile = Profile {
            name: Some(format!("{name} Example")),
            email: Some(format!("{name}@example.org")),
            email_verified: true,
            ..Profile::default()
        };
        let password = Some(Secret::new(PASSWORD.to_owned()));
        let new = NewUser { username: name.to_owned(), profile, password };
        let user = self.run(manage_users::add(&self.world, new, Actor::System)).unwrap();
        Person { name: name.to_owned(), password: PASSWORD.to_owned(), id: user.id.to_string() }
    }

    pub fn disable(&self, person: &Person) {
        self.run(manage_users::disable(&self.world, &person.id, Actor::System)).unwrap();
        self.follow_now();
    }

    /// Registers a client with this metadata.
    ///
    /// # Panics
    /// Where the metadata cannot be.
    pub fn register(&self, metadata: &Value) -> App {
        self.try_register(metadata).unwrap_or_else(|why| panic!("{why}"))
    }

    pub fn try_register(&self, metadata: &Value) -> Result<App, String> {
        let metadata: Map<String, Value> = metadata.as_object().unwrap().clone();
        let policy = self.config.registration_policy();
        let added = self.run(manage_clients::add(&self.world, None, &metadata, policy, Actor::System));
        let added = added.map_err(|stop| format!("{stop:?}"))?;
        let auth = match added.secret {
            Some(secret) => Auth::Basic(secret.expose().clone()),
            None => Auth::None,
        };
        Ok(App::new(self, added.client.id.to_string(), auth, &metadata))
    }

    /// A web application: it has a secret, refreshes, and may ask for everything.
    pub fn web_app(&self) -> App {
        self.web_app_with(|_| ())
    }

    /// The same, with metadata changed.
    pub fn web_app_with(&self, change: impl FnOnce(&mut Value)) -> App {
        let mut metadata = json!({
            "client_name": "Notes",
            "redirect_uris": ["https://app.example/cb"],
            "post_logout_redirect_uris": ["https://app.example/bye"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "client_secret_basic",
            "id_token_signed_response_alg": "ES256",
            "scope": "openid profile email offline_access docs.read docs.write mail.read",
            "resources": [DOCS, MAIL],
        });
        change(&mut metadata);
        self.register(&metadata)
    }

    /// A public client, as in a browser or on a telephone.
    pub fn public_app(&self) -> App {
        self.web_app_with(|metadata| metadata["token_endpoint_auth_method"] = json!("none"))
    }

    /// A machine, with a token of its own.
    pub fn machine(&self) -> App {
        self.machine_with(|_| ())
    }

    pub fn machine_with(&self, change: impl FnOnce(&mut Value)) -> App {
        let mut metadata = json!({
            "client_name": "Nightly job",
            "grant_types": ["client_credentials"],
            "response_types": [],
            "token_endpoint_auth_method": "client_secret_basic",
            "scope": "docs.read docs.write",
            "resources": [DOCS],
        });
        change(&mut metadata);
        self.register(&metadata)
    }

    /// A machine that proves itself by assertions, with the key that signs them (RFC 7523).
    pub fn keyed(&self) -> (App, Key) {
        let key = Key::new();
        let app = self.machine_with(|metadata| {
            metadata["token_endpoint_auth_method"] = json!("private_key_jwt");
            metadata["jwks"] = key.jwks();
        });
        (app.with_key(&key), key)
    }

    /// Asks for a machine's token with this assertion.
    pub fn show(&self, assertion: &str) -> Reply {
        let grant = ("grant_type", "client_credentials");
        self.post("/token", &[grant, ("client_assertion_type", JWT_BEARER), ("client_assertion", assertion)])
    }

    /// The API itself: it introspects what is for it.
    pub fn resource_server(&self, audience: &str) -> App {
        self.machine_with(|metadata| {
            metadata["client_name"] = json!("The API");
            metadata["protected_resources"] = json!([audience]);
        })
    }

    /// Changes the registration of a client, as applying a file does, and lets all hear of it.
    pub fn change_client(&self, app: &App, change: impl FnOnce(&mut Map<String, Value>)) {
        let id = ClientId::parse(&app.id).unwrap();
        let wanted = id.clone();
        let find = move |tx: &mut Tx<'_>| -> Result<_, Stop<()>> { Ok(tx.clients().find(&wanted)?) };
        let mut metadata = self.run(self.world.store.read("find_client", find)).unwrap().unwrap().metadata;
        change(&mut metadata);
        let write = move |tx: &mut Tx<'_>| -> Result<_, Stop<()>> {
            assert!(tx.clients().replace_metadata(&id, &metadata)?);
            Ok(tx.feed().add(&Change::about(Subject::Client, id.as_str()))?)
        };
        self.run(self.world.store.write("change_client", write)).unwrap();
        self.follow_now();
    }

    pub fn disable_client(&self, app: &App) {
        let id = ClientId::parse(&app.id).unwrap();
        self.run(manage_clients::disable(&self.world, &id, Actor::System)).unwrap();
        self.follow_now();
    }

    pub fn enable_client(&self, app: &App) {
        let id = ClientId::parse(&app.id).unwrap();
        self.run(manage_clients::enable(&self.world, &id, Actor::System)).unwrap();
        self.follow_now();
    }

    /// An access token with these claims, under our own key: what no client could make.
    pub fn forge(&self, typ: Typ, claims: &Value) -> String {
        let keyring = self.world.keyring.load();
        keyring.signer(Alg::Es256).unwrap().sign(typ, claims).unwrap()
    }

    /// What was recorded, oldest first.
    pub fn events(&self) -> Vec<AuditRow> {
        self.run(sweep::flush(&self.world)).unwrap();
        let filter = Filter::default();
        let list = move |tx: &mut Tx<'_>| -> Result<_, Stop<()>> { Ok(tx.audit().list(&filter, None, 1000)?) };
        let mut rows = self.run(self.world.store.read("list_events", list)).unwrap();
        rows.reverse();
        rows
    }

    /// The events of one kind.
    pub fn events_of(&self, kind: &str) -> Vec<AuditRow> {
        self.events().into_iter().filter(|row| row.kind == kind).collect()
    }

    pub fn recorded(&self, kind: &str) -> bool {
        !self.events_of(kind).is_empty()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            assert!(ended.is_none_or(|ended| ended.is_ok()), "the server panicked");
        }
    }
}

/// The beginning of time in tests, in seconds.
pub const EPOCH: i64 = START.unix();
