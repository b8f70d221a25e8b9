//! `keywright demo`: the whole in one command, to look at.

use super::{Answer, Failure, serve};
use crate::{
    app::{demo, process},
    config::Config,
};
use std::net::SocketAddr;

/// What the demonstration takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the issuer listens; a loopback address.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the application of the demonstration listens; a loopback address.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    application: SocketAddr,
    /// Where the weather API listens, which there are API keys for; a loopback address.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8091")]
    weather: SocketAddr,
    /// The nginx to put in front of the weather API. Where there is no such program, the API asks by itself.
    #[arg(long, value_name = "PROGRAM", default_value = "nginx")]
    nginx: String,
    /// The folder for its database and keys.
    #[arg(long, value_name = "FOLDER", default_value = "./keywright-data")]
    data: String,
}

/// Runs the demonstration until it is told to end. The file of settings is not read: what is
/// shown is the same everywhere.
///
/// # Errors
/// What is wrong with the addresses, or why it could not start.
pub(super) fn run(args: &Args) -> Result<Answer, Failure> {
    let set = |name: &str, value: String| (format!("KEYWRIGHT_{name}"), value);
    let variables = [
        set("SERVER_ISSUER", format!("http://{}", args.listen)),
        set("SERVER_LISTEN", args.listen.to_string()),
        set("SERVER_DATA_DIR", args.data.clone()),
        set("LOG_LEVEL", "warn".to_owned()),
    ];
    let config = Config::load(None, variables.into_iter()).map_err(Failure::Settings)?;
    let _logs = serve::logs(&config)?;
    let shown = demo::Shown { application: args.application, weather: args.weather, nginx: args.nginx.clone() };
    process::run(demo::run(config, shown))?;
    Ok(Answer::new(String::new(), serde_json::Value::Null))
}
