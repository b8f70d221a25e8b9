//! `keywright serve`: the server.

use super::{Answer, Failure, Session};
use crate::{
    app::serve::{self, Origin},
    base::fault::Fault,
    config::{Config, Format},
    telemetry::{LogFormat, LogPolicy, Logs},
};
use std::future::Future;

/// Serves until it is told to end.
///
/// # Errors
/// What is wrong with the settings, or why it could not start.
pub(super) fn run(session: &Session) -> Result<Answer, Failure> {
    let config = session.config()?;
    let logs = logs(&config)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let origin = Origin { file: session.file(), logs: Some(logs) };
    on_actix(serve::run(config, origin))?;
    Ok(Answer::new(String::new(), serde_json::Value::Null))
}

/// Runs work that needs actix's threads to its end.
pub(super) fn on_actix(work: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
    harden();
    actix_web::rt::System::new().block_on(work)
}

/// No core dumps: a core of this process would hold every key (R40).
fn harden() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps could not be turned off");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the process could not be made undumpable");
    }
}

/// Starts the logs as the settings say.
pub(super) fn logs(config: &Config) -> Result<Logs, Fault> {
    let format = match config.log.format {
        Format::Auto => LogFormat::Auto,
        Format::Json => LogFormat::Json,
        Format::Text => LogFormat::Text,
    };
    let policy = LogPolicy { level: config.log.level.as_str().to_owned(), format };
    Logs::init(&policy).map_err(|e| Fault::new("starting the logs", e))
}
