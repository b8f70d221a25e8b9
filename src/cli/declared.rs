//! `keywright client apply`: makes the clients of this installation those that a file declares.

use super::{
    Answer, Failure, Session,
    at_work::{in_world, operator},
};
use crate::{
    app::declared,
    flow::declared_clients::{self as flow, Change, Plan},
};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct Apply {
    /// A JSON or TOML file with a list `clients` of client metadata. Unset: the setting `clients.file`.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Change nothing; say what would be done.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: Apply, session: &Session) -> Result<Answer, Failure> {
    let dry = args.dry_run;
    let plan = in_world(session, async |config, world| {
        let file = args.file.or_else(|| config.clients.file.clone());
        let file = file.ok_or_else(|| Failure::Usage("name a file, or set clients.file".into()))?;
        let (declared, policy) = (declared::read(&file).map_err(Failure::Failed)?, config.registration_policy());
        Ok(if dry {
            flow::plan(world, declared, policy).await?
        } else {
            flow::apply(world, declared, policy, operator()).await?
        })
    })?;
    Ok(told(&plan, dry))
}

fn told(plan: &Plan, dry: bool) -> Answer {
    let verb = |done: &'static str, to_do: &'static str| if dry { to_do } else { done };
    let line = |change: &Change| match change {
        Change::Add => verb("added", "to add").to_owned(),
        Change::Change { members } => format!("{} {}", verb("changed", "to change"), members.join(", ")),
        Change::Same => "same".to_owned(),
        Change::Disable => verb("disabled", "to disable").to_owned(),
    };
    let lines: Vec<String> = plan.iter().map(|(id, change)| format!("{id}: {}", line(change))).collect();
    let text = if lines.is_empty() { "the file declares no client".to_owned() } else { lines.join("\n") };
    Answer::new(text, json!({ "dry_run": dry, "clients": plan }))
}
