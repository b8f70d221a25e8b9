//! The pages `docs/reference/conformance.md` and `requirements.md`: which files implement what a specification or a
//! requirement demands, and which tests prove it; as far as sources say so themselves.

use super::{
    citations::Citation,
    sources::{File, Sources, Test},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// What the specifications are called, for those who do not know their numbers.
const TITLES: &[(&str, &str)] = &[
    ("RFC 6749", "OAuth 2.0"),
    ("RFC 6750", "bearer tokens"),
    ("RFC 7009", "token revocation"),
    ("RFC 7515", "JWS"),
    ("RFC 7517", "JWK"),
    ("RFC 7518", "JWA"),
    ("RFC 7519", "JWT"),
    ("RFC 7523", "JWT assertions of clients"),
    ("RFC 7591", "dynamic client registration"),
    ("RFC 7636", "PKCE"),
    ("RFC 7638", "JWK thumbprints"),
    ("RFC 7662", "token introspection"),
    ("RFC 8037", "Ed25519 in JOSE"),
    ("RFC 8176", "authentication methods (amr)"),
    ("RFC 8252", "native applications"),
    ("RFC 8414", "server metadata"),
    ("RFC 8707", "resource indicators"),
    ("RFC 8725", "best practice for JWT"),
    ("RFC 9068", "JWT access tokens"),
    ("RFC 9110", "HTTP"),
    ("RFC 9111", "HTTP caching"),
    ("RFC 9207", "the issuer in the authorization response"),
    ("RFC 9700", "best practice for OAuth 2.0"),
    ("RFC 9728", "protected resource metadata"),
];

/// How many requirements on keys and tokens are numbered.
const REQUIREMENTS: u32 = 135;

/// In a cell with no entry.
const NOTHING: &str = "–";

#[derive(Default)]
struct Row {
    files: BTreeSet<String>,
    /// Files of tests that are about it.
    modules: BTreeSet<String>,
    /// Tests that name it, in files that are about something else.
    tests: BTreeSet<String>,
}

/// `docs/reference/conformance.md`.
pub(super) fn conformance(sources: &Sources) -> String {
    let mut page = String::from(
        "# Conformance\n\n<!-- Made by `keywright docs` from the sources. Change the comments there, not here. -->\n\n\
         Each section of a specification that the sources cite, with the files that cite it where they implement it and \
         the tests that name it: in their name, in their text, or by the opening comment of their file (then the module \
         stands for all its tests). *In §4.1:* before a module: it is about that, of which this is a part. A file with * \
         has unit tests beside it. A row says where to look, and proves nothing \
         by itself; what no comment cites is not here. The suites of real clients (`tests/clients`) cite no sections.\n",
    );
    let (mut before, mut bare) = ("", Vec::new());
    let rows = rows(sources);
    for (citation, row) in &rows {
        if citation.of != before {
            let title = TITLES.iter().find(|(of, _)| *of == citation.of).map(|(_, title)| format!(": {title}"));
            let _ = write!(page, "\n## {}{}\n\n", citation.of, title.unwrap_or_default());
            page.push_str("| section | in `src` | tests |\n|---|---|---|\n");
            before = &citation.of;
        }
        let tests = tests_for(citation, &rows);
        let _ = writeln!(page, "| {} | {} | {tests} |", section(citation), listed(&row.files));
        if tests == NOTHING && !row.files.iter().any(|file| file.ends_with('*')) {
            bare.push(format!("{} {}", citation.of, section(citation)));
        }
    }
    let bare = if bare.is_empty() { "none".to_owned() } else { bare.join("; ") };
    let _ = write!(page, "\n## With no test named or near\n\n{bare}.\n");
    page
}

/// The tests that name the section; else the files of tests about the smallest that it is a part of.
fn tests_for(citation: &Citation, rows: &BTreeMap<Citation, Row>) -> String {
    let own: BTreeSet<String> = rows.get(citation).map(|row| &row.modules | &row.tests).unwrap_or_default();
    let mut wider = citation.clone();
    while own.is_empty() && wider.section.pop().is_some() {
        if let Some(row) = rows.get(&wider).filter(|row| !row.modules.is_empty()) {
            return format!("*in {}:* {}", section(&wider), listed(&row.modules));
        }
    }
    listed(&own)
}

fn rows(sources: &Sources) -> BTreeMap<Citation, Row> {
    let mut rows = BTreeMap::<Citation, Row>::new();
    for file in &sources.files {
        let beside = if file.tested_beside { "*" } else { "" };
        let path = file.path.trim_start_matches("src/");
        for citation in &file.cites {
            rows.entry(citation.clone()).or_default().files.insert(format!("{path}{beside}"));
        }
        for citation in file.about.iter().filter(|_| !file.tests.is_empty()) {
            rows.entry(citation.clone()).or_default().modules.insert(format!("`{}`", file.module));
        }
        for test in &file.tests {
            for citation in test.cites.difference(&file.about) {
                rows.entry(citation.clone()).or_default().tests.insert(path_of(file, test));
            }
        }
    }
    rows
}

fn path_of(file: &File, test: &Test) -> String {
    format!("`{}::{}`", file.module, test.name)
}

fn section(citation: &Citation) -> String {
    match citation.section.as_slice() {
        [] => "the whole".to_owned(),
        numbers => format!("§{}", numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(".")),
    }
}

fn listed(entries: &BTreeSet<String>) -> String {
    if entries.is_empty() { NOTHING.to_owned() } else { entries.iter().cloned().collect::<Vec<_>>().join(", ") }
}

/// `docs/reference/requirements.md`.
pub(super) fn requirements(sources: &Sources) -> String {
    let mut proved = BTreeMap::<u32, BTreeSet<String>>::new();
    for file in &sources.files {
        let by_module: BTreeSet<u32> = file.module.split("::").flat_map(numbers).collect();
        for test in &file.tests {
            for number in by_module.iter().copied().chain(numbers(&test.name)) {
                proved.entry(number).or_default().insert(path_of(file, test));
            }
        }
    }
    let missing: BTreeSet<u32> = (1..=REQUIREMENTS).filter(|number| !proved.contains_key(number)).collect();
    let mut page = format!(
        "# Requirements\n\n<!-- Made by `keywright docs` from the names of the tests. -->\n\n\
         The numbered requirements on keys and tokens, R1 to R{REQUIREMENTS}, and the tests named after them: `r046_…`, or \
         all tests of a module `r046_…`. What a requirement comes to is what its tests say. {} of {REQUIREMENTS} have one.\n\n\
         | requirement | tests |\n|---|---|\n",
        proved.len()
    );
    for (number, tests) in &proved {
        let _ = writeln!(page, "| R{number} | {} |", listed(tests));
    }
    let _ = write!(page, "\nWithout a test of that name: {}.\n", ranges(&missing));
    page
}

/// The requirements that a name begins with: 35 and 36 of `r035_r036_a_sentence`.
fn numbers(name: &str) -> Vec<u32> {
    let number = |word: &str| word.strip_prefix('r').filter(|digits| digits.len() == 3)?.parse().ok();
    let marks = name.split('_').take_while(|word| {
        word.len() > 1 && word.get(1..).is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
    });
    marks.filter_map(number).collect()
}

/// `R1 to R13, R15`.
fn ranges(numbers: &BTreeSet<u32>) -> String {
    let mut runs = Vec::<(u32, u32)>::new();
    for number in numbers.iter().copied() {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let run =
        |(first, last): &(u32, u32)| if first == last { format!("R{first}") } else { format!("R{first} to R{last}") };
    if runs.is_empty() { "none".to_owned() } else { runs.iter().map(run).collect::<Vec<_>>().join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_in_front_of_the_sentence() {
        assert_eq!(numbers("r035_a22_r036_of_r037_words"), [35, 36]);
        assert_eq!(numbers("rfc9068_r001"), [0; 0]);
        assert_eq!(numbers("r043"), [43]);
    }

    #[test]
    fn what_is_missing_is_told_in_ranges() {
        assert_eq!(ranges(&[1, 2, 3, 5, 7, 8].into()), "R1 to R3, R5, R7 to R8");
        assert_eq!(ranges(&BTreeSet::new()), "none");
    }

    #[test]
    fn a_section_without_tests_has_those_of_what_it_is_a_part_of() {
        let citation = |section: &[u32]| Citation { of: "RFC 1".to_owned(), section: section.to_vec() };
        let about = Row { modules: ["four".to_owned()].into(), ..Row::default() };
        let names = Row { tests: ["one".to_owned()].into(), ..Row::default() };
        let rows = [(citation(&[4]), about), (citation(&[4, 1, 2]), Row::default()), (citation(&[]), names)].into();
        assert_eq!(tests_for(&citation(&[4]), &rows), "four");
        assert_eq!(tests_for(&citation(&[4, 1, 2]), &rows), "*in §4:* four");
        assert_eq!(tests_for(&citation(&[5]), &rows), "–");
    }

    #[test]
    fn a_page_without_sources_is_a_page() {
        assert!(requirements(&Sources::default()).ends_with("R1 to R135.\n"));
        assert!(conformance(&Sources::default()).ends_with("## With no test named or near\n\nnone.\n"));
    }
}
