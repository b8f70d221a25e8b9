//! Postgres: a fixed number of threads, each with a connection of its own, fed by one queue.
//!
//! A connection belongs to its thread, so nothing is checked out and no ping is sent; one that
//! breaks is dropped, and the next piece of work makes a new one.

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
};
use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

type Transactions = AnsiTransactionManager;

/// How often work is tried again because of others in its way.
const CONFLICTS: u32 = 3;
/// After a connection could not be made, how long others are not tried: requests fail at once
/// instead of each waiting for the same silence.
const REST: Duration = Duration::from_millis(250);

/// How connections are made.
pub(super) struct Postgres {
    url: Secret<String>,
    greeting: String,
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
        Self { url: Secret::new(url), greeting }
    }

    fn connect(&self) -> Result<PgConnection, Fault> {
        let made = PgConnection::establish(self.url.expose());
        let mut made = made.map_err(|e| Fault::new("connecting to Postgres", e).passing())?;
        made.batch_execute(&self.greeting).map_err(|e| failure::fault("greeting Postgres", e))?;
        Ok(made)
    }
}

/// Starts the threads; they end when the queue is closed and empty.
pub(super) fn start(settings: &Settings, context: &Arc<Context>, jobs: &Queue) -> Result<Vec<JoinHandle<()>>, Fault> {
    let how = Arc::new(Postgres::new(settings));
    let start_one = |n: u32| {
        let mut lane = Lane { how: how.clone(), context: context.clone(), connection: None, refused: None };
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
    how: Arc<Postgres>,
    context: Arc<Context>,
    connection: Option<PgConnection>,
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

    /// Tries until there is an outcome: again after a conflict, and once more where a connection
    /// that had served before turns out to be dead.
    fn carry_out(&mut self, work: &mut dyn Work) {
        let now = self.context.clock.now();
        let (mut conflicts, mut reconnected) = (0, false);
        loop {
            let used = self.connection.is_some();
            let mut connection = match self.connection() {
                Ok(connection) => connection,
                Err(fault) => return work.fail(fault),
            };
            let tried = match work.mode() {
                Mode::Write => in_transaction(&mut connection, work, &self.context, now),
                Mode::Read | Mode::Single | Mode::Bare => bare(&mut connection, work, &self.context, now),
            };
            let broken = matches!(tried, Try::Again(Trouble::Broken));
            // Migrations change the settings of their connection.
            if !broken && work.mode() != Mode::Bare && !is_broken(&mut connection) {
                self.connection = Some(connection);
            }
            match tried {
                Try::Again(Trouble::Broken) if used && !reconnected => reconnected = true,
                Try::Again(Trouble::Conflict) if conflicts < CONFLICTS => conflicts += 1,
                Try::Settled | Try::Again(_) => return,
            }
            work.tried_again();
        }
    }

    fn connection(&mut self) -> Result<PgConnection, Fault> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        if self.refused.is_some_and(|at| at.elapsed() < REST) {
            return Err(Fault::bare("Postgres could not be reached a moment ago").passing());
        }
        let made = self.how.connect();
        self.refused = made.is_err().then(Instant::now);
        made
    }
}

fn is_broken(connection: &mut PgConnection) -> bool {
    // A transaction that is still open, or a manager in error, must not be met by other work.
    !matches!(Transactions::transaction_manager_status_mut(connection).transaction_depth(), Ok(None))
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
