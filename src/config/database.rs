//! `[database]`: where the state lives.

use super::{
    section::section,
    setting::{Setting, choice, quoted},
};
use crate::base::{moment::Span, secret::Secret};
use std::path::{Path, PathBuf};
use url::Url;

choice! {
    /// How SQLite makes a commit durable.
    Synchronous: "\"full\" or \"normal\"" {
        /// Every commit survives a loss of power.
        Full = "full",
        /// The last commits may be lost with the power; the file stays whole.
        Normal = "normal",
    }
}

/// Which database.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// A file of SQLite.
    Sqlite(PathBuf),
    /// A connection URL of PostgreSQL; it may hold a password.
    Postgres(Secret<String>),
}

impl DatabaseUrl {
    /// The SQLite file that is used when no URL is given.
    #[must_use]
    pub fn within(data_dir: &Path) -> Self {
        Self::Sqlite(data_dir.join("keywright.db"))
    }

    /// The address as one text: `sqlite:PATH` or `postgres://...`.
    #[must_use]
    pub fn address(&self) -> Secret<String> {
        match self {
            Self::Sqlite(path) => Secret::new(format!("sqlite:{}", path.display())),
            Self::Postgres(url) => url.clone(),
        }
    }
}

impl Setting for DatabaseUrl {
    const WHAT: &'static str = "\"sqlite:PATH\" or \"postgres://USER:PASSWORD@HOST/NAME\"";
    const SECRET: bool = true;
    fn from_text(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err("names no file".into()) } else { Ok(Self::Sqlite(path.into())) };
        }
        if let Some(rest) = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) {
            return read_in_one_way(rest).map(|()| Self::Postgres(Secret::new(text.to_owned())));
        }
        Err("begins neither with sqlite: nor with postgres://".into())
    }
    fn to_toml(&self) -> Option<String> {
        Some(match self {
            Self::Sqlite(path) => quoted(&format!("sqlite:{}", path.display())),
            Self::Postgres(url) => quoted(&masked(url)),
        })
    }
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sqlite(a), Self::Sqlite(b)) => a == b,
            (Self::Postgres(a), Self::Postgres(b)) => a.matches(b.expose().as_bytes()),
            (Self::Sqlite(_), Self::Postgres(_)) | (Self::Postgres(_), Self::Sqlite(_)) => false,
        }
    }
    /// A URL that cannot be taken apart is held for one with a password.
    fn holds_secret(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(url) => Url::parse(url.expose())
                .map_or(true, |url| url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password")),
        }
    }
}

/// Refuses what can be read in more than one way: libpq ends a password where we do not, and repeats what stands behind
/// as the name of a host, a port or a parameter in the errors that go to the log.
fn read_in_one_way(rest: &str) -> Result<(), String> {
    let (place, parameters) =
        rest.split_once('?').map_or((rest, None), |(place, parameters)| (place, Some(parameters)));
    let authority = place.split_once('/').map_or(place, |(authority, _)| authority);
    let hosts = authority.split_once('@').map_or(authority, |(_, hosts)| hosts);
    let in_authority = authority.matches('@').count();
    let doubtful = rest.contains('#')
        || !rest.split('%').skip(1).all(begins_with_hex)
        || in_authority > 1
        || place.matches('@').count() > in_authority
        || !hosts.split(',').all(is_host);
    if doubtful {
        return Err(
            "cannot be taken apart: in its user and password, write %2F for /, %40 for @, %25 for %, %23 for # \
                    and %3F for ?"
                .into(),
        );
    }
    // Where nothing ended the hosts, libpq looks for an @ behind the question mark as well.
    let open = !place.contains(['/', '@']);
    let parameter = |text: &str| text.matches('=').count() == 1 && !(open && text.contains('@'));
    if !parameters.is_none_or(|all| all.split('&').all(parameter)) {
        return Err(
            "has a parameter that is not NAME=VALUE: in a value, write %3D for =, %26 for & and %40 for @".into()
        );
    }
    Ok(())
}

fn begins_with_hex(text: &str) -> bool {
    text.as_bytes().first_chunk::<2>().is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
}

/// A host and perhaps a port: of an address of IPv6 in brackets, what is behind them.
fn is_host(text: &str) -> bool {
    let port = match text.strip_prefix('[') {
        Some(address) => address.split_once(']').map(|(_, behind)| behind),
        None => Some(text.find(':').map_or("", |at| text.get(at..).unwrap_or_default())),
    };
    port.is_some_and(|port| {
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// A connection URL without its password and without its parameters (which may hold one too).
fn masked(url: &Secret<String>) -> String {
    let Ok(url) = Url::parse(url.expose()) else {
        return "postgres://[secret]".into();
    };
    let user = match (url.username(), url.password()) {
        ("", _) => String::new(),
        (user, None) => format!("{user}@"),
        (user, Some(_)) => format!("{user}:[secret]@"),
    };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{user}{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

section! {
    /// Where the state lives: one file of SQLite, or PostgreSQL when several nodes share it.
    Database = "database" {
        /// The database. Unset: the file `keywright.db` in `server.data_dir`. A URL with a password is a
        /// secret: give it by `KEYWRIGHT_DATABASE_URL_FILE`. What would end the password or the user before
        /// its end is written in percent: `%2F` for `/`, `%40` for `@`, `%25` for `%`, `%23` for `#`, `%3F` for `?`.
        url: Option<DatabaseUrl>, Restart;
        /// Connections, and threads that use them. On SQLite these read, and are no more than processors, or than 2.
        connections: u32 = "8" in "1" .. "512", Restart;
        /// How long one statement may take before the database gives it up.
        statement_timeout: Span = "1s" in "100ms" .. "5m", Restart;
        /// How long a request waits for a free connection before it is answered with 503.
        pool_wait: Span = "250ms" in "1ms" .. "30s", Restart;
        /// How SQLite makes a commit durable: "full" survives a loss of power, "normal" is faster and may
        /// lose the last commits.
        sqlite_synchronous: Synchronous = "full", Restart;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_whose_password_could_end_elsewhere_is_refused_and_nothing_of_it_is_repeated() {
        for url in [
            "postgres://u:hunter2/TAIL@h/db",
            "postgres://u:12/TAIL@h/db",
            "postgres://u:12?TAIL@h/db",
            "postgres://u:12?TAIL=1@h/db",
            "postgres://u:12#TAIL@h/db",
            "postgres://u:hun%terTAIL@h/db",
            "postgres://u:hunter2%",
            "postgres://u:hunter2@TAIL@h/db",
            "postgres://u:hunter2",
            "postgres://h:5432x/db",
            "postgres://[::1/db",
            "postgres://h/db?password",
            "postgres://h/db?password=hunter2=TAIL",
            "postgres://h/db?",
        ] {
            let wrong = DatabaseUrl::from_text(url).unwrap_err();
            assert!(
                wrong.contains("%40 for @") && !wrong.contains("TAIL") && !wrong.contains("hunter"),
                "{url}: {wrong}"
            );
        }
        for url in [
            "postgres://u:hunter%2F%40%25%23%3F2@h:5432/db?sslmode=verify-full&sslrootcert=/etc/ca.pem",
            "postgres://u:a:b@h/db",
            "postgres://u@[::1]:5432,b/db",
            "postgres://u@[::1]/db",
            "postgres:///kw?host=/var/run/postgresql&user=kw@realm",
            "postgres://%2Fvar%2Frun/kw",
            "postgres://h:5432/kw?options=-csearch_path%3Dkw",
            "postgresql://",
        ] {
            assert!(DatabaseUrl::from_text(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_a_secret_and_is_masked() {
        for (url, secret, shown) in [
            ("sqlite:/var/lib/k.db", false, "sqlite:/var/lib/k.db"),
            ("sqlite:///var/lib/k.db", false, "sqlite:/var/lib/k.db"),
            ("postgres://kw@db/kw", false, "postgres://kw@db/kw"),
            ("postgres://kw:hunter2@db:5433/kw", true, "postgres://kw:[secret]@db:5433/kw"),
            ("postgresql://db/kw?user=kw&password=hunter2", true, "postgresql://db/kw"),
            ("postgres://kw:hunter2@a:1,b:2/kw", true, "postgres://[secret]"),
        ] {
            let read = DatabaseUrl::from_text(url).unwrap();
            assert_eq!(read.holds_secret(), secret, "{url}");
            assert_eq!(read.to_toml().unwrap(), format!("\"{shown}\""));
            assert!(!format!("{read:?}").contains("hunter2"));
        }
        for url in ["mysql://x", "sqlite:", "k.db", ""] {
            assert!(DatabaseUrl::from_text(url).is_err(), "{url}");
        }
    }
}
