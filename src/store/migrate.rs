//! Migrations: embedded in the binary, the same names in both dialects.

use super::{Store, Tx, dialect, plain, tx::Conn, work::Mode};
use crate::base::fault::{Fault, Stop};
use diesel::migration::MigrationSource;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::convert::Infallible;

const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// A step through the migrations.
#[derive(Clone, Copy)]
enum Step {
    /// All that are missing.
    Up,
    /// All that are there, newest first.
    Down,
    /// None: only say which are missing.
    Look,
}

impl Store {
    /// Brings the tables up to what this program knows, and says which migrations that took. Several
    /// nodes, or processes with one file, may call it at once: one does it, the others wait for it.
    ///
    /// # Errors
    /// A [`Fault`] where a migration failed, which then left no trace, or the database is away.
    pub async fn migrate(&self) -> Result<Vec<String>, Fault> {
        plain(super::wait(self.step(Step::Up)?).await)
    }

    /// [`Store::migrate`] for threads that may block.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub fn migrate_blocking(&self) -> Result<Vec<String>, Fault> {
        plain(super::block(self.step(Step::Up)?))
    }

    /// The migrations that are missing, oldest first.
    ///
    /// # Errors
    /// A [`Fault`] where the database is away.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, Fault> {
        plain(super::wait(self.step(Step::Look)?).await)
    }

    /// [`Store::pending_migrations`] for threads that may block.
    ///
    /// # Errors
    /// As [`Store::pending_migrations`].
    pub fn pending_migrations_blocking(&self) -> Result<Vec<String>, Fault> {
        plain(super::block(self.step(Step::Look)?))
    }

    /// Takes every migration back, and with them everything that is stored; for tests and rehearsals.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub fn revert_all_blocking(&self) -> Result<Vec<String>, Fault> {
        plain(super::block(self.step(Step::Down)?))
    }

    fn step(&self, step: Step) -> Result<super::Reply<Vec<String>, Infallible>, Fault> {
        self.ask("migrate", Mode::Bare, move |tx| {
            // Whoever opens a file that has all tables need not wait until nobody writes to it.
            let look = matches!(step, Step::Up) && dialect::has_one_node(tx);
            if look && run(tx, Step::Look)?.is_empty() {
                return Ok(Vec::new());
            }
            Ok::<_, Stop<Infallible>>(dialect::alone(tx, |tx| run(tx, step))?)
        })
    }
}

fn run(tx: &mut Tx<'_>, step: Step) -> Result<Vec<String>, Fault> {
    let done = match &mut tx.conn {
        Conn::Pg(c) => walk(*c, POSTGRES, step),
        Conn::Sqlite(c) => walk(*c, SQLITE, step),
    };
    done.map_err(|e| Fault::new("migrating the database", e))
}

fn walk<DB, S, H>(harness: &mut H, source: S, step: Step) -> diesel::migration::Result<Vec<String>>
where
    DB: diesel::backend::Backend,
    S: MigrationSource<DB>,
    H: MigrationHarness<DB>,
{
    match step {
        Step::Up => Ok(harness.run_pending_migrations(source)?.iter().map(ToString::to_string).collect()),
        Step::Down => Ok(harness.revert_all_migrations(source)?.iter().map(ToString::to_string).collect()),
        Step::Look => Ok(harness.pending_migrations(source)?.iter().map(|m| m.name().to_string()).collect()),
    }
}
