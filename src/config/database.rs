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
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(Secret::new(text.to_owned())));
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
        /// secret: give it by `KEYWRIGHT_DATABASE_URL_FILE`.
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
