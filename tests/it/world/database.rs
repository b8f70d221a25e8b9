//! A database for each test: SQLite in a file of its own always, and a schema of its own on the
//! Postgres that `TEST_POSTGRES` names (`postgres://user@host:port/database`), where it is set.

use super::busy::{LONG, within};
use diesel::{Connection, PgConnection, RunQueryDsl, SqliteConnection, connection::SimpleConnection};
use keywright::{
    base::{
        entropy::OsEntropy,
        moment::{ManualClock, Moment, Span},
        secret::Secret,
    },
    store::{Settings, Store, Synchronous},
};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// When the clocks of tests start: 2026-01-01.
pub const START: Moment = Moment::from_unix(1_767_225_600);

pub struct Database {
    pub store: Store,
    pub clock: Arc<ManualClock>,
    pub settings: Settings,
    kind: Kind,
}

enum Kind {
    Sqlite { _directory: tempfile::TempDir },
    Postgres { server: String, schema: String },
}

/// A connection around the store, to look and to break things.
pub enum Backdoor {
    Pg(PgConnection),
    Sqlite(SqliteConnection),
}

#[derive(diesel::QueryableByName)]
struct TextRow {
    #[diesel(sql_type = diesel::sql_types::Text)]
    text: String,
}

impl Backdoor {
    /// To the database of this address.
    pub fn at(url: &str) -> Self {
        match url.strip_prefix("sqlite:") {
            Some(path) => {
                let mut c = SqliteConnection::establish(path).unwrap();
                // Whoever comes first after somebody was killed mends what they left.
                c.batch_execute("PRAGMA busy_timeout = 60000").unwrap();
                Self::Sqlite(c)
            }
            None => Self::Pg(PgConnection::establish(url).unwrap()),
        }
    }

    pub fn execute(&mut self, sql: &str) {
        match self {
            Self::Pg(c) => c.batch_execute(sql).unwrap(),
            Self::Sqlite(c) => c.batch_execute(sql).unwrap(),
        }
    }
    /// The column `text` of every row.
    pub fn texts(&mut self, sql: &str) -> Vec<String> {
        let rows: Vec<TextRow> = match self {
            Self::Pg(c) => diesel::sql_query(sql).load(c).unwrap(),
            Self::Sqlite(c) => diesel::sql_query(sql).load(c).unwrap(),
        };
        rows.into_iter().map(|row| row.text).collect()
    }
}

impl Database {
    pub fn is_sqlite(&self) -> bool {
        matches!(self.kind, Kind::Sqlite { .. })
    }

    pub fn backdoor(&self) -> Backdoor {
        Backdoor::at(self.settings.url.expose())
    }

    /// Returns as soon as so many wait here for others to end their transactions; on Postgres.
    pub fn until_waiting(&self, many: usize) {
        let mut look = self.backdoor();
        let waiting = "SELECT state AS text FROM pg_stat_activity \
                       WHERE application_name = current_setting('application_name') AND cardinality(pg_blocking_pids(pid)) > 0";
        assert!(within(LONG, || look.texts(waiting).len() == many), "not as many wait: {many}");
    }

    /// Another store on the same database, as a second node is.
    pub fn another(&self) -> Store {
        open(&self.settings, &self.clock)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.store.close();
        if let Kind::Postgres { server, schema } = &self.kind
            && let Ok(mut c) = PgConnection::establish(server)
        {
            drop(c.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")));
        }
    }
}

fn open(settings: &Settings, clock: &Arc<ManualClock>) -> Store {
    Store::open(settings, clock.clone(), Arc::new(OsEntropy)).unwrap()
}

pub fn settings(url: String) -> Settings {
    Settings {
        url: Secret::new(url),
        connections: 4,
        pool_wait: Span::seconds(20),
        statement_timeout: Span::seconds(10),
        sqlite_synchronous: Synchronous::Normal,
    }
}

fn make(kind: Kind, url: String) -> Database {
    let settings = settings(url);
    let clock = Arc::new(ManualClock::at(START));
    Database { store: open(&settings, &clock), clock, settings, kind }
}

/// Databases without tables.
pub fn empty() -> Vec<Database> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keywright.db");
    let url = format!("sqlite:{}", path.display());
    let mut all = vec![make(Kind::Sqlite { _directory: directory }, url)];
    if let Ok(server) = std::env::var("TEST_POSTGRES") {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let schema = format!("kw_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        let mut c = PgConnection::establish(&server).expect("the server that TEST_POSTGRES names");
        c.batch_execute(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")).unwrap();
        let joint = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{joint}application_name={schema}&options=-csearch_path%3D{schema}");
        all.push(make(Kind::Postgres { server, schema }, url));
    }
    all
}

/// Runs the test on every database there is, with tables.
pub fn each(test: impl Fn(&Database)) {
    for database in empty() {
        database.store.migrate_blocking().unwrap();
        test(&database);
    }
}
