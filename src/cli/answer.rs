//! What a command gives back, and how it is printed.

use crate::{base::fault::Fault, config::ConfigError, remote::signers::SignerFailed};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::{
    error::Error,
    fmt,
    io::{self, Write},
    process::ExitCode,
};

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// One JSON value, for programs.
    Json,
}

/// What a command gives back when it did what it should.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// For people: whole lines, without a newline at the end.
    pub text: String,
    /// The same for programs.
    pub json: Value,
    form: Form,
    code: u8,
}

/// How the JSON is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// One value, indented.
    One,
    /// The items of an array, a line for each.
    Lines,
}

impl Answer {
    /// An answer in both forms.
    pub fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json, form: Form::One, code: 0 }
    }

    /// Things of which each is a line, in both forms.
    #[must_use]
    pub fn lines(text: &[String], json: Vec<Value>) -> Self {
        Self { text: text.join("\n"), json: Value::Array(json), form: Form::Lines, code: 0 }
    }

    /// The same, after which the process ends with this code: it did what it should, and what came of it is to be known.
    #[must_use]
    pub fn ending(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// Rows of cells under their headings, in columns; the JSON is given apart.
    #[must_use]
    pub fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]], json: Value) -> Self {
        let mut widths = headings.map(|heading| heading.chars().count());
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |cells: &[String]| {
            let padded: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            padded.join("  ").trim_end().to_owned()
        };
        let head = line(&headings.map(str::to_uppercase));
        let lines: Vec<String> = std::iter::once(head).chain(rows.iter().map(|row| line(row))).collect();
        Self::new(lines.join("\n"), json)
    }

    pub(super) fn print(&self, output: Output, to: &mut dyn Write) -> ExitCode {
        let written = match output {
            Output::Text if self.text.is_empty() => Ok(()),
            Output::Text => writeln!(to, "{}", self.text),
            Output::Json => match (self.form, &self.json) {
                (Form::Lines, Value::Array(lines)) => lines.iter().try_for_each(|line| writeln!(to, "{line}")),
                _ => writeln!(to, "{:#}", self.json),
            },
        };
        match written {
            Ok(()) => ExitCode::from(self.code),
            // The reader, such as `head`, has seen enough.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(self.code),
            Err(_) => ExitCode::FAILURE,
        }
    }
}

/// Why a command did not do what it should.
#[derive(Debug)]
pub enum Failure {
    /// The settings are refused.
    Settings(ConfigError),
    /// The arguments ask for what cannot be; what to do instead.
    Usage(String),
    /// It was tried and it failed, or it found what it looked for; in one or more lines.
    Failed(String),
    /// As that, because a token refuses our PIN: a few tries more may lock it, so nothing should try again by itself.
    WrongPin(String),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let mut causes = std::iter::successors(fault.source(), |&cause| cause.source());
        let pin = causes.any(|cause| matches!(cause.downcast_ref(), Some(SignerFailed::WrongPin(_))));
        let told = fault.to_string();
        if pin { Self::WrongPin(told) } else { Self::Failed(told) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(error) => error.fmt(f),
            Self::Usage(text) | Self::Failed(text) | Self::WrongPin(text) => f.write_str(text),
        }
    }
}

impl Failure {
    const fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Settings(_) | Self::Usage(_) => 2,
            // Named in deploy/systemd/keywright.service.
            Self::WrongPin(_) => 4,
        }
    }

    pub(super) fn print(&self, output: Output, to: &mut dyn Write) -> ExitCode {
        // Where even this cannot be written, the exit code still tells.
        let _ = match (output, self) {
            (Output::Text, _) => writeln!(to, "keywright: {self}"),
            (Output::Json, Self::Settings(e)) => {
                writeln!(to, "{:#}", json!({ "error": "the configuration is refused", "problems": e.problems }))
            }
            (Output::Json, Self::Usage(text) | Self::Failed(text) | Self::WrongPin(text)) => {
                writeln!(to, "{:#}", json!({ "error": text }))
            }
        };
        ExitCode::from(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_columns_as_wide_as_their_widest_cell() {
        let rows = [["a".to_owned(), "x".to_owned()], ["longer".to_owned(), "y".to_owned()]];
        let answer = Answer::table(["id", "name"], &rows, Value::Null);
        assert_eq!(answer.text, "ID      NAME\na       x\nlonger  y");
    }
}
