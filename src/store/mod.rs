//! Floor 2: what is remembered, in SQLite or Postgres, and the law of its transactions: what ends
//! well commits, what ends in a refusal commits too (a refusal may have revoked something), and
//! what ends in a fault leaves no trace.
//!
//! Where to start reading: [`Store`] (how work gets to the database), [`Tx`] (what work sees), then
//! a file per table. `dialect` is the only one that asks which database it is.

mod column;
mod failure;
mod listen;
mod migrate;
mod observe;
mod payload;
mod postgres;
mod schema;
mod sqlite;
mod tx;
mod work;

pub mod api_keys;
pub mod apis;
pub mod audit;
pub mod claims;
pub mod client_secrets;
pub mod clients;
pub mod codes;
pub mod consents;
pub mod copy;
mod dialect;
pub mod erasure;
pub mod feed;
pub mod grants;
pub mod hashes;
pub mod idempotency;
pub mod jwks_fetches;
pub mod key_alerts;
pub mod key_ends;
pub mod key_facts;
pub mod key_families;
pub mod key_lists;
pub mod key_places;
pub mod key_uses;
pub mod key_versions;
pub mod mac_keys;
pub mod meta;
pub mod nodes;
pub mod outbox;
pub mod plans;
pub mod purge;
pub mod quotas;
pub mod replay;
pub mod sealed;
pub mod sessions;
pub mod signing_key_uses;
pub mod signing_keys;
mod statement;
pub mod usage;
pub mod usage_peaks;
pub mod usage_reports;
pub mod users;

pub use listen::Bell;
pub use observe::{Observer, Outcome, Unobserved};
pub use schema::TABLES;
pub use tx::Tx;

use crate::base::{
    entropy::Entropy,
    fault::{Fault, Stop},
    moment::{Clock, Span},
    secret::Secret,
};
use listen::Ear;
use postgres::Postgres;
use sqlite::Place;
use std::{
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread::JoinHandle,
    time::Duration,
};
use work::{Errand, Mode, Reply, Work};

/// The most pieces of work that wait; one more is turned away.
const QUEUE: usize = 1024;

type Queue = flume::Receiver<Box<dyn Work>>;

/// When SQLite flushes to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// At every commit: what was acknowledged survives a loss of power.
    #[default]
    Full,
    /// At checkpoints: the newest commits may be lost with the power, never with the process.
    Normal,
}

/// Where the database is and how hard it may be worked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `sqlite:PATH`, `sqlite::memory:`, or `postgres://…`.
    pub url: Secret<String>,
    /// Database threads, each with a connection: all of them on Postgres, the readers on SQLite. At least 1.
    pub connections: u32,
    /// How long work may wait for a thread, and a connection may take to be made.
    pub pool_wait: Span,
    /// How long one statement may take on Postgres.
    pub statement_timeout: Span,
    /// When SQLite flushes.
    pub sqlite_synchronous: Synchronous,
}

/// What a unique name or key was refused for: somebody else has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken;

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is taken")
    }
}
impl std::error::Error for Taken {}

/// What the database threads share.
struct Context {
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Entropy>,
    observer: Arc<dyn Observer>,
    patience: Duration,
    bell: Bell,
}

/// Which database the address names.
enum Backend {
    Postgres,
    Sqlite(Place),
}

struct Doors {
    writes: flume::Sender<Box<dyn Work>>,
    reads: flume::Sender<Box<dyn Work>>,
}

struct Inner {
    doors: RwLock<Option<Doors>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    bell: Bell,
    ear: Mutex<Option<Ear>>,
}

/// The database, shared: cloning gives another handle to the same threads.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Opens the database and starts its threads. SQLite's file is made where there is none, mode
    /// 0600; Postgres is connected to when there is work. Nothing is migrated.
    ///
    /// # Errors
    /// A [`Fault`] for an address that names no database, and where SQLite's file cannot be opened.
    pub fn open(settings: &Settings, clock: Arc<dyn Clock>, dice: Arc<dyn Entropy>) -> Result<Self, Fault> {
        Self::open_observed(settings, clock, dice, Arc::new(Unobserved))
    }

    /// As [`Store::open`], with somebody who counts.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_observed(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        dice: Arc<dyn Entropy>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, Fault> {
        let bell = Bell::default();
        let patience = settings.pool_wait.to_std();
        let context = Arc::new(Context { clock, dice, observer, patience, bell: bell.clone() });
        let backend = backend(settings.url.expose())?;
        let (writes, to_write) = flume::bounded(QUEUE);
        let (reads, to_read) = flume::bounded(QUEUE);
        let (threads, reads, ear) = match backend {
            Backend::Postgres => {
                let ear = Ear { how: Postgres::new(settings), jobs: to_write.clone(), bell: bell.clone() };
                (postgres::start(settings, &context, &to_write)?, writes.clone(), Some(ear))
            }
            Backend::Sqlite(place) => {
                let threads = sqlite::start(settings, &place, &context, (&to_write, &to_read))?;
                (threads, if place == Place::Memory { writes.clone() } else { reads }, None)
            }
        };
        let doors = RwLock::new(Some(Doors { writes, reads }));
        Ok(Self(Arc::new(Inner { doors, threads: Mutex::new(threads), bell, ear: Mutex::new(ear) })))
    }

    /// What rings, from now on, when the change feed may hold something new. On Postgres this takes
    /// a connection and a thread more, so only those ask who follow the feed.
    ///
    /// # Errors
    /// A [`Fault`] where there can be no thread.
    pub fn listen(&self) -> Result<Bell, Fault> {
        let ear = self.0.ear.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ear) = ear {
            let thread = ear.start()?;
            self.0.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(self.0.bell.clone())
    }

    /// Does work in one transaction. Its end decides: a value and a refusal commit, a fault rolls
    /// back. Work that met a conflict is done again, up to three times, with the same `now`; so is
    /// work whose connection turned out to be dead before the commit, once. `name` labels metrics.
    ///
    /// # Errors
    /// The refusal or the fault of the work; a fault of kind `Unavailable` where the database
    /// cannot be reached, its queue is full or it is shutting down. Where the connection broke
    /// during the commit it is not known whether the work was stored.
    pub async fn write<T, R, F>(&self, name: &'static str, f: F) -> Result<T, Stop<R>>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, Stop<R>> + Send + 'static,
        T: Send + 'static,
        R: Send + 'static,
    {
        wait(self.ask(name, Mode::Write, f)?).await
    }

    /// As [`Store::write`], for work that only reads: no transaction, so two statements may see two
    /// states of the database. On SQLite it runs beside the writer, and what writes is refused.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn read<T, R, F>(&self, name: &'static str, f: F) -> Result<T, Stop<R>>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, Stop<R>> + Send + 'static,
        T: Send + 'static,
        R: Send + 'static,
    {
        wait(self.ask(name, Mode::Read, f)?).await
    }

    /// As [`Store::write`], for one statement that is a transaction by itself, and may be preceded by
    /// some that read: one round trip each on Postgres. Where the connection breaks the work is done
    /// again, so it must be such that it may happen twice.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn single<T, R, F>(&self, name: &'static str, f: F) -> Result<T, Stop<R>>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, Stop<R>> + Send + 'static,
        T: Send + 'static,
        R: Send + 'static,
    {
        wait(self.ask(name, Mode::Single, f)?).await
    }

    /// [`Store::write`] for threads that may block; never for async workers.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_blocking<T, R, F>(&self, name: &'static str, f: F) -> Result<T, Stop<R>>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, Stop<R>> + Send + 'static,
        T: Send + 'static,
        R: Send + 'static,
    {
        block(self.ask(name, Mode::Write, f)?)
    }

    /// [`Store::read`] for threads that may block; never for async workers.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn read_blocking<T, R, F>(&self, name: &'static str, f: F) -> Result<T, Stop<R>>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, Stop<R>> + Send + 'static,
        T: Send + 'static,
        R: Send + 'static,
    {
        block(self.ask(name, Mode::Read, f)?)
    }

    /// [`Store::single`] for threads that may block; never for async workers.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn single_blocking<T, R, F>(&self, name: &'static str, f: F) -> Result<T, Stop<R>>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, Stop<R>> + Send + 'static,
        T: Send + 'static,
        R: Send + 'static,
    {
        block(self.ask(name, Mode::Single, f)?)
    }

    /// Whether the database answers: one trivial statement.
    ///
    /// # Errors
    /// A fault that says why not.
    pub async fn check(&self) -> Result<(), Fault> {
        plain(self.read("check", |tx| Ok::<_, Stop<Infallible>>(dialect::ping(tx)?)).await)
    }

    /// How many pieces of work wait to be begun; for a gauge.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let doors = self.0.doors.read().unwrap_or_else(PoisonError::into_inner);
        let Some(doors) = doors.as_ref() else { return 0 };
        if doors.writes.same_channel(&doors.reads) {
            return doors.writes.len();
        }
        doors.writes.len().saturating_add(doors.reads.len())
    }

    /// Takes no more work, finishes what waits, and ends the threads. Blocks until they have ended.
    pub fn close(&self) {
        drop(self.0.doors.write().unwrap_or_else(PoisonError::into_inner).take());
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A thread that panicked has nothing left to finish.
            drop(thread.join());
        }
    }

    fn ask<T, R, F>(&self, name: &'static str, mode: Mode, f: F) -> Result<Reply<T, R>, Fault>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, Stop<R>> + Send + 'static,
        T: Send + 'static,
        R: Send + 'static,
    {
        let (work, reply) = Errand::prepare(name, mode, f);
        let doors = self.0.doors.read().unwrap_or_else(PoisonError::into_inner);
        let Some(doors) = doors.as_ref() else {
            return Err(Fault::bare("the store is closed").passing());
        };
        let door = if mode == Mode::Read { &doors.reads } else { &doors.writes };
        match door.try_send(work) {
            Ok(()) => Ok(reply),
            Err(_) => Err(Fault::bare("the queue of the database is full").passing()),
        }
    }
}

async fn wait<T, R>(reply: Reply<T, R>) -> Result<T, Stop<R>> {
    reply.await.unwrap_or_else(|_| Err(gone()))
}

fn block<T, R>(reply: Reply<T, R>) -> Result<T, Stop<R>> {
    reply.blocking_recv().unwrap_or_else(|_| Err(gone()))
}

fn gone<R>() -> Stop<R> {
    Stop::Fault(Fault::bare("a database thread ended before its work").passing())
}

/// The result of work that cannot be refused.
fn plain<T>(outcome: Result<T, Stop<Infallible>>) -> Result<T, Fault> {
    outcome.map_err(|stop| match stop {
        Stop::Fault(fault) => fault,
        Stop::Refusal(never) => match never {},
    })
}

fn backend(url: &str) -> Result<Backend, Fault> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Backend::Postgres);
    }
    match url.strip_prefix("sqlite:") {
        Some(":memory:") => Ok(Backend::Sqlite(Place::Memory)),
        Some(path) if !path.is_empty() => Ok(Backend::Sqlite(Place::File(path.to_owned()))),
        Some(_) | None => Err(Fault::bare("the address of the database must be sqlite:PATH or postgres://…")),
    }
}
