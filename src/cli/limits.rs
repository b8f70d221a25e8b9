//! `keywright limits`: what limits of rate should be, from what was called.

use super::{Answer, Failure, Session, apis::api_id, at_work::in_world, audit::api_key_id};
use crate::{
    apikey::{
        advice::{Finding, per_minute},
        policy::{Level, rate::Rate},
    },
    base::{
        id::{ApiId, ApiKeyId},
        moment::Span,
    },
    flow::api_keys::{
        advise::{self, Line, Whose},
        show,
    },
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Advise a limit of rate for each plan, each API and each key, from the minutes of the last weeks: the calls of
    /// a minute that 99 in a hundred do not exceed, twice. Says where a limit is too strict or too loose.
    Advise(Advise),
}

#[derive(Args, Debug)]
pub(super) struct Advise {
    /// Of keys, only those for this API, by identifier.
    #[arg(long, value_name = "ID", value_parser = api_id)]
    api: Option<ApiId>,
    /// Days up to now.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..=31))]
    days: u8,
    /// Of keys, begin after the one with this identifier.
    #[arg(long, value_name = "ID", value_parser = api_key_id)]
    after: Option<ApiKeyId>,
    /// The most keys to look at.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

pub(super) fn run(command: Command, session: &Session) -> Result<Answer, Failure> {
    let Command::Advise(args) = command;
    in_world(session, async |_, world| {
        let window = (world.now() - Span::days(i64::from(args.days)), world.now());
        let filter = show::Filter { api: args.api, ..show::Filter::default() };
        let keys = advise::keys(world, filter, (args.after, i64::from(args.limit)), window).await?;
        let shared = advise::shared(world, window).await?;
        Ok(answer(&shared, &keys, args.days))
    })
}

fn answer(shared: &[Line], keys: &[Line], days: u8) -> Answer {
    let rows: Vec<[String; 8]> = shared.iter().chain(keys).map(row).collect();
    let of = |lines: &[Line], kind: &str| -> Vec<Value> {
        lines.iter().filter(|line| which(&line.whose).0 == kind).map(told).collect()
    };
    let json = json!({"days": days, "plans": of(shared, "plan"), "apis": of(shared, "api"), "keys": of(keys, "key")});
    let headings = ["of", "id", "name", "p99/min", "limit/min", "headroom", "advised/min", "finding"];
    Answer::table(headings, &rows, json)
}

fn which(whose: &Whose) -> (&'static str, &str) {
    match whose {
        Whose::Key(id) => ("key", id.as_str()),
        Whose::Plan(id) => ("plan", id.as_str()),
        Whose::Api(id) => ("api", id.as_str()),
    }
}

fn words(finding: Finding) -> &'static str {
    match finding {
        Finding::TooLittle => "too little data",
        Finding::NoLimit => "no limit",
        Finding::TooStrict => "too strict",
        Finding::TooLoose => "too loose",
        Finding::Fits => "fits",
    }
}

fn row(line: &Line) -> [String; 8] {
    let (kind, id) = which(&line.whose);
    let number = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let limit = line.limit.as_ref().map(|(_, rate)| per_minute(rate));
    [
        kind.to_owned(),
        id.to_owned(),
        line.name.clone(),
        number(line.measured.map(|measured| measured.p99)),
        number(limit),
        line.advice.headroom.map_or_else(|| "-".to_owned(), |percent| format!("{percent} %")),
        number(line.advice.per_minute),
        words(line.advice.finding).to_owned(),
    ]
}

fn told(line: &Line) -> Value {
    let (kind, id) = which(&line.whose);
    let measured = line.measured.map(|measured| {
        json!({
            "minutes": measured.minutes, "first": measured.first.to_string(), "last": measured.last.to_string(),
            "calls": measured.calls, "rate_limited": measured.refused, "p99_per_minute": measured.p99,
            "most_per_minute": measured.most,
        })
    });
    let limit = line.limit.as_ref().map(|(level, rate): &(Level, Rate)| {
        json!({
            "level": level.as_str(), "name": rate.name, "limit": rate.limit, "per_seconds": rate.per.as_seconds(),
            "burst": rate.burst, "per_minute": per_minute(rate),
        })
    });
    json!({
        "of": kind, "id": id, "name": line.name, "measured": measured, "limit": limit,
        "finding": line.advice.finding.as_str(), "headroom_percent": line.advice.headroom,
        "advised_per_minute": line.advice.per_minute,
    })
}
