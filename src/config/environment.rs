//! The variables `KEYWRIGHT_*` and `KEYWRIGHT_*_FILE`, and what must not be taken for one of them.

use super::{
    problem::{Problem, nearest},
    reader::Report,
};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// What every variable of ours begins with.
pub(super) const PREFIX: &str = "KEYWRIGHT_";
/// The variable that names the configuration file; it is no setting.
pub const CONFIG_VARIABLE: &str = "KEYWRIGHT_CONFIG";
/// What is appended to a name when the variable holds the path of a file with the value.
const FILE: &str = "_FILE";
/// Second names of settings.
const ALIASES: [(&str, &str); 1] = [("KEYWRIGHT_KEK", "KEYWRIGHT_SECRETS_KEK")];

/// The variable of a setting.
#[must_use]
pub(super) fn variable(section: &str, field: &str) -> String {
    format!("{PREFIX}{}_{}", section.to_uppercase(), field.to_uppercase())
}

/// The names that documentation gives for a setting: the short one first, where it has one.
#[must_use]
pub(super) fn documented(section: &str, field: &str) -> Vec<String> {
    let long = variable(section, field);
    let short = ALIASES.iter().filter(|(_, of)| *of == long).map(|(short, _)| (*short).to_owned());
    short.chain([long.clone()]).collect()
}

/// The variables of this process that are ours. Text that is no Unicode becomes replacement
/// characters, which no setting accepts.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |(name, value): (OsString, OsString)| {
        (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    };
    std::env::vars_os().map(text).filter(|(name, _)| name.starts_with(PREFIX))
}

/// A value that was given.
pub(super) struct Given {
    /// The variable, as the operator wrote it.
    pub(super) variable: String,
    /// The value.
    pub(super) text: String,
    /// Where it is the content of a file, which messages must not repeat: the file.
    pub(super) file: Option<Origin>,
}

/// A file that holds a value.
pub(super) struct Origin {
    path: String,
    mode: u32,
    /// The number of the user whose file it is.
    owner: u32,
}

impl Given {
    /// Where others than its owner can read the file that this secret came from: what to say. One that belongs to somebody
    /// else is read by its group because the server is in that: nothing is to be mended there.
    pub(super) fn open_to_others(&self) -> Option<String> {
        let Origin { path, mode, owner } = self.file.as_ref()?;
        let we = rustix::process::geteuid();
        let by_group = !we.is_root() && we.as_raw() != *owner;
        let (who, instead) = match (mode & 0o004, mode & 0o040) {
            (0, 0) => return None,
            (0, _) if by_group => return None,
            (0, _) => ("its group", "unless the server reads it by that group"),
            _ => ("every user of this machine", "or 640 where the server reads it by its group"),
        };
        let variable = &self.variable;
        Some(format!(
            "{variable} names {path}, a secret that {who} can read (mode {mode:03o}): run `chmod 600 {path}`, {instead}"
        ))
    }
}

/// The values that the environment gives, by the variables of their settings.
pub(super) struct Environment(BTreeMap<String, Given>);

impl Environment {
    /// Sorts the variables; reports unknown ones, settings given twice and files that cannot be read.
    pub(super) fn collect(
        variables: impl Iterator<Item = (String, String)>,
        known: &[String],
        report: &mut Report,
    ) -> Self {
        let mut found = Self(BTreeMap::new());
        let ours = |(name, value): &(String, String)| {
            name.starts_with(PREFIX) && name != CONFIG_VARIABLE && !made_by_kubernetes(name, value)
        };
        let ours: BTreeMap<String, String> = variables.filter(ours).collect();
        for (name, value) in ours {
            match target(&name, known) {
                Some((setting, Holds::Value)) => found.add(setting, (name, value, None), report),
                Some((setting, Holds::Path)) => match read(&value) {
                    Ok((text, (mode, owner))) => {
                        let origin = Origin { path: value, mode, owner };
                        found.add(setting, (name, text, Some(origin)), report);
                    }
                    Err(wrong) => {
                        report.problems.push(Problem::new(name, wrong, "name a file that the server can read"))
                    }
                },
                None => report.problems.push(unknown(&name, known)),
            }
        }
        found
    }

    fn add(&mut self, setting: String, (variable, text, file): (String, String, Option<Origin>), report: &mut Report) {
        if let Some(other) = self.0.get(&setting) {
            let wrong = format!("sets what {} sets too", other.variable);
            report.problems.push(Problem::new(variable, wrong, "keep one of the two"));
            return;
        }
        self.0.insert(setting, Given { variable, text, file });
    }

    pub(super) fn get(&self, variable: &str) -> Option<&Given> {
        self.0.get(variable)
    }
}

enum Holds {
    Value,
    Path,
}

/// The setting that a variable is for.
fn target(name: &str, known: &[String]) -> Option<(String, Holds)> {
    let long = |name: &str| {
        let aliased = ALIASES.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| long);
        known.iter().find(|setting| *setting == aliased).cloned()
    };
    if let Some(setting) = long(name) {
        return Some((setting, Holds::Value));
    }
    name.strip_suffix(FILE).and_then(long).map(|setting| (setting, Holds::Path))
}

fn unknown(name: &str, known: &[String]) -> Problem {
    let (stem, end) = name.strip_suffix(FILE).map_or((name, ""), |stem| (stem, FILE));
    let names = known.iter().map(String::as_str).chain(ALIASES.iter().map(|(short, _)| *short));
    let near = nearest(stem, names).unwrap_or(PREFIX);
    Problem::new(name, "is not the variable of a setting", format!("the nearest known one is {near}{end}"))
}

/// The content of a file without the one newline that editors put at its end, its permissions and its owner.
fn read(path: &str) -> Result<(String, (u32, u32)), String> {
    let path = PathBuf::from(path);
    let (bytes, of) = open(&path).map_err(|e| format!("names {}, which cannot be read: {e}", path.display()))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("names {}, which is not UTF-8 text", path.display()))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok((line.strip_suffix('\r').unwrap_or(line).to_owned(), (of.mode() & 0o777, of.uid())))
}

/// The bytes of a file, and what is known of that very file.
fn open(path: &Path) -> io::Result<(Vec<u8>, Metadata)> {
    let mut file = File::open(path)?;
    let of = file.metadata()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((bytes, of))
}

/// Kubernetes gives every container variables for each service of its namespace; a service
/// called `keywright` makes `KEYWRIGHT_SERVICE_HOST`, `KEYWRIGHT_PORT`, `KEYWRIGHT_PORT_80_TCP`
/// and so on. They are nobody's mistake.
fn made_by_kubernetes(name: &str, value: &str) -> bool {
    let addressed = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && addressed)
        || ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| {
            name.contains("_PORT_")
                && (name.ends_with(protocol)
                    || ["_ADDR", "_PORT", "_PROTO"].iter().any(|end| name.ends_with(&format!("{protocol}{end}"))))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_somebody_else_is_read_by_its_group_and_no_owner_is_told_to_shut_the_server_out() {
        let we = rustix::process::geteuid();
        let told = |mode: u32, owner: u32| {
            let file = Some(Origin { path: "/etc/kek".into(), mode, owner });
            Given { variable: "KEYWRIGHT_KEK_FILE".into(), text: String::new(), file }.open_to_others()
        };
        let another = we.as_raw() + 1;
        assert_eq!(told(0o640, another).is_none(), !we.is_root(), "what production.md sets up is left in peace");
        for owner in [we.as_raw(), another] {
            assert!(told(0o600, owner).is_none());
            assert!(told(0o644, owner).unwrap().contains("or 640 where the server reads it by its group"));
        }
        assert!(told(0o640, we.as_raw()).unwrap().contains("unless the server reads it by that group"));
    }
}
