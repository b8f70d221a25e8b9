//! `keywright leaks scan`.

use super::{Prefixed, ask, look::Seen, told};
use crate::cli::{Answer, Failure};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// How the process ends where something was found.
const FOUND: u8 = 3;

/// How findings are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for each, for people.
    Text,
    /// One JSON value, as with -o json.
    Json,
    /// SARIF 2.1.0, which forges and editors show at the line.
    Sarif,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct Scan {
    /// Files and directories; - for standard input. Unset: the working directory.
    #[arg(value_name = "PATH", conflicts_with_all = ["git", "staged"])]
    paths: Vec<PathBuf>,
    /// Look into what these commits add and say, such as main..HEAD, or HEAD for all before it.
    #[arg(long, value_name = "RANGE", conflicts_with = "staged", allow_hyphen_values = true)]
    git: Option<String>,
    /// Look into what the next commit would add.
    #[arg(long)]
    staged: bool,
    /// Pass over files and directories of this name. May be repeated.
    #[arg(long = "exclude", value_name = "NAME")]
    except: Vec<String>,
    #[command(flatten)]
    prefixed: Prefixed,
    /// How to print what was found.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Ask the server with this issuer whether the keys are still good. They are sent to it.
    #[arg(long, value_name = "URL")]
    check: Option<String>,
    /// Tell the server with this issuer of the keys: it revokes those that are its own.
    #[arg(long, value_name = "URL")]
    report: Option<String>,
}

pub(super) fn run(args: &Scan) -> Result<Answer, Failure> {
    let prefixes = args.prefixed.ready()?;
    let [check, report] = [&args.check, &args.report].map(|url| url.as_deref().map(ask::Server::at).transpose());
    let (check, report) = (check?, report?);
    let mut seen = Seen::default();
    match (&args.git, args.staged, args.paths.as_slice()) {
        (Some(range), _, _) => seen.commits(range, &prefixes)?,
        (None, true, _) => seen.staged(&prefixes)?,
        (None, false, []) => seen.paths(&[PathBuf::from(".")], &args.except, &prefixes)?,
        (None, false, paths) => seen.paths(paths, &args.except, &prefixes)?,
    }
    let states = match &check {
        Some(server) => server.states(&seen.found)?,
        None => ask::States::new(),
    };
    let reported = match &report {
        Some(server) => Some(server.report(&seen.found)?),
        None => None,
    };
    let answer = match args.format {
        Format::Text => Answer::new(told::text(&seen, &states, reported), told::json(&seen, &states, reported)),
        Format::Json => printed(told::json(&seen, &states, reported)),
        Format::Sarif => printed(told::sarif(&seen)),
    };
    Ok(if seen.found.is_empty() { answer } else { answer.ending(FOUND) })
}

fn printed(json: serde_json::Value) -> Answer {
    Answer::new(format!("{json:#}"), json)
}
