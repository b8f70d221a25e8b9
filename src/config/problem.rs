//! What is wrong with a configuration: all of it at once, each with what to write instead.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The dotted name of the setting, the environment variable, or the file.
    pub setting: String,
    /// What is wrong with it; never the value of a secret.
    pub wrong: String,
    /// What to do instead.
    pub instead: String,
}

impl Problem {
    pub(super) fn new(setting: impl Into<String>, wrong: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { setting: setting.into(), wrong: wrong.into(), instead: instead.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.setting, self.wrong, self.instead)
    }
}

/// A configuration that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Everything that was found wrong; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("the configuration has a problem:")?,
            n => write!(f, "the configuration has {n} problems:")?,
        }
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigError {}

/// How alike two names are, from 0 to 1.
fn likeness(a: &str, b: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(&a.to_lowercase(), &b.to_lowercase())
}

/// The candidate most like `name`; `None` where there is no candidate.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.into_iter().map(|candidate| (likeness(name, candidate), candidate));
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}

/// The dotted name most like `name` (dotted too, or a lone key of the top): a right name in a wrong
/// section counts for nearly as much as a misspelt one in the right section.
pub(super) fn nearest_setting<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (section, leaf) = name.rsplit_once('.').unwrap_or(("", name));
    let score = |candidate: &str| {
        let (its_section, its_leaf) = candidate.rsplit_once('.').unwrap_or(("", candidate));
        let elsewhere = if its_section == section { 0.0 } else { 0.1 };
        likeness(name, candidate).max(likeness(leaf, its_leaf) - elsewhere)
    };
    let scored = known.into_iter().map(|candidate| (score(candidate), candidate));
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}
