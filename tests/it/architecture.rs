//! The floors of the house, held against every file of `src/`: who may import whom, which crate may be named where, how
//! long a file may be and how it begins. `docs/ARCHITECTURE.md` says why.
#![expect(clippy::indexing_slicing, reason = "a scan that runs off its text has failed")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const EVERYTHING: &str = "*";

/// Every module at the top, and what of ours it may name beside itself.
const MAY_IMPORT: &[(&str, &str)] = &[
    ("base", ""),
    ("jose", "base"),
    ("limit", "base"),
    ("account", "base"),
    ("audit", "base"),
    ("keyring", "base jose"),
    ("apikey", "base limit"),
    ("oauth", "base jose"),
    ("oidc", "base jose oauth"),
    ("config", "base jose limit account audit keyring oauth oidc apikey"),
    ("store", "base jose limit account audit keyring oauth oidc apikey"),
    ("cluster", "base jose limit audit"),
    ("remote", "base jose limit audit"),
    ("telemetry", "base jose limit audit"),
    // Where addresses are.
    ("geo", "base"),
    // The pool of threads on which passwords are hashed.
    ("hashing", "base limit account"),
    (
        "flow",
        "base jose limit account audit keyring oauth oidc apikey config store cluster remote telemetry hashing geo",
    ),
    // Never store, cluster or remote: a handler asks a flow.
    ("http", "base jose limit account audit keyring oauth oidc apikey config telemetry flow"),
    // A relying application: of the server it knows the published addresses, and shares only the words.
    ("demo", "base jose"),
    ("app", EVERYTHING),
    ("cli", EVERYTHING),
    ("main", EVERYTHING),
    ("lib", EVERYTHING),
];

/// Crates (or parts of `std`) that are named in these modules and nowhere else.
const WALLS: &[(&str, &str)] = &[
    ("diesel", "store"),
    ("diesel_migrations", "store"),
    ("r2d2", "store"),
    ("actix_web", "http app demo"),
    ("josekit", "jose"),
    ("openssl", "jose base::secret main"),
    ("oxide_auth", "oauth::engine"),
    ("askama", "http demo"),
    ("ureq", "remote demo"),
    ("cryptoki", "remote::signers::pkcs11"),
    ("redis", "cluster"),
    ("maxminddb", "geo"),
    ("tokio", "store cluster remote telemetry hashing flow http app cli demo"),
    ("clap", "cli"),
    ("zeroizing_alloc", "main"),
    ("prometheus_client", "telemetry"),
    ("tracing_subscriber", "telemetry"),
    ("argon2", "account"),
    ("zxcvbn", "account"),
    ("schemars", "apikey flow::api_keys http::api_keys http::take"),
    ("moka", "cluster remote flow"),
    ("chrono_tz", "apikey::policy::hours"),
    ("std::env", "config cli main"),
];

/// The longest a file may be, in lines.
const LINES: usize = 400;
/// Files that may be longer, and why.
const LONGER: &[(&str, &str)] = &[("oauth/engine.rs", "four drivers of one package, kept behind one door")];
/// Words that say nothing about what a module is for.
const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "manager", "misc", "service", "lib"];

/// A file of `src/`.
struct Source {
    /// Relative to `src/`, with `/` between its parts.
    path: String,
    text: String,
    /// The module it is, from the root of the crate: `["oauth", "grant", "refresh_token"]`.
    module: Vec<String>,
}

impl Source {
    fn top(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }
    /// Tests may name what they test against: files of tests, and samples that only tests compile.
    fn is_test(&self, only_in_tests: &BTreeSet<Vec<String>>) -> bool {
        (1..=self.module.len()).any(|n| only_in_tests.contains(&self.module[..n]))
    }
    fn is_long(&self) -> bool {
        self.text.lines().count() > LINES && !LONGER.iter().any(|(path, _)| *path == self.path)
    }
}

fn sources() -> Vec<Source> {
    fn walk(dir: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|e| e == "rs") {
                into.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    let read = |file: PathBuf| {
        let relative = file.strip_prefix(&root).unwrap();
        let mut module: Vec<String> =
            relative.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        if module == ["lib"] {
            module.pop();
        }
        Source { path: relative.to_string_lossy().replace('\\', "/"), text: fs::read_to_string(&file).unwrap(), module }
    };
    files.into_iter().map(read).collect()
}

/// The modules that stand in files of their own and are declared under `#[cfg(test)]`.
fn only_in_tests(sources: &[Source]) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    for source in sources {
        let mut after_cfg = false;
        for line in source.text.lines().map(str::trim) {
            let declared = line.rsplit_once("mod ").and_then(|(_, name)| name.strip_suffix(';'));
            if let (true, Some(name)) = (after_cfg, declared) {
                found.insert([source.module.as_slice(), &[name.to_owned()]].concat());
            }
            after_cfg = line == "#[cfg(test)]" || (after_cfg && line.starts_with("#["));
        }
    }
    found
}

/// The code, with comments and texts blanked out and the lines kept; it ends where an inline module of tests begins.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if opens_inline_tests(rest) {
            break;
        }
        let blank = blank_at(rest);
        if blank == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let (skipped, after) = rest.split_at(blank.min(rest.len()));
            out.extend(skipped.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = after;
        }
    }
    out
}

/// How many bytes of a comment, a text or a quoted quote begin here; 0 for code.
fn blank_at(rest: &str) -> usize {
    let through =
        |open: &str, close: &str| rest[open.len()..].find(close).map_or(rest.len(), |at| open.len() + at + close.len());
    let starts = |with: &&str| rest.starts_with(*with);
    match ["//", "/*", "r#\"", "\"", "'\"'", "'\\\"'"].iter().find(|with| starts(with)) {
        None => 0,
        Some(&"//") => rest.find('\n').unwrap_or(rest.len()),
        Some(&"/*") => through("/*", "*/"),
        Some(&"r#\"") => through("r#\"", "\"#"),
        Some(&"\"") => {
            let mut escaped = false;
            let end = rest.char_indices().skip(1).find(|(_, c)| {
                let ends = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |(at, _)| at + 1)
        }
        Some(quoted) => quoted.len(),
    }
}

/// `#[cfg(test)] mod tests {`, with other attributes between; `#[cfg(test)] mod name;` is a file of its own.
fn opens_inline_tests(rest: &str) -> bool {
    let Some(after) = rest.strip_prefix("#[cfg(test)]\n") else { return false };
    let declaration = after.lines().find(|line| line.contains("mod ") || !line.starts_with(['#', ' ', ')']));
    declaration.is_some_and(|line| line.contains("mod ") && line.ends_with('{'))
}

/// Every path of more than one segment in the code, groups flattened, with its line: `use a::{b, c::d}` gives `a::b` and
/// `a::c::d`.
fn paths(code: &str) -> Vec<(usize, Vec<String>)> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let continues = at > 0 && matches!(tokens[at - 1].1.as_str(), "::" | ".");
        if is_name(&tokens[at].1) && !continues {
            at = path_at(&tokens, at, &mut Vec::new(), &mut found);
        } else {
            at += 1;
        }
    }
    found.retain(|(_, path)| path.len() > 1);
    found
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads the path (or tree of paths) that begins at `at`; returns where reading goes on.
fn path_at(
    tokens: &[(usize, String)],
    mut at: usize,
    prefix: &mut Vec<String>,
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let depth = prefix.len();
    let line = tokens[at].0;
    let text = |at: usize| tokens.get(at).map_or("", |(_, text)| text.as_str());
    prefix.push(tokens[at].1.clone());
    at += 1;
    while text(at) == "::" && is_name(text(at + 1)) {
        prefix.push(text(at + 1).to_owned());
        at += 2;
    }
    if text(at) == "::" && text(at + 1) == "{" {
        at += 2;
        while at < tokens.len() && text(at) != "}" {
            at = if is_name(text(at)) { path_at(tokens, at, prefix, found) } else { at + 1 };
        }
    } else {
        found.push((line, prefix.clone()));
    }
    prefix.truncate(depth);
    at
}

/// Names, `::`, and single signs, each with its line.
fn tokens(code: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let length = match c {
                ':' if rest.starts_with("::") => 2,
                c if c.is_alphanumeric() || c == '_' => {
                    rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
                }
                c => c.len_utf8(),
            };
            let (token, after) = rest.split_at(length);
            if !c.is_whitespace() {
                found.push((number + 1, token.to_owned()));
            }
            rest = after;
        }
    }
    found
}

/// The path as seen from the root of our crate, where it leads into it: `crate::a`, `keywright::a`, `super::super::a`.
fn from_root(module: &[String], path: &[String]) -> Option<Vec<String>> {
    match path.first()?.as_str() {
        "crate" | "keywright" => Some(path[1..].to_vec()),
        "super" => {
            let up = path.iter().take_while(|segment| *segment == "super").count();
            let base = module.get(..module.len().checked_sub(up)?)?;
            Some([base, &path[up..]].concat())
        }
        _ => None,
    }
}

fn may_import(module: &str, other: &str) -> bool {
    let allowed = MAY_IMPORT.iter().find(|(name, _)| *name == module).map_or("", |(_, allowed)| allowed);
    module == other || allowed == EVERYTHING || allowed.split(' ').any(|name| name == other)
}

fn is_inside(module: &[String], places: &str) -> bool {
    places.split(' ').any(|place| {
        let place: Vec<&str> = place.split("::").collect();
        module.len() >= place.len() && place.iter().zip(module).all(|(a, b)| a == b)
    })
}

/// Every place where this file names what it may not.
fn trespasses(source: &Source) -> Vec<String> {
    let modules: BTreeSet<&str> = MAY_IMPORT.iter().map(|(name, _)| *name).collect();
    let mut found = Vec::new();
    for (line, path) in paths(&code(&source.text)) {
        let place = format!("src/{}:{line}", source.path);
        if let Some(inner) = from_root(&source.module, &path) {
            let other = inner.first().map_or("", String::as_str);
            if modules.contains(other) && !may_import(source.top(), other) {
                found.push(format!("{place}: {} may not import {other} ({})", source.top(), path.join("::")));
            }
        } else if let Some((name, places)) = WALLS.iter().find(|(name, _)| {
            let walled: Vec<&str> = name.split("::").collect();
            path.len() >= walled.len() && walled.iter().zip(&path).all(|(a, b)| a == b)
        }) && !is_inside(&source.module, places)
        {
            found.push(format!("{place}: {name} is named only in {places}"));
        }
    }
    found
}

fn none(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_module_imports_only_what_its_floor_allows_and_crates_stay_behind_their_walls() {
    let sources = sources();
    let tests = only_in_tests(&sources);
    none(&sources.iter().filter(|s| !s.is_test(&tests)).flat_map(trespasses).collect::<Vec<_>>());
}

#[test]
fn every_module_at_the_top_has_a_row_in_the_table() {
    let rows: BTreeSet<&str> = MAY_IMPORT.iter().map(|(name, _)| *name).collect();
    let sources = sources();
    let unknown: BTreeSet<&str> = sources.iter().map(Source::top).filter(|top| !rows.contains(top)).collect();
    assert!(unknown.is_empty(), "no row in MAY_IMPORT: {unknown:?}");
}

#[test]
fn no_file_is_longer_than_four_hundred_lines() {
    let sources = sources();
    let tests = only_in_tests(&sources);
    let long = sources.iter().filter(|s| !s.is_test(&tests) && s.is_long());
    none(
        &long.map(|s| format!("src/{}: {} lines, {LINES} at most", s.path, s.text.lines().count())).collect::<Vec<_>>(),
    );
    for (path, why) in LONGER {
        let stands = sources.iter().any(|s| s.path == *path && s.text.lines().count() > LINES);
        assert!(stands, "{path} ({why}) need not be excepted any more");
    }
}

#[test]
fn every_file_begins_with_its_charter() {
    let missing = sources().into_iter().filter(|s| !s.text.starts_with("//! ") || s.text.starts_with("//! \n"));
    none(&missing.map(|s| format!("src/{}:1: must begin with //! and a sentence", s.path)).collect::<Vec<_>>());
}

#[test]
fn a_row_of_a_unique_key_is_found_without_limit() {
    let limited = sources().into_iter().filter(|s| s.top() == "store" && code(&s.text).contains(".first(c)"));
    none(&limited.map(|s| format!("src/{}: `get_result`, see store::tx", s.path)).collect::<Vec<_>>());
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    let named = |s: &Source| s.module.last().is_some_and(|last| EMPTY_NAMES.contains(&last.as_str()));
    none(
        &sources()
            .iter()
            .filter(|s| named(s))
            .map(|s| format!("src/{}: name what it is for", s.path))
            .collect::<Vec<_>>(),
    );
}

/// The judge is judged: what it must see, and what it must not mistake for an import.
#[test]
fn the_scan_sees_groups_inline_paths_and_climbing_and_is_not_fooled_by_texts() {
    let found = |path: &str, text: &str| {
        let module = path.trim_end_matches(".rs").split('/').filter(|p| *p != "mod").map(str::to_owned).collect();
        trespasses(&Source { path: path.to_owned(), text: text.to_owned(), module })
    };
    assert_eq!(found("oauth/code.rs", "use crate::{\n    base::id,\n    store::{self, tokens},\n};").len(), 2);
    assert_eq!(found("oauth/grant/mod.rs", "fn f() { super::super::flow::run() }").len(), 1);
    assert_eq!(found("http/oauth/token.rs", "fn f() { crate::store::open() }").len(), 1);
    assert_eq!(
        found("flow/token.rs", "use diesel::prelude::*;"),
        ["src/flow/token.rs:1: diesel is named only in store"]
    );
    assert_eq!(found("limit/mod.rs", "use std::{env, fmt};").len(), 1);
    assert_eq!(found("base/secret.rs", "use openssl::memcmp;"), [""; 0]);
    assert_eq!(found("base/scope.rs", "// crate::store::x\nconst A: &str = \"crate::flow\\\" diesel::x\";"), [""; 0]);
    assert_eq!(
        found("base/uri.rs", "fn f(x: X) { x.diesel::<u8>() }\n#[cfg(test)]\nmod tests {\n    use crate::flow::x;\n}"),
        [""; 0]
    );
}
