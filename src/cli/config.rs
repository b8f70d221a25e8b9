//! `keywright config`: check, explain and show the settings.

use super::{Answer, Failure, Session};
use crate::config::{Config, reference, template};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Read the file and the environment and tell everything that is wrong with them. Fails too where secrets lie in the file.
    Check,
    /// Print the reference of all settings as Markdown.
    Reference(ReferenceArgs),
    /// Print the settings in force, secrets masked.
    Show,
}

#[derive(Args, Debug)]
pub(super) struct ReferenceArgs {
    /// Print a commented `keywright.toml` with all defaults instead.
    #[arg(long)]
    template: bool,
}

pub(super) fn run(command: &Command, session: &Session) -> Result<Answer, Failure> {
    match command {
        Command::Check => session.config().and_then(|config| without_secrets(&config, session)),
        Command::Reference(args) => {
            let page = if args.template { template() } else { reference() };
            Ok(Answer::new(page.trim_end(), json!(page)))
        }
        Command::Show => session.config().map(|config| shown(&config)),
    }
}

/// A file with secrets inside works, but it is not what one wants: copies of it go far (R117).
fn without_secrets(config: &Config, session: &Session) -> Result<Answer, Failure> {
    let answer = checked(config, session);
    match config.inline_secrets() {
        [] => Ok(answer),
        some => Err(Failure::Failed(format!(
            "secrets lie in the file itself: {}. Give each by its variable with _FILE, or let the setting name it: \
             ${{NAME}}, file:PATH, cmd:COMMAND or vault:PATH#FIELD\n{}",
            some.join(", "),
            answer.text
        ))),
    }
}

fn checked(config: &Config, session: &Session) -> Answer {
    let file =
        session.file().map_or_else(|| "no file, only defaults and the environment".into(), |f| f.display().to_string());
    let mut lines = vec![format!("the settings are good ({file})")];
    lines.extend(config.warnings().iter().map(|warning| format!("warning: {warning}")));
    Answer::new(lines.join("\n"), json!({ "valid": true, "file": session.file(), "warnings": config.warnings() }))
}

/// The settings as a file of TOML, and as one JSON object of sections.
fn shown(config: &Config) -> Answer {
    let (mut lines, mut json, mut last) = (Vec::new(), Map::new(), String::new());
    for (section, name, value) in config.shown() {
        if section != last {
            let array = section.split_once('[').map(|(plain, _)| plain);
            lines.push(array.map_or_else(|| format!("\n[{section}]"), |plain| format!("\n[[{plain}]]")));
        }
        lines.push(value.as_ref().map_or_else(|| format!("# {name} is unset"), |value| format!("{name} = {value}")));
        let member = (name.to_owned(), value.as_deref().map_or(Value::Null, from_toml));
        insert(&mut json, &section, member, section != last);
        last = section;
    }
    Answer::new(lines.join("\n").trim_start(), Value::Object(json))
}

/// Puts a setting into its object; a section such as `resources[0]` is an item of an array.
fn insert(json: &mut Map<String, Value>, section: &str, (name, value): (String, Value), begins: bool) {
    let object = match section.split_once('[') {
        None => Some(json.entry(section).or_insert_with(|| json!({}))),
        Some((plain, _)) => json.entry(plain).or_insert_with(|| json!([])).as_array_mut().and_then(|items| {
            if begins {
                items.push(json!({}));
            }
            items.last_mut()
        }),
    };
    if let Some(object) = object.and_then(Value::as_object_mut) {
        object.insert(name, value);
    }
}

fn from_toml(text: &str) -> Value {
    let table: Option<toml::Table> = format!("value = {text}").parse().ok();
    table.and_then(|table| serde_json::to_value(table.get("value")).ok()).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("keywright.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(Some(&path), std::iter::empty()).unwrap()
    }

    #[test]
    fn show_prints_a_file_that_reads_back() {
        let text = "[server]\nworkers = 3\n\
            [[resources]]\nidentifier = \"https://a.example\"\nname = \"A\"\nscopes = [{ name = \"r\", description = \"Read\" }]\n\
            [[resources]]\nidentifier = \"https://b.example\"\nname = \"B\"";
        let answer = shown(&config(text));
        let again = shown(&config(&answer.text));
        assert_eq!(answer, again);
        assert_eq!(answer.json["server"]["workers"], 3);
        assert_eq!(answer.json["server"]["metrics_listen"], Value::Null);
        assert_eq!(answer.json["resources"][0]["scopes"][0]["name"], "r");
        assert_eq!(answer.json["resources"][1]["name"], "B");
    }

    #[test]
    fn check_tells_warnings() {
        let answer = checked(&config("[server]\ntrusted_proxies = [\"::/0\"]"), &Session::default());
        assert!(answer.text.contains("\nwarning: server.trusted_proxies"), "{}", answer.text);
        assert_eq!(answer.json["valid"], true);
    }
}
