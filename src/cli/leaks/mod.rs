//! `keywright leaks`: looks for credentials where they do not belong, keeps them from being committed,
//! and writes rules for programs of others that look for such things.

mod ask;
mod hook;
mod look;
mod rules;
mod scan;
mod told;

use super::{Answer, Failure};
use crate::apikey::scan::Prefixes;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Look for credentials in files, in what is read, or in what commits add. Ends with 3 where one is found.
    Scan(scan::Scan),
    /// Have git refuse commits of this repository that add a credential.
    InstallHook(hook::Install),
    /// Write rules with which gitleaks or TruffleHog finds API keys.
    Rules(rules::Rules),
}

/// What credentials begin with.
#[derive(Args, Clone, Debug, Default)]
struct Prefixed {
    /// Look for keys of an API with this prefix too. May be repeated; `kw` is always looked for.
    #[arg(long = "prefix", value_name = "PREFIX")]
    prefixes: Vec<String>,
}

impl Prefixed {
    fn ready(&self) -> Result<Prefixes, Failure> {
        let why = "--prefix has 2 to 12 lower-case letters and digits, the first a letter";
        Prefixes::with(&self.prefixes).ok_or_else(|| Failure::Usage(why.to_owned()))
    }
}

pub(super) fn run(command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Scan(args) => scan::run(&args),
        Command::InstallHook(args) => hook::run(&args),
        Command::Rules(args) => rules::run(&args),
    }
}
