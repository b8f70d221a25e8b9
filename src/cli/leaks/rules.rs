//! `keywright leaks rules`: patterns for programs of others. They cannot compute the checksum, so they
//! find what looks like a credential; `keywright leaks scan` and `api-key inspect` tell whether it is one.

use super::Prefixed;
use crate::{
    apikey::text,
    base::{
        base62,
        credential::{self, Kind},
        uri::Issuer,
    },
    cli::{Answer, Failure},
};
use clap::{Args, ValueEnum};
use serde_json::json;

/// Whose rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// gitleaks 8: a file of TOML for its `--config`.
    Gitleaks,
    /// TruffleHog 3: a file of YAML for its `--config`.
    Trufflehog,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct Rules {
    /// For which program.
    #[arg(long, value_enum)]
    format: Format,
    #[command(flatten)]
    prefixed: Prefixed,
    /// An environment of keys. May be repeated.
    #[arg(long = "environment", value_name = "WORD", default_values = ["live", "test"])]
    environments: Vec<String>,
    /// Random characters of keys.
    #[arg(long, value_name = "N", default_value_t = text::RANDOM)]
    random: usize,
    /// The issuer that TruffleHog asks whether a key is still good. Unset: it asks nobody.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
}

/// The pattern of keys (RE2), and the words that a text with one has.
struct Pattern {
    regex: String,
    keywords: Vec<String>,
}

impl Rules {
    fn keys(&self) -> Pattern {
        let mut prefixes = vec![text::DEFAULT_PREFIX.to_owned()];
        prefixes.extend(self.prefixed.prefixes.iter().filter(|one| *one != text::DEFAULT_PREFIX).cloned());
        let (heads, words) = (prefixes.join("|"), self.environments.join("|"));
        let n = self.random + base62::U32_WIDTH;
        let each = prefixes.iter().flat_map(|prefix| self.environments.iter().map(move |word| (prefix, word)));
        Pattern {
            regex: format!("\\b((?:{heads})_(?:{words})_[0-9A-Za-z]{{{n}}})\\b"),
            keywords: each.map(|(prefix, word)| format!("{prefix}_{word}_")).collect(),
        }
    }
}

/// The pattern of what else this server makes.
fn others() -> Pattern {
    let heads = |kind: &Kind| format!("{}_{}_", credential::PREFIX, kind.word());
    let each =
        Kind::ALL.iter().map(|kind| format!("{}[0-9A-Za-z]{{{}}}", heads(kind), kind.length() - heads(kind).len()));
    Pattern {
        regex: format!("\\b({})\\b", each.collect::<Vec<_>>().join("|")),
        keywords: Kind::ALL.iter().map(heads).collect(),
    }
}

fn list(words: &[String]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

fn gitleaks(args: &Rules) -> String {
    let rule = |id: &str, what: &str, Pattern { regex, keywords }: Pattern| {
        let keywords = list(&keywords);
        format!(
            "\n[[rules]]\nid = \"{id}\"\ndescription = \"{what}\"\nregex = '''{regex}'''\nsecretGroup = 1\n\
             entropy = 4\nkeywords = [{keywords}]\n"
        )
    };
    let key = rule("kw-api-key", "API key of Keywright (keywright api-key inspect checks its checksum)", args.keys());
    let other = rule("kw-credential", "Credential of Keywright", others());
    format!("# Made by keywright leaks rules.\n[extend]\nuseDefault = true\n{key}{other}")
}

fn trufflehog(args: &Rules, issuer: Option<&Issuer>) -> String {
    let detector = |name: &str, Pattern { regex, keywords }: Pattern| {
        let keywords = list(&keywords);
        format!("  - name: {name}\n    keywords: [{keywords}]\n    regex:\n      token: '{regex}'\n")
    };
    let mut text =
        format!("# Made by keywright leaks rules.\ndetectors:\n{}", detector("KeywrightApiKey", args.keys()));
    if let Some(issuer) = issuer {
        let endpoint = issuer.at("/v1/leaks/trufflehog");
        text.push_str(&format!(
            "    verify:\n      - endpoint: '{endpoint}'\n        successRanges: ['200']\n        rotatedRanges: ['403']\n"
        ));
    }
    text.push_str(&detector("KeywrightCredential", others()));
    text
}

pub(super) fn run(args: &Rules) -> Result<Answer, Failure> {
    args.prefixed.ready()?;
    if !args.environments.iter().all(|word| text::is_environment(word)) || !text::is_length(args.random) {
        let why = "--environment has 2 to 8 lower-case letters and is no reserved word, --random is 22 to 128";
        return Err(Failure::Usage(why.to_owned()));
    }
    let issuer = args.issuer.as_deref().map(Issuer::parse).transpose();
    let issuer = issuer.map_err(|e| Failure::Usage(format!("--issuer {e}")))?;
    let text = match args.format {
        Format::Gitleaks => gitleaks(args),
        Format::Trufflehog => trufflehog(args, issuer.as_ref()),
    };
    Ok(Answer::new(text.trim_end(), json!({ "rules": text })))
}
