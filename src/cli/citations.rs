//! Which sections of which specifications a text names, as our comments name them: `RFC 6749 §4.1.3 and §6`,
//! `OpenID Connect Core §3.1.2.1`, `ASVS 10.6.2`.

use std::collections::BTreeSet;

/// One section; an empty one stands for the specification as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Citation {
    /// The name of the specification, the same for every way to write it.
    pub(super) of: String,
    /// The numbers of the section.
    pub(super) section: Vec<u32>,
}

/// What a specification is called, and how much must follow for the name to mean it.
struct Name {
    written: &'static str,
    of: &'static str,
    /// A short name means the specification only in front of a section.
    short: bool,
}

const fn full(written: &'static str) -> Name {
    Name { written, of: written, short: false }
}
const fn short(written: &'static str, of: &'static str) -> Name {
    Name { written, of, short: true }
}

const CORE: &str = "OpenID Connect Core";
const DISCOVERY: &str = "OpenID Connect Discovery";
const REGISTRATION: &str = "OpenID Connect Registration";
const RP_LOGOUT: &str = "OpenID Connect RP-Initiated Logout";
const BACK_LOGOUT: &str = "OpenID Connect Back-Channel Logout";
const FORM_POST: &str = "OAuth 2.0 Form Post Response Mode";

/// The specifications that are no RFCs. A name stands before those that it begins with.
const NAMES: &[Name] = &[
    full("OpenID Connect Core Unmet Authentication Requirements"),
    full(CORE),
    full(DISCOVERY),
    full(REGISTRATION),
    full(RP_LOGOUT),
    full(BACK_LOGOUT),
    full("OAuth 2.0 Multiple Response Types"),
    full(FORM_POST),
    full("OAuth 2.1"),
    full("NIST SP 800-38D"),
    full("NIST SP 800-63B-4"),
    short("Core", CORE),
    short("Discovery", DISCOVERY),
    short("Registration", REGISTRATION),
    short("RP-Initiated Logout", RP_LOGOUT),
    short("Back-Channel Logout", BACK_LOGOUT),
    short("Form Post Response Mode", FORM_POST),
    short("Form Post", FORM_POST),
    short("SP 800-38D", "NIST SP 800-38D"),
];

/// What is between two sections of one specification.
const BETWEEN: &[&str] = &[", and ", " and ", " to ", " or ", ", ", " "];

/// Every section that the text names.
pub(super) fn cited(text: &str) -> BTreeSet<Citation> {
    let mut found = BTreeSet::new();
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let begins = !before.is_alphanumeric() && before != '-' && c.is_ascii_uppercase();
        if let Some(rest) = text.get(at..).filter(|_| begins) {
            found.extend(rfc(rest).or_else(|| named(rest)).or_else(|| asvs(rest)).unwrap_or_default());
        }
        before = c;
    }
    found
}

fn all(of: &str, sections: Vec<Vec<u32>>) -> Vec<Citation> {
    sections.into_iter().map(|section| Citation { of: of.to_owned(), section }).collect()
}

/// `RFC 6749 §4.1.3`, `RFC 7515, 7517 and 7519`.
fn rfc(text: &str) -> Option<Vec<Citation>> {
    let mut rest = text.strip_prefix("RFC ")?;
    let mut found = Vec::new();
    while let Some((number, after)) = four_digits(rest) {
        let sections = sections(after, "§");
        let alone = sections.is_empty();
        found.extend(all(&format!("RFC {number}"), if alone { vec![Vec::new()] } else { sections }));
        let next = BETWEEN.iter().find_map(|between| after.strip_prefix(between)).filter(|_| alone);
        let Some(next) = next else { break };
        rest = next;
    }
    Some(found)
}

fn four_digits(text: &str) -> Option<(&str, &str)> {
    let (number, after) = text.split_at_checked(4)?;
    let ends = !after.starts_with(|c: char| c.is_ascii_alphanumeric());
    (ends && number.bytes().all(|b| b.is_ascii_digit())).then_some((number, after))
}

fn named(text: &str) -> Option<Vec<Citation>> {
    let (name, rest) = NAMES.iter().find_map(|name| Some((name, text.strip_prefix(name.written)?)))?;
    let rest = [" 1.0", " 2.0"].iter().find_map(|version| rest.strip_prefix(version)).unwrap_or(rest);
    let sections = sections(rest, "§");
    if !sections.is_empty() {
        return Some(all(name.of, sections));
    }
    (!name.short).then(|| all(name.of, vec![Vec::new()]))
}

/// OWASP's numbers have no sign in front.
fn asvs(text: &str) -> Option<Vec<Citation>> {
    let rest = text.strip_prefix("ASVS")?;
    let rest = rest.strip_prefix(" 5.0").unwrap_or(rest);
    let numbers = sections(rest, "").into_iter().filter(|number| number.len() == 3).collect();
    Some(all("OWASP ASVS 5.0", numbers))
}

/// The sections that follow a name.
fn sections(mut rest: &str, sign: &str) -> Vec<Vec<u32>> {
    let mut found = Vec::new();
    let signed = |rest: &str, between: &str| rest.strip_prefix(between)?.strip_prefix(sign).map(str::len);
    while let Some(left) = BETWEEN.iter().find_map(|between| signed(rest, between)) {
        let after = rest.get(rest.len().saturating_sub(left)..).unwrap_or_default();
        let end = after.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(after.len());
        let (numbers, next) = after.split_at_checked(end).unwrap_or_default();
        let Ok(section) = numbers.trim_end_matches('.').split('.').map(str::parse).collect() else { break };
        found.push(section);
        rest = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let dotted = |numbers: &[u32]| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
        cited(text).iter().map(|one| format!("{} §{}", one.of, dotted(&one.section))).collect()
    }

    #[test]
    fn every_way_in_which_our_comments_cite_is_read() {
        for (text, found) in [
            ("(RFC 6749 §4.1.3).", &["RFC 6749 §4.1.3"][..]),
            ("RFC 6749 §2.3, §3.2 and §5.", &["RFC 6749 §2.3", "RFC 6749 §3.2", "RFC 6749 §5"]),
            ("RFC 9207, RFC 9700 §4.", &["RFC 9207 §", "RFC 9700 §4"]),
            ("RFC 7515, 7517 and 8037; 1234", &["RFC 7515 §", "RFC 7517 §", "RFC 8037 §"]),
            ("OpenID Connect Back-Channel Logout 1.0 §2.5", &["OpenID Connect Back-Channel Logout §2.5"]),
            ("as Core §15.1 says", &["OpenID Connect Core §15.1"]),
            ("the Core of it, a Discovery, HARDCORE §3", &[]),
            ("OpenID Connect Discovery, RFC 12345", &["OpenID Connect Discovery §"]),
            ("ASVS 5.0 6.2.1, 6.2.12", &["OWASP ASVS 5.0 §6.2.1", "OWASP ASVS 5.0 §6.2.12"]),
            ("Form Post §2", &["OAuth 2.0 Form Post Response Mode §2"]),
        ] {
            assert_eq!(read(text), found, "{text}");
        }
    }
}
