//! `keywright serve`: the server.

use super::{Answer, Failure, Session};
use crate::{
    app::{
        process,
        reload::requests,
        serve::{self, Origin, Wishes},
    },
    base::fault::Fault,
    config::{Config, Format},
    telemetry::{LogFormat, LogPolicy, Logs},
};

/// Serves until it is told to end.
///
/// # Errors
/// What is wrong with the settings, or why it could not start.
pub(super) fn run(session: &Session) -> Result<Answer, Failure> {
    // First of all: who is told to read its settings again while it still begins does so when it serves.
    let wishes = Wishes::hear()?;
    let config = session.config()?;
    let logs = logs(&config)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let origin = Origin { file: session.file(), logs: Some(logs) };
    process::run(serve::run(config, origin, wishes))?;
    Ok(Answer::new(String::new(), serde_json::Value::Null))
}

/// Starts the logs as the settings say.
pub(super) fn logs(config: &Config) -> Result<Logs, Fault> {
    let format = match config.log.format {
        Format::Auto => LogFormat::Auto,
        Format::Json => LogFormat::Json,
        Format::Text => LogFormat::Text,
    };
    let policy = LogPolicy { level: config.log.level.as_str().to_owned(), requests: requests(config), format };
    Logs::init(&policy).map_err(|e| Fault::new("starting the logs", e))
}
