//! The programs that come with Postgres: `pg_dump`, `pg_restore` and `psql`. A password is given to them in
//! their environment, never as an argument, which other users of the machine can read.

use crate::{
    base::{fault::Fault, secret::Secret},
    store::copy::Snapshot,
};
use std::{
    io::Read,
    process::{Child, ChildStdout, Command, Stdio},
};
use url::Url;

/// Whether there is such a program.
pub(super) fn found(program: &str) -> bool {
    let mut asked = Command::new(program);
    asked.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().is_ok_and(|status| status.success())
}

/// A connection URL in two: what may be seen, and the password.
struct Address {
    url: String,
    password: Option<Secret<String>>,
}

impl Address {
    fn of(url: &Secret<String>) -> Result<Self, Fault> {
        let unfit = || {
            Fault::bare(
                "the URL of the database cannot be taken apart to hide its password from other users of this machine",
            )
        };
        let mut url = Url::parse(url.expose()).map_err(|_| unfit())?;
        if url.query_pairs().any(|(name, _)| name == "password") {
            return Err(Fault::bare("the password of the database is a parameter of its URL: put it before the @"));
        }
        let password =
            url.password().map(|text| percent_decoded(text).map(Secret::new).ok_or_else(unfit)).transpose()?;
        url.set_password(None).map_err(|()| unfit())?;
        Ok(Self { url: url.to_string(), password })
    }

    fn give(&self, command: &mut Command) {
        if let Some(password) = &self.password {
            command.env("PGPASSWORD", password.expose());
        }
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    // A form decoder takes + for a space, and URLs do not.
    let form = text.replace('+', "%2B");
    url::form_urlencoded::parse(format!("a={form}").as_bytes()).next().map(|(_, value)| value.into_owned())
}

/// `pg_dump` at work.
pub(super) struct Dumping(Child);

impl Dumping {
    /// Begins to dump what the snapshot holds.
    pub(super) fn begin(url: &Secret<String>, held: &Snapshot) -> Result<Self, Fault> {
        let address = Address::of(url)?;
        let mut command = Command::new("pg_dump");
        command
            .args(["--format=custom", "--no-owner", "--no-privileges", "--no-password"])
            .arg(format!("--schema={}", held.schema))
            .arg(format!("--snapshot={}", held.name))
            .arg(format!("--dbname={}", address.url))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        address.give(&mut command);
        command.spawn().map(Self).map_err(|e| Fault::new("running pg_dump", e))
    }

    /// What it makes.
    pub(super) fn output(&mut self) -> Result<ChildStdout, Fault> {
        self.0.stdout.take().ok_or_else(|| Fault::bare("pg_dump without an output"))
    }

    /// Whether it made all of it.
    pub(super) fn end(mut self) -> Result<(), Fault> {
        let told = said(self.0.stderr.take());
        let status = self.0.wait().map_err(|e| Fault::new("waiting for pg_dump", e))?;
        if status.success() { Ok(()) } else { Err(Fault::bare(format!("pg_dump failed ({status}): {told}"))) }
    }
}

/// The first lines of what a program complains of.
fn said(from: Option<impl Read>) -> String {
    let mut text = String::new();
    if let Some(from) = from {
        // Whatever can be read of it is told.
        let _ = from.take(2000).read_to_string(&mut text);
    }
    text.trim().replace('\n', "; ")
}

/// A database that is made for a look at a backup, and dropped again.
pub(super) struct Throwaway {
    server: Secret<String>,
    name: String,
}

impl Throwaway {
    /// Makes it on the server of this URL.
    pub(super) fn make(server: &Secret<String>, name: String) -> Result<Self, Fault> {
        psql(server, &format!("CREATE DATABASE {name}"))?;
        Ok(Self { server: server.clone(), name })
    }

    /// Its own URL, with its tables in this schema.
    pub(super) fn url(&self, schema: &str) -> Result<Secret<String>, Fault> {
        let mut url = Url::parse(self.server.expose()).map_err(|e| Fault::new("reading the URL of the database", e))?;
        url.set_path(&self.name);
        url.set_query(None);
        url.query_pairs_mut().append_pair("options", &format!("-c search_path={schema}"));
        // libpq reads %20, and no + for a space.
        Ok(Secret::new(url.as_str().replace('+', "%20")))
    }

    /// Fills it from a dump, which `pg_restore` reads on its standard input.
    pub(super) fn fill(&self, schema: &str, mut dump: impl Read, told: &mut dyn FnMut(u64)) -> Result<(), Fault> {
        let address = Address::of(&self.url(schema)?)?;
        let mut command = Command::new("pg_restore");
        command
            .args(["--no-owner", "--no-privileges", "--no-password", "--exit-on-error", "--clean", "--if-exists"])
            .arg(format!("--dbname={}", address.url))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        address.give(&mut command);
        let mut child = command.spawn().map_err(|e| Fault::new("running pg_restore", e))?;
        let mut into = child.stdin.take().ok_or_else(|| Fault::bare("pg_restore without an input"))?;
        let fed = super::backup_file::copy(&mut dump, &mut into, told);
        drop(into);
        let why = said(child.stderr.take());
        let status = child.wait().map_err(|e| Fault::new("waiting for pg_restore", e))?;
        match fed {
            // A dump that does not open is why pg_restore failed too.
            Err(e) if e.kind() == std::io::ErrorKind::InvalidData => Err(Fault::new("reading the backup", e)),
            _ if !status.success() => Err(Fault::bare(format!("pg_restore failed ({status}): {why}"))),
            Err(e) => Err(Fault::new("feeding pg_restore", e)),
            Ok(_) => Ok(()),
        }
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        if let Err(error) = psql(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name)) {
            tracing::warn!(database = self.name, %error, "a database could not be dropped: it holds what the backup holds");
        }
    }
}

fn psql(server: &Secret<String>, sql: &str) -> Result<(), Fault> {
    let address = Address::of(server)?;
    let mut command = Command::new("psql");
    command
        .args(["--no-psqlrc", "--no-password", "--quiet", "--set=ON_ERROR_STOP=1"])
        .arg(format!("--dbname={}", address.url))
        .arg(format!("--command={sql}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    address.give(&mut command);
    let done = command.output().map_err(|e| Fault::new("running psql", e))?;
    if done.status.success() {
        return Ok(());
    }
    Err(Fault::bare(format!("psql failed ({}): {}", done.status, said(Some(done.stderr.as_slice())))))
}
