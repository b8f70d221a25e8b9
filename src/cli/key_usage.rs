//! `keywright api-key usage`: what a key was used for, and how its calls ended as far as that was reported.

use super::{Answer, Failure, Session, at_work::in_world, audit::api_key_id};
use crate::{
    apikey::access::Caller,
    base::{
        id::ApiKeyId,
        moment::{Moment, Span},
    },
    flow::api_keys::days::{self, Day, Used},
};
use clap::Args;
use serde_json::{Value, json};

#[derive(Args, Debug)]
pub(super) struct Usage {
    /// Its identifier.
    #[arg(value_name = "ID", value_parser = api_key_id)]
    id: ApiKeyId,
    /// Days up to and with today.
    #[arg(long, value_name = "N", default_value_t = 14, value_parser = clap::value_parser!(u8).range(1..=31))]
    days: u8,
}

/// Shows what a key was used for, by the day.
pub(super) fn usage(args: Usage, session: &Session) -> Result<Answer, Failure> {
    in_world(session, async |_, world| {
        Ok(shown(&days::of_key(world, &Caller::Operator, args.id, i64::from(args.days)).await?))
    })
}

fn date(at: Moment) -> String {
    at.to_string().chars().take(10).collect()
}

fn millis(span: Span) -> f64 {
    f64::from(u32::try_from(span.as_micros()).unwrap_or(u32::MAX)) / 1000.0
}

fn shown(used: &Used) -> Answer {
    let row = |day: &Day| {
        let n = day.served;
        let numbers = [day.good, day.refused, n.reported, n.errors_4, n.errors_5, n.bytes_in, n.bytes_out];
        let [good, refused, reported, errors_4, errors_5, bytes_in, bytes_out] = numbers.map(|n| n.to_string());
        [date(day.begins), good, refused, reported, errors_4, errors_5, bytes_in, bytes_out]
    };
    let rows: Vec<[String; 8]> = used.days.iter().map(row).collect();
    let days: Vec<Value> = used.days.iter().map(told).collect();
    let timed: u64 = used.latencies.values().sum();
    let took = |percent| used.took(percent).map(millis);
    let json = json!({
        "days": days,
        "latency": {
            "avg_ms": used.served().millis.checked_div(timed), "p50_ms": took(50), "p95_ms": took(95), "p99_ms": took(99),
        },
    });
    let headings = ["day", "allowed", "denied", "reported", "4xx", "5xx", "bytes in", "bytes out"];
    let mut answer = Answer::table(headings, &rows, json);
    if let (Some(half), Some(most), Some(nearly)) = (took(50), took(95), took(99)) {
        let line =
            format!("\n{timed} calls took: p50 {half:.1} ms, p95 {most:.1} ms, p99 {nearly:.1} ms, within a fifth");
        answer.text.push_str(&line);
    }
    answer
}

fn told(day: &Day) -> Value {
    let n = day.served;
    json!({
        "day": date(day.begins), "allowed": day.good, "denied": day.refused, "reported": n.reported,
        "errors_4xx": n.errors_4, "errors_5xx": n.errors_5, "bytes_in": n.bytes_in, "bytes_out": n.bytes_out,
    })
}
