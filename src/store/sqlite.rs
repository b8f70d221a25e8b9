//! SQLite: one thread that writes, and others that read beside it.
//!
//! The writer takes all that waits and commits it together, so that many acknowledged changes
//! share one flush to the disk. Each keeps its own fate: it runs in a savepoint, and a fault
//! undoes no more than that. Nobody is answered before the commit.

use super::{
    Context, Queue, Settings, Synchronous, failure,
    failure::Trouble,
    tx::{Conn, Tx},
    work::{Mode, Verdict, Work, overdue},
};
use crate::base::fault::Fault;
use diesel::{
    Connection, QueryResult, SqliteConnection,
    connection::{AnsiTransactionManager, SimpleConnection, TransactionManager, TransactionManagerStatus},
};
use std::{os::unix::fs::OpenOptionsExt, path::Path, sync::Arc, thread::JoinHandle};

type Transactions = AnsiTransactionManager;

/// The most pieces of work that share a commit.
const GROUP: usize = 64;

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In memory: one connection serves everybody, and it ends with it.
    Memory,
    /// A file.
    File(String),
}

impl Place {
    fn name(&self) -> &str {
        match self {
            Self::Memory => ":memory:",
            Self::File(path) => path,
        }
    }

    /// Makes the file where there is none, for its owner only.
    fn prepare(&self) -> Result<(), Fault> {
        let Self::File(path) = self else { return Ok(()) };
        let made = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(Path::new(path));
        made.map(drop).map_err(|e| Fault::new(format!("opening the database file {path}"), e).passing())
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Writer,
    Reader,
}

fn connect(place: &Place, role: Role, synchronous: Synchronous) -> Result<SqliteConnection, Fault> {
    let made = SqliteConnection::establish(place.name());
    let mut made = made.map_err(|e| Fault::new("opening SQLite", e).passing())?;
    let flush = match synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
    };
    let role = match role {
        Role::Writer => "PRAGMA journal_mode = WAL; PRAGMA cache_size = -2000;",
        Role::Reader => "PRAGMA query_only = ON; PRAGMA cache_size = -500;",
    };
    let pragmas = format!(
        "PRAGMA busy_timeout = 5000; {role} PRAGMA synchronous = {flush}; PRAGMA foreign_keys = ON; \
         PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;"
    );
    made.batch_execute(&pragmas).map_err(|e| failure::fault("preparing a SQLite connection", e))?;
    Ok(made)
}

/// Starts the writer and, for a file, the readers. They end when their queue is closed and empty.
pub(super) fn start(
    settings: &Settings,
    place: &Place,
    context: &Arc<Context>,
    queues: (&Queue, &Queue),
) -> Result<Vec<JoinHandle<()>>, Fault> {
    place.prepare()?;
    let (writes, reads) = queues;
    let readers = if *place == Place::Memory { 0 } else { readers(settings) };
    let lanes = std::iter::once((Role::Writer, writes)).chain((0..readers).map(|_| (Role::Reader, reads)));
    let mut threads = Vec::new();
    for (n, (role, jobs)) in lanes.enumerate() {
        let mut lane = Lane {
            place: place.clone(),
            role,
            synchronous: settings.sqlite_synchronous,
            context: context.clone(),
            connection: Some(connect(place, role, settings.sqlite_synchronous)?),
        };
        let jobs = jobs.clone();
        let run = move || {
            while let Ok(first) = jobs.recv() {
                lane.take(first, &jobs);
            }
        };
        let started = std::thread::Builder::new().name(format!("store-{n}")).spawn(run);
        threads.push(started.map_err(|e| Fault::new("starting a database thread", e))?);
    }
    Ok(threads)
}

/// How many connections read: no more than processors could keep busy, and two at least for when one waits for the disk.
/// Each has the schema and pages in memory of its own: with four on two processors a million keys were verified no
/// faster, in 3 MiB more.
fn readers(settings: &Settings) -> u32 {
    let processors = std::thread::available_parallelism().ok().and_then(|n| u32::try_from(n.get()).ok());
    settings.connections.clamp(1, processors.unwrap_or(1).max(2))
}

struct Lane {
    place: Place,
    role: Role,
    synchronous: Synchronous,
    context: Arc<Context>,
    connection: Option<SqliteConnection>,
}

/// The last writes of a group could not be committed, or lost the transaction under their feet.
struct Lost(Fault);

/// Whether what was committed holds a change that others wait to hear of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Something,
    Nothing,
}

impl Lane {
    fn take(&mut self, first: Box<dyn Work>, jobs: &Queue) {
        let mut group = vec![first];
        if self.role == Role::Writer {
            group.extend(jobs.try_iter().take(GROUP - 1));
        }
        let (late, mut due): (Vec<_>, Vec<_>) = group.into_iter().partition(|work| work.overdue(self.context.patience));
        for mut work in late {
            work.fail(overdue());
            work.settle(self.context.observer.as_ref());
        }
        self.carry_out(&mut due);
        due.into_iter().for_each(|work| work.settle(self.context.observer.as_ref()));
    }

    fn carry_out(&mut self, group: &mut [Box<dyn Work>]) {
        let mut connection = match self.connection() {
            Ok(connection) => connection,
            Err(fault) => return fail_all(group, &fault),
        };
        // Work that must stand alone splits the group around it.
        for part in group.split_inclusive_mut(|work| work.mode() == Mode::Bare) {
            let (together, alone) = match part.split_last_mut() {
                Some((last, before)) if last.mode() == Mode::Bare => (before, Some(last)),
                Some(_) | None => (part, None),
            };
            self.together(&mut connection, together);
            if let Some(work) = alone {
                bare(&mut connection, work.as_mut(), &self.context);
            }
        }
        self.connection = Some(connection);
    }

    fn together(&self, connection: &mut SqliteConnection, group: &mut [Box<dyn Work>]) {
        if self.role == Role::Reader {
            return group.iter_mut().for_each(|work| bare(connection, work.as_mut(), &self.context));
        }
        if group.is_empty() {
            return;
        }
        if let Err(error) = begin(connection) {
            return fail_all(group, &failure::fault("beginning a transaction", error));
        }
        let done = match &mut *group {
            [work] => by_itself(connection, work.as_mut(), &self.context),
            several => in_savepoints(connection, several, &self.context),
        };
        match done {
            Ok(Told::Something) => self.context.bell.ring(),
            Ok(Told::Nothing) => {}
            Err(Lost(fault)) => {
                abandon(connection);
                fail_all(group, &fault);
            }
        }
    }

    fn connection(&mut self) -> Result<SqliteConnection, Fault> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => connect(&self.place, self.role, self.synchronous),
        }
    }
}

/// Begins a transaction that writes, once no other process has one.
pub(super) fn begin(connection: &mut SqliteConnection) -> QueryResult<()> {
    Transactions::begin_transaction_sql(connection, "BEGIN IMMEDIATE")
}

/// Commits the transaction that was begun last.
pub(super) fn end(connection: &mut SqliteConnection) -> QueryResult<()> {
    Transactions::commit_transaction(connection)
}

fn bare(connection: &mut SqliteConnection, work: &mut dyn Work, context: &Context) {
    if let (Verdict::Undo(_), _) = run(connection, work, context) {
        abandon(connection);
    }
}

fn by_itself(connection: &mut SqliteConnection, work: &mut dyn Work, context: &Context) -> Result<Told, Lost> {
    let (verdict, told) = run(connection, work, context);
    match verdict {
        Verdict::Keep => commit(connection).map(|()| told),
        Verdict::Undo(_) => {
            abandon(connection);
            Ok(Told::Nothing)
        }
    }
}

fn run(connection: &mut SqliteConnection, work: &mut dyn Work, context: &Context) -> (Verdict, Told) {
    let now = context.clock.now();
    let mut tx = Tx::new(Conn::Sqlite(connection), now, context.dice.as_ref());
    let verdict = work.run(&mut tx);
    (verdict, if tx.told() { Told::Something } else { Told::Nothing })
}

fn in_savepoints(
    connection: &mut SqliteConnection,
    group: &mut [Box<dyn Work>],
    context: &Context,
) -> Result<Told, Lost> {
    let mut all = Told::Nothing;
    for work in group {
        Transactions::begin_transaction(connection).map_err(lost)?;
        let (verdict, told) = run(connection, work.as_mut(), context);
        if told == Told::Something {
            all = told;
        }
        // After some errors (a full disk) SQLite has given up the whole transaction: then there is
        // no savepoint to go back to, and the group is lost with it.
        match verdict {
            Verdict::Keep => Transactions::commit_transaction(connection).map_err(lost)?,
            Verdict::Undo(Trouble::Unable | Trouble::Broken) => {
                return Err(Lost(Fault::bare("the database could not store what others changed meanwhile").passing()));
            }
            Verdict::Undo(Trouble::Plain | Trouble::Conflict) => {
                Transactions::rollback_transaction(connection).map_err(lost)?;
            }
        }
    }
    commit(connection).map(|()| all)
}

fn commit(connection: &mut SqliteConnection) -> Result<(), Lost> {
    end(connection).map_err(lost)
}

/// Rolls everything back, however deep it was and whether or not SQLite has done so already, as it
/// does when the disk is full.
fn abandon(connection: &mut SqliteConnection) {
    // Where there is no transaction any more this fails, and nothing is wrong.
    drop(connection.batch_execute("ROLLBACK"));
    *Transactions::transaction_manager_status_mut(connection) = TransactionManagerStatus::default();
}

fn lost(error: diesel::result::Error) -> Lost {
    Lost(failure::fault("committing", error).passing())
}

fn fail_all(group: &mut [Box<dyn Work>], fault: &Fault) {
    for work in group {
        let mine = Fault::bare(fault.to_string());
        work.fail(if fault.kind() == crate::base::fault::FaultKind::Unavailable { mine.passing() } else { mine });
    }
}

#[cfg(test)]
mod tests;
