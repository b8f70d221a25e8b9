//! `keywright keys`: signing keys.

use super::{
    Answer, Failure, Session,
    at_work::{in_world, moment, operator},
};
use crate::{
    flow::rotate_keys,
    keyring::{KeyRecord, Keyring, Rotation, State, Step},
};
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the published signing keys.
    List,
    /// Publish successors of the keys that sign now; they take over as soon as everybody can know them.
    Rotate,
}

pub(super) fn run(command: &Command, session: &Session) -> Result<Answer, Failure> {
    match command {
        Command::List => in_world(session, async |_, world| Ok(listed(&world.keyring.load()))),
        Command::Rotate => in_world(session, async |_, world| {
            let steps = rotate_keys::run(world, Rotation::Requested, operator()).await?;
            Ok(rotated(&steps, &world.keyring.load()))
        }),
    }
}

fn listed(keyring: &Keyring) -> Answer {
    let rows: Vec<[String; 4]> = keyring
        .records()
        .map(|key| [key.kid.to_string(), key.alg.to_string(), key.state.name().to_owned(), since(key)])
        .collect();
    Answer::table(["kid", "alg", "state", "since"], &rows, json!({ "keys": as_json(keyring) }))
}

fn since(key: &KeyRecord) -> String {
    match key.state {
        State::Pending | State::Gone => format!("made {}", key.created_at),
        State::Active { since } => format!("signs since {since}"),
        State::Retiring { until } => format!("published until {until}"),
    }
}

fn as_json(keyring: &Keyring) -> Vec<Value> {
    let one = |key: &KeyRecord| {
        let (active_since, published_until) = match key.state {
            State::Active { since } => (Some(since), None),
            State::Retiring { until } => (None, Some(until)),
            State::Pending | State::Gone => (None, None),
        };
        json!({
            "kid": key.kid,
            "alg": key.alg.name(),
            "state": key.state.name(),
            "created_at": moment(Some(key.created_at)),
            "active_since": moment(active_since),
            "published_until": moment(published_until),
        })
    };
    keyring.records().map(one).collect()
}

fn rotated(steps: &[Step], keyring: &Keyring) -> Answer {
    let told = |step: &Step| match step {
        Step::Create { alg, state, why, .. } => (format!("made a key for {alg}, {}", state.name()), "create", *why),
        Step::Promote { kid, why } => (format!("{kid} signs from now on"), "promote", *why),
        Step::Retire { kid, until, why } => (format!("{kid} signs no longer, published until {until}"), "retire", *why),
        Step::Delete { kid, why } => (format!("{kid} is gone"), "delete", *why),
    };
    let told: Vec<(String, &str, &str)> = steps.iter().map(told).collect();
    let text = match told.as_slice() {
        [] => "nothing to do: successors are published already and take over when everybody can know them".to_owned(),
        some => some.iter().map(|(what, _, why)| format!("{what}: {why}")).collect::<Vec<_>>().join("\n"),
    };
    let json: Vec<Value> =
        told.iter().map(|(what, step, why)| json!({ "step": step, "told": what, "why": why })).collect();
    Answer::new(text, json!({ "steps": json, "keys": as_json(keyring) }))
}
