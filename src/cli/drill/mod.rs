//! `keywright drill`: what would be done in earnest, done with a key that is thrown away, and measured.
//! The nodes are asked over HTTP, as a resource server asks them.

mod nodes;
mod stage;

use super::{Answer, Failure, Session, at_work::in_world};
use crate::{
    apikey::{access::Caller, rotate::Step},
    cli::at_work::done,
    flow::{api_keys::life, world::World},
};
use clap::{Args, Subcommand};
use nodes::{Nodes, Refused, State};
use serde_json::{Value, json};
use stage::Stage;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Until then every node must have refused.
const PATIENCE: Duration = Duration::from_secs(10);
/// How the process ends where some node did not.
const FAILED: u8 = 1;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// A key gets out: tell of it as anybody may, and measure until it and its token are refused.
    Compromise(Drill),
    /// A key is revoked: measure until every node refuses it.
    Revoke(Drill),
}

#[derive(Args, Debug)]
pub(super) struct Drill {
    /// The API whose keys are drilled, by name or identifier. Unset: the first there is.
    #[arg(long, value_name = "API")]
    api: Option<String>,
    /// The addresses of the nodes to ask, separated by commas. Unset: the issuer.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    nodes: Vec<String>,
}

/// A step of a drill, as it is told.
struct Told {
    what: String,
    took: Duration,
    good: bool,
}

fn millis(took: Duration) -> f64 {
    (took.as_secs_f64() * 10_000.0).round() / 10.0
}

pub(super) fn run(command: &Command, session: &Session) -> Result<Answer, Failure> {
    let (Command::Compromise(args) | Command::Revoke(args)) = command;
    in_world(session, async |config, world| {
        let nodes = Nodes::at(&args.nodes, &config.server.issuer)?;
        let stage = Stage::set(world, args.api.as_deref(), config.registration_policy()).await?;
        let played = match command {
            Command::Compromise(_) => compromise(&nodes, &stage),
            Command::Revoke(_) => revoke(world, &nodes, &stage).await,
        };
        // Whatever came of it, nothing that was made for it stays good.
        stage.strike(world).await?;
        Ok(answered(&played?))
    })
}

/// Does something, and says how long it took.
fn measured<T>(told: &mut Vec<Told>, what: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let began = Instant::now();
    let outcome = work()?;
    told.push(Told { what: what.to_owned(), took: began.elapsed(), good: true });
    Ok(outcome)
}

fn compromise(nodes: &Nodes, stage: &Stage) -> Result<Vec<Told>, Failure> {
    let mut told = Vec::new();
    measured(&mut told, "the key is good at every node", || nodes.expect(State::Good, stage, None))?;
    let began = Instant::now();
    let (token, what) = match nodes.exchange(stage)? {
        Ok(token) => (Some(token), "it was exchanged for a token".to_owned()),
        Err(Refused(why)) => (None, format!("the API has no tokens for keys: {why}")),
    };
    told.push(Told { what, took: began.elapsed(), good: true });
    if let Some(token) = &token {
        measured(&mut told, "the token is good at every node", || nodes.expect(State::Good, stage, Some(token)))?;
    }
    let began = Instant::now();
    measured(&mut told, "somebody told of the key", || nodes.tell(stage))?;
    told.extend(nodes.until_refused(stage, None, began)?);
    if let Some(token) = &token {
        told.extend(nodes.until_refused(stage, Some(token), began)?);
        let again = nodes.exchange(stage)?;
        told.push(Told { what: "it is not exchanged again".to_owned(), took: began.elapsed(), good: again.is_err() });
    }
    Ok(told)
}

async fn revoke(world: &Arc<World>, nodes: &Nodes, stage: &Stage) -> Result<Vec<Told>, Failure> {
    let mut told = Vec::new();
    measured(&mut told, "the key is good at every node", || nodes.expect(State::Good, stage, None))?;
    let began = Instant::now();
    let reason = Some("a drill".to_owned());
    life::take(world, Caller::Operator, (stage.key.key.id.clone(), Step::Revoke, reason), done()).await?;
    told.push(Told { what: "the key was revoked".to_owned(), took: began.elapsed(), good: true });
    told.extend(nodes.until_refused(stage, None, began)?);
    Ok(told)
}

fn answered(told: &[Told]) -> Answer {
    let lines = told.iter().map(|one| {
        let failed = if one.good { "" } else { "  FAILED" };
        format!("{:>9.1} ms  {}{failed}", millis(one.took), one.what)
    });
    let good = told.iter().all(|one| one.good);
    let end = if good { "all was refused" } else { "not all was refused" };
    let text: Vec<String> = lines.chain([end.to_owned()]).collect();
    let steps: Vec<Value> =
        told.iter().map(|one| json!({"step": one.what, "ms": millis(one.took), "passed": one.good})).collect();
    let answer = Answer::new(text.join("\n"), json!({"passed": good, "steps": steps}));
    if good { answer } else { answer.ending(FAILED) }
}
