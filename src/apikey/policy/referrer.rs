//! Member `referrer`: the pages from which a browser may call.
//!
//! A browser tells the truth about the page that calls; any other program says what it likes. So
//! this protects a key that stands in a page from being used by other pages, and nothing more.

use super::{Call, Invalid, Otherwise, Reason, bounded};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;
use url::Url;

/// The most origins.
pub const MOST: usize = 64;
/// The longest text in which an origin is looked for.
const LONGEST: usize = 4096;

/// Scheme, host and perhaps port.
const ORIGIN: &str = "^[Hh][Tt][Tt][Pp][Ss]?://(([A-Za-z0-9_-]+\\.)*[A-Za-z][A-Za-z0-9_-]*\\.?|\
     [0-9]{1,3}(\\.[0-9]{1,3}){3}|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?$";

/// The member as written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Referrers")]
pub struct Written {
    /// Origins: scheme, host and port.
    #[schemars(length(min = 1, max = 64), inner(regex(pattern = ORIGIN)))]
    allow: Vec<String>,
    /// What becomes of a call that names no page.
    #[serde(default)]
    missing: Otherwise,
}

/// From which pages a call may come.
#[derive(Clone, Debug)]
pub struct Referrers {
    allow: BTreeSet<String>,
    missing: Otherwise,
}

impl Referrers {
    /// Reads the member.
    ///
    /// # Errors
    /// [`Invalid`] where an entry is not scheme, host and perhaps port of `http` or `https`, or
    /// there are none or too many.
    pub fn read(written: &Written) -> Result<Self, Invalid> {
        bounded("referrer.allow", &written.allow, MOST)?;
        let one = |(n, text): (usize, &String)| {
            written_origin(text).ok_or_else(|| {
                let why = format!("is no origin, such as https://app.example.com: {text:?}");
                Invalid::new(format!("referrer.allow[{n}]"), why)
            })
        };
        let allow = written.allow.iter().enumerate().map(one).collect::<Result<_, _>>()?;
        Ok(Self { allow, missing: written.missing })
    }

    /// Whether a call that names no page is refused. Where it passes, a page need only say nothing.
    #[must_use]
    pub fn names_all(&self) -> bool {
        self.missing == Otherwise::Deny
    }

    /// Whether the page that calls may: by `Origin`, else by `Referer`. An `Origin` that cannot be
    /// read, or that says `null` as a page in a sandbox does, is not made good by a `Referer`.
    ///
    /// # Errors
    /// The [`Reason`] why not.
    pub fn find(&self, call: &Call<'_>) -> Result<(), Reason> {
        let said = |text: &Option<&'_ str>| text.is_some_and(|t| !t.is_empty());
        let origin = match (call.origin.filter(|t| said(&Some(t))), call.referer.filter(|t| said(&Some(t)))) {
            (Some(text), _) => written_origin(text),
            (None, Some(text)) => origin(text),
            (None, None) => {
                return match self.missing {
                    Otherwise::Allow => Ok(()),
                    Otherwise::Deny => Err(Reason::Missing),
                };
            }
        };
        let origin = origin.ok_or(Reason::Unreadable)?;
        if self.allow.contains(&origin) { Ok(()) } else { Err(Reason::NotAllowed) }
    }
}

/// An origin in its own right: nothing stands behind host and port, and no star in them.
fn written_origin(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("://")?;
    (!rest.contains(['/', '?', '#', '*'])).then(|| origin(text))?
}

/// The origin of an address: scheme, host and port, the port left out where it is the scheme's
/// own; `None` unless that stands at its beginning in so many letters. Readers of addresses
/// forgive missing slashes, backslashes, names before an `@` and encoded hosts; browsers send none.
fn origin(text: &str) -> Option<String> {
    let plain = text.len() <= LONGEST && text.bytes().all(|b| b.is_ascii_graphic());
    let url = Url::parse(text).ok().filter(|url| plain && matches!(url.scheme(), "http" | "https"))?;
    let origin = url.origin().ascii_serialization();
    let lower = text.to_ascii_lowercase();
    let behind = lower.strip_prefix(&origin)?;
    let whole = behind.is_empty() || behind.starts_with(['/', '?', '#', ':']);
    (whole && url.username().is_empty() && url.password().is_none()).then_some(origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apikey::policy::sample::{call, found, refused};

    const POLICY: &str = r#"{"allow":["https://app.example.com","http://localhost:3000"]}"#;

    #[test]
    fn the_origin_of_the_calling_page_decides() {
        use Reason::{Missing, NotAllowed, Unreadable};
        let cases = [
            (Some("https://app.example.com"), None, Ok(())),
            (Some("https://app.example.com:443"), None, Ok(())),
            (Some("HTTPS://APP.example.com"), None, Ok(())),
            (Some("http://localhost:3000"), None, Ok(())),
            (None, Some("https://app.example.com/page?x=1#top"), Ok(())),
            (Some(""), Some("https://app.example.com/"), Ok(())),
            (Some("http://app.example.com"), None, Err(NotAllowed)),
            (Some("https://app.example.com:8443"), None, Err(NotAllowed)),
            (Some("https://app.example.com.evil.example"), None, Err(NotAllowed)),
            (Some("https://evil.example"), Some("https://app.example.com/"), Err(NotAllowed)),
            (Some("null"), Some("https://app.example.com/"), Err(Unreadable)),
            (Some("https://app.example.com/"), None, Err(Unreadable)),
            (None, Some("https://app.example.com@evil.example/"), Err(Unreadable)),
            (None, Some("https://app.example.com\\@evil.example/"), Err(Unreadable)),
            (None, Some("https://evil.example/https://app.example.com"), Err(NotAllowed)),
            (None, Some("app.example.com"), Err(Unreadable)),
            (None, Some("https:app.example.com/"), Err(Unreadable)),
            (None, Some("https:///app.example.com/"), Err(Unreadable)),
            (None, Some("https://app%2eexample.com/"), Err(Unreadable)),
            (None, Some("https://app.example.com:443@evil.example/"), Err(Unreadable)),
            (None, Some("https://app.example.com."), Err(NotAllowed)),
            (None, Some("file:///app.example.com"), Err(Unreadable)),
            (None, None, Err(Missing)),
        ];
        for (origin, referer, wanted) in cases {
            let call = Call { origin, referer, ..call() };
            assert_eq!(found("referrer", POLICY, &call), wanted, "{origin:?} {referer:?}");
        }
    }

    #[test]
    fn where_the_missing_may_pass_the_unreadable_may_not() {
        let policy = r#"{"allow":["https://a.example"],"missing":"allow"}"#;
        assert_eq!(found("referrer", policy, &call()), Ok(()));
        let call = Call { origin: Some("null"), ..call() };
        assert_eq!(found("referrer", policy, &call), Err(Reason::Unreadable));
    }

    #[test]
    fn what_is_no_origin_is_refused_by_its_place() {
        let cases = [
            (r#"{"allow":[]}"#, "referrer.allow"),
            (r#"{"missing":"deny"}"#, "referrer"),
            (r#"{"allow":["https://a.example","https://b.example/path"]}"#, "referrer.allow[1]"),
            (r#"{"allow":["a.example"]}"#, "referrer.allow[0]"),
            (r#"{"allow":["https://*.example"]}"#, "referrer.allow[0]"),
            (r#"{"allow":["ftp://a.example"]}"#, "referrer.allow[0]"),
            (r#"{"allow":["https://me@a.example"]}"#, "referrer.allow[0]"),
        ];
        for (written, member) in cases {
            assert_eq!(refused("referrer", written), member, "{written}");
        }
    }
}
