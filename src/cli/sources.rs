//! The sources of a checkout as `keywright docs` reads them: what the files of `src` name in their comments, and every
//! test with its path, its name, and what it names.
//!
//! Read by their shape, not by a parser of Rust: `cargo fmt` gives them that shape.

use super::citations::{Citation, cited};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// The files that speak of citations, and cite only as an example.
const EXAMPLES: [&str; 3] = ["src/cli/citations.rs", "src/cli/conformance.rs", "src/cli/sources.rs"];

/// All of them, in the order of their paths.
#[derive(Debug, Default)]
pub struct Sources {
    pub(super) files: Vec<File>,
}

/// A file, as far as it is of interest.
#[derive(Debug)]
pub(super) struct File {
    /// From the root of the checkout, such as `src/oauth/pkce.rs`.
    pub(super) path: String,
    /// What the code names; nothing for a file of tests.
    pub(super) cites: BTreeSet<Citation>,
    /// Whether unit tests stand in it, in a file of their own under it, or in one for all of its directory.
    pub(super) tested_beside: bool,
    /// What a file of tests is about, by its opening comment.
    pub(super) about: BTreeSet<Citation>,
    /// Where its tests are, such as `it::oauth::pkce` or `oauth::pkce::tests`.
    pub(super) module: String,
    pub(super) tests: Vec<Test>,
}

/// A test.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) name: String,
    /// What its name and its text name.
    pub(super) cites: BTreeSet<Citation>,
}

impl Sources {
    /// Reads `src` and `tests` under the root of a checkout; what is not there is empty.
    ///
    /// # Errors
    /// Where something is there and cannot be read.
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        let mut paths = Vec::new();
        for top in ["src", "tests"] {
            walk(&root.join(top), &mut paths)?;
        }
        paths.sort();
        let mut files = Vec::new();
        for path in paths {
            let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            if !EXAMPLES.contains(&relative.as_str()) {
                files.push((relative, fs::read_to_string(&path)?));
            }
        }
        let only_tests: BTreeSet<String> = files.iter().flat_map(|(path, text)| test_files(path, text)).collect();
        Ok(Self { files: files.iter().map(|(path, text)| File::of(path, text, &only_tests)).collect() })
    }
}

fn walk(directory: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    if !directory.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, into)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
    Ok(())
}

/// The module of a file: `oauth::grant` for `src/oauth/grant/mod.rs`, `it::races` for `tests/it/races.rs`.
fn module_of(path: &str) -> String {
    let inner = path.strip_prefix("src/").or_else(|| path.strip_prefix("tests/")).unwrap_or(path);
    let inner = inner.trim_end_matches(".rs");
    let last = inner.rsplit('/').next().filter(|last| ["mod", "main", "lib"].contains(last));
    let inner = last.map_or(inner, |last| inner.trim_end_matches(last).trim_end_matches('/'));
    inner.replace('/', "::")
}

/// The modules that this file declares under `#[cfg(test)]` as files of their own.
fn test_files(path: &str, text: &str) -> Vec<String> {
    let (mut found, mut in_tests) = (Vec::new(), false);
    for line in text.lines().map(str::trim) {
        let declared = line.rsplit_once("mod ").and_then(|(_, name)| name.strip_suffix(';'));
        if let Some(name) = declared.filter(|_| in_tests) {
            found.push(format!("{}::{name}", module_of(path)));
        }
        in_tests = line == "#[cfg(test)]" || (in_tests && line.starts_with("#["));
    }
    found
}

fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

impl File {
    fn of(path: &str, text: &str, only_tests: &BTreeSet<String>) -> Self {
        let module = module_of(path);
        let within = |test: &String| module == *test || module.starts_with(&format!("{test}::"));
        let is_test = path.starts_with("tests/") || only_tests.iter().any(within);
        let (code, inline) = if is_test { ("", Some(("", text))) } else { parted(text) };
        let (name, body) = inline.unwrap_or_default();
        let opening: Vec<&str> = body.lines().take_while(|line| line.starts_with("//!")).collect();
        let beside =
            |test: &String| (parent(test) == module || parent(test) == parent(&module)) && test.ends_with("tests");
        let tested_beside = !name.is_empty() || only_tests.iter().any(beside);
        let at = if name.is_empty() { module } else { format!("{module}::{name}") };
        Self {
            path: path.to_owned(),
            cites: cited(&joined(code.lines())),
            tested_beside,
            about: cited(&joined(opening.into_iter())),
            module: at,
            tests: tests_of(body),
        }
    }
}

/// The code, and the name and text of the inline module of tests behind it.
fn parted(text: &str) -> (&str, Option<(&str, &str)>) {
    for (at, _) in text.match_indices("#[cfg(test)]\n") {
        let (code, rest) = text.split_at_checked(at).unwrap_or_default();
        let line = rest.lines().skip(1).find(|line| !line.starts_with(['#', ' ', ')'])).unwrap_or_default();
        let name = line.rsplit_once("mod ").and_then(|(_, name)| name.strip_suffix(" {"));
        if let Some(name) = name {
            return (code, Some((name, rest)));
        }
    }
    (text, None)
}

/// Lines as one, comment signs taken away, so that a citation may go over the end of a line.
fn joined<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let plain = lines.map(|line| line.trim().trim_start_matches('/').trim_start_matches('!').trim());
    plain.collect::<Vec<_>>().join(" ")
}

/// Every function under a `#[test]` of its own line, with the comments above it and its body.
fn tests_of(text: &str) -> Vec<Test> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (n, line) in lines.iter().enumerate().filter(|(_, line)| line.trim() == "#[test]") {
        let indent = line.len().saturating_sub(line.trim_start().len());
        let above = lines.iter().take(n).rev().take_while(|line| line.trim().starts_with("//")).count();
        let own = lines.iter().skip(n.saturating_sub(above)).copied();
        let ends = |line: &str| line.trim_end().strip_suffix('}').is_some_and(|rest| rest.len() == indent);
        let own: Vec<&str> = own.take_while(|line| !(ends(line) && line.trim() == "}")).collect();
        let signature = own.iter().find_map(|line| line.trim().trim_start_matches("async ").strip_prefix("fn "));
        let name: String =
            signature.unwrap_or_default().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if name.is_empty() {
            continue;
        }
        let mut cites = cited(&joined(own.into_iter()));
        cites.extend(named(&name));
        found.push(Test { name, cites });
    }
    found
}

/// The RFCs in a test's name: `rfc9068_…` or `…_of_rfc_7636`.
fn named(name: &str) -> impl Iterator<Item = Citation> {
    let after = name.split("rfc").skip(1).map(|rest| rest.trim_start_matches('_'));
    let numbers = after.filter_map(|rest| rest.split('_').next()).filter(|n| n.parse::<u16>().is_ok());
    numbers.map(|number| Citation { of: format!("RFC {number}"), section: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "//! Pages (RFC 1111\n//! §2).\n\n/// As RFC 2222 §3 has it.\nfn f() {}\n\n#[cfg(test)]\nmod tests {\n    \
                        use super::*;\n\n    /// RFC 3333 §4.\n    #[test]\n    fn r007_it_holds() {\n        f();\n    }\n\n    \
                        #[test]\n    fn what_rfc_4444_says_holds_too() {\n        // RFC 5555 §6\n    }\n}\n";

    fn names(of: &BTreeSet<Citation>) -> Vec<&str> {
        of.iter().map(|one| one.of.as_str()).collect()
    }

    #[test]
    fn code_and_tests_of_a_file_are_told_apart() {
        let file = File::of("src/a/b.rs", CODE, &BTreeSet::new());
        assert_eq!((file.module.as_str(), names(&file.cites)), ("a::b::tests", vec!["RFC 1111", "RFC 2222"]));
        let tests: Vec<(&str, Vec<&str>)> = file.tests.iter().map(|t| (t.name.as_str(), names(&t.cites))).collect();
        assert_eq!(
            tests,
            [("r007_it_holds", vec!["RFC 3333"]), ("what_rfc_4444_says_holds_too", vec!["RFC 4444", "RFC 5555"])],
            "each test names its own"
        );
    }

    #[test]
    fn a_file_of_tests_cites_nothing_as_code() {
        let only_tests: BTreeSet<String> = test_files("src/a/mod.rs", "#[cfg(test)]\nmod b;\n").into_iter().collect();
        let file = File::of("src/a/b.rs", CODE, &only_tests);
        assert_eq!((file.module.as_str(), file.cites.len(), names(&file.about)), ("a::b", 0, vec!["RFC 1111"]));
        assert_eq!(File::of("tests/it/oauth/mod.rs", CODE, &BTreeSet::new()).module, "it::oauth");
    }

    #[test]
    fn a_checkout_without_sources_has_none() {
        assert!(Sources::read(tempfile::TempDir::new().unwrap().path()).unwrap().files.is_empty());
    }
}
