//! A backup, and what can be made of it (R24: keys are part of it, sealed), on both databases.

use crate::{
    commands::{Installation, each},
    world::busy::{LONG, within},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

const PASSPHRASE: &str = "nine amber kites over the old harbour";

fn machine(it: &Installation) -> Value {
    let metadata = json!({
        "client_name": "machine", "grant_types": ["client_credentials"], "response_types": [], "scope": "read",
    });
    it.json(&["client", "add", "--metadata", "-"], &metadata.to_string())
}

fn backup(it: &Installation, name: &str) -> (PathBuf, Value) {
    let path = it.folder.path().join(name);
    let made = it.json(&["backup", path.to_str().unwrap(), "--password-stdin"], PASSPHRASE);
    (path, made)
}

fn verify(it: &Installation, path: &Path, passphrase: &str) -> Result<Value, String> {
    let done = it.run(&["restore", path.to_str().unwrap(), "--verify", "--password-stdin", "-o", "json"], passphrase);
    if done.status.success() {
        return Ok(serde_json::from_slice(&done.stdout).unwrap());
    }
    Err(String::from_utf8(done.stderr).unwrap())
}

/// What a look at a backup leaves behind, beside the backup itself.
fn left(it: &Installation) -> Vec<String> {
    let temporary =
        fs::read_dir(std::env::temp_dir()).unwrap().chain(fs::read_dir(it.folder.path().join("data")).unwrap());
    let names = temporary.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("backup-") || name.ends_with(".part")).collect()
}

#[test]
fn r024_a_backup_made_while_the_server_runs_becomes_an_instance_that_issues_tokens() {
    each(|it| {
        let client = machine(it);
        let serving = it.serve();
        let over = AtomicBool::new(false);
        let (at, over_there) = (it.port, &over);
        let (path, made) = thread::scope(|scope| {
            let asking = client.clone();
            scope.spawn(move || {
                while !over_there.load(Ordering::Relaxed) {
                    let form = [
                        ("grant_type", "client_credentials".to_owned()),
                        ("client_id", asking["client_id"].as_str().unwrap().to_owned()),
                        ("client_secret", asking["client_secret"].as_str().unwrap().to_owned()),
                    ];
                    assert!(ureq::post(format!("http://127.0.0.1:{at}/token")).send_form(form).is_ok());
                }
            });
            let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| backup(it, "backup")));
            over.store(true, Ordering::Relaxed);
            made.unwrap()
        });
        let postgres = !it.database.starts_with("sqlite:");
        assert_eq!(made["database"], if postgres { "pg_dump" } else { "sqlite" });
        let verified = verify(it, &path, PASSPHRASE).unwrap();
        let verified = &verified["verified"];
        assert_eq!(verified["rows"], made["rows"]);
        assert!(verified["sealed_values"].as_u64().unwrap() >= 2 && verified["signing_keys"].as_u64().unwrap() >= 2);
        assert!(verified["token_signed_by"].is_string());
        assert!(within(LONG, || left(it).is_empty()), "{:?}", left(it));
        // A backup never takes the place of a file.
        let done = it.run(&["backup", path.to_str().unwrap(), "--password-stdin"], PASSPHRASE);
        assert!(String::from_utf8_lossy(&done.stderr).contains("exists already"));
        serving.end();
        if !postgres {
            // Taken apart, it is an installation: the client's secret is known there.
            let folder = it.folder.path().join("restored");
            it.json(
                &["restore", path.to_str().unwrap(), "--to", folder.to_str().unwrap(), "--password-stdin"],
                PASSPHRASE,
            );
            it.set("KEYWRIGHT_SERVER_DATA_DIR", folder.to_str().unwrap());
            it.set("KEYWRIGHT_DATABASE_URL", format!("sqlite:{}", folder.join("keywright.db").display()));
            let serving = it.serve();
            assert_eq!(it.ask_for_token(&client), 200);
            serving.end();
        }
    });
}

#[test]
fn r024_a_restored_folder_starts_with_what_its_instructions_say_of_the_keys_that_were_given() {
    each(|it| {
        it.set("KEYWRIGHT_KEK", "11".repeat(32));
        it.set("KEYWRIGHT_SECRETS_OLDER_KEKS", format!("{},{}", "22".repeat(32), "33".repeat(32)));
        it.set("KEYWRIGHT_SECRETS_PEPPER", "44".repeat(32));
        it.set("KEYWRIGHT_SECRETS_OLDER_PEPPERS", "55".repeat(32));
        machine(it);
        let (path, _) = backup(it, "backup");
        let folder = it.folder.path().join("restored");
        let restore = ["restore", path.to_str().unwrap(), "--to", folder.to_str().unwrap(), "--password-stdin"];
        let told = it.json(&restore, PASSPHRASE)["instructions"].as_str().unwrap().to_owned();
        let at = folder.display();
        for said in [
            format!("KEYWRIGHT_SECRETS_PEPPER_FILE={at}/pepper."),
            format!("KEYWRIGHT_SECRETS_OLDER_PEPPERS_FILE={at}/pepper.older.1."),
            format!("{at}/kek.older.1, {at}/kek.older.2 by KEYWRIGHT_SECRETS_OLDER_KEKS_FILE"),
        ] {
            assert!(told.contains(&said), "{said}: {told}");
        }
        if it.database.starts_with("sqlite:") {
            ["KEYWRIGHT_KEK", "KEYWRIGHT_SECRETS_OLDER_KEKS"].iter().for_each(|name| it.unset(name));
            ["KEYWRIGHT_SECRETS_PEPPER", "KEYWRIGHT_SECRETS_OLDER_PEPPERS"].iter().for_each(|name| it.unset(name));
            it.set("KEYWRIGHT_SERVER_DATA_DIR", folder.to_str().unwrap());
            it.set("KEYWRIGHT_DATABASE_URL", format!("sqlite:{}", folder.join("keywright.db").display()));
            assert!(it.failure(&["user", "list"], "").1.contains("pepper"));
            it.set("KEYWRIGHT_SECRETS_PEPPER_FILE", folder.join("pepper").to_str().unwrap());
            it.json(&["user", "list"], "");
        }
    });
}

#[test]
fn r024_a_backup_that_is_cut_changed_or_not_ones_own_is_told_for_what_it_is() {
    each(|it| {
        machine(it);
        let (path, _) = backup(it, "backup");
        let whole = fs::read(&path).unwrap();
        let told = verify(it, &path, "another passphrase entirely").unwrap_err();
        assert!(told.contains("the passphrase does not open") && !told.contains("another passphrase"), "{told}");
        let lines = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(n, _)| n).nth(1).unwrap();
        for (what, bytes, said) in [
            ("empty", Vec::new(), "is no backup of Keywright"),
            ("another file", b"SQLite format 3\0 and so on and on".to_vec(), "is no backup of Keywright"),
            ("cut in its head", whole[..40].to_vec(), "is no backup of Keywright"),
            ("cut at its head", whole[..=lines].to_vec(), "is cut off"),
            ("cut in its middle", whole[..whole.len() / 2].to_vec(), "is cut off"),
            ("cut at its end", whole[..whole.len() - 1].to_vec(), "is cut off"),
            ("longer", [&whole[..], b"x"].concat(), "was added at the end"),
        ] {
            fs::write(&path, bytes).unwrap();
            let told = verify(it, &path, PASSPHRASE).unwrap_err();
            assert!(told.contains(said), "{what}: {told}");
        }
        for at in [lines + 20, whole.len() / 2, whole.len() - 20] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            let told = verify(it, &path, PASSPHRASE).unwrap_err();
            assert!(told.contains("was changed, or is damaged"), "{at}: {told}");
            assert!(left(it).is_empty(), "{:?}", left(it));
        }
    });
}

#[test]
fn r024_a_database_whose_address_has_its_host_among_the_parameters_is_backed_up_and_looked_at() {
    each(|it| {
        let Some(url) = it.database.starts_with("postgres").then(|| url::Url::parse(&it.database).unwrap()) else {
            return;
        };
        let (host, port, user) = (url.host_str().unwrap(), url.port().unwrap_or(5432), url.username());
        let address = format!("postgres://{}?host={host}&port={port}&user={user}&", url.path());
        it.set("KEYWRIGHT_DATABASE_URL", address + url.query().unwrap());
        it.set("PGPASSWORD", url.password().unwrap_or_default());
        machine(it);
        let (path, made) = backup(it, "backup");
        let verified = verify(it, &path, PASSPHRASE).unwrap();
        assert_eq!(verified["verified"]["rows"], made["rows"]);
    });
}
