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
    stays_here(args)?;
    let set = |name: &str, value: String| (format!("KEYWRIGHT_{name}"), value);
    let variables = [
        set("SERVER_ISSUER", format!("http://{}", args.listen)),
        set("SERVER_LISTEN", args.listen.to_string()),
        set("SERVER_DATA_DIR", args.data.clone()),
        set("LOG_LEVEL", "warn".to_owned()),
        // On somebody's own machine, which may be busy with a build, an answer that comes late is better than none.
        set("DATABASE_POOL_WAIT", "10s".to_owned()),
        set("DATABASE_STATEMENT_TIMEOUT", "10s".to_owned()),
    ];
    let config = Config::load(None, variables.into_iter()).map_err(Failure::Settings)?;
    let _logs = serve::logs(&config)?;
    let shown = demo::Shown { application: args.application, weather: args.weather, nginx: args.nginx.clone() };
    process::run(demo::run(config, shown))?;
    Ok(Answer::new(String::new(), serde_json::Value::Null))
}

/// What the demonstration shows is for whoever sits here: its tokens, and a password on the first page.
fn stays_here(args: &Args) -> Result<(), Failure> {
    for (name, at) in [("--listen", args.listen), ("--application", args.application), ("--weather", args.weather)] {
        if !at.ip().is_loopback() {
            return Err(Failure::Usage(format!(
                "{name} is {at}, and must be a loopback address, such as 127.0.0.1:8090"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_demonstration_is_shown_to_nobody_elsewhere() {
        let tried = |words: &[&str]| stays_here(&Command::parse_from([&["demo"], words].concat()).args);
        assert!(tried(&[]).is_ok() && tried(&["--application", "[::1]:8090"]).is_ok());
        for name in ["--listen", "--application", "--weather"] {
            for elsewhere in ["0.0.0.0:8090", "[::]:8090", "192.168.1.9:8090"] {
                assert!(matches!(tried(&[name, elsewhere]), Err(Failure::Usage(_))), "{name} {elsewhere}");
            }
        }
    }
}
