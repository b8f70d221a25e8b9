//! The page `docs/reference/cli.md`, made from the commands themselves.

use super::Cli;
use crate::{
    http::{edge::Cors, routes::ROUTES},
    oauth::code::{Channel, ErrorCode},
};
use clap::{Arg, Command, CommandFactory};
use std::fmt::Write;

const HEAD: &str = "\
# Commands

<!-- Made by `keywright docs` from src/cli. Change the commands there, not here. -->

The process ends with 0 when it did what it should, with 1 when that failed, and with 2 when the arguments
or the settings are refused. Answers go to standard output, failures to standard error. Secrets are never
arguments: they are read from standard input, from a file or from a variable, and are shown once.
";

/// The page.
pub(super) fn page() -> String {
    let mut root = Cli::command();
    root.build();
    let mut page = HEAD.to_owned();
    page.push_str("\n## Options of every command\n\n");
    arguments(&mut page, root.get_arguments().filter(|a| a.is_global_set()));
    for command in root.get_subcommands() {
        describe(&mut page, command, "keywright");
    }
    page
}

fn describe(page: &mut String, command: &Command, above: &str) {
    let name = format!("{above} {}", command.get_name());
    if command.get_name() == "help" {
        return;
    }
    let inner: Vec<&Command> = command.get_subcommands().collect();
    if inner.is_empty() {
        let about =
            command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default();
        let _ = write!(page, "\n## `{name}`\n\n{}\n\n", full_stop(&about));
        let _ = writeln!(page, "```\n{}\n```\n", usage(command, &name));
        arguments(page, command.get_arguments().filter(|a| !a.is_global_set()));
    }
    inner.into_iter().for_each(|each| describe(page, each, &name));
}

/// The synopsis: own arguments only, for the global ones are told once.
fn usage(command: &Command, name: &str) -> String {
    let own = command.get_arguments().filter(|a| !a.is_global_set() && !built_in(a));
    let shown = own.map(|argument| {
        let text = spelled(argument);
        if argument.is_required_set() { text } else { format!("[{text}]") }
    });
    std::iter::once(name.to_owned()).chain(shown).collect::<Vec<_>>().join(" ")
}

fn arguments<'a>(page: &mut String, all: impl Iterator<Item = &'a Arg>) {
    for argument in all.filter(|argument| !built_in(argument)) {
        let mut text = full_stop(&argument.get_help().map(ToString::to_string).unwrap_or_default());
        let words: Vec<String> =
            argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
        if argument.get_action().takes_values() && !words.is_empty() {
            let _ = write!(text, " One of {}.", words.join(", "));
        }
        let defaults: Vec<String> =
            argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
        if argument.get_action().takes_values() && !defaults.is_empty() {
            let _ = write!(text, " Default: {}.", defaults.join(", "));
        }
        if let Some(variable) = argument.get_env() {
            let _ = write!(text, " Environment: `{}`.", variable.to_string_lossy());
        }
        let short = argument.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
        let _ = writeln!(page, "- {short}`{}`: {text}", spelled(argument));
    }
}

fn built_in(argument: &Arg) -> bool {
    argument.is_hide_set() || matches!(argument.get_id().as_str(), "help" | "version")
}

/// An argument as it is written: `--config <FILE>`, `--check`, `<FILE>`.
fn spelled(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let values: Vec<String> = names.iter().map(|name| format!("<{name}>")).collect();
    let value = if argument.get_action().takes_values() { values.join(" ") } else { String::new() };
    match argument.get_long() {
        Some(long) if value.is_empty() => format!("--{long}"),
        Some(long) => format!("--{long} {value}"),
        None => value,
    }
}

/// The derive takes the full stop away from what is one sentence.
fn full_stop(text: &str) -> String {
    if text.ends_with(['.', ':']) { text.to_owned() } else { format!("{text}.") }
}

/// The reference page of endpoints, from the table of routes.
pub(super) fn endpoints() -> String {
    let mut page = String::from(
        "# Endpoints\n\n<!-- Made by `keywright docs` from src/http/routes.rs. Change the routes there, not here. -->\n\nUnder the issuer's address. *Any origin* may be read by scripts of other sites: these endpoints \
         know no cookie.\n\n| endpoint | methods | from other origins | what for |\n|---|---|---|---|\n",
    );
    for row in ROUTES {
        let methods = row.methods.join(", ").to_uppercase();
        let cors = if row.cors == Cors::Any { "any origin" } else { "no" };
        page.push_str(&format!("| `{}` | {methods} | {cors} | {} |\n", row.path, row.doc));
    }
    page.push_str(
        "\nThe discovery document is also at `/.well-known/oauth-authorization-server`; where the issuer has a path, \
         that path is put behind the well-known names at the root of the host (RFC 8414 §3.1).\n",
    );
    page
}

/// The reference page of error codes, from their table.
pub(super) fn errors() -> String {
    let mut page = String::from(
        "# Errors\n\n<!-- Made by `keywright docs` from src/oauth/code.rs. Change the codes there, not here. -->\n\nAs `error` in a direct answer, with its status, or on the redirection URI. `error_description` \
         says what to do about it.\n\n| error | status | travels | when | defined in |\n|---|---|---|---|---|\n",
    );
    for code in ErrorCode::ALL {
        let travels = match code.channel() {
            Channel::Front => "through the browser",
            Channel::Back => "directly",
            Channel::Both => "either way",
        };
        let row =
            format!("| `{}` | {} | {travels} | {} | {} |\n", code.wire(), code.status(), code.meaning(), code.spec());
        page.push_str(&row);
    }
    page
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_has_each_command_with_its_options() {
        let page = super::page();
        for part in [
            "## `keywright config check`\n",
            "keywright docs [--check] [--root <DIRECTORY>]\n",
            "- `--config <FILE>`: The file of settings.",
            "- `-o`, `--output <FORM>`: How to print the answer. One of `text`, `json`. Default: `text`.",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
    }
}
