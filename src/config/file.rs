//! The file of settings itself: read whole, and not believed while others can read its secrets.

use super::{environment::documented, problem::Problem, reader::Report};
use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
};
use toml::Table;

/// What was found in the file.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) table: Table,
    name: String,
    /// The permission bits; 0 where there is no file.
    mode: u32,
}

/// Reads the file; reports where it cannot be read or is no TOML, without repeating a line of it.
pub(super) fn read(path: Option<&Path>, report: &mut Report) -> Settings {
    let Some(path) = path else {
        return Settings::default();
    };
    let name = path.display().to_string();
    let (text, mode) = match open(path) {
        Ok(read) => read,
        Err(e) => {
            let wrong = format!("cannot be read: {e}");
            report.problems.push(Problem::new(&name, wrong, "name a file that the server can read"));
            return Settings::default();
        }
    };
    match text.parse::<Table>() {
        Ok(table) => Settings { table, name, mode },
        Err(e) => {
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let wrong = format!("is not TOML at line {line}: {}", e.message().replace('\n', ", "));
            report.problems.push(Problem::new(&name, wrong, "see https://toml.io"));
            Settings::default()
        }
    }
}

/// The text and the permissions of one and the same file.
fn open(path: &Path) -> io::Result<(String, u32)> {
    let mut file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok((text, mode))
}

impl Settings {
    /// Reports secrets in a file that every user can read; warns of those in a file of one's own.
    pub(super) fn judge(&self, report: &mut Report) -> Vec<String> {
        let mut warnings = Vec::new();
        for secret in &report.inline_secrets {
            let variable =
                secret.split_once('.').and_then(|(section, field)| documented(section, field).into_iter().next());
            let elsewhere = format!("give it by {}_FILE", variable.unwrap_or_default());
            let (name, mode) = (&self.name, self.mode);
            if mode & 0o004 != 0 {
                let wrong =
                    format!("is a secret in {name}, which every user of this machine can read (mode {mode:03o})");
                let instead = format!("run `chmod 600 {name}`, or {elsewhere}");
                report.problems.push(Problem::new(secret, wrong, instead));
            } else if mode & 0o040 != 0 {
                warnings.push(format!(
                    "{secret} is a secret in {name}, which its group can read (mode {mode:03o}): {elsewhere}"
                ));
            } else {
                warnings.push(format!(
                    "{secret} is a secret in {name}: {elsewhere}, so that copies of the file are harmless"
                ));
            }
        }
        warnings
    }
}
