//! `[log]`: what is logged, and how.

use super::{section::section, setting::choice};

choice! {
    /// The least severe messages that are logged.
    Level: "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"" {
        /// Failures that need somebody.
        Error = "error",
        /// And what looks wrong.
        Warn = "warn",
        /// And what happened.
        Info = "info",
        /// And how.
        Debug = "debug",
        /// And every step.
        Trace = "trace",
    }
}

choice! {
    /// How a log line is written.
    Format: "\"auto\", \"text\" or \"json\"" {
        /// Text on a terminal, JSON elsewhere.
        Auto = "auto",
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

section! {
    /// What is logged to standard error, and how. Secrets never are.
    Log = "log" {
        /// The least severe messages that are logged.
        level: Level = "info", Live;
        /// How a line is written: "auto" is text on a terminal and JSON elsewhere.
        format: Format = "auto", Restart;
    }
}
