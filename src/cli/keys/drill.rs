//! `keywright keys drill`: a rehearsal, for people and for pipelines.

use crate::{
    app::drill::{self, Report, Verifier},
    base::moment::Span,
    cli::{
        Answer, Failure, Session,
        at_work::{moment, on_runtime},
    },
};
use clap::Args;
use serde_json::{Value, json};
use std::env;

#[derive(Args, Debug)]
pub(in crate::cli) struct Drill {
    /// How many rotations are rehearsed before the leak.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rotations: u32,
}

pub(super) fn run(args: &Drill, session: &Session) -> Result<Answer, Failure> {
    let config = session.config()?;
    let report = on_runtime(async { Ok(drill::run(&config, args.rotations, &env::temp_dir()).await?) })?;
    if report.broken.is_empty() {
        Ok(Answer::new(in_words(&report), as_json(&report)))
    } else {
        Err(Failure::Failed(format!("{}\n{}", report.broken.join("\n"), in_words(&report))))
    }
}

/// A length of time, in the unit that says it shortest.
fn length(span: Span) -> String {
    let seconds = span.as_seconds();
    match (seconds % 3600, seconds % 60) {
        _ if seconds == 0 => "0s".to_owned(),
        (0, _) => format!("{}h", seconds / 3600),
        (_, 0) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

fn in_words(report: &Report) -> String {
    let mut lines = Vec::new();
    for one in &report.rotations {
        lines.push(format!(
            "{} was published, signed {} later, and the key before it left {} after that, {} after its last token",
            one.kid,
            length(one.signs_at.since(one.published_at)),
            length(one.removed_at.since(one.signs_at)),
            length(one.removed_at.since(one.last_token_until)),
        ));
    }
    for one in &report.verifiers {
        lines.push(format!(
            "{}: {} accepted, {} refused, asked again {} times",
            one.name, one.accepted, one.refused, one.asked_again
        ));
    }
    let leak = &report.leak;
    lines.push(format!("{} was revoked within {} ms", leak.kid, leak.took.as_millis()));
    for (name, span) in &leak.refused_for {
        lines.push(match *span {
            Span::ZERO => format!("{name} took its successor at once"),
            span => format!("{name} refused its successor for up to {}", length(span)),
        });
    }
    lines.join("\n")
}

fn as_json(report: &Report) -> Value {
    let rotations = report.rotations.iter().map(|one| {
        json!({
            "kid": one.kid,
            "published_at": moment(Some(one.published_at)),
            "signs_at": moment(Some(one.signs_at)),
            "last_token_until": moment(Some(one.last_token_until)),
            "removed_at": moment(Some(one.removed_at)),
            "published_before_use_s": one.signs_at.since(one.published_at).as_seconds(),
            "kept_after_last_token_s": one.removed_at.since(one.last_token_until).as_seconds(),
        })
    });
    let verifier = |one: &Verifier| {
        json!({
            "name": one.name,
            "keeps_s": one.keeps.as_seconds(),
            "accepted": one.accepted,
            "refused": one.refused,
            "asked_again": one.asked_again,
        })
    };
    let leak = &report.leak;
    let refused: Vec<Value> =
        leak.refused_for.iter().map(|(name, span)| json!({ "name": name, "up_to_s": span.as_seconds() })).collect();
    json!({
        "alg": report.alg.name(),
        "rotations": rotations.collect::<Vec<_>>(),
        "verifiers": report.verifiers.iter().map(verifier).collect::<Vec<_>>(),
        "failures": report.verifiers.iter().map(|one| one.refused).sum::<u64>(),
        "leak": {
            "kid": leak.kid,
            "successor": leak.successor,
            "took_ms": u64::try_from(leak.took.as_millis()).unwrap_or(u64::MAX),
            "successor_refused": refused,
        },
    })
}
