//! `[limits]`: where limits are counted, and what our own endpoints allow.

use super::{
    section::section,
    setting::{Setting, choice, quoted},
    sign_in::Rate,
};
use crate::base::{moment::Span, secret::Secret};
use url::Url;

choice! {
    /// Where limits are counted.
    CountedIn: "\"local\", \"redis\" or \"auto\"" {
        /// In the memory of each node, against its share.
        Local = "local",
        /// In Redis.
        Redis = "redis",
        /// In Redis where there is one.
        Auto = "auto",
    }
}

/// A connection URL of Redis or Valkey; it may hold a password.
#[derive(Clone, Debug)]
pub struct RedisUrl(pub Secret<String>);

impl Setting for RedisUrl {
    const WHAT: &'static str = "\"redis://USER:PASSWORD@HOST:PORT/DATABASE\", or \"rediss://…\" with TLS";
    const SECRET: bool = true;
    fn from_text(text: &str) -> Result<Self, String> {
        let url = Url::parse(text.trim()).map_err(|_| "is not a URL".to_owned())?;
        if !matches!(url.scheme(), "redis" | "rediss") {
            return Err("begins neither with redis:// nor with rediss://".into());
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("names no host".into());
        }
        Ok(Self(Secret::new(text.trim().to_owned())))
    }
    fn to_toml(&self) -> Option<String> {
        let Ok(mut url) = Url::parse(self.0.expose()) else { return Some(quoted("redis://[secret]")) };
        if url.password().is_some() && url.set_password(Some("secret")).is_err() {
            return Some(quoted("redis://[secret]"));
        }
        Some(quoted(&url.as_str().replacen(":secret@", ":[secret]@", 1)))
    }
    fn same(&self, other: &Self) -> bool {
        self.0.matches(other.0.expose().as_bytes())
    }
    fn holds_secret(&self) -> bool {
        Url::parse(self.0.expose()).map_or(true, |url| url.password().is_some())
    }
}

section! {
    /// Where limits are counted, and what our own endpoints allow. A rate such as "600/1m" lets 600 through at
    /// once, and then one more each time its share of the time has gone by.
    Limits = "limits" {
        /// Where limits are counted: "redis" by all nodes together; "local" by each node alone, against its
        /// share, which is the limit divided by the number of live nodes; "auto" in Redis where
        /// `limits.redis_url` is given. While Redis is away, nodes count alone.
        store: CountedIn = "auto", Restart;
        /// Redis (5 or later) or Valkey. A URL with a password is a secret: give it by
        /// `KEYWRIGHT_LIMITS_REDIS_URL_FILE`.
        redis_url: Option<RedisUrl>, Restart;
        /// How long a request waits for Redis. Where it takes longer, this node counts alone until Redis is found
        /// again, so that one that hangs costs a single deadline.
        redis_deadline: Span = "20ms" in "1ms" .. "5s", Restart;
        /// Requests of one address (of IPv6, one /64) for pages: authorization, sign-in, consent, account.
        /// As with the four below: counted by each node against its share, and not for addresses of this
        /// machine, since a proxy that is not declared in `server.trusted_proxies` seems to be everybody.
        pages_per_address: Rate = "3000/1m", Live;
        /// Requests of one address for tokens.
        token_per_address: Rate = "60000/1m", Live;
        /// Requests of one address for revocation.
        revoke_per_address: Rate = "60000/1m", Live;
        /// Requests of one address for introspection and user info.
        introspect_per_address: Rate = "600000/1m", Live;
        /// Tokens of one address that are decrypted, where `keys.encryption_algorithms` says that clients may encrypt
        /// what they send. It costs about what a signature does.
        decrypt_per_address: Rate = "600/1m", Live;
        /// Requests of one client, proven, for tokens. Unset: as many as it likes. Public clients prove nothing and are
        /// not counted: anybody could use up what is theirs.
        token_per_client: Option<Rate>, Live;
        /// Requests of one client, proven, for introspection and revocation. Unset: as many as it likes. As with the one
        /// above, public clients are not counted.
        introspect_per_client: Option<Rate>, Live;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_masked() {
        for (url, secret, shown) in [
            ("redis://cache:6379/2", false, "redis://cache:6379/2"),
            ("rediss://kw:hunter2@cache/0", true, "rediss://kw:[secret]@cache/0"),
            ("redis://:hunter2@[::1]", true, "redis://:[secret]@[::1]"),
        ] {
            let read = RedisUrl::from_text(url).unwrap();
            assert_eq!(read.holds_secret(), secret, "{url}");
            assert_eq!(read.to_toml().unwrap(), format!("\"{shown}\""));
            assert!(!format!("{read:?}").contains("hunter2"));
        }
        for url in ["http://cache", "cache:6379", "redis:///0", ""] {
            assert!(RedisUrl::from_text(url).is_err(), "{url}");
        }
    }
}
