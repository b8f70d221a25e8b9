//! Copies for backups: a consistent one of SQLite made while others write, and of Postgres a
//! snapshot that another program may read by its name.

use super::{Store, TABLES, Tx, plain, tx::Conn, work::Mode};
use crate::base::fault::{Fault, Stop};
use diesel::{QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types};
use std::{collections::BTreeMap, convert::Infallible, path::Path};

/// How many rows each table has.
pub type Counts = BTreeMap<String, i64>;

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = sql_types::BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = sql_types::Text)]
    name: String,
}

/// What another program may read of Postgres, as it was at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its name, for `pg_dump --snapshot`.
    pub name: String,
    /// The schema that the tables are in.
    pub schema: String,
    /// How many rows each table has in it.
    pub counts: Counts,
}

impl Store {
    /// How many rows each table has that this program knows.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub async fn counts(&self) -> Result<Counts, Fault> {
        plain(self.read("count_rows", |tx| Ok::<_, Stop<Infallible>>(counts(tx)?)).await)
    }

    /// Whether this is Postgres.
    ///
    /// # Errors
    /// A [`Fault`] where the database is away.
    pub async fn is_postgres(&self) -> Result<bool, Fault> {
        let look = |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(matches!(tx.conn, Conn::Pg(_)));
        plain(self.read("ask_which", look).await)
    }

    /// Copies an SQLite database to a file that does not exist, as it is at one moment; others go on writing.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or it is Postgres.
    pub async fn copy_to(&self, path: &Path) -> Result<(), Fault> {
        let path = path.to_str().map(str::to_owned).ok_or_else(|| Fault::bare("a path that is not UTF-8"))?;
        let copy = move |tx: &mut Tx<'_>| -> Result<(), Stop<Infallible>> {
            let Conn::Sqlite(c) = &mut tx.conn else { return Err(Fault::bare("this is not SQLite").into()) };
            let done = sql_query("VACUUM INTO ?").bind::<sql_types::Text, _>(&path).execute(*c);
            done.map(drop).map_err(|e| tx.fault("copying the database", &"file", e).into())
        };
        plain(super::wait(self.ask("copy", Mode::Bare, copy)?).await)
    }

    /// Holds Postgres as it is at one moment while `f` reads it elsewhere. Blocks a thread of the database.
    ///
    /// # Errors
    /// The [`Fault`] of `f`, or where the database could not do it.
    pub async fn while_held<T, F>(&self, f: F) -> Result<T, Fault>
    where
        F: FnMut(&Snapshot) -> Result<T, Fault> + Send + 'static,
        T: Send + 'static,
    {
        let mut f = f;
        let hold = move |tx: &mut Tx<'_>| -> Result<T, Stop<Infallible>> {
            // The connection is told again what it was told when it was made, before it is lent to others.
            pg(tx, "SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0")?;
            pg(tx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
            let done = snapshot(tx).and_then(|held| f(&held));
            // Nothing was written: whether it ends well or not, it is over.
            pg(tx, "ROLLBACK")?;
            Ok(done?)
        };
        plain(super::wait(self.ask("hold_snapshot", Mode::Bare, hold)?).await)
    }
}

fn pg(tx: &mut Tx<'_>, sql: &str) -> Result<(), Fault> {
    let Conn::Pg(c) = &mut tx.conn else { return Err(Fault::bare("this is not Postgres")) };
    c.batch_execute(sql).map_err(|e| tx.fault("holding the database as it is", &"snapshot", e))
}

fn snapshot(tx: &mut Tx<'_>) -> Result<Snapshot, Fault> {
    let counts = counts(tx)?;
    let mut text = |sql: &str| -> Result<String, Fault> {
        let Conn::Pg(c) = &mut tx.conn else { return Err(Fault::bare("this is not Postgres")) };
        let row = sql_query(sql).get_result::<Named>(*c);
        row.map(|row| row.name).map_err(|e| tx.fault("holding the database as it is", &"snapshot", e))
    };
    let (name, schema) =
        (text("SELECT pg_export_snapshot()::text AS name")?, text("SELECT current_schema()::text AS name")?);
    Ok(Snapshot { name, schema, counts })
}

fn counts(tx: &mut Tx<'_>) -> Result<Counts, Fault> {
    let mut counted = Counts::new();
    for (table, _) in TABLES {
        let sql = format!("SELECT count(*) AS n FROM {table}");
        let row = match &mut tx.conn {
            Conn::Pg(c) => sql_query(sql).get_result::<Counted>(*c),
            Conn::Sqlite(c) => sql_query(sql).get_result::<Counted>(*c),
        };
        let row = row.map_err(|e| tx.fault("counting rows", table, e))?;
        counted.insert((*table).to_owned(), row.n);
    }
    Ok(counted)
}
