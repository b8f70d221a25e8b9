//! A backup: one sealed file with everything that it takes to go on from it. Of SQLite a copy of the
//! database, as it is at one moment, made while the server runs; of Postgres what `pg_dump` makes, where there
//! is one. With it the key-encryption keys and the peppers that are kept elsewhere, and what to do with all of it.
//!
//! The file begins with two legible lines: what it is, and how its key comes from the passphrase
//! (Argon2id). All else is sealed.

use crate::{
    account::{Cost, Password, Workspace, password::Salt},
    base::{
        digest::{base64url, from_base64url, hex, hmac},
        entropy::{self, Entropy},
        fault::Fault,
        secret::Secret,
    },
    jose::sealed_file::{OpeningReader, SealingWriter},
    store::copy::Counts,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use zeroize::Zeroize;

/// The first line.
const MAGIC: &str = "keywright backup 1\n";
/// The most bytes of the second line.
const MAX_HEAD: u64 = 4096;
/// The most bytes of what is said before the database.
const MAX_MANIFEST: u32 = 1 << 20;
/// Bytes that are copied at once; progress is told after each.
const PIECE: usize = 1 << 16;

/// What the key costs: 64 MiB, three passes. A passphrase is guessed offline by whoever has the file.
fn cost() -> Cost {
    Cost::new(64 * 1024, 3, 1).unwrap_or_default()
}

/// The second line.
#[derive(Deserialize, Serialize)]
struct Head {
    kdf: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
    /// By this a wrong passphrase is told from a damaged file.
    check: String,
}

/// How the database is in the file.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dump {
    /// The file of an SQLite database.
    Sqlite,
    /// What `pg_dump --format=custom` makes.
    PgDump,
    /// Not at all: there was no `pg_dump`.
    None,
}

/// What is said before the database.
#[derive(Clone, Deserialize, Serialize)]
pub struct Manifest {
    /// The version of the program that made it.
    pub program: String,
    /// When.
    pub created_at: String,
    /// The issuer.
    pub issuer: String,
    /// How the database is in the file.
    pub dump: Dump,
    /// The schema of Postgres that the tables are in.
    pub schema: Option<String>,
    /// Key-encryption keys as hexadecimal digits, the newest first.
    pub keks: Vec<String>,
    /// Peppers that are kept outside the database, as hexadecimal digits, the newest first.
    pub peppers: Vec<String>,
    /// How many rows each table has.
    pub counts: Counts,
    /// What to do with it.
    pub instructions: String,
}

impl std::fmt::Debug for Manifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Manifest({:?} of {})", self.dump, self.created_at)
    }
}

impl Drop for Manifest {
    fn drop(&mut self) {
        self.keks.iter_mut().chain(&mut self.peppers).for_each(Zeroize::zeroize);
    }
}

/// A name for what is only passing. The number of the process would do, but in a container it is the same each time, and
/// what one has left behind that was killed would be in the way of the next.
pub(super) fn by_chance(dice: &dyn Entropy) -> Result<String, Fault> {
    entropy::bytes::<8>(dice).map(|bytes| hex(&bytes))
}

fn check_of(key: &Secret<[u8; 32]>) -> String {
    let mac = hmac(key, &[b"keywright backup passphrase"]);
    base64url(mac.split_at(16).0)
}

/// A file that is being made beside its name, and gets it when it is whole.
struct Draft {
    at: PathBuf,
    to: PathBuf,
    kept: bool,
}

impl Draft {
    fn begin(to: &Path, dice: &dyn Entropy) -> Result<(Self, File), Fault> {
        let at = to.with_extension(format!("{}.part", by_chance(dice)?));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&at);
        let file = file.map_err(|e| Fault::new(format!("writing the backup {}", to.display()), e))?;
        Ok((Self { at, to: to.to_owned(), kept: false }, file))
    }

    /// Gives it its name, unless something has that name.
    fn keep(mut self, file: &File) -> io::Result<()> {
        file.sync_all()?;
        fs::hard_link(&self.at, &self.to)?;
        fs::remove_file(&self.at)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            // It was never whole; where it cannot be removed its name says so.
            let _ = fs::remove_file(&self.at);
        }
    }
}

/// Writes a backup; `database` is all of the dump. Tells how many bytes of it were written. Answers the size of the file.
///
/// # Errors
/// A fault where the file exists, or something cannot be read or written; there is no file then.
pub fn write(
    path: &Path,
    passphrase: &Password,
    manifest: &Manifest,
    mut database: impl Read,
    (dice, told): (&dyn Entropy, &mut dyn FnMut(u64)),
) -> Result<u64, Fault> {
    let doing = |e: io::Error| Fault::new(format!("writing the backup {}", path.display()), e);
    if path.exists() {
        return Err(Fault::bare(format!(
            "{} exists already: a backup never takes the place of a file",
            path.display()
        )));
    }
    let (draft, mut file) = Draft::begin(path, dice)?;
    let (cost, salt) = (cost(), Salt::draw(dice)?);
    let key = Workspace::new().stretch(passphrase, salt, cost)?;
    let head = Head {
        kdf: "argon2id".to_owned(),
        memory_kib: cost.memory_kib(),
        passes: cost.passes(),
        lanes: cost.lanes(),
        salt: base64url(salt.as_bytes()),
        check: check_of(&key),
    };
    let head = serde_json::to_string(&head).map_err(|e| Fault::new("writing the head of a backup", e))? + "\n";
    file.write_all(MAGIC.as_bytes()).and_then(|()| file.write_all(head.as_bytes())).map_err(doing)?;
    let mut out = SealingWriter::new(BufWriter::new(file), key, head.as_bytes(), dice);
    let said = serde_json::to_vec(manifest).map(Secret::new);
    let said = said.map_err(|e| Fault::new("writing the contents of a backup", e))?;
    let length = u32::try_from(said.expose().len()).map_err(|e| Fault::new("writing the contents of a backup", e))?;
    out.write_all(&length.to_be_bytes()).and_then(|()| out.write_all(said.expose())).map_err(doing)?;
    copy(&mut database, &mut out, told).map_err(doing)?;
    let file = out.finish().map_err(doing)?;
    let file = file.into_inner().map_err(|e| doing(e.into_error()))?;
    let size = file.metadata().map_err(doing)?.len();
    draft.keep(&file).map_err(doing)?;
    Ok(size)
}

/// Copies all, and tells how many bytes it was so far.
pub(super) fn copy(from: &mut impl Read, to: &mut impl Write, told: &mut dyn FnMut(u64)) -> io::Result<u64> {
    let (mut piece, mut all) = (vec![0; PIECE], 0);
    loop {
        let n = from.read(&mut piece)?;
        let Some(read) = piece.get(..n).filter(|read| !read.is_empty()) else { return Ok(all) };
        to.write_all(read)?;
        all += u64::try_from(n).unwrap_or(0);
        told(all);
    }
}

/// A backup that was opened: what it says, and its database, to be read to its end. Only then it is
/// known to be whole.
pub struct Opened {
    /// What it says.
    pub manifest: Manifest,
    /// The rest.
    pub database: OpeningReader<BufReader<File>>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.manifest.fmt(f)
    }
}

/// Opens a backup.
///
/// # Errors
/// A fault that says whether it is none, the passphrase is wrong, or the file is damaged.
pub fn open(path: &Path, passphrase: &Password) -> Result<Opened, Fault> {
    let name = path.display();
    let doing = |e: io::Error| Fault::new(format!("reading the backup {name}"), e);
    let none = || Fault::bare(format!("{name} is no backup of Keywright, or its beginning is cut off or was changed"));
    let mut file = BufReader::new(File::open(path).map_err(doing)?);
    let mut magic = vec![0; MAGIC.len()];
    file.read_exact(&mut magic).map_err(|_| none())?;
    if magic != MAGIC.as_bytes() {
        return Err(none());
    }
    let mut line = String::new();
    (&mut file).take(MAX_HEAD).read_line(&mut line).map_err(|_| none())?;
    let head: Head = serde_json::from_str(&line).map_err(|_| none())?;
    let salt = from_base64url(&head.salt).and_then(|salt| Salt::from_slice(&salt)).ok_or_else(none)?;
    let cost = Cost::new(head.memory_kib, head.passes, head.lanes).ok_or_else(none)?;
    let key = Workspace::new().stretch(passphrase, salt, cost)?;
    if !Secret::new(check_of(&key)).matches(head.check.as_bytes()) {
        return Err(Fault::bare(format!(
            "the passphrase does not open {name}: it is another one, or the first lines of the file were changed"
        )));
    }
    let mut database = OpeningReader::new(file, key, line.as_bytes());
    let mut length = [0; 4];
    database.read_exact(&mut length).map_err(doing)?;
    let length = u32::from_be_bytes(length);
    if length > MAX_MANIFEST {
        return Err(none());
    }
    let mut said = vec![0; usize::try_from(length).map_err(|_| none())?];
    database.read_exact(&mut said).map_err(doing)?;
    let manifest = serde_json::from_slice(Secret::new(said).expose());
    let manifest = manifest.map_err(|e| Fault::new(format!("reading what the backup {name} says"), e))?;
    Ok(Opened { manifest, database })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::OsEntropy;

    #[test]
    fn what_a_process_of_the_same_number_has_left_behind_is_in_nobodys_way() {
        // In a container it is the same number each time.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup");
        fs::write(path.with_extension(format!("{}.part", std::process::id())), "half of one").unwrap();
        let passphrase = Password::parse("nine amber kites over the old harbour".to_owned()).unwrap();
        let manifest = Manifest {
            program: String::new(),
            created_at: String::new(),
            issuer: String::new(),
            dump: Dump::None,
            schema: None,
            keks: Vec::new(),
            peppers: Vec::new(),
            counts: Counts::new(),
            instructions: String::new(),
        };
        write(&path, &passphrase, &manifest, io::empty(), (&OsEntropy, &mut |_| {})).unwrap();
        assert_eq!(open(&path, &passphrase).unwrap().manifest.dump, Dump::None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "its own draft is gone");
    }
}
