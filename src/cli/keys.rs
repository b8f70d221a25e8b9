//! `keywright keys`: the keys that sign, and those that others encrypt for.

mod drill;
mod import;
mod revoke;
mod told;

use super::{
    Answer, Failure, Session,
    at_work::{in_world, operator},
};
use crate::{
    base::id::KeyId,
    flow::{list_keys, rotate_keys},
    keyring::{Rotation, State, Step},
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the keys: where each stands, since when and why, what comes next, what it is used for.
    List(List),
    /// Make successors of the keys in use now; they take over as soon as everybody can know them.
    Rotate,
    /// End a key at once, because somebody else may hold it: whatever it signed is refused, and a successor signs.
    Revoke(revoke::Revoke),
    /// Take a key of another server in: published first, signing later; or only published, for tokens that are out.
    Import(import::Bring),
    /// Write the public halves of keys.
    Export(import::Export),
    /// Rehearse rotations and a leak under the settings in force, with a throw-away issuer; nothing of yours is touched.
    Drill(drill::Drill),
    /// Show who fetched the published keys, and who may still go by an older set.
    Fetches,
}

#[derive(Args, Debug)]
pub(super) struct List {
    /// Also those that are gone.
    #[arg(long)]
    all: bool,
}

pub(super) fn key_id(text: &str) -> Result<KeyId, String> {
    KeyId::parse(text).ok_or_else(|| "is no name of a signing key".to_owned())
}

pub(super) fn run(command: &Command, session: &Session) -> Result<Answer, Failure> {
    match command {
        Command::List(args) => in_world(session, async |_, world| {
            let mut keys = list_keys::run(world).await?;
            keys.retain(|key| args.all || key.record.state != State::Gone);
            Ok(told::keys(&keys))
        }),
        Command::Rotate => in_world(session, async |_, world| {
            let steps = rotate_keys::run(world, Rotation::Requested, operator()).await?;
            let mut keys = list_keys::run(world).await?;
            keys.retain(|key| key.record.state != State::Gone);
            Ok(rotated(&steps, &keys))
        }),
        Command::Revoke(args) => revoke::run(args, session),
        Command::Drill(args) => drill::run(args, session),
        Command::Import(args) => import::bring(args, session),
        Command::Export(args) => import::export(args, session),
        Command::Fetches => in_world(session, async |_, world| Ok(told::fetches(&list_keys::fetches(world).await?))),
    }
}

fn rotated(steps: &[Step], keys: &[list_keys::Shown]) -> Answer {
    let signs = |kid: &KeyId| !keys.iter().any(|key| key.record.kid == *kid && !key.record.alg.signs());
    let told = |step: &Step| match step {
        Step::Create { alg, state, .. } => (format!("made a key for {alg}, {}", state.name()), "create", step.why()),
        Step::Promote { kid, .. } if signs(kid) => (format!("{kid} signs from now on"), "promote", step.why()),
        Step::Promote { kid, .. } => (format!("{kid} is published from now on"), "promote", step.why()),
        Step::Retire { kid, until, .. } if signs(kid) => {
            (format!("{kid} signs no longer, published until {until}"), "retire", step.why())
        }
        Step::Retire { kid, until, .. } => {
            (format!("{kid} is published no longer, decrypts until {until}"), "retire", step.why())
        }
        Step::Revoke { kid } => (format!("{kid} is revoked"), "revoke", step.why()),
        Step::Delete { kid, .. } => (format!("{kid} is gone"), "delete", step.why()),
    };
    let told: Vec<(String, &str, &str)> = steps.iter().map(told).collect();
    let text = match told.as_slice() {
        [] => "nothing to do: successors are published already and take over when everybody can know them".to_owned(),
        some => some.iter().map(|(what, _, why)| format!("{what}: {why}")).collect::<Vec<_>>().join("\n"),
    };
    let json: Vec<Value> =
        told.iter().map(|(what, step, why)| json!({ "step": step, "told": what, "why": why })).collect();
    Answer::new(text, json!({ "steps": json, "keys": told::as_json(keys) }))
}
