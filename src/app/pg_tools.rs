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
use url::form_urlencoded;

/// Whether there is such a program.
pub(super) fn found(program: &str) -> bool {
    let mut asked = Command::new(program);
    asked.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().is_ok_and(|status| status.success())
}

/// A connection URL, split where libpq splits it. It takes what is no URL to others: a user and no host, several hosts
/// with ports.
struct Parts<'u> {
    scheme: &'u str,
    user: &'u str,
    password: Option<&'u str>,
    hosts: &'u str,
    /// Its name behind a `/`, or nothing.
    database: &'u str,
    parameters: Vec<&'u str>,
}

impl<'u> Parts<'u> {
    fn of(url: &'u Secret<String>) -> Result<Self, Fault> {
        let unfit = || Fault::bare("the address of the database is no connection URL");
        let (scheme, rest) = url.expose().split_once("://").ok_or_else(unfit)?;
        let (who, rest) = rest.split_once('@').filter(|(who, _)| !who.contains('/')).unwrap_or(("", rest));
        let (user, password) = who.split_once(':').map_or((who, None), |(user, password)| (user, Some(password)));
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, database) = place.split_at(place.find('/').unwrap_or(place.len()));
        let parameters = query.split('&').filter(|one| !one.is_empty()).collect();
        Ok(Self { scheme, user, password, hosts, database, parameters })
    }

    fn text(&self) -> String {
        let Self { scheme, user, hosts, database, .. } = self;
        let password = self.password.map(|password| format!(":{password}")).unwrap_or_default();
        let at = if user.is_empty() && password.is_empty() { "" } else { "@" };
        let query = if self.parameters.is_empty() { String::new() } else { format!("?{}", self.parameters.join("&")) };
        format!("{scheme}://{user}{password}{at}{hosts}{database}{query}")
    }
}

/// Whether this parameter of a URL has that name.
fn named(parameter: &str, name: &str) -> bool {
    parameter.split('=').next().and_then(percent_decoded).as_deref() == Some(name)
}

/// A connection URL in two: what may be seen, and the password.
struct Address {
    url: String,
    password: Option<Secret<String>>,
}

impl Address {
    fn of(url: &Secret<String>) -> Result<Self, Fault> {
        let parts = Parts::of(url)?;
        if parts.parameters.iter().any(|one| named(one, "password")) {
            return Err(Fault::bare("the password of the database is a parameter of its URL: put it before the @"));
        }
        // To libpq an empty one is none.
        let password = parts.password.filter(|text| !text.is_empty());
        let password = password.and_then(percent_decoded).map(Secret::new);
        Ok(Self { url: Parts { password: None, ..parts }.text(), password })
    }

    fn give(&self, command: &mut Command) {
        if let Some(password) = &self.password {
            command.env("PGPASSWORD", password.expose());
        }
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    // To a form + is a space and & an end, and to libpq neither is.
    let form = text.replace('+', "%2B").replace('&', "%26");
    form_urlencoded::parse(format!("a={form}").as_bytes()).next().map(|(_, value)| value.into_owned())
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
        beside(&self.server, &self.name, schema)
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

/// The URL of another database of the same server, with its tables in this schema. It is reached like the first: by the same
/// host, and with the same demands on its certificate.
fn beside(server: &Secret<String>, name: &str, schema: &str) -> Result<Secret<String>, Fault> {
    let mut parts = Parts::of(server)?;
    let path = format!("/{name}");
    let options: String = form_urlencoded::byte_serialize(format!("-c search_path={schema}").as_bytes()).collect();
    // libpq reads %20, and no + for a space.
    let options = format!("options={}", options.replace('+', "%20"));
    parts.parameters.retain(|one| !["options", "dbname"].iter().any(|name| named(one, name)));
    parts.parameters.push(&options);
    parts.database = &path;
    Ok(Secret::new(parts.text()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_taken_out_of_whatever_url_libpq_takes() {
        for (url, seen, password) in [
            ("postgres://kw:hunter2@db:5432/kw", "postgres://kw@db:5432/kw", Some("hunter2")),
            (
                "postgres://kw:a%40b%25+c&d=e@db/kw?sslmode=require",
                "postgres://kw@db/kw?sslmode=require",
                Some("a@b%+c&d=e"),
            ),
            ("postgresql://kw:hunter2@/kw?host=/run/pg", "postgresql://kw@/kw?host=/run/pg", Some("hunter2")),
            ("postgres://kw:hunter2@a:1,[::1]:2/kw", "postgres://kw@a:1,[::1]:2/kw", Some("hunter2")),
            ("postgres://:hunter2@db", "postgres://db", Some("hunter2")),
            ("postgres://kw:@%2Frun%2Fpg/kw", "postgres://kw@%2Frun%2Fpg/kw", None),
            ("postgres:///kw?host=/run/pg&user=k@w", "postgres:///kw?host=/run/pg&user=k@w", None),
            ("postgres://", "postgres://", None),
        ] {
            let address = Address::of(&Secret::new(url.to_owned())).unwrap();
            assert_eq!(
                (address.url.as_str(), address.password.as_ref().map(|p| p.expose().as_str())),
                (seen, password)
            );
        }
        for url in ["postgres://kw@db/kw?password=hunter2", "postgres:///kw?host=db&p%61ssword=hunter2", "kw:hunter2"] {
            let told = Address::of(&Secret::new(url.to_owned())).err().unwrap().to_string();
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn another_database_of_the_server_is_reached_like_the_first() {
        let tls = "sslmode=verify-full&sslrootcert=/etc/kw/ca.pem";
        for (url, beside_it) in [
            ("postgres://kw:a+b@db:5433/kw?TLS", "postgres://kw:a+b@db:5433/look?TLS&OPTIONS"),
            ("postgres://kw@db/kw?options=-csearch_path%3Dkw&TLS", "postgres://kw@db/look?TLS&OPTIONS"),
            (
                "postgres:///?host=/run/pg&port=5433&dbname=kw&user=kw",
                "postgres:///look?host=/run/pg&port=5433&user=kw&OPTIONS",
            ),
            ("postgres://kw@db", "postgres://kw@db/look?OPTIONS"),
        ] {
            let expected = beside_it.replace("TLS", tls).replace("OPTIONS", "options=-c%20search_path%3Da%2Bb");
            let url = beside(&Secret::new(url.replace("TLS", tls)), "look", "a+b").unwrap();
            assert_eq!(url.expose(), &expected);
        }
    }
}
