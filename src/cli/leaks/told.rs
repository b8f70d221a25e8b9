//! How findings are told: for people, as JSON, and as SARIF 2.1.0. Never the text of a credential.

use super::{
    ask::{self, States},
    look::Seen,
};
use crate::apikey::scan::{Encoding, patch::Placed};
use serde_json::{Value, json};
use std::fmt::Write;

const ADVICE: &str = "What was found is known to others: revoke it first, then take it out. Taking it out of a file \
                      leaves it in the history.";

/// Control characters of a name could disturb a terminal.
fn clean(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn encoded(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Plain => "",
        Encoding::Percent => ", encoded for a URL",
        Encoding::Base64 => ", in base64",
    }
}

pub(super) fn text(seen: &Seen, states: &States, reported: Option<usize>) -> String {
    let mut out = String::new();
    for placed in &seen.found {
        let Placed { commit, path, found } = placed;
        let place = format!("{}:{}:{}", clean(path), found.line, found.column);
        let _ = write!(out, "{place}: {} {}{}", found.what.as_str(), found.hint, encoded(found.encoding));
        if let Some(commit) = commit {
            let _ = write!(out, ", commit {}", commit.get(..12).unwrap_or(commit));
        }
        if let Some(state) = states.get(&ask::name(placed)) {
            let _ = write!(out, ", {state}");
        }
        out.push('\n');
    }
    for (path, why) in &seen.unreadable {
        let _ = writeln!(out, "{}: cannot be read: {why}", clean(path));
    }
    let all = seen.found.len().saturating_add(seen.more);
    let _ = write!(out, "{all} found, in {} files looked into", seen.files);
    for (n, what) in [
        (seen.allowed, "in lines that say keywright:allow"),
        (seen.skipped, "files skipped, in which no text can be seen"),
        (seen.unreadable.len(), "could not be read"),
    ] {
        if n > 0 {
            let _ = write!(out, "; {n} {what}");
        }
    }
    if let Some(n) = reported {
        let _ = write!(out, "; {n} keys reported");
    }
    if all > 0 {
        let _ = write!(out, "\n{ADVICE}");
    }
    out
}

pub(super) fn json(seen: &Seen, states: &States, reported: Option<usize>) -> Value {
    let found = seen.found.iter().map(|placed| {
        let Placed { commit, path, found } = placed;
        json!({
            "file": path, "line": found.line, "column": found.column, "commit": commit, "kind": found.what.as_str(),
            "hint": found.hint, "encoding": found.encoding.as_str(), "state": states.get(&ask::name(placed)),
        })
    });
    let unreadable = seen.unreadable.iter().map(|(file, why)| json!({"file": file, "why": why}));
    json!({
        "found": found.collect::<Vec<_>>(),
        "more": seen.more,
        "allowed": seen.allowed,
        "files": seen.files,
        "skipped": seen.skipped,
        "unreadable": unreadable.collect::<Vec<_>>(),
        "reported": reported,
    })
}

/// A path as a relative reference (RFC 3986 §4.2).
fn reference(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(byte)),
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

pub(super) fn sarif(seen: &Seen) -> Value {
    let rule = |id: &str, what: &str| json!({"id": id, "shortDescription": {"text": what}, "help": {"text": ADVICE}});
    let results = seen.found.iter().map(|Placed { commit, path, found }| {
        let id = if found.what.as_str() == "api_key" { "kw-api-key" } else { "kw-credential" };
        let text = format!("{} {}{}", found.what.as_str(), found.hint, encoded(found.encoding));
        let region = json!({"startLine": found.line, "startColumn": found.column});
        json!({
            "ruleId": id, "level": "error", "message": {"text": text},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": reference(path)}, "region": region}}],
            "properties": {"commit": commit},
        })
    });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "keywright",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": [rule("kw-api-key", "An API key"), rule("kw-credential", "A credential of a server")],
            }},
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_reference_and_a_name_disturbs_no_terminal() {
        assert_eq!(reference("a b/ä%.txt"), "a%20b/%C3%A4%25.txt");
        assert_eq!(clean("a\u{1b}[31mb\n"), "a?[31mb?");
    }
}
