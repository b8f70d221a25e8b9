//! Floor 5: the command line. One file for each command; each is handed its arguments and a
//! [`Session`] and gives back an [`Answer`], which is printed as text or as JSON.
//!
//! Secrets are never arguments, for other users of the machine can read those: see [`secret_input`].

mod answer;
mod api_keys;
mod apis;
mod at_work;
mod audit;
mod backup;
mod citations;
mod claim_links;
mod client_secrets;
mod clients;
mod config;
mod conformance;
mod declared;
mod demo;
pub mod docs;
mod drill;
mod hmac_key;
mod hmac_keys;
mod json_file;
mod key_bulk;
mod key_changes;
mod key_rotation;
mod key_templates;
mod key_tools;
mod key_usage;
mod keys;
mod leaks;
mod limits;
mod migrate;
mod patches;
mod plans;
mod reference;
pub mod secret_input;
mod secrets;
mod serve;
mod sources;
mod users;

pub use answer::{Answer, Failure, Output};

use crate::{
    app::settings,
    config::{CONFIG_VARIABLE, Config},
};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::{ffi::OsString, io, path::PathBuf, process::ExitCode};

/// The file of settings that is used when none is named.
const DEFAULT_FILE: &str = "keywright.toml";

/// OAuth 2 and OpenID Connect authorization server in one binary.
#[derive(Debug, Parser)]
#[command(name = "keywright", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    /// The file of settings. Unset: `keywright.toml` in the working directory, where there is one.
    #[arg(long, global = true, value_name = "FILE", env = CONFIG_VARIABLE, hide_env_values = true)]
    config: Option<PathBuf>,
    /// How to print the answer.
    #[arg(short, long, global = true, value_enum, value_name = "FORM", default_value_t = Output::Text)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve, until told to end by SIGTERM; SIGHUP reads the settings again.
    Serve,
    /// Show it: the server with a person, two clients and an application, on this machine only.
    Demo(demo::Args),
    /// Bring the database up to what this program knows.
    Migrate,
    /// Add, show and manage people.
    #[command(subcommand)]
    User(users::Command),
    /// Register, show and manage clients: applications and services.
    #[command(subcommand)]
    Client(clients::Command),
    /// Add and manage the APIs that API keys are for.
    #[command(subcommand)]
    Api(apis::Command),
    /// Add and show plans: rate and quota under a name.
    #[command(subcommand)]
    Plan(plans::Command),
    /// Make, show and manage API keys.
    #[command(subcommand)]
    ApiKey(api_keys::Command),
    /// Advise limits of rate, from what was called.
    #[command(subcommand)]
    Limits(limits::Command),
    /// Look for credentials where they do not belong, and keep them from being committed.
    #[command(subcommand)]
    Leaks(leaks::Command),
    /// Do what would be done in earnest with a key that is thrown away, and measure it.
    #[command(subcommand)]
    Drill(drill::Command),
    /// Show and rotate signing keys.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Show what is sealed under which key, and rotate the key-encryption key.
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// Make one sealed file of everything that it takes to go on, while the server runs.
    Backup(backup::BackupArgs),
    /// Look at a backup whole, in a throw-away instance made from it, or take it apart.
    Restore(backup::RestoreArgs),
    /// Show who did what.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Check, explain and show the settings.
    #[command(subcommand)]
    Config(config::Command),
    /// Write the generated pages of the documentation (for those who work on Keywright).
    Docs(docs::Args),
}

/// What every command may need besides its own arguments.
#[derive(Clone, Debug, Default)]
pub struct Session {
    file: Option<PathBuf>,
}

impl Session {
    /// The file of settings in use: the one named, else the default one where it exists.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        self.file.clone().or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()))
    }

    /// The settings in force, from the file and the environment.
    ///
    /// # Errors
    /// [`Failure::Settings`] with everything that is wrong.
    pub fn config(&self) -> Result<Config, Failure> {
        settings::load(self.file().as_deref()).map_err(Failure::Settings)
    }
}

/// Runs the command that the arguments (the name of the program first) ask for, prints its
/// answer, and says how the process should end: 0 done, 1 failed, 2 not understood, 4 a PIN was
/// refused, and what else a command says of itself.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Err(failure) = key_tools::refuse_keys(arguments.iter().filter_map(|text| text.to_str())) {
        return failure.print(Output::Text, &mut io::stderr().lock());
    }
    let cli = match parse(arguments) {
        Ok(cli) => cli,
        Err(told) => {
            // Help and version come this way too. Where printing fails there is nobody to tell.
            let _ = told.print();
            return ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(2));
        }
    };
    let session = Session { file: cli.config };
    match dispatch(cli.command, &session) {
        Ok(answer) => answer.print(cli.output, &mut io::stdout().lock()),
        Err(failure) => failure.print(cli.output, &mut io::stderr().lock()),
    }
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&Cli::command().try_get_matches_from(arguments)?)
}

fn dispatch(command: Command, session: &Session) -> Result<Answer, Failure> {
    match command {
        Command::Serve => serve::run(session),
        Command::Demo(args) => demo::run(&args),
        Command::Migrate => migrate::run(session),
        Command::User(command) => users::run(command, session),
        Command::Client(command) => clients::run(command, session),
        Command::Api(command) => apis::run(command, session),
        Command::Plan(command) => plans::run(command, session),
        Command::ApiKey(command) => api_keys::run(command, session),
        Command::Limits(command) => limits::run(command, session),
        Command::Leaks(command) => leaks::run(command),
        Command::Drill(command) => drill::run(&command, session),
        Command::Keys(command) => keys::run(&command, session),
        Command::Secrets(command) => secrets::run(&command, session),
        Command::Backup(args) => backup::make(&args, session),
        Command::Restore(args) => backup::open(&args, session),
        Command::Audit(command) => audit::run(command, session),
        Command::Config(command) => config::run(&command, session),
        Command::Docs(args) => docs::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(command: &clap::Command, visit: &mut dyn FnMut(&clap::Command)) {
        visit(command);
        command.get_subcommands().for_each(|inner| each(inner, visit));
    }

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_argument_takes_a_secret() {
        each(&Cli::command(), &mut |command| {
            for argument in command.get_arguments().filter(|a| a.get_action().takes_values()) {
                let name = argument.get_id().as_str();
                let secret = ["password", "secret", "token", "kek"].iter().any(|word| name.contains(word));
                let elsewhere = ["_file", "_env", "_alg", "_lifetime"].iter().any(|end| name.ends_with(end));
                assert!(!secret || elsewhere, "{} --{name}", command.get_name());
            }
        });
    }

    #[test]
    fn every_command_and_argument_is_documented() {
        each(&Cli::command(), &mut |command| {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
        });
    }
}
