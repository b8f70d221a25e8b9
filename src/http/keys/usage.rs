//! `/v1/usage` and `/v1/keys/{id}/usage`: what resource servers report of calls, and what there is
//! to see of it.

use super::{Manager, Misread, ended, manage::named as key_named, manager, named, secret, verify::who};
use crate::{
    apikey::report::{LONGEST_ID, MOST, MOST_BYTES, Report},
    base::{
        id::ApiKeyId,
        moment::{Moment, Span},
    },
    flow::keys::{
        report::{self, Reported},
        series::{self, Series, Step},
    },
    http::{
        give::details,
        site::{Here, Site, origin},
        take::json::json,
    },
    oauth::params::Params,
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde::Deserialize;
use serde_json::{Map, Value, json as object};
use std::time::Duration;

/// The most bytes of a body.
const MAX_BODY: usize = 512 * 1024;
/// The longest that a call may be said to have taken.
const LONGEST: Span = Span::days(1);

/// A call, as it is reported.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    id: String,
    key_id: String,
    at: Option<String>,
    status: u16,
    #[serde(default)]
    bytes_in: u64,
    #[serde(default)]
    bytes_out: u64,
    duration_ms: Option<f64>,
}

/// `POST /v1/usage`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    items: Vec<Item>,
}

/// Counts what is reported.
pub async fn post(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let origin = origin(&request);
    let who = match who(&here, &request, &origin).await {
        Ok(who) => who,
        Err(answer) => return answer,
    };
    let body: Body = match json(&request, body, MAX_BODY).await {
        Ok(body) => body,
        Err(unread) => return details::unread(&unread),
    };
    if body.items.len() > MOST {
        return details::plain(StatusCode::BAD_REQUEST, "at most 1000 items at once");
    }
    let now = here.world.now();
    let ids: Vec<String> = body.items.iter().map(|item| item.id.clone()).collect();
    let read = body.items.into_iter().enumerate().map(|(n, item)| item.read(now).map_err(|why| (n, why)));
    let reports: Vec<Report> = match read.collect() {
        Ok(reports) => reports,
        Err((n, why)) => return details::plain(StatusCode::BAD_REQUEST, &format!("items[{n}].{why}")),
    };
    match report::run(&here.world, &who, reports).await {
        Ok(reported) => secret(StatusCode::OK, &told(&reported, &ids)),
        Err(fault) => details::failed(&fault, &named(&origin)),
    }
}

impl Item {
    /// The report; else what is wrong with it.
    fn read(self, now: Moment) -> Result<Report, &'static str> {
        let visible = |id: &str| id.bytes().all(|b| b.is_ascii_graphic());
        if !(1..=LONGEST_ID).contains(&self.id.len()) || !visible(&self.id) {
            return Err("id must have 1 to 64 visible characters of ASCII");
        }
        let key = ApiKeyId::parse(&self.key_id).ok_or("key_id names no key")?;
        let at = match self.at.as_deref().map(chrono::DateTime::parse_from_rfc3339) {
            None => now,
            Some(Ok(at)) => Moment::from_utc(at.to_utc()),
            Some(Err(_)) => return Err("at must be a time of RFC 3339, such as 2027-01-31T00:00:00Z"),
        };
        if !(100..=599).contains(&self.status) {
            return Err("status must be from 100 to 599");
        }
        if self.bytes_in > MOST_BYTES || self.bytes_out > MOST_BYTES {
            return Err("bytes_in and bytes_out must be at most 2^50");
        }
        let took = self.duration_ms.map(taken).transpose()?;
        let (bytes_in, bytes_out) = (self.bytes_in, self.bytes_out);
        Ok(Report { id: self.id, key, at, status: self.status, bytes_in, bytes_out, took })
    }
}

fn taken(millis: f64) -> Result<Span, &'static str> {
    const WRONG: &str = "duration_ms must be from 0 to a day";
    let took = Duration::try_from_secs_f64(millis / 1000.0).map_err(|_| WRONG)?;
    let took = Span::micros(i64::try_from(took.as_micros()).map_err(|_| WRONG)?);
    if took > LONGEST { Err(WRONG) } else { Ok(took) }
}

fn told(reported: &Reported, ids: &[String]) -> Value {
    let useless = reported.useless.iter();
    let refused: Vec<Value> =
        useless.map(|(n, why)| object!({"index": n, "id": ids.get(*n), "reason": why.as_str()})).collect();
    object!({"counted": reported.counted, "repeated": reported.repeated, "refused": refused})
}

/// What a key was used for: all together, and step by step.
pub async fn show(here: Here, request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    try_show(&here, &request, &path).await.unwrap_or_else(|refused| refused)
}

async fn try_show(site: &Site, request: &HttpRequest, path: &str) -> Result<HttpResponse, HttpResponse> {
    let Manager { caller, .. } = manager(site, request).await?;
    let (bounds, step) = wanted(request.query_string(), site.world.now())?;
    let series = series::run(&site.world, &caller, key_named(path)?, bounds, step).await;
    let series = series.map_err(|stop| ended(site, stop, &origin(request)))?;
    Ok(secret(StatusCode::OK, &shown(&series)))
}

/// From when until when, and in which steps: a day in hours, unless something else is said.
fn wanted(query: &str, now: Moment) -> Result<((Moment, Moment), Span), Misread> {
    let query = Params::parse(query.as_bytes())?;
    let at = |name| -> Result<Option<Moment>, Misread> {
        let Some(text) = query.once(name)? else { return Ok(None) };
        let at = chrono::DateTime::parse_from_rfc3339(text).map(|at| Moment::from_utc(at.to_utc()));
        at.map(Some)
            .map_err(|_| Misread::because("from and to must be times of RFC 3339, such as 2027-01-31T00:00:00Z"))
    };
    let to = at("to")?.unwrap_or(now + Span::minutes(1));
    let from = at("from")?.unwrap_or(to - Span::days(1));
    let step = match query.once("step")? {
        None | Some("1h") => Span::hours(1),
        Some("1m") => Span::minutes(1),
        Some("1d") => Span::days(1),
        Some(_) => return Err(Misread::because("step must be 1m, 1h or 1d")),
    };
    if from >= to || to.since(from).as_micros() / step.as_micros() > series::MOST {
        return Err(Misread::because("from must lie before to, by at most 1500 steps"));
    }
    Ok(((from, to), step))
}

/// A series, as it is shown.
pub(crate) fn shown(series: &Series) -> Value {
    let millis = |span: Span| object!(f64::from(u32::try_from(span.as_micros()).unwrap_or(u32::MAX)) / 1000.0);
    let total = &series.total.counts;
    let timed: u64 = series.latencies.values().sum();
    let mut all = step(&series.total);
    let quantile = |percent| series.quantile(percent).map_or(Value::Null, millis);
    all.insert(
        "latency".to_owned(),
        object!({"avg_ms": total.millis.checked_div(timed), "p50_ms": quantile(50), "p95_ms": quantile(95),
            "p99_ms": quantile(99)}),
    );
    let steps: Vec<Value> = series
        .steps
        .iter()
        .map(|(at, one)| {
            let mut told = step(one);
            told.insert("at".to_owned(), object!(at.to_string()));
            Value::Object(told)
        })
        .collect();
    object!({"from": series.from.to_string(), "to": series.to.to_string(), "total": all, "steps": steps})
}

fn step(step: &Step) -> Map<String, Value> {
    let counts = &step.counts;
    let rate = step.errors_per_mille().and_then(|n| u32::try_from(n).ok()).map(|n| f64::from(n) / 1000.0);
    let told = object!({
        "calls": counts.calls,
        "outcomes": step.outcomes,
        "reported": counts.reported,
        "errors_4xx": counts.errors_4,
        "errors_5xx": counts.errors_5,
        "error_rate": rate,
        "bytes_in": counts.bytes_in,
        "bytes_out": counts.bytes_out,
    });
    if let Value::Object(members) = told { members } else { Map::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_call_is_refused_with_its_member() {
        let now = Moment::from_unix(1_800_000_000);
        let key = ApiKeyId::from_u128(1).to_string();
        let good = object!({"id": "r1", "key_id": key, "status": 200});
        let read = |more: Value| {
            let mut item = good.clone();
            item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value::<Item>(item).map_err(|e| e.to_string())?.read(now).map_err(str::to_owned)
        };
        assert_eq!(read(object!({})).unwrap().at, now);
        assert_eq!(read(object!({"duration_ms": 1.5})).unwrap().took, Some(Span::micros(1500)));
        for (more, member) in [
            (object!({"id": ""}), "id"),
            (object!({"id": "a b"}), "id"),
            (object!({"id": "x".repeat(65)}), "id"),
            (object!({"key_id": "nonsense\""}), "key_id"),
            (object!({"at": "yesterday"}), "at"),
            (object!({"status": 99}), "status"),
            (object!({"status": 600}), "status"),
            (object!({"bytes_out": 1_u64 << 51}), "bytes"),
            (object!({"duration_ms": -1}), "duration_ms"),
            (object!({"duration_ms": 1e300}), "duration_ms"),
            (object!({"duration_ms": 86_400_001}), "duration_ms"),
            (object!({"route": "/"}), "unknown field"),
            (object!({"bytes_in": -1}), "invalid value"),
        ] {
            let why = read(more.clone()).unwrap_err();
            assert!(why.starts_with(member), "{more}: {why}");
        }
    }

    #[test]
    fn a_stretch_has_bounds_in_order_and_not_too_many_steps() {
        let now = Moment::from_unix(1_800_000_000);
        assert_eq!(wanted("", now).unwrap().1, Span::hours(1));
        for query in [
            "step=2h",
            "from=nonsense",
            "from=2027-01-02T00:00:00Z&to=2027-01-01T00:00:00Z",
            "from=2020-01-01T00:00:00Z&to=2027-01-01T00:00:00Z",
            "step=1h&step=1m",
        ] {
            assert!(wanted(query, now).is_err(), "{query}");
        }
    }
}
