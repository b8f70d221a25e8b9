//! Commands that work on the installation: the world is opened for them, on a small runtime, and
//! closed again.

use super::{Failure, Session};
use crate::{
    app::open,
    audit::{Actor, Origin},
    base::{fault::Stop, moment::Moment},
    config::Config,
    flow::{
        api_keys::{apis::Done, refused::Refused},
        manage_clients, manage_users,
        world::World,
    },
    telemetry::{LogFormat, LogPolicy, Logs},
};
use serde_json::Value;
use std::{env, sync::Arc};

/// Runs work in the world that the settings describe. What the server would log is told on
/// standard error from warnings upwards.
pub(super) fn in_world<T>(
    session: &Session,
    work: impl AsyncFnOnce(&Config, &Arc<World>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let config = session.config()?;
    on_runtime(async {
        let world = open::to_manage(&config, &open::Edges::system()).await?;
        let done = work(&config, &world).await;
        world.signers.quiet().await;
        world.store.close();
        done
    })
}

/// Runs a future to its end, with logs for people.
pub(super) fn on_runtime<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    // Where logs are set up already, as in tests, they stay as they are.
    let _ = Logs::init(&LogPolicy { level: String::from("warn"), format: LogFormat::Text, ..LogPolicy::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Failed(format!("starting a runtime: {e}")))?;
    runtime.block_on(work)
}

/// Whoever runs the command, by the name that the system gives them.
pub(super) fn operator() -> Actor {
    let named = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| env::var_os(name)?.into_string().ok());
    let named = named.filter(|name| !name.is_empty() && name.len() <= 64 && !name.contains(char::is_control));
    Actor::Operator(named.unwrap_or_else(|| "cli".to_owned()))
}

/// Who does it, for what is recorded of API keys.
pub(super) fn done() -> Done {
    Done { by: operator(), origin: Origin::default() }
}

/// A moment as JSON, and nothing where there is none.
pub(super) fn moment(at: Option<Moment>) -> Value {
    at.map_or(Value::Null, |at| Value::String(at.to_string()))
}

impl From<Stop<Refused>> for Failure {
    fn from(stop: Stop<Refused>) -> Self {
        match stop {
            Stop::Refusal(refused) => Self::Failed(refused.to_string()),
            Stop::Fault(fault) => fault.into(),
        }
    }
}

impl From<Stop<manage_users::Unmet>> for Failure {
    fn from(stop: Stop<manage_users::Unmet>) -> Self {
        match stop {
            Stop::Refusal(unmet) => Self::Failed(unmet.to_string()),
            Stop::Fault(fault) => fault.into(),
        }
    }
}

impl From<Stop<manage_clients::Unmet>> for Failure {
    fn from(stop: Stop<manage_clients::Unmet>) -> Self {
        match stop {
            Stop::Refusal(unmet) => Self::Failed(unmet.to_string()),
            Stop::Fault(fault) => fault.into(),
        }
    }
}
