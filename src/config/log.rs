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

choice! {
    /// Whether each request with an API key is logged.
    Requests: "\"on\" or \"off\"" {
        /// A line for each.
        On = "on",
        /// None.
        Off = "off",
    }
}

section! {
    /// What is logged to standard error, and how. Secrets never are.
    Log = "log" {
        /// The least severe messages that are logged.
        level: Level = "info", Live;
        /// Whether each request with an API key is logged when it is verified and when it is reported, whatever
        /// the level: with addresses and user agents, so see to how long these lines are kept.
        requests: Requests = "off", Live;
        /// How a line is written: "auto" is text on a terminal and JSON elsewhere.
        format: Format = "auto", Restart;
    }
}
