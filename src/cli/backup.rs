//! `keywright backup` and `keywright restore`: everything that it takes to go on, in one sealed file.

use super::{Answer, Failure, Session, at_work::on_runtime, secret_input::PasswordSource};
use crate::{
    account::Password,
    app::{
        backup::{self, Made, Wanted},
        backup_file::Dump,
        open, restore,
    },
    config::{Config, DatabaseUrl},
};
use clap::Args;
use serde_json::json;
use std::{
    env, io,
    io::Write,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often it is told how far it has come.
const EVERY: Duration = Duration::from_secs(1);
/// The fewest characters of a passphrase: it is guessed offline by whoever has the file.
const SHORTEST: usize = 12;

#[derive(Args, Debug)]
pub(super) struct BackupArgs {
    /// The file to make; it must not exist.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the passphrase comes from that the file is sealed with.
    #[command(flatten)]
    passphrase: PasswordSource,
}

#[derive(Args, Debug)]
pub(super) struct RestoreArgs {
    /// The file that `keywright backup` has made.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Make a throw-away instance from it: keys open, rows are counted, a token is issued and verified. Nothing stays.
    #[arg(long, required_unless_present = "to")]
    verify: bool,
    /// Write what is in it into this folder, which must not exist, and say what to do with it.
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
    /// Where the passphrase comes from that opens it.
    #[command(flatten)]
    passphrase: PasswordSource,
}

fn passphrase(source: &PasswordSource) -> Result<Password, Failure> {
    let typed = source.read()?;
    Password::parse(typed.expose().clone()).ok_or_else(|| Failure::Usage("the passphrase is too long".into()))
}

/// Tells how many bytes it is so far, on standard error, once in a while.
fn teller() -> impl Fn(u64) + Send + Sync {
    let last = Mutex::new(Instant::now());
    move |bytes: u64| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= EVERY {
            *last = Instant::now();
            // Where nobody can be told, the work goes on.
            let _ = writeln!(io::stderr().lock(), "{} MiB of the database", bytes >> 20);
        }
    }
}

/// Makes a backup.
pub(super) fn make(args: &BackupArgs, session: &Session) -> Result<Answer, Failure> {
    let config = session.config()?;
    let passphrase = passphrase(&args.passphrase)?;
    if passphrase.expose().chars().count() < SHORTEST {
        return Err(Failure::Usage(format!(
            "the passphrase has less than {SHORTEST} characters: whoever has the file can try many"
        )));
    }
    let made = on_runtime(async {
        let edges = open::Edges::system();
        let opened = open::database(&config, &edges)?;
        let store = opened.store.clone();
        let keks = open::keks(&config, &store, &edges).await?;
        let wanted = Wanted { config: &config, keks, path: &args.file, passphrase: &passphrase };
        let made = backup::run(&wanted, &store, &edges, Arc::new(teller())).await;
        store.close();
        Ok(made?)
    })?;
    Ok(told(args, &made))
}

fn told(args: &BackupArgs, made: &Made) -> Answer {
    let what = match made.dump {
        Dump::Sqlite => "a copy of the database and its keys",
        Dump::PgDump => "a dump of the database and its keys",
        Dump::None => "the keys, but not the database",
    };
    let text = format!(
        "{} holds {what}, {} rows in {} bytes.\n{}\nTry it: keywright restore {} --verify",
        args.file.display(),
        made.rows,
        made.bytes,
        made.instructions,
        args.file.display()
    );
    let json = json!({
        "file": args.file, "database": made.dump, "rows": made.rows, "bytes": made.bytes, "instructions": made.instructions,
    });
    Answer::new(text, json)
}

/// Looks at a backup, or takes it apart.
pub(super) fn open(args: &RestoreArgs, session: &Session) -> Result<Answer, Failure> {
    let passphrase = passphrase(&args.passphrase)?;
    let teller = teller();
    let mut lines = Vec::new();
    let mut json = serde_json::Map::new();
    if args.verify {
        // Without settings a backup of SQLite can be looked at all the same.
        let postgres = session.config().ok().as_ref().map(Config::database_url).and_then(|url| match url {
            DatabaseUrl::Postgres(url) => Some(url),
            DatabaseUrl::Sqlite(_) => None,
        });
        let place = restore::Place { folder: &env::temp_dir(), postgres: postgres.as_ref() };
        let verified = on_runtime(async {
            Ok(restore::verify_whole(&args.file, &passphrase, &place, &mut |bytes| teller(bytes)).await?)
        })?;
        lines.push(format!(
            "the backup of {} is good: {} rows as it says, {} sealed values that open, {} signing keys, and a token that \
             {} signed verifies",
            verified.created_at, verified.rows, verified.values, verified.signing_keys, verified.signed_by
        ));
        json.insert(
            "verified".to_owned(),
            json!({
                "created_at": verified.created_at,
                "rows": verified.rows,
                "sealed_values": verified.values,
                "signing_keys": verified.signing_keys,
                "token_signed_by": verified.signed_by,
            }),
        );
    }
    if let Some(to) = &args.to {
        let unpacked = restore::unpack(&args.file, &passphrase, to, &mut |bytes| teller(bytes))?;
        lines.extend(unpacked.files.iter().map(|file| format!("wrote {}", file.display())));
        lines.push(unpacked.instructions.clone());
        json.insert("files".to_owned(), json!(unpacked.files));
        json.insert("instructions".to_owned(), json!(unpacked.instructions));
    }
    Ok(Answer::new(lines.join("\n"), json.into()))
}
