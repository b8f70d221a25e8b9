//! `keywright secrets`: the keys that everything secret hangs from.

use super::{
    Answer, Failure, Session,
    at_work::{in_world, moment, operator},
};
use crate::{
    base::fault::Stop,
    flow::secrets::{
        drop_pepper, peppers,
        rewrap::{self, Done, Progress, Wanted},
        status::{self, Status, Version},
    },
    store::key_versions::Kind,
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

/// How often it is told how far it has come.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Count what is sealed under which version of which key.
    Status,
    /// Seal everything under the newest key-encryption key, while the server runs. May be interrupted, and run again.
    Rewrap(RewrapArgs),
    /// Make a new pepper known, which hashes secrets that are new half a minute later: the one in `secrets.pepper`
    /// where that is new, else one by chance. What older ones have hashed is known still, and hashed anew when it is used.
    RotatePepper,
    /// Forget an older pepper, where nothing is known by it any more; else say what is.
    DropPepper(DropArgs),
}

#[derive(Args, Debug)]
pub(super) struct DropArgs {
    /// Its version, as `keywright secrets status` shows it.
    #[arg(value_name = "VERSION", value_parser = clap::value_parser!(i32).range(1..))]
    pepper: i32,
}

#[derive(Args, Debug)]
pub(super) struct RewrapArgs {
    /// Make a new data key too, though the key-encryption key is the one that it was.
    #[arg(long)]
    new_data_key: bool,
}

pub(super) fn run(command: &Command, session: &Session) -> Result<Answer, Failure> {
    match command {
        Command::Status => in_world(session, async |_, world| Ok(counted(&status::status(world).await?))),
        Command::Rewrap(args) => in_world(session, async |_, world| {
            let wanted = if args.new_data_key { Wanted::NewDataKey } else { Wanted::AsNeeded };
            let done = rewrap::run(world, wanted, operator(), &mut teller()).await?;
            rewrapped(&done)
        }),
        Command::DropPepper(args) => in_world(session, async |_, world| {
            let dropped = drop_pepper::run(world, args.pepper, operator()).await.map_err(|stop| match stop {
                Stop::Refusal(not) => Failure::Failed(not.to_string()),
                Stop::Fault(fault) => fault.into(),
            })?;
            let kept = if dropped.elsewhere { ": take it out of secrets.older_peppers" } else { "" };
            let text = format!("the pepper of version {} is forgotten{kept}", dropped.version);
            Ok(Answer::new(text, json!({ "version": dropped.version, "dropped": true })))
        }),
        Command::RotatePepper => in_world(session, async |_, world| {
            let made = peppers::rotate(world, operator()).await?;
            let kept = if made.elsewhere { "secrets.pepper" } else { "the database, sealed" };
            let text = format!(
                "the pepper of version {}, in {kept}, hashes what is new from {} on; keep the older ones for what they have hashed",
                made.version, made.begins_at
            );
            let kept_by = if made.elsewhere { "operator" } else { "database" };
            Ok(Answer::new(
                text,
                json!({ "version": made.version, "kept_by": kept_by, "begins_at": moment(Some(made.begins_at)) }),
            ))
        }),
    }
}

/// Tells how far it has come, on standard error, once in a while.
fn teller() -> impl FnMut(Progress) {
    let mut last = Instant::now();
    move |progress| {
        if last.elapsed() >= EVERY || progress.left == 0 {
            last = Instant::now();
            // Where nobody can be told, the work goes on.
            let _ = writeln!(io::stderr().lock(), "{} moved, {} left", progress.moved, progress.left);
        }
    }
}

fn rewrapped(done: &Done) -> Result<Answer, Failure> {
    let mut lines = vec![if done.kek == done.kek_before {
        format!("everything is under version {} of the key-encryption key", done.kek)
    } else {
        format!(
            "version {} of the key-encryption key took the place of version {}, which is needed no longer: take it out \
             of secrets.older_keks, but keep it with backups of its time",
            done.kek, done.kek_before
        )
    }];
    lines.push(format!("{} values moved to data key {}", done.moved, done.data_key));
    if !done.dropped.is_empty() {
        let dropped: Vec<String> = done.dropped.iter().map(ToString::to_string).collect();
        lines.push(format!("data keys that held nothing are gone: {}", dropped.join(", ")));
    }
    if !done.stuck.is_empty() {
        lines.push(format!("these do not open, and stayed as they are: {}", done.stuck.join(", ")));
        return Err(Failure::Failed(lines.join("\n")));
    }
    let json = json!({
        "kek_before": done.kek_before,
        "kek": done.kek,
        "data_key": done.data_key,
        "moved": done.moved,
        "dropped": done.dropped,
    });
    Ok(Answer::new(lines.join("\n"), json))
}

fn counted(status: &Status) -> Answer {
    let values: Vec<Value> = status
        .values
        .iter()
        .map(|(column, under, n)| json!({ "table": column.place("").table, "data_key": under, "values": n }))
        .collect();
    let json = json!({
        "versions": status.versions.iter().map(as_json).collect::<Vec<_>>(),
        "values": values,
        "hashes": status.hashes.iter().map(|(table, pepper, n)| json!({ "table": table, "pepper": pepper, "hashes": n })).collect::<Vec<_>>(),
        "waiting": status.waiting(),
    });
    if status.versions.is_empty() {
        let n: i64 = status.values.iter().map(|(_, _, n)| n).sum();
        let text = format!(
            "{n} values are sealed in the form of the release before, under keys derived from the key-encryption key. \
             Once every node runs this release: keywright secrets rewrap"
        );
        return Answer::new(text, json);
    }
    let held = |one: &Version| -> i64 {
        let under = status.values.iter().filter(|(_, under, _)| *under == Some(one.version));
        if one.kind == Kind::Data { under.map(|(_, _, n)| n).sum() } else { 0 }
    };
    let keys_under = |one: &Version| {
        let under = status.versions.iter().filter(|key| key.sealed_by == Some(one.version));
        if one.kind == Kind::Kek { under.count() } else { 0 }
    };
    let hashes = |one: &Version| -> i64 {
        let made = status.hashes.iter().filter(|(_, pepper, _)| i32::from(*pepper) == one.version);
        made.map(|(_, _, n)| n).sum()
    };
    let row = |one: &Version| {
        let holds = match one.kind {
            Kind::Kek => format!("{} keys", keys_under(one)),
            Kind::Data => format!("{} values", held(one)),
            Kind::Pepper => format!("{} hashes", hashes(one)),
            Kind::Root => String::new(),
        };
        let state = match (one.retired_at, one.in_hand) {
            (None, true) => "in use".to_owned(),
            (None, false) => "in use, and not given here".to_owned(),
            (Some(at), _) => format!("replaced {at}"),
        };
        [
            one.kind.in_words().to_owned(),
            one.version.to_string(),
            one.name.clone(),
            holds,
            one.uses.map(|uses| uses.to_string()).unwrap_or_default(),
            state,
        ]
    };
    let rows: Vec<[String; 6]> = status.versions.iter().map(row).collect();
    let mut answer = Answer::table(["key", "version", "name", "holds", "sealed", "state"], &rows, json);
    if status.waiting() > 0 {
        answer
            .text
            .push_str(&format!("\n{} values are under an older data key: keywright secrets rewrap", status.waiting()));
    }
    answer
}

fn as_json(one: &Version) -> Value {
    json!({
        "kind": one.kind.as_str(),
        "version": one.version,
        "name": one.name,
        "sealed_by": one.sealed_by,
        "uses": one.uses,
        "created_at": moment(Some(one.created_at)),
        "retired_at": moment(one.retired_at),
        "in_hand": one.in_hand,
    })
}
