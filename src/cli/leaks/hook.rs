//! `keywright leaks install-hook`: git asks before each commit whether it adds a credential.

use super::Prefixed;
use crate::cli::{Answer, Failure};
use clap::Args;
use serde_json::json;
use std::{env, fs, io, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

/// By this line a hook is known for ours.
const OURS: &str = "# Made by keywright leaks install-hook.";

#[derive(Args, Debug)]
pub(in crate::cli) struct Install {
    #[command(flatten)]
    prefixed: Prefixed,
}

/// A word of a shell, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

pub(super) fn run(args: &Install) -> Result<Answer, Failure> {
    args.prefixed.ready()?;
    let failed = |what: &str, error: io::Error| Failure::Failed(format!("{what}: {error}"));
    let asked = Command::new("git").args(["rev-parse", "--git-path", "hooks"]).output();
    let asked = asked.map_err(|e| failed("git cannot be run", e))?;
    let folder = String::from_utf8(asked.stdout).unwrap_or_default();
    let folder = folder.trim_end_matches('\n');
    if !asked.status.success() || folder.is_empty() {
        return Err(Failure::Failed("this is no repository of git".to_owned()));
    }
    let hook = PathBuf::from(folder).join("pre-commit");
    match fs::read_to_string(&hook) {
        Ok(text) if !text.lines().any(|line| line == OURS) => {
            let why = "is there already and is not ours: let it call `keywright leaks scan --staged`";
            return Err(Failure::Failed(format!("{} {why}", hook.display())));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed(&format!("{} cannot be read", hook.display()), error));
        }
        Ok(_) | Err(_) => {}
    }
    let program = env::current_exe().map_err(|e| failed("where this program is cannot be said", e))?;
    let mut line = format!("exec {} leaks scan --staged", quoted(&program.to_string_lossy()));
    for prefix in &args.prefixed.prefixes {
        line.push_str(&format!(" --prefix {}", quoted(prefix)));
    }
    let text = format!("#!/bin/sh\n{OURS}\n{line}\n");
    let write = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(&hook, text)?;
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755))
    };
    write().map_err(|e| failed(&format!("{} cannot be written", hook.display()), e))?;
    let hook = hook.display().to_string();
    Ok(Answer::new(format!("{hook}: git refuses commits that add a credential"), json!({"hook": hook})))
}
