//! Making a backup of an installation that may be running: what is gathered, and how its database is read.

use super::{
    backup_file::{self, Dump, Manifest},
    folder::Folder,
    open::Edges,
    pg_tools,
};
use crate::{
    account::Password,
    base::{
        digest::hex,
        fault::Fault,
        moment::{Clock, Span},
        secret::Secret,
    },
    config::{Config, DatabaseUrl},
    store::{
        self, Store,
        copy::{Counts, Snapshot},
    },
};
use std::{
    fs::{self, File},
    io,
    path::Path,
    sync::Arc,
};

/// Told, once in a while, how many bytes of the database were written.
pub type Told = Arc<dyn Fn(u64) + Send + Sync>;

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// How the database is in it.
    pub dump: Dump,
    /// Bytes of the file.
    pub bytes: u64,
    /// How many rows there are in all.
    pub rows: i64,
    /// What to do with it.
    pub instructions: String,
}

/// What a backup is made of and where.
#[derive(Debug)]
pub struct Wanted<'w> {
    /// The settings.
    pub config: &'w Config,
    /// The key-encryption keys in force, the newest first.
    pub keks: Vec<Secret<[u8; 32]>>,
    /// The file.
    pub path: &'w Path,
    /// What opens it.
    pub passphrase: &'w Password,
}

fn written(keys: &[Secret<[u8; 32]>]) -> Vec<String> {
    keys.iter().map(|key| hex(key.expose())).collect()
}

impl Wanted<'_> {
    fn manifest(&self, edges: &Edges, dump: Dump, schema: Option<String>, counts: Counts) -> Manifest {
        Manifest {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            created_at: edges.clock.now().to_string(),
            issuer: self.config.server.issuer.to_string(),
            dump,
            schema,
            keks: written(&self.keks),
            peppers: written(&self.config.secrets.peppers()),
            counts,
            instructions: instructions(dump).to_owned(),
        }
    }
}

/// What to do with a backup.
const fn instructions(dump: Dump) -> &'static str {
    match dump {
        Dump::Sqlite => {
            "`keywright restore FILE --to FOLDER` writes keywright.db and kek: make FOLDER the server's data_dir and start it."
        }
        Dump::PgDump => {
            "`keywright restore FILE --to FOLDER` writes keywright.dump and kek. Then: createdb NAME; pg_restore \
             --no-owner --no-privileges --exit-on-error --dbname NAME keywright.dump; give the kek by KEYWRIGHT_KEK_FILE."
        }
        Dump::None => {
            "This backup holds the keys only, for there was no pg_dump. Back the database up at the same time: pg_dump \
             --format=custom --no-owner --no-privileges --file keywright.dump DATABASE. To go on from both: createdb NAME; \
             pg_restore --no-owner --no-privileges --exit-on-error --dbname NAME keywright.dump; `keywright restore FILE \
             --to FOLDER` writes kek: give it by KEYWRIGHT_KEK_FILE."
        }
    }
}

/// Makes a backup; others go on writing meanwhile.
///
/// # Errors
/// A fault that says what could not be read or written; there is no file then.
pub async fn run(wanted: &Wanted<'_>, store: &Store, edges: &Edges, told: Told) -> Result<Made, Fault> {
    match wanted.config.database_url() {
        DatabaseUrl::Sqlite(_) => of_sqlite(wanted, store, edges, &*told).await,
        DatabaseUrl::Postgres(url) if pg_tools::found("pg_dump") => {
            of_postgres(wanted, store, edges, (url, told)).await
        }
        DatabaseUrl::Postgres(_) => keys_only(wanted, store, edges, &*told).await,
    }
}

fn made(dump: Dump, bytes: u64, counts: &Counts) -> Made {
    Made { dump, bytes, rows: counts.values().sum(), instructions: instructions(dump).to_owned() }
}

/// How the store of a copy is opened: nobody else uses it, and it is thrown away.
fn quiet(path: &Path) -> store::Settings {
    store::Settings {
        url: Secret::new(format!("sqlite:{}", path.display())),
        connections: 1,
        pool_wait: Span::seconds(60),
        statement_timeout: Span::minutes(5),
        sqlite_synchronous: store::Synchronous::Normal,
    }
}

async fn of_sqlite(
    wanted: &Wanted<'_>,
    store: &Store,
    edges: &Edges,
    told: &(dyn Fn(u64) + Send + Sync),
) -> Result<Made, Fault> {
    let folder = wanted.config.server.data_dir.join(format!("backup-{}", backup_file::by_chance(&*edges.dice)?));
    let folder = Folder::make(folder)?;
    let copy = folder.path().join("copy.db");
    store.copy_to(&copy).await?;
    // The copy stands still, so what is counted in it is what is in the file.
    let (clock, dice): (Arc<dyn Clock>, _) = (Arc::clone(&edges.clock), Arc::clone(&edges.dice));
    let of_copy = Store::open(&quiet(&copy), clock, dice)?;
    let counts = of_copy.counts().await;
    of_copy.close();
    let counts = counts?;
    let manifest = wanted.manifest(edges, Dump::Sqlite, None, counts.clone());
    let file = File::open(&copy).map_err(|e| Fault::new("reading the copy of the database", e))?;
    let bytes =
        backup_file::write(wanted.path, wanted.passphrase, &manifest, file, (&*edges.dice, &mut |n: u64| told(n)))?;
    Ok(made(Dump::Sqlite, bytes, &counts))
}

async fn of_postgres(
    wanted: &Wanted<'_>,
    store: &Store,
    edges: &Edges,
    (url, told): (Secret<String>, Told),
) -> Result<Made, Fault> {
    let draft = wanted.manifest(edges, Dump::PgDump, None, Counts::new());
    let (path, passphrase, dice) = (wanted.path.to_owned(), wanted.passphrase.clone(), Arc::clone(&edges.dice));
    let dump = move |held: &Snapshot| -> Result<Made, Fault> {
        let mut manifest = draft.clone();
        manifest.schema = Some(held.schema.clone());
        manifest.counts.clone_from(&held.counts);
        let mut dumping = pg_tools::Dumping::begin(&url, held)?;
        let out = dumping.output()?;
        let written = backup_file::write(&path, &passphrase, &manifest, out, (&*dice, &mut |n: u64| told(n)));
        // What it has to say is why there is nothing more to read.
        let ended = dumping.end();
        match (written, ended) {
            (Ok(bytes), Ok(())) => Ok(made(Dump::PgDump, bytes, &held.counts)),
            (Ok(_), Err(fault)) => {
                // The file is whole, and what is in it is not.
                let _ = fs::remove_file(&path);
                Err(fault)
            }
            (Err(fault), _) => Err(fault),
        }
    };
    store.while_held(dump).await
}

async fn keys_only(
    wanted: &Wanted<'_>,
    store: &Store,
    edges: &Edges,
    told: &(dyn Fn(u64) + Send + Sync),
) -> Result<Made, Fault> {
    let counts = store.while_held(|held| Ok(held.counts.clone())).await?;
    let manifest = wanted.manifest(edges, Dump::None, None, counts.clone());
    let bytes = backup_file::write(
        wanted.path,
        wanted.passphrase,
        &manifest,
        io::empty(),
        (&*edges.dice, &mut |n: u64| told(n)),
    )?;
    Ok(made(Dump::None, bytes, &counts))
}
