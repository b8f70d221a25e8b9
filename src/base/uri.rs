//! URIs as exact strings whose shape has been proven once.
//!
//! They are compared byte by byte (RFC 9700 §4.1.3), so the text is kept as it was registered;
//! parsing only proves its shape.

use std::fmt;
use url::Url;

/// Longest URI that is accepted anywhere.
pub const MAX_BYTES: usize = 2048;

/// Why a text was refused as a URI, in words for the developer who registered or sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadUri(pub(crate) &'static str);

impl fmt::Display for BadUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
impl std::error::Error for BadUri {}

fn absolute(text: &str) -> Result<Url, BadUri> {
    if text.len() > MAX_BYTES {
        return Err(BadUri("is longer than 2048 bytes"));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) || text.contains(['\\', '"', '<', '>', '^', '`', '{', '|', '}']) {
        return Err(BadUri("has a character that a URI cannot have"));
    }
    Url::parse(text).map_err(|_| BadUri("is not an absolute URI"))
}

/// Whether the host is a loopback literal: `127.0.0.0/8` or `[::1]`; never a name.
#[must_use]
pub fn is_loopback_literal(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(_)) | None => false,
    }
}

/// Our own issuer identifier (RFC 8414 §2): `https`, or `http` on a loopback host; no query, no
/// fragment, no user, and no slash at its end, so that it is compared as one canonical string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    url: Url,
}

impl Issuer {
    /// Reads an issuer.
    ///
    /// # Errors
    /// [`BadUri`] for any other shape.
    pub fn parse(text: &str) -> Result<Self, BadUri> {
        let url = absolute(text)?;
        let local = is_loopback_literal(&url) || url.host_str() == Some("localhost");
        match url.scheme() {
            "https" => {}
            "http" if local => {}
            "http" => return Err(BadUri("must be https: plain http is for loopback addresses only")),
            _ => return Err(BadUri("must be an https URL")),
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BadUri("must have no query and no fragment"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadUri("must name no user"));
        }
        if text.ends_with('/') {
            return Err(BadUri("must not end with a slash: clients compare it as a string"));
        }
        let canonical = url.as_str().strip_suffix('/').filter(|_| url.path() == "/").unwrap_or(url.as_str());
        if canonical != text {
            return Err(BadUri("must be in its canonical form: lower-case host, no default port, no dot segments"));
        }
        Ok(Self { text: text.to_owned(), url })
    }
    /// The identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// The path that stands before ours, without a slash at its end: empty, or such as `/id`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }
    /// Scheme, host and port, as in an `Origin` field.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }
    /// Whether it is https, so that cookies may be `Secure` and carry the `__Host-` prefix.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
    /// The URL of one of our endpoints: `path` begins with a slash.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }
}

impl serde::Serialize for Issuer {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

macro_rules! exact {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Reads one, proving its shape and keeping its text as it is.
            ///
            /// # Errors
            /// [`BadUri`] for any other shape.
            pub fn parse(text: &str) -> Result<Self, BadUri> {
                $check(&absolute(text)?, text)?;
                Ok(Self(text.to_owned()))
            }
            /// Its text, byte for byte as it was registered or sent.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
            /// Scheme, host and port, as in an `Origin` field; `null` for private-use schemes.
            #[must_use]
            pub fn origin(&self) -> String {
                Url::parse(&self.0).map(|u| u.origin().ascii_serialization()).unwrap_or_default()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(from)?;
                Self::parse(&text).map_err(|e| serde::de::Error::custom(format!("{text:?} {e}")))
            }
        }
    };
}

exact! {
    /// A redirection URI, at registration (RFC 6749 §3.1.2, RFC 8252 §7): `https`; `http` on a
    /// loopback literal; or a private-use scheme with a dot in it, for native applications. No
    /// fragment, no user; never `javascript:`, `data:`, `file:` and their like. `http://localhost`
    /// is allowed only through [`RedirectUri::parse_lenient`].
    RedirectUri, redirect_shape
}
exact! {
    /// A resource indicator (RFC 8707 §2): an absolute URI without a fragment. It becomes the
    /// `aud` of access tokens.
    Resource, resource_shape
}
exact! {
    /// An address that the server itself calls or that people follow: `https`, or `http` on
    /// loopback; no user, no fragment. Whether it may be *called* is for `remote` to judge.
    WebUri, web_shape
}

impl RedirectUri {
    /// As [`RedirectUri::parse`], and also `http://localhost` with any port and path: for
    /// development, where the operator allows it.
    ///
    /// # Errors
    /// [`BadUri`] for any other shape.
    pub fn parse_lenient(text: &str) -> Result<Self, BadUri> {
        let url = absolute(text)?;
        if url.scheme() == "http" && url.host_str() == Some("localhost") {
            no_fragment_no_user(&url, text)?;
            return Ok(Self(text.to_owned()));
        }
        Self::parse(text)
    }

    /// Whether a requested URI is this registered one: byte for byte; or, where this is `http` on
    /// `127.0.0.1` or `[::1]`, the same but for the port (RFC 8252 §7.3).
    #[must_use]
    pub fn admits(&self, requested: &str) -> bool {
        if self.0 == requested {
            return true;
        }
        let Ok(asked) = Self::parse(requested) else { return false };
        self.without_port().is_some_and(|mine| asked.without_port() == Some(mine))
    }

    /// Whether any port is admitted: `http` on `127.0.0.1` or `[::1]` (RFC 8252 §7.3).
    #[must_use]
    pub fn any_port(&self) -> bool {
        self.without_port().is_some()
    }

    /// Front and back of a loopback URI, around its port; `None` where the port must be exact.
    fn without_port(&self) -> Option<(&str, &str)> {
        ["http://127.0.0.1", "http://[::1]"].iter().find_map(|front| {
            let rest = self.0.strip_prefix(front)?;
            let back = match rest.strip_prefix(':') {
                Some(after) => {
                    let back = after.trim_start_matches(|c: char| c.is_ascii_digit());
                    let digits = after.len() - back.len();
                    ((1..=5).contains(&digits)).then_some(back)?
                }
                None => rest,
            };
            (back.is_empty() || back.starts_with(['/', '?'])).then_some((*front, back))
        })
    }
}

fn no_fragment_no_user(url: &Url, text: &str) -> Result<(), BadUri> {
    if url.fragment().is_some() || text.contains('#') {
        return Err(BadUri("must have no fragment"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadUri("must name no user"));
    }
    Ok(())
}

fn redirect_shape(url: &Url, text: &str) -> Result<(), BadUri> {
    no_fragment_no_user(url, text)?;
    // It would match nothing but itself, and whoever wrote it means something else.
    if url.host_str().is_some_and(|host| host.contains('*')) {
        return Err(BadUri("must not have a wildcard: URIs match byte for byte"));
    }
    match url.scheme() {
        "https" if text.starts_with("https://") => Ok(()),
        "http" if is_loopback_literal(url) && text.starts_with("http://") => Ok(()),
        "http" => Err(BadUri("must be https: plain http is for the loopback literals 127.0.0.1 and [::1]")),
        scheme if scheme.contains('.') => Ok(()),
        _ => Err(BadUri(
            "must be https, http on a loopback literal, or a private-use scheme with a dot such as com.example.app",
        )),
    }
}

fn resource_shape(url: &Url, text: &str) -> Result<(), BadUri> {
    if url.fragment().is_some() || text.contains('#') {
        return Err(BadUri("must have no fragment"));
    }
    match url.scheme() {
        "https" | "http" | "urn" => Ok(()),
        scheme if scheme.contains('.') => Ok(()),
        _ => Err(BadUri("must be an https, http or urn URI")),
    }
}

fn web_shape(url: &Url, text: &str) -> Result<(), BadUri> {
    no_fragment_no_user(url, text)?;
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback_literal(url) || url.host_str() == Some("localhost") => Ok(()),
        _ => Err(BadUri("must be https, or http on a loopback address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn registration_allows_only_schemes_that_cannot_run_code() {
        for good in [
            "https://app.example/cb",
            "https://app.example/cb?x=1",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:4711/cb",
            "http://[::1]:4711/cb",
            "com.example.app:/cb",
        ] {
            assert!(RedirectUri::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "http://app.example/cb",
            "http://localhost/cb",
            "https://app.example/cb#f",
            "https://app.example/cb#",
            "https://u@app.example/cb",
            "/cb",
            "https:app.example",
            "https://app.example/\\evil",
            "https://app.example/a b",
            "vbscript:x",
            "",
        ] {
            assert!(RedirectUri::parse(bad).is_err(), "{bad}");
        }
        assert!(RedirectUri::parse_lenient("http://localhost:3000/cb").is_ok());
    }

    #[test]
    fn b01_only_the_very_same_string_matches() {
        let mine = RedirectUri::parse("https://app.example/cb").unwrap();
        assert!(mine.admits("https://app.example/cb"));
        for other in [
            "https://app.example/CB",
            "https://app.example/cb/",
            "https://app.example/cb?foo=bar",
            "https://APP.example/cb",
            "https://app.example:443/cb",
            "https://app.example:443/x/../cb",
            "https://app.example/%63b",
            "https://user@app.example/cb",
            "https://appaexample/cb",
            "https://fooapp.example/cb",
            "http://app.example/cb",
            "https://app.example.evil/cb",
        ] {
            assert!(!mine.admits(other), "{other}");
        }
    }

    #[test]
    fn a_native_client_may_use_any_port_on_a_loopback_literal() {
        let mine = RedirectUri::parse("http://127.0.0.1/cb").unwrap();
        assert!(mine.admits("http://127.0.0.1:5000/cb"));
        assert!(mine.admits("http://127.0.0.1/cb"));
        for other in [
            "http://127.0.0.1:5000/cb2",
            "http://127.0.0.1:5000x/cb",
            "http://127.0.0.2:5000/cb",
            "http://localhost:5000/cb",
            "http://127.0.0.1:5000@evil.example/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:123456/cb",
            "http://127.0.0.1.evil.example/cb",
        ] {
            assert!(!mine.admits(other), "{other}");
        }
        assert!(RedirectUri::parse("http://[::1]:1/cb").unwrap().admits("http://[::1]:65535/cb"));
    }

    #[test]
    fn an_issuer_has_one_spelling() {
        for good in
            ["https://id.example", "https://id.example/tenant", "http://127.0.0.1:8080", "http://localhost:8080"]
        {
            assert!(Issuer::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "https://id.example/",
            "https://ID.example",
            "https://id.example:443",
            "http://id.example",
            "https://id.example?x",
            "https://id.example/a/../b",
            "ftp://x",
        ] {
            assert!(Issuer::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Issuer::parse("https://id.example/t").unwrap().path(), "/t");
        assert_eq!(Issuer::parse("https://id.example").unwrap().path(), "");
    }

    proptest! {
        #[test]
        fn nothing_but_itself_matches_an_https_uri(other in "https?://[a-z./:?%@]{0,30}") {
            let mine = RedirectUri::parse("https://app.example/cb").unwrap();
            prop_assert_eq!(mine.admits(&other), other == mine.as_str());
        }
    }
}
