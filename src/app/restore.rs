//! Going on from a backup: its files put into a folder; or looked at whole, in a throw-away instance
//! made from it, which opens every key, counts every row, issues a token and verifies it.

use super::{
    backup_file::{self, Dump, Manifest, Opened},
    folder::Folder,
    open::{self, Edges},
    pg_tools,
};
use crate::{
    account::Password,
    audit::{Actor, Origin},
    base::{
        digest::base64,
        entropy::OsEntropy,
        fault::{Fault, Stop},
        secret::Secret,
    },
    config::Config,
    flow::{
        manage_clients, revoke_key,
        rotate_keys::Damaged,
        secrets::status,
        token::{self, Sent},
        world::World,
    },
    jose::{Audience, Profile, verify},
    oauth::{dpop::Shown, params::Params, register::RegistrationPolicy},
    store::copy::Counts,
};
use serde_json::json;
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What a look at a backup found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// When it was made.
    pub created_at: String,
    /// Rows, as many as it says.
    pub rows: i64,
    /// Sealed values, all of which open.
    pub values: u64,
    /// Signing keys that are published.
    pub signing_keys: usize,
    /// Which key signed the token.
    pub signed_by: String,
}

/// Where a throw-away instance may be made.
#[derive(Debug)]
pub struct Place<'p> {
    /// A folder to make one's own in.
    pub folder: &'p Path,
    /// A server of Postgres, where a database may be made.
    pub postgres: Option<&'p Secret<String>>,
}

/// Told, once in a while, how many bytes of the database were read.
pub type Told<'t> = &'t mut dyn FnMut(u64);

/// Looks at a backup whole. Nothing is left of it afterwards.
///
/// # Errors
/// A fault that says what is wrong with it.
pub async fn verify_whole(
    path: &Path,
    passphrase: &Password,
    place: &Place<'_>,
    told: Told<'_>,
) -> Result<Verified, Fault> {
    let Opened { manifest, mut database } = backup_file::open(path, passphrase)?;
    let name = backup_file::by_chance(&OsEntropy)?;
    let folder = Folder::make(place.folder.join(format!("keywright-restore-{name}")))?;
    match manifest.dump {
        Dump::Sqlite => {
            let file = folder.path().join("keywright.db");
            write_new(&file, &mut database, told)?;
            look(&manifest, &format!("sqlite:{}", file.display()), folder.path()).await
        }
        Dump::PgDump => {
            let server = place.postgres.ok_or_else(|| {
                Fault::bare("this backup is of Postgres: name a server in database.url on which a database may be made")
            })?;
            let schema = manifest.schema.as_deref().unwrap_or("public");
            let database_name = format!("keywright_restore_{name}");
            let throwaway = pg_tools::Throwaway::make(server, database_name)?;
            throwaway.fill(schema, &mut database, told)?;
            look(&manifest, throwaway.url(schema)?.expose(), folder.path()).await
        }
        Dump::None => {
            io::copy(&mut database, &mut io::sink()).map_err(|e| Fault::new("reading the backup", e))?;
            Err(Fault::bare(format!(
                "this backup holds the keys only, so no instance can be made from it. {}",
                manifest.instructions
            )))
        }
    }
}

/// The files of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// What was written.
    pub files: Vec<PathBuf>,
    /// What to do with it.
    pub instructions: String,
}

/// Puts the files of a backup into a folder that does not exist.
///
/// # Errors
/// A fault that says what is wrong; the folder is not there then.
pub fn unpack(path: &Path, passphrase: &Password, to: &Path, told: Told<'_>) -> Result<Unpacked, Fault> {
    let Opened { manifest, mut database } = backup_file::open(path, passphrase)?;
    let folder = Folder::make(to.to_owned())?;
    let mut files = Vec::new();
    let name = match manifest.dump {
        Dump::Sqlite => Some("keywright.db"),
        Dump::PgDump => Some("keywright.dump"),
        Dump::None => None,
    };
    if let Some(name) = name {
        files.push(folder.path().join(name));
        write_new(&folder.path().join(name), &mut database, told)?;
    } else {
        io::copy(&mut database, &mut io::sink()).map_err(|e| Fault::new("reading the backup", e))?;
    }
    for (kind, keys) in [("kek", &manifest.keks), ("pepper", &manifest.peppers)] {
        for (n, key) in keys.iter().enumerate() {
            let name = if n == 0 { kind.to_owned() } else { format!("{kind}.older.{n}") };
            files.push(folder.path().join(&name));
            write_new(&folder.path().join(&name), &mut format!("{key}\n").as_bytes(), &mut |_| {})?;
        }
    }
    let instructions = [manifest.instructions.clone()].into_iter().chain(given_besides(&manifest, folder.path()));
    let instructions = instructions.collect::<Vec<_>>().join(" ");
    // It is whole: it stays.
    folder.keep();
    Ok(Unpacked { files, instructions })
}

/// What the settings are to say of the keys that were given besides the first, without which the server refuses to start
/// or cannot read everything.
fn given_besides(manifest: &Manifest, folder: &Path) -> Vec<String> {
    let mut told = Vec::new();
    let file = |name: &str| folder.join(name).display().to_string();
    if !manifest.peppers.is_empty() {
        told.push(format!("Give the pepper by KEYWRIGHT_SECRETS_PEPPER_FILE={}.", file("pepper")));
    }
    for (kind, setting, keys) in [("kek", "OLDER_KEKS", &manifest.keks), ("pepper", "OLDER_PEPPERS", &manifest.peppers)]
    {
        let older: Vec<String> = (1..keys.len()).map(|n| file(&format!("{kind}.older.{n}"))).collect();
        match older.as_slice() {
            [] => {}
            [one] => told.push(format!("Give the older {kind} by KEYWRIGHT_SECRETS_{setting}_FILE={one}.")),
            several => told.push(format!(
                "Give the older ones in {} by KEYWRIGHT_SECRETS_{setting}_FILE: one file of them all, separated by commas.",
                several.join(", ")
            )),
        }
    }
    told
}

fn write_new(path: &Path, from: &mut impl io::Read, told: Told<'_>) -> Result<(), Fault> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file: File = made.map_err(|e| Fault::new(format!("writing {}", path.display()), e))?;
    let done = backup_file::copy(from, &mut file, told).and_then(|_| file.flush()).and_then(|()| file.sync_all());
    done.map_err(|e| {
        let read = e.kind() == io::ErrorKind::InvalidData;
        if read { Fault::new("reading the backup", e) } else { Fault::new(format!("writing {}", path.display()), e) }
    })
}

/// The settings of the throw-away instance: the database, and the keys of the backup.
fn settings(manifest: &Manifest, database: &str, folder: &Path) -> Result<Config, Fault> {
    let mut variables = vec![
        ("KEYWRIGHT_DATABASE_URL".to_owned(), database.to_owned()),
        ("KEYWRIGHT_SERVER_ISSUER".to_owned(), manifest.issuer.clone()),
        ("KEYWRIGHT_SERVER_DATA_DIR".to_owned(), folder.display().to_string()),
        ("KEYWRIGHT_DATABASE_STATEMENT_TIMEOUT".to_owned(), "5m".to_owned()),
    ];
    for (newest, older, keys) in [
        ("KEYWRIGHT_SECRETS_KEK", "KEYWRIGHT_SECRETS_OLDER_KEKS", &manifest.keks),
        ("KEYWRIGHT_SECRETS_PEPPER", "KEYWRIGHT_SECRETS_OLDER_PEPPERS", &manifest.peppers),
    ] {
        if let Some((first, rest)) = keys.split_first() {
            variables.push((newest.to_owned(), first.clone()));
            variables.push((older.to_owned(), rest.join(",")));
        }
    }
    Config::load(None, variables.into_iter()).map_err(|e| Fault::new("reading the settings of a backup", e))
}

async fn look(manifest: &Manifest, database: &str, folder: &Path) -> Result<Verified, Fault> {
    let config = settings(manifest, database, folder)?;
    let edges = Edges::system();
    let opened = open::database(&config, &edges)?;
    let store = opened.store.clone();
    let looked = async {
        opened.store.migrate().await?;
        let rows = counted(&manifest.counts, &opened.store.counts().await?)?;
        let world = open::world(&config, opened, &edges, Damaged::Refused).await?;
        let values = status::all_open(&world).await?;
        sign_here(&world).await?;
        let signed_by = token_is_good(&world).await?;
        let signing_keys = world.keyring.load().records().count();
        Ok(Verified { created_at: manifest.created_at.clone(), rows, values, signing_keys, signed_by })
    };
    let looked = looked.await;
    store.close();
    looked
}

/// Whether every table has as many rows as it had.
fn counted(said: &Counts, found: &Counts) -> Result<i64, Fault> {
    for (table, n) in said {
        let there = found.get(table).copied().unwrap_or(0);
        if there != *n {
            return Err(Fault::bare(format!(
                "the table {table} has {there} rows, and had {n} when the backup was made"
            )));
        }
    }
    Ok(said.values().sum())
}

/// A key that is elsewhere is in no backup, and the throw-away instance does not reach for it: it makes one of its own.
async fn sign_here(world: &World) -> Result<(), Fault> {
    let alg = world.policy.load().tokens.access_token_alg;
    let keyring = world.keyring.load_full();
    let Some(key) = keyring.signer(alg).filter(|key| key.outside().is_some()) else { return Ok(()) };
    let revoked = revoke_key::run(world, key.kid(), "this is a copy of a backup", Actor::System).await;
    revoked.map(drop).map_err(|stop| match stop {
        Stop::Refusal(_) => Fault::bare("a key that signs could not be replaced in the restored instance"),
        Stop::Fault(fault) => fault,
    })
}

/// Registers a client in the throw-away instance, lets it get a token, and verifies that by the published keys.
async fn token_is_good(world: &Arc<World>) -> Result<String, Fault> {
    let metadata = json!({
        "client_name": "A look at a backup", "grant_types": ["client_credentials"], "response_types": [],
        "scope": "look", "token_endpoint_auth_method": "client_secret_basic",
    });
    let metadata = metadata.as_object().cloned().unwrap_or_default();
    let added = manage_clients::add(world, None, &metadata, RegistrationPolicy::default(), Actor::System).await;
    let added = added.map_err(|stop| match stop {
        Stop::Refusal(unmet) => Fault::bare(format!("registering a client in the restored instance: {unmet}")),
        Stop::Fault(fault) => fault,
    })?;
    let secret = added.secret.ok_or_else(|| Fault::bare("a client without a secret"))?;
    let basic = Secret::new(base64(format!("{}:{}", added.client.id, secret.expose()).as_bytes()));
    let basic = Secret::new(format!("Basic {}", basic.expose()));
    let shown = Shown::default();
    let sent = Sent { authorization: Some(basic.expose()), user_agent: None, dpop: &shown };
    let params = Params::from_pairs([("grant_type", "client_credentials")]);
    let issued = token::run(world, sent, &params, &Origin::default()).await;
    let issued = issued.map_err(|stop| match stop {
        Stop::Refusal(refusal) => Fault::bare(format!("issuing a token in the restored instance: {refusal:?}")),
        Stop::Fault(fault) => fault,
    })?;
    let keyring = world.keyring.load();
    let profile = Profile::access_token(&world.policy.load().tokens.issuer, Audience::Judged);
    verify(&profile, keyring.keys(), &issued.access_token, world.now())
        .map_err(|bad| Fault::new("verifying a token of the restored instance", bad))?;
    let kid = crate::jose::peek_kid(&issued.access_token);
    kid.ok_or_else(|| Fault::bare("a token that names no key"))
}
