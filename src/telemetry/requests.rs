//! The log of requests with API keys: a line for each that was verified, and one for each that was
//! reported. It has a target of its own, so that whoever reads logs can tell it from the rest.
//!
//! Who the line is about is said by the handle of the key and never by its text, and of what was
//! asked it says the names of parameters and never their values.

use std::time::Duration;
use tracing::Level;
use url::form_urlencoded;

/// What these lines are filtered by.
pub const TARGET: &str = "keywright::requests";

/// The longest that is written of any text, in characters.
const LONGEST: usize = 512;
/// The most names of parameters.
const NAMES: usize = 20;
/// So many letters and digits without a break are nothing that people wrote: they may be a secret.
const OPAQUE: usize = 32;
const HIDDEN: &str = "[hidden]";

/// Whether anybody wants such lines: where nobody does, this is all that they cost.
#[must_use]
pub fn wanted() -> bool {
    tracing::enabled!(target: TARGET, Level::INFO)
}

/// A request for which a key was verified.
#[derive(Debug)]
pub struct Verified<'a> {
    /// The handle of the key; empty where there is no such key.
    pub key_id: &'a str,
    /// What people know it by; empty where there is no such key.
    pub hint: &'a str,
    /// The API.
    pub api: &'a str,
    /// Who asked: `verify`, or the word of a gateway.
    pub via: &'a str,
    /// The code of the verdict.
    pub code: &'a str,
    /// The address of the client.
    pub ip: Option<String>,
    /// What the client says it is.
    pub user_agent: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// The path, without its query.
    pub path: Option<String>,
    /// The names of the parameters in its query.
    pub query: Option<String>,
    /// How long the verification took.
    pub took: Duration,
    /// The name of the question.
    pub request: &'a str,
}

impl Verified<'_> {
    /// Writes the line.
    pub fn write(&self) {
        tracing::info!(
            target: TARGET,
            key_id = self.key_id,
            hint = self.hint,
            api = self.api,
            via = self.via,
            code = self.code,
            ip = self.ip,
            user_agent = self.user_agent,
            method = self.method,
            path = self.path,
            query = self.query,
            duration_us = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
            request_id = self.request,
            "verified"
        );
    }
}

/// A text that somebody else wrote, fit to be written down: percent-decoded, without what could
/// disturb a terminal, without the text of this key, and without anything that looks like another.
#[must_use]
pub fn shown(text: &str, key: &str) -> String {
    let decoded = decoded(text);
    let text = if key.is_empty() { decoded } else { decoded.replace(key, HIDDEN) };
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().take(LONGEST).filter(|c| !c.is_control()).chain([' ']) {
        if c.is_ascii_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        out.push_str(if word.len() >= OPAQUE { HIDDEN } else { &word });
        word.clear();
        out.push(c);
    }
    out.pop();
    out
}

/// The names of the parameters of a query, each as [`shown`].
#[must_use]
pub fn names(query: &str, key: &str) -> String {
    let names = form_urlencoded::parse(query.as_bytes()).take(NAMES).map(|(name, _)| shown(&name, key));
    names.collect::<Vec<_>>().join(" ")
}

fn decoded(text: &str) -> String {
    let hex = |digit: Option<&u8>| digit.and_then(|digit| char::from(*digit).to_digit(16)).map(|n| n.to_le_bytes()[0]);
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let pair = (*byte == b'%').then(|| hex(bytes.get(at + 1)).zip(hex(bytes.get(at + 2)))).flatten();
        match pair {
            Some((high, low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_key_is_never_shown_however_it_is_written() {
        let key = "kw_live_AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXCLDj9vj417cawd";
        let encoded: String = key.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for text in [key.to_owned(), format!("/v1/{key}/x"), format!("/v1/{encoded}"), format!("curl {key}")] {
            for known in [key, ""] {
                let told = shown(&text, known);
                assert!(!told.contains("AwU75g") && told.contains(HIDDEN), "{told}");
            }
        }
        assert_eq!(shown("/v1/old secret/x", "old secret"), "/v1/[hidden]/x");
        assert_eq!(shown("/v1/docs/7%0a%zz%", ""), "/v1/docs/7%zz%");
        assert_eq!(shown("", ""), "");
        assert_eq!(shown(&"a b".repeat(1000), "").chars().count(), LONGEST);
    }

    #[test]
    fn of_a_query_there_are_names_only() {
        assert_eq!(names("page=2&q=hello%20world&empty&secret-key=1", "secret-key"), "page q empty [hidden]");
        assert_eq!(names(&"n=1&".repeat(100), "").split(' ').count(), NAMES);
        assert_eq!(names(&format!("{}=1", "x".repeat(40)), ""), HIDDEN);
    }
}
