//! `/v1/usage` and `/v1/keys/{id}/usage`: what resource servers report of calls, and what there is
//! to see of it.

use super::{Manager, Misread, ended, manage::named as key_named, manager, named, secret, verify::who};
use crate::{
    apikey::{
        report::{LONGEST_ID, MOST, MOST_BYTES, Report},
        words::{Instant, KeyIdentifier, whole},
    },
    base::{
        id::ApiKeyId,
        moment::{Moment, Span},
    },
    flow::api_keys::{
        report::{self, Reported},
        series::{self, Series, Step},
    },
    http::{
        give::details,
        site::{Here, Site, origin},
        take::{json::json, object::number},
    },
    oauth::params::Params,
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json as object;
use std::{collections::BTreeMap, time::Duration};

/// The most bytes of a body.
const MAX_BODY: usize = 512 * 1024;
/// The longest that a call may be said to have taken.
const LONGEST: Span = Span::days(1);

/// A call, as it is reported.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReportedCall")]
struct Item {
    /// What you call it, such as the `request_id` of the verdict: no two calls of an API the same. A report that is
    /// sent again counts once.
    #[schemars(length(max = 64), regex(pattern = "^[!-~]{1,64}$"))]
    id: String,
    /// The key that it was made with: `key.id` of the verdict.
    #[schemars(with = "KeyIdentifier")]
    key_id: String,
    /// When it was made, at most 48 hours ago; now where nothing is said.
    #[schemars(with = "Option<Instant>")]
    at: Option<String>,
    /// The status that it was answered with.
    #[schemars(range(min = 100, max = 599))]
    #[serde(deserialize_with = "number")]
    status: u16,
    /// Bytes of its body.
    #[serde(default, deserialize_with = "number")]
    #[schemars(range(max = 1_125_899_906_842_624_u64))]
    bytes_in: u64,
    /// Bytes of the answer's body: what quotas of bytes are charged with.
    #[serde(default, deserialize_with = "number")]
    #[schemars(range(max = 1_125_899_906_842_624_u64))]
    bytes_out: u64,
    /// How long it took, in milliseconds.
    #[schemars(range(min = 0, max = 86_400_000))]
    duration_ms: Option<f64>,
}

/// `POST /v1/usage`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UsageReports")]
pub(super) struct Body {
    /// The calls.
    #[schemars(length(max = 1000))]
    items: Vec<Item>,
}

/// What became of reports.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReportsTaken", transform = whole)]
pub(super) struct Taken {
    /// How many count.
    counted: usize,
    /// How many had come before.
    repeated: usize,
    /// Which do not count.
    refused: Vec<Refused>,
}

/// A report that does not count.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReportRefused", transform = whole)]
struct Refused {
    /// Its place, counted from 0.
    index: usize,
    /// What it is called.
    id: String,
    /// Why: `unknown_key`, `too_old` or `in_future`.
    reason: &'static str,
}

/// What a key was used for.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Usage", transform = whole)]
pub(crate) struct Shown {
    /// From when.
    #[schemars(with = "Instant")]
    from: String,
    /// Until when.
    #[schemars(with = "Instant")]
    to: String,
    /// All of it.
    total: Total,
    /// The steps in which the key was used, oldest first.
    steps: Vec<At>,
}

/// Use in a stretch of time.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UsageSums", transform = whole)]
struct Sums {
    /// Calls that the key was verified for.
    calls: u64,
    /// The same by the code of the verdict.
    outcomes: BTreeMap<String, u64>,
    /// Calls that a resource server has reported: what follows is of these.
    reported: u64,
    /// Of them those answered with a status from 400 to 499.
    errors_4xx: u64,
    /// Of them those answered with a status from 500 on.
    errors_5xx: u64,
    /// The share of both; null where nothing was reported.
    error_rate: Option<f64>,
    /// Bytes of requests.
    bytes_in: u64,
    /// Bytes of answers.
    bytes_out: u64,
}

/// Use in all of a stretch of time.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UsageTotal")]
struct Total {
    #[serde(flatten)]
    sums: Sums,
    /// How long calls took.
    latency: Latency,
}

/// Use in a step.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UsageStep")]
struct At {
    /// When the step began.
    #[schemars(with = "Instant")]
    at: String,
    #[serde(flatten)]
    sums: Sums,
}

/// How long calls took, in milliseconds; null where nobody has said.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = whole)]
struct Latency {
    /// On average.
    avg_ms: Option<u64>,
    /// Half of the calls, within a fifth.
    p50_ms: Option<f64>,
    /// 95 of 100, within a fifth.
    p95_ms: Option<f64>,
    /// 99 of 100, within a fifth.
    p99_ms: Option<f64>,
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
        Ok(reported) => secret(StatusCode::OK, &object!(told(&reported, &ids))),
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

fn told(reported: &Reported, ids: &[String]) -> Taken {
    let refused = reported.useless.iter().map(|(index, why)| {
        let id = ids.get(*index).cloned().unwrap_or_default();
        Refused { index: *index, id, reason: why.as_str() }
    });
    Taken { counted: reported.counted, repeated: reported.repeated, refused: refused.collect() }
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
    Ok(secret(StatusCode::OK, &object!(shown(&series))))
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
pub(crate) fn shown(series: &Series) -> Shown {
    let millis = |span: Span| f64::from(u32::try_from(span.as_micros()).unwrap_or(u32::MAX)) / 1000.0;
    let quantile = |percent| series.quantile(percent).map(millis);
    let timed: u64 = series.latencies.values().sum();
    let latency = Latency {
        avg_ms: series.total.counts.millis.checked_div(timed),
        p50_ms: quantile(50),
        p95_ms: quantile(95),
        p99_ms: quantile(99),
    };
    let steps = series.steps.iter().map(|(at, step)| At { at: at.to_string(), sums: sums(step) });
    Shown {
        from: series.from.to_string(),
        to: series.to.to_string(),
        total: Total { sums: sums(&series.total), latency },
        steps: steps.collect(),
    }
}

fn sums(step: &Step) -> Sums {
    let counts = &step.counts;
    Sums {
        calls: counts.calls,
        outcomes: step.outcomes.clone(),
        reported: counts.reported,
        errors_4xx: counts.errors_4,
        errors_5xx: counts.errors_5,
        error_rate: step.errors_per_mille().and_then(|n| u32::try_from(n).ok()).map(|n| f64::from(n) / 1000.0),
        bytes_in: counts.bytes_in,
        bytes_out: counts.bytes_out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

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
