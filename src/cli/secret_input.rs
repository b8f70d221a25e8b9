//! How a command is given a secret: from a file, from a variable, or from standard input, where
//! it is typed twice and unseen if a person sits there. Never as an argument.

use super::Failure;
use crate::base::secret::Secret;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::{
    env, fs,
    io::{self, BufRead, IsTerminal, Read, Write},
    path::{Path, PathBuf},
};
use zeroize::Zeroize;

/// The most bytes that are read of a secret.
const MAX_BYTES: u64 = 4096;

/// The options of a command that needs a password.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct PasswordSource {
    /// Read the password from this file, less one newline at its end. Unset, and no variable named: from standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "password_env")]
    password_file: Option<PathBuf>,
    /// Read the password from the environment variable of this name.
    #[arg(long, value_name = "NAME")]
    password_env: Option<String>,
    /// Read the password from standard input, also where a person sits there.
    #[arg(long, conflicts_with_all = ["password_file", "password_env"])]
    password_stdin: bool,
}

impl PasswordSource {
    /// Reads the password.
    ///
    /// # Errors
    /// [`Failure::Usage`] where there is none, where it is too long or not UTF-8, or where the two
    /// typed at a terminal differ.
    pub fn read(&self) -> Result<Secret<String>, Failure> {
        match (&self.password_file, &self.password_env) {
            (Some(path), _) => {
                let file = fs::File::open(path);
                let file = file.map_err(|e| Failure::Usage(format!("{} cannot be read: {e}", path.display())))?;
                whole(file)
            }
            (None, Some(name)) => {
                let value = env::var_os(name).ok_or_else(|| Failure::Usage(format!("the variable {name} is unset")))?;
                let text =
                    value.into_string().map_err(|_| Failure::Usage(format!("the variable {name} is no text")))?;
                not_empty(text)
            }
            (None, None) if !self.password_stdin && io::stdin().is_terminal() => typed_twice(),
            (None, None) => whole(io::stdin().lock()),
        }
    }
}

/// The passphrase of a file, from another file or from the environment, where one is named.
///
/// # Errors
/// As [`PasswordSource::read`].
pub fn passphrase(file: Option<&Path>, variable: Option<&str>) -> Result<Option<Secret<String>>, Failure> {
    if file.is_none() && variable.is_none() {
        return Ok(None);
    }
    let source = PasswordSource {
        password_file: file.map(Path::to_owned),
        password_env: variable.map(str::to_owned),
        password_stdin: false,
    };
    source.read().map(Some)
}

/// All of an input, less one newline at its end.
fn whole(from: impl Read) -> Result<Secret<String>, Failure> {
    let mut text = String::new();
    let read = from.take(MAX_BYTES + 1).read_to_string(&mut text);
    if let Err(e) = read {
        text.zeroize();
        return Err(Failure::Usage(format!("the password cannot be read: {e}")));
    }
    not_empty(text)
}

fn not_empty(mut text: String) -> Result<Secret<String>, Failure> {
    if u64::try_from(text.len()).map_or(true, |bytes| bytes > MAX_BYTES) {
        text.zeroize();
        return Err(Failure::Usage(format!("the password is longer than {MAX_BYTES} bytes")));
    }
    for end in ['\n', '\r'] {
        if text.ends_with(end) {
            text.pop();
        }
    }
    if text.is_empty() { Err(Failure::Usage("the password is empty".into())) } else { Ok(Secret::new(text)) }
}

fn typed_twice() -> Result<Secret<String>, Failure> {
    let first = typed("New password: ")?;
    let second = typed("The same again: ")?;
    if first.matches(second.expose().as_bytes()) {
        Ok(first)
    } else {
        Err(Failure::Usage("the two passwords differ".into()))
    }
}

/// One line from the terminal, which does not show it.
fn typed(prompt: &str) -> Result<Secret<String>, Failure> {
    let failed = |e: io::Error| Failure::Failed(format!("reading from the terminal: {e}"));
    let mut told = io::stderr().lock();
    write!(told, "{prompt}").and_then(|()| told.flush()).map_err(failed)?;
    let mut text = String::new();
    let read = {
        let _unseen = Unseen::begin().map_err(failed)?;
        io::stdin().lock().take(MAX_BYTES + 1).read_line(&mut text)
    };
    // The newline that was typed was not shown either.
    let _ = writeln!(told);
    read.map_err(failed)?;
    not_empty(text)
}

/// The terminal shows nothing that is typed until this is dropped.
struct Unseen(Termios);

impl Unseen {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // If the terminal is gone there is nothing left to restore.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_is_taken_from_the_end() {
        for (input, password) in [
            ("correct horse", Some("correct horse")),
            ("correct horse\n", Some("correct horse")),
            ("correct horse\r\n", Some("correct horse")),
            (" spaces stay \n\n", Some(" spaces stay \n")),
            ("\n", None),
            ("", None),
        ] {
            let read = whole(input.as_bytes()).ok();
            assert_eq!(read.as_ref().map(|secret| secret.expose().as_str()), password, "{input:?}");
        }
        assert!(whole("x".repeat(4097).as_bytes()).is_err());
        assert!(whole(&b"\xff"[..]).is_err());
    }

    #[test]
    fn a_file_and_a_variable_are_sources() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("password");
        fs::write(&path, "hunter2hunter2\n").unwrap();
        let from = PasswordSource { password_file: Some(path), password_env: None, password_stdin: false };
        assert_eq!(from.read().unwrap().expose(), "hunter2hunter2");
        let from = PasswordSource {
            password_file: None,
            password_env: Some("NO_SUCH_VARIABLE_HERE".into()),
            password_stdin: false,
        };
        assert!(matches!(from.read(), Err(Failure::Usage(_))));
    }
}
