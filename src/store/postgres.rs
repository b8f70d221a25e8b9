//! Postgres: a fixed number of threads, fed by one queue; each piece of work borrows a connection
//! from a pool of as many.
//!
//! No ping is sent at check-out, which would cost a round trip: a connection that turns out to be
//! dead is thrown away when it comes back, and the work is done again on another.

use super::{
    Context, Queue, Settings, failure,
    failure::Trouble,
    tx::{Conn, Tx},
    work::{Mode, Verdict, Work, overdue},
};
use crate::base::{fault::Fault, moment::Moment, secret::Secret};
use diesel::{
    Connection, PgConnection,
    connection::{AnsiTransactionManager, SimpleConnection, TransactionManager},
    r2d2::ConnectionManager,
};
use r2d2::{CustomizeConnection, NopErrorHandler, Pool, PooledConnection};
use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

type Transactions = AnsiTransactionManager;
type Manager = ConnectionManager<PgConnection>;
type Connections = Pool<Manager>;

/// How often work is tried again because of others in its way.
const CONFLICTS: u32 = 3;
/// After a connection could not be made, how long others are not tried: requests fail at once
/// instead of each waiting for the same silence.
const REST: Duration = Duration::from_millis(250);

/// What a connection is told when it is made.
#[derive(Clone, Debug)]
struct Greeting(String);

impl CustomizeConnection<PgConnection, diesel::r2d2::Error> for Greeting {
    fn on_acquire(&self, connection: &mut PgConnection) -> Result<(), diesel::r2d2::Error> {
        connection.batch_execute(&self.0).map_err(diesel::r2d2::Error::QueryError)
    }
}

/// How connections are made.
pub(super) struct Postgres {
    url: Secret<String>,
    greeting: Greeting,
}

impl Postgres {
    pub(super) fn new(settings: &Settings) -> Self {
        let statement = settings.statement_timeout.to_std().as_millis().max(1);
        let wait = settings.pool_wait.to_std().as_secs().max(1);
        let url = settings.url.expose();
        let joint = if url.contains('?') { '&' } else { '?' };
        // A peer that vanished without a word is noticed by the kernel, not by people.
        let silence = statement.saturating_mul(2);
        let url = format!(
            "{url}{joint}fallback_application_name=keywright&connect_timeout={wait}&keepalives_idle=30&tcp_user_timeout={silence}"
        );
        let greeting = format!(
            "SET statement_timeout = {statement}; SET idle_in_transaction_session_timeout = {statement}; \
             SET client_min_messages = 'warning'"
        );
        Self { url: Secret::new(url), greeting: Greeting(greeting) }
    }

    /// A connection outside the pool.
    ///
    /// # Errors
    /// A [`Fault`] where none can be made.
    pub(super) fn connect(&self) -> Result<PgConnection, Fault> {
        let made = PgConnection::establish(self.url.expose());
        let mut made = made.map_err(unconnected)?;
        made.batch_execute(&self.greeting.0).map_err(|e| failure::fault("preparing a connection", e))?;
        Ok(made)
    }

    /// The pool. It connects when there is work, so that a server starts while its database does.
    fn pool(&self, settings: &Settings) -> Connections {
        Pool::builder()
            .max_size(settings.connections.max(1))
            .min_idle(Some(0))
            .test_on_check_out(false)
            .connection_timeout(settings.pool_wait.to_std().max(Duration::from_millis(1)))
            .connection_customizer(Box::new(self.greeting.clone()))
            .error_handler(Box::new(NopErrorHandler))
            .build_unchecked(Manager::new(self.url.expose()))
    }
}

/// The fault where no connection could be made.
fn unconnected(error: impl std::fmt::Display) -> Fault {
    Fault::bare(format!("connecting to Postgres: {}", without_url(&error.to_string()))).passing()
}

/// What libpq or the pool says of a connection that could not be made. Where libpq does not say what became of one, it
/// may be at a loss with the URL, and repeats what it took for a part of it, which may be one of the password: that is
/// left out.
fn without_url(said: &str) -> &str {
    const TRIED: [&str; 3] = ["connection to server ", "could not translate host name ", "FATAL: "];
    let of_libpq = said.strip_prefix("timed out waiting for connection: ").unwrap_or(said);
    if TRIED.iter().any(|begin| of_libpq.starts_with(begin)) {
        return said.trim_end();
    }
    said.split_once('"').map_or(said, |(before, _)| before).trim_end()
}

/// Starts the threads; they end when the queue is closed and empty.
pub(super) fn start(settings: &Settings, context: &Arc<Context>, jobs: &Queue) -> Result<Vec<JoinHandle<()>>, Fault> {
    let how = Postgres::new(settings);
    let pool = how.pool(settings);
    let start_one = |n: u32| {
        let mut lane =
            Lane { pool: pool.clone(), greeting: how.greeting.clone(), context: context.clone(), refused: None };
        let jobs = jobs.clone();
        let run = move || {
            while let Ok(work) = jobs.recv() {
                lane.take(work);
            }
        };
        std::thread::Builder::new().name(format!("store-{n}")).spawn(run)
    };
    (0..settings.connections.max(1))
        .map(|n| start_one(n).map_err(|e| Fault::new("starting a database thread", e)))
        .collect()
}

struct Lane {
    pool: Connections,
    greeting: Greeting,
    context: Arc<Context>,
    refused: Option<Instant>,
}

/// What came of one try.
enum Try {
    Settled,
    Again(Trouble),
}

impl Lane {
    fn take(&mut self, mut work: Box<dyn Work>) {
        if work.overdue(self.context.patience) {
            work.fail(overdue());
        } else {
            self.carry_out(work.as_mut());
        }
        work.settle(self.context.observer.as_ref());
    }

    /// Tries until there is an outcome: again after a conflict, and on another connection where
    /// one turns out to be dead. After a restart of the database all that lie idle are dead, so
    /// there may be as many more tries as the pool has connections.
    fn carry_out(&mut self, work: &mut dyn Work) {
        let now = self.context.clock.now();
        let (mut conflicts, mut dead) = (0, 0);
        loop {
            let mut connection = match self.connection() {
                Ok(connection) => connection,
                Err(fault) => return work.fail(fault),
            };
            let tried = match work.mode() {
                Mode::Write => in_transaction(&mut connection, work, &self.context, now),
                Mode::Read | Mode::Single | Mode::Bare => bare(&mut connection, work, &self.context, now),
            };
            if work.mode() == Mode::Bare {
                // Migrations change the settings of their connection. Where this fails, so will its next use.
                let _ = connection.batch_execute(&self.greeting.0);
            }
            drop(connection);
            match tried {
                Try::Again(Trouble::Broken) if dead < self.pool.max_size() => dead += 1,
                Try::Again(Trouble::Conflict) if conflicts < CONFLICTS => conflicts += 1,
                Try::Settled | Try::Again(_) => return,
            }
            work.tried_again();
        }
    }

    /// Borrows a connection. One that comes back with a transaction open, or broken, is thrown away by the pool.
    fn connection(&mut self) -> Result<PooledConnection<Manager>, Fault> {
        if let Some(idle) = self.pool.try_get() {
            return Ok(idle);
        }
        if self.refused.is_some_and(|at| at.elapsed() < REST) {
            return Err(Fault::bare("Postgres could not be reached a moment ago").passing());
        }
        let made = self.pool.get().map_err(unconnected);
        self.refused = made.is_err().then(Instant::now);
        made
    }
}

fn bare(connection: &mut PgConnection, work: &mut dyn Work, context: &Context, now: Moment) -> Try {
    match work.run(&mut Tx::new(Conn::Pg(connection), now, context.dice.as_ref())) {
        Verdict::Keep => Try::Settled,
        Verdict::Undo(trouble) => Try::Again(trouble),
    }
}

fn in_transaction(connection: &mut PgConnection, work: &mut dyn Work, context: &Context, now: Moment) -> Try {
    if let Err(error) = Transactions::begin_transaction(connection) {
        let trouble = Trouble::of(&error);
        work.fail(failure::fault("beginning a transaction", error));
        return Try::Again(trouble);
    }
    match work.run(&mut Tx::new(Conn::Pg(connection), now, context.dice.as_ref())) {
        Verdict::Keep => commit(connection, work),
        Verdict::Undo(trouble) => {
            // Where even this fails the connection is dropped, and the server rolls back.
            let rolled_back = Transactions::rollback_transaction(connection).is_ok();
            if rolled_back || trouble == Trouble::Broken { Try::Again(trouble) } else { Try::Settled }
        }
    }
}

fn commit(connection: &mut PgConnection, work: &mut dyn Work) -> Try {
    let Err(error) = Transactions::commit_transaction(connection) else { return Try::Settled };
    let trouble = Trouble::of(&error);
    work.fail(failure::fault("committing", error));
    // A connection that broke during COMMIT leaves open whether it happened: that is not tried again.
    if trouble == Trouble::Conflict { Try::Again(trouble) } else { Try::Settled }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libpq_takes_for_a_part_of_a_url_is_not_repeated() {
        let pool = |text: &str| format!("timed out waiting for connection: {text}");
        for (said, told) in [
            ("invalid integer value \"hunter2\" for connection option \"port\"", "invalid integer value"),
            ("invalid percent-encoded token: \"hun%ter2\"", "invalid percent-encoded token:"),
            ("invalid URI query parameter: \"hun\"ter2\"", "invalid URI query parameter:"),
        ] {
            assert_eq!(without_url(said), told);
            assert_eq!(without_url(&pool(said)), pool(told));
        }
        for said in [
            "connection to server at \"db\" (10.0.0.1), port 5432 failed: Connection refused",
            "could not translate host name \"db\" to address: Name or service not known",
            "timed out waiting for connection",
        ] {
            assert_eq!(without_url(said), said);
            assert_eq!(without_url(&pool(said)), pool(said));
        }
    }

    #[test]
    fn a_url_that_libpq_does_not_understand_stays_out_of_the_fault() {
        let made = PgConnection::establish("postgres://u:hunter2/TAIL@h/db").map(drop).map_err(unconnected);
        let told = made.unwrap_err().to_string();
        assert!(told.contains("connecting to Postgres: invalid integer value") && !told.contains("hunter2"), "{told}");
    }
}
