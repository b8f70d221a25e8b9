//! An installation in a folder of its own, and the processes that serve it.

use super::{http::Client, ports::free_port};
use diesel::{Connection, PgConnection, RunQueryDsl, SqliteConnection, connection::SimpleConnection};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

const BINARY: &str = env!("CARGO_BIN_EXE_keywright");
const PASSWORD: &str = "correct horse battery staple";

/// A database, clients, people: what several processes may serve.
pub(crate) struct Installation {
    pub issuer: String,
    pub app: Registered,
    pub machine: Registered,
    pub people: Vec<String>,
    /// Settings of its servers, by the names of the environment.
    pub settings: Vec<(&'static str, String)>,
    folder: PathBuf,
    database: Option<String>,
    _temporary: Option<tempfile::TempDir>,
    _schema: Option<Schema>,
}

/// A client as registered.
#[derive(Clone)]
pub(crate) struct Registered {
    pub id: String,
    pub basic: String,
}

/// A schema of its own on the server that `TEST_POSTGRES` names.
struct Schema {
    server: String,
    name: String,
}

impl Drop for Schema {
    fn drop(&mut self) {
        if let Ok(mut c) = PgConnection::establish(&self.server) {
            drop(c.batch_execute(&format!("DROP SCHEMA {} CASCADE", self.name)));
        }
    }
}

/// The Postgres server for tests; a test without one says that it is skipped.
pub(crate) fn postgres() -> Option<String> {
    let found = std::env::var("TEST_POSTGRES").ok();
    if found.is_none() {
        println!("skipped on Postgres: TEST_POSTGRES is not set");
    }
    found
}

impl Installation {
    pub(crate) fn on_sqlite() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().to_owned();
        Self::new(folder, Some(temporary), None, None).peopled()
    }

    /// On SQLite, without clients and people.
    pub(crate) fn bare_on_sqlite() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        Self::new(temporary.path().to_owned(), Some(temporary), None, None)
    }

    /// In a folder that is somebody else's.
    pub(crate) fn on_sqlite_in(folder: &Path) -> Self {
        Self::new(folder.to_owned(), None, None, None).peopled()
    }

    /// In a schema of its own on this server.
    pub(crate) fn on_postgres(server: &str) -> Self {
        Self::bare_on_postgres(server).peopled()
    }

    /// The same without clients and people.
    pub(crate) fn bare_on_postgres(server: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("kw_crash_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        let mut c = PgConnection::establish(server).expect("the Postgres server");
        c.batch_execute(&format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}")).unwrap();
        let joint = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{joint}application_name={name}&options=-csearch_path%3D{name}");
        let temporary = tempfile::tempdir().unwrap();
        let schema = Schema { server: server.to_owned(), name };
        Self::new(temporary.path().to_owned(), Some(temporary), Some(url), Some(schema))
    }

    fn new(
        folder: PathBuf,
        temporary: Option<tempfile::TempDir>,
        database: Option<String>,
        schema: Option<Schema>,
    ) -> Self {
        let none = Registered { id: String::new(), basic: String::new() };
        let made = Self {
            issuer: format!("http://127.0.0.1:{}", free_port()),
            app: none.clone(),
            machine: none,
            people: Vec::new(),
            settings: Vec::new(),
            folder,
            database,
            _temporary: temporary,
            _schema: schema,
        };
        let config = format!(
            "[server]\nissuer = \"{}\"\nworkers = 2\n[database]\npool_wait = \"20s\"\nstatement_timeout = \"10s\"\n\
             [tokens]\nrefresh_grace = \"2m\"\naccess_token_lifetime = \"30m\"\n[sign_in]\nattempts_per_address = \"1000/1m\"\n\
             [[resources]]\nidentifier = \"https://api.example\"\nname = \"API\"\n\
             scopes = [{{ name = \"read\", description = \"Read\" }}]\n",
            made.issuer
        );
        fs::write(made.folder.join("keywright.toml"), config).unwrap();
        made.cli(&["migrate"], "");
        made
    }

    /// With clients, and people who sign in.
    pub(crate) fn peopled(self) -> Self {
        let mut made = self;
        made.people = (0..8).map(|n| format!("person{n}")).collect();
        made.app = made.register(&json!({
            "client_name": "App", "first_party": true, "redirect_uris": [super::browser::CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"], "scope": "openid", "application_type": "native",
            "id_token_signed_response_alg": "ES256", "token_endpoint_auth_method": "client_secret_basic",
        }));
        made.machine = made.register(&json!({
            "client_name": "Machine", "grant_types": ["client_credentials"], "response_types": [], "scope": "read",
            "resources": ["https://api.example"], "token_endpoint_auth_method": "client_secret_basic",
        }));
        for name in &made.people {
            made.cli(&["user", "add", name, "--password-stdin"], &format!("{PASSWORD}\n"));
        }
        made
    }

    pub(crate) fn register(&self, metadata: &Value) -> Registered {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let made = self.cli(&["client", "add", "--metadata", "-"], &metadata.to_string());
        let member = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("no {name} in {made}")).to_owned();
        let (id, secret) = (member("client_id"), member("client_secret"));
        Registered { basic: format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}"))), id }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(args).current_dir(&self.folder).env_clear();
        command.env("KEYWRIGHT_SERVER_DATA_DIR", self.folder.join("data"));
        if let Some(url) = &self.database {
            command.env("KEYWRIGHT_DATABASE_URL", url);
        }
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the command line to its end.
    pub(crate) fn cli(&self, args: &[&str], input: &str) -> Value {
        let mut command = self.command(args);
        command.args(["-o", "json"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "keywright {args:?}: {}\n{said}", String::from_utf8_lossy(&out.stdout));
        serde_json::from_slice(&out.stdout).unwrap_or(Value::Null)
    }

    /// The same, whatever it says.
    pub(crate) fn cli_with(&self, args: &[&str]) {
        let mut command = self.command(args);
        assert!(command.stdout(Stdio::null()).status().unwrap().success(), "keywright {args:?}");
    }

    /// A browser of the n-th person.
    pub(crate) fn browser(&self, n: usize) -> super::browser::Browser {
        let username = self.people[n % self.people.len()].clone();
        super::browser::Browser { username, password: PASSWORD.to_owned(), ..Default::default() }
    }

    /// Whether its database is a file.
    pub(crate) const fn is_on_sqlite(&self) -> bool {
        self.database.is_none()
    }

    /// Every row of a query in its schema, whose column is called `text`.
    pub(crate) fn texts(&self, query: &str) -> Vec<String> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            text: String,
        }
        let rows: Vec<Row> = match &self.database {
            Some(url) => diesel::sql_query(query).load(&mut PgConnection::establish(url).unwrap()).unwrap(),
            None => {
                let file = self.folder.join("data/keywright.db");
                let mut c = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
                c.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
                diesel::sql_query(query).load(&mut c).unwrap()
            }
        };
        rows.into_iter().map(|row| row.text).collect()
    }

    /// Does something to its database, on Postgres, behind the servers' back.
    pub(crate) fn meddle(&self, sql: &str) {
        let url = self.database.as_ref().expect("Postgres");
        PgConnection::establish(url).unwrap().batch_execute(sql).unwrap();
    }

    /// Starts a server on the issuer's own port.
    pub(crate) fn serve(&self) -> Node {
        let port = self.issuer.rsplit(':').next().unwrap().parse().unwrap();
        self.serve_on(port)
    }

    /// Starts another server of the same installation.
    pub(crate) fn serve_elsewhere(&self) -> Node {
        self.serve_on(free_port())
    }

    /// Starts another whose clock is off by so many seconds; none where nothing here can fake a clock.
    pub(crate) fn serve_with_clock(&self, off: i32) -> Option<Node> {
        let libraries = ["x86_64-linux-gnu", "aarch64-linux-gnu"];
        let mut libraries = libraries.map(|arch| format!("/usr/lib/{arch}/faketime/libfaketime.so.1")).into_iter();
        let Some(library) = libraries.find(|path| Path::new(path).exists()) else {
            println!("skipped: libfaketime is not installed");
            return None;
        };
        let clock = [
            ("LD_PRELOAD", library),
            ("FAKETIME", format!("{off:+}s")),
            // Only what time it is; how fast it passes stays as it is.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        Some(self.serve_in(free_port(), &clock))
    }

    pub(crate) fn serve_on(&self, port: u16) -> Node {
        self.serve_in(port, &[])
    }

    fn serve_in(&self, port: u16, environment: &[(&str, String)]) -> Node {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let log = self.folder.join(format!("{port}.log"));
        let file = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut command = self.command(&["serve"]);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.env("KEYWRIGHT_SERVER_LISTEN", address.to_string()).env("KEYWRIGHT_LOG_LEVEL", "warn");
        let began = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        let mut node = Node { address, child, log, started_in: Duration::ZERO };
        loop {
            if Client::new(address).get("/readyz", &[]).is_ok_and(|reply| reply.status == 200) {
                node.started_in = began.elapsed();
                return node;
            }
            let ended = node.child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {ended:?}\n{}", node.said());
            assert!(began.elapsed() < Duration::from_secs(120), "the server is not ready\n{}", node.said());
            std::thread::sleep(Duration::from_millis(3));
        }
    }
}

/// One running server. It is killed when it goes out of scope.
pub(crate) struct Node {
    pub address: SocketAddr,
    pub started_in: Duration,
    child: Child,
    log: PathBuf,
}

impl Node {
    pub(crate) const fn client(&self) -> Client {
        Client::new(self.address)
    }
    /// SIGSTOP: it is asleep until [`Node::resume`].
    pub(crate) fn stop(&self) {
        self.signal("STOP");
    }
    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }
    /// SIGKILL, and the end of the process.
    pub(crate) fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let said = self.said();
            let tail: Vec<&str> = said.lines().rev().take(30).collect();
            println!("the server's last words:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }
}
