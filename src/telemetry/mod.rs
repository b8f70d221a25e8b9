//! What operators see of a running server: logs to standard error, and metrics.
//!
//! The law of logs: a message can be read alone, its variable parts are fields with dotted names;
//! a failure is logged once, where it leaves us; no secret, no token, no request body, ever; what
//! somebody must be able to look up later is an audit event and not a log.

pub mod instrument;
pub mod metrics;
pub mod requests;

pub use metrics::{METRICS, Metrics, docs_metrics};

use crate::base::id::RequestId;
use std::{
    fmt,
    io::{IsTerminal, stderr},
};
use tracing_subscriber::{EnvFilter, Registry, layer::SubscriberExt, reload};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// Text for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Whether requests with API keys are logged, a line each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Requests {
    /// They are.
    On,
    /// They are not.
    #[default]
    Off,
}

/// What an operator decides about logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPolicy {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`) or directives such as
    /// `info,keywright::store=debug`.
    pub level: String,
    /// Whether requests with API keys are logged, whatever the level.
    pub requests: Requests,
    /// How lines look.
    pub format: LogFormat,
}

impl Default for LogPolicy {
    fn default() -> Self {
        Self { level: String::from("info"), requests: Requests::Off, format: LogFormat::Auto }
    }
}

/// Why logs could not be set up.
#[derive(Debug)]
pub struct BadLogs(String);

impl fmt::Display for BadLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for BadLogs {}

/// Logs that were set up; their level can be changed while running.
#[derive(Clone, Debug)]
pub struct Logs(reload::Handle<EnvFilter, Registry>);

impl Logs {
    /// Sets up the logs of this process, and has panics logged too. Once for each process.
    ///
    /// # Errors
    /// [`BadLogs`] for a level that is none, or where logs are set up already.
    pub fn init(policy: &LogPolicy) -> Result<Self, BadLogs> {
        let (filter, handle) = reload::Layer::new(filter(&policy.level, policy.requests)?);
        let terminal = stderr().is_terminal();
        let json = match policy.format {
            LogFormat::Auto => !terminal,
            LogFormat::Text => false,
            LogFormat::Json => true,
        };
        let base = Registry::default().with(filter);
        let lines = tracing_subscriber::fmt::layer().with_writer(stderr).with_ansi(terminal && !json);
        let set = if json {
            tracing::subscriber::set_global_default(
                base.with(lines.json().flatten_event(true).with_current_span(true).with_span_list(false)),
            )
        } else {
            tracing::subscriber::set_global_default(base.with(lines.with_target(false)))
        };
        set.map_err(|_| BadLogs(String::from("logs are set up already")))?;
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let payload = panic.payload_as_str().unwrap_or("no message");
            tracing::error!(panic.location = place, panic.message = payload, "a thread panicked");
        }));
        Ok(Self(handle))
    }

    /// Changes what is logged from now on.
    ///
    /// # Errors
    /// [`BadLogs`] for a level that is none; the old one stays.
    pub fn set(&self, level: &str, requests: Requests) -> Result<(), BadLogs> {
        self.0.reload(filter(level, requests)?).map_err(|e| BadLogs(e.to_string()))
    }
}

/// Whether this text is a level or directives.
///
/// # Errors
/// [`BadLogs`] where it is neither.
pub fn check_level(level: &str) -> Result<(), BadLogs> {
    filter(level, Requests::Off).map(|_| ())
}

fn filter(level: &str, requests: Requests) -> Result<EnvFilter, BadLogs> {
    // A misspelt level would otherwise be taken for the name of a module.
    let first = level.split(',').next().unwrap_or_default();
    if !first.contains('=') && first.parse::<tracing::Level>().is_err() && first != "off" {
        return Err(BadLogs(format!("{first:?} is no log level: use error, warn, info, debug, trace or off")));
    }
    let least = match requests {
        Requests::On => "info",
        Requests::Off => "off",
    };
    EnvFilter::builder()
        .parse(format!("{level},{}={least}", requests::TARGET))
        .map_err(|e| BadLogs(format!("the log level {level:?}: {e}")))
}

/// The span of one request, at the level `debug`: every line logged in it carries these fields.
/// Above that level it costs nothing; what is logged then names its request itself.
#[must_use]
pub fn request_span(id: &RequestId, method: &str, route: &'static str) -> tracing::Span {
    tracing::debug_span!("request", request.id = %id, http.method = method, http.route = route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_level_is_an_error() {
        for good in ["info", "WARN", "off", "info,keywright::store=debug", "keywright=trace"] {
            assert!(check_level(good).is_ok(), "{good}");
        }
        for bad in ["inof", "", "info,keywright=loud"] {
            assert!(check_level(bad).is_err(), "{bad}");
        }
    }
}
