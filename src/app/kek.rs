//! The key-encryption keys: from the settings, or from a file beside the data that is made at the
//! first start. Whether they are those of this database is for [`secrets::open`] to say.

use crate::{
    base::{
        digest::hex,
        entropy::{self, Entropy},
        fault::Fault,
        secret::Secret,
    },
    config::{Config, Secrets as Settings},
    flow::secrets::{self, Given, Keks},
    store::Store,
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// The key-encryption keys that are given for this database, the newest first.
///
/// # Errors
/// A fault that says what to do where the key is missing or its file is not to be believed; nothing was changed then.
pub(super) async fn keys(config: &Config, store: &Store, dice: &dyn Entropy) -> Result<Vec<Secret<[u8; 32]>>, Fault> {
    let path = config.kek_file();
    let newest = match &config.secrets.kek {
        Some(kek) => kek.clone(),
        None => match read(&path)? {
            Some(kek) => kek,
            None if secrets::known(store).await?.belongs() => return Err(Fault::bare(missing(&path))),
            None => make(&path, dice)?,
        },
    };
    Ok([newest].into_iter().chain(config.secrets.older_keks.iter().cloned()).collect())
}

/// All that is given for this database.
///
/// # Errors
/// As [`keys`].
pub(super) async fn given(config: &Config, store: &Store, dice: &dyn Entropy) -> Result<Given, Fault> {
    let keks = Keks::new(keys(config, store, dice).await?);
    Ok(Given { keks, peppers: config.secrets.peppers() })
}

fn missing(path: &Path) -> String {
    format!(
        "the key-encryption key of this database is missing: {} does not exist and secrets.kek is unset. \
         Put the file back from a backup, or give the key by KEYWRIGHT_KEK_FILE",
        path.display()
    )
}

/// Reads the file; `None` where there is none. One that every user can read is not believed: what
/// it protects is open already.
fn read(path: &Path) -> Result<Option<Secret<[u8; 32]>>, Fault> {
    let text = match open(path) {
        Ok((_, mode)) if mode & 0o007 != 0 => {
            let (path, mode) = (path.display(), mode & 0o777);
            return Err(Fault::bare(format!(
                "the key-encryption key {path} is open to every user of this machine (mode {mode:03o}): \
                 run `chmod 600 {path}`, and think of whoever may have read it"
            )));
        }
        Ok((text, _)) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Fault::new(format!("reading the key-encryption key {}", path.display()), e)),
    };
    let kek = Settings::parse_kek(text.expose());
    kek.map(Some).map_err(|why| Fault::bare(format!("the key-encryption key in {} {why}", path.display())))
}

/// The text and the permissions of one and the same file.
fn open(path: &Path) -> io::Result<(Secret<String>, u32)> {
    let mut file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok((Secret::new(text), mode))
}

/// Makes a key and its file, whole or not at all. Where another process was faster, theirs counts.
fn make(path: &Path, dice: &dyn Entropy) -> Result<Secret<[u8; 32]>, Fault> {
    let doing = |e: io::Error| Fault::new(format!("making the key-encryption key {}", path.display()), e);
    let kek = Secret::new(entropy::bytes::<32>(dice)?);
    let text = Secret::new(format!("{}\n", Secret::new(hex(kek.expose())).expose()));
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let written = write_new(&draft, text.expose()).and_then(|()| fs::hard_link(&draft, path));
    // The draft has done its duty or is in the way of the next attempt.
    let _ = fs::remove_file(&draft);
    match written {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(doing(e)),
    }
    if let Some(directory) = path.parent() {
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(doing)?;
    }
    tracing::warn!(
        file = %path.display(),
        "a key-encryption key was made: keep a copy apart from the database, which is worth nothing without it"
    );
    read(path)?.ok_or_else(|| Fault::bare(format!("the key-encryption key {} vanished", path.display())))
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("kek");
        assert!(read(&path).unwrap().is_none());
        let dice = SeededEntropy::new(1);
        let first = make(&path, &dice).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let second = make(&path, &dice).unwrap();
        assert!(first.matches(second.expose()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_every_user_can_read_is_refused_with_what_to_do() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("kek");
        make(&path, &SeededEntropy::new(1)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let told = read(&path).unwrap_err().to_string();
        assert!(told.contains("chmod 600") && told.contains("644"), "{told}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read(&path).unwrap().is_some());
    }

    #[test]
    fn a_broken_file_is_told_and_never_repeated() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("kek");
        write_new(&path, "hunter2").unwrap();
        let told = read(&path).unwrap_err().to_string();
        assert!(told.contains("is not 32 bytes") && !told.contains("hunter2"), "{told}");
    }
}
