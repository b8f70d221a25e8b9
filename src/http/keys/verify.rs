//! `/v1/keys/verify`: a resource server asks whether a key is good for a call.
//!
//! The answer is 200 whatever the verdict: what was asked has been answered. Other statuses are
//! about the question itself.

use super::named;
use crate::{
    apikey::verdict::Denied,
    audit::Origin,
    base::{fault::Stop, scope::Scope},
    flow::keys::{
        ask::{Asker, Said, ask, asker},
        verify::{LimitNow, Mode, QuotaNow, Verdict},
    },
    http::{
        give::{details, problem},
        oauth::authorization,
        site::{Here, Site, origin},
        take::json::{MAX_JSON, json},
    },
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use serde::Deserialize;
use serde_json::{Map, Value, json as object};

/// The most bytes of one question.
const MAX_ONE: usize = 16 * 1024;
/// The most questions at once.
const MOST: usize = 100;

/// What is said of the call, on the wire.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RequestBody {
    ip: Option<String>,
    country: Option<String>,
    method: Option<String>,
    path: Option<String>,
    user_agent: Option<String>,
    referer: Option<String>,
    origin: Option<String>,
}

/// A question. Its `Debug` is never shown: it holds a key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    key: String,
    #[serde(default)]
    scopes: Vec<String>,
    cost: Option<u32>,
    env: Option<String>,
    #[serde(default)]
    request: RequestBody,
    #[serde(default)]
    dry_run: bool,
}

/// Several questions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    items: Vec<Question>,
}

/// Answers a question.
pub async fn post(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let origin = origin(&request);
    let who = match who(&here, &request, &origin).await {
        Ok(who) => who,
        Err(answer) => return answer,
    };
    let question: Question = match json(&request, body, MAX_ONE).await {
        Ok(question) => question,
        Err(unread) => return details::unread(&unread),
    };
    match answer(&here, &who, &question, &origin).await {
        Ok(told) => HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(told),
        Err(answer) => answer,
    }
}

/// Answers several, each for itself.
pub async fn batch(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let origin = origin(&request);
    let who = match who(&here, &request, &origin).await {
        Ok(who) => who,
        Err(answer) => return answer,
    };
    let batch: Batch = match json(&request, body, MAX_JSON).await {
        Ok(batch) => batch,
        Err(unread) => return details::unread(&unread),
    };
    if batch.items.len() > MOST {
        return details::plain(StatusCode::BAD_REQUEST, "at most 100 items at once");
    }
    let mut told = Vec::with_capacity(batch.items.len());
    for question in &batch.items {
        match answer(&here, &who, question, &origin).await {
            Ok(one) => told.push(one),
            Err(answer) => return answer,
        }
    }
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(object!({"items": told}))
}

/// Who asks.
async fn who(site: &Site, request: &HttpRequest, origin: &Origin) -> Result<Asker, HttpResponse> {
    let api_key = request.headers().get("x-api-key").map(|value| value.to_str().unwrap_or_default());
    let asked = asker(&site.world, authorization(request), api_key, origin).await;
    asked.map_err(|stop| match stop {
        Stop::Refusal(refusal) => problem::refused(&refusal),
        Stop::Fault(fault) => details::failed(&fault, &named(origin)),
    })
}

async fn answer(site: &Site, who: &Asker, question: &Question, origin: &Origin) -> Result<Value, HttpResponse> {
    let bad = |why: &str| details::plain(StatusCode::BAD_REQUEST, why);
    if question.cost == Some(0) {
        return Err(bad("cost must be at least 1"));
    }
    let scope = Scope::parse(&question.scopes.join(" ")).map_err(|scope| bad(&scope.to_string()))?;
    let request = &question.request;
    let said = Said {
        scope,
        cost: question.cost,
        environment: question.env.as_deref(),
        address: request.ip.as_deref(),
        country: request.country.as_deref(),
        method: request.method.as_deref(),
        path: request.path.as_deref(),
        user_agent: request.user_agent.as_deref(),
        referer: request.referer.as_deref(),
        origin: request.origin.as_deref(),
    };
    let mode = if question.dry_run { Mode::Dry } else { Mode::Real };
    match ask(&site.world, who, (&question.key, &said), mode, origin).await {
        Ok(Verdict { outcome: Err(Denied::TooCostly { name, burst }), .. }) => {
            Err(bad(&format!("cost can never pass: the limit {name} lets through {burst} at once")))
        }
        Ok(verdict) => Ok(told(&verdict, origin)),
        Err(fault) => Err(details::failed(&fault, &named(origin))),
    }
}

/// A verdict, on the wire.
fn told(verdict: &Verdict, origin: &Origin) -> Value {
    let mut told = Map::new();
    told.insert("valid".to_owned(), object!(verdict.outcome.is_ok()));
    told.insert("code".to_owned(), object!(verdict.code()));
    told.insert("request_id".to_owned(), object!(origin.request));
    match &verdict.outcome {
        Ok(()) => good(&mut told, verdict),
        Err(denied) => bad(&mut told, denied),
    }
    if !verdict.limits.is_empty() {
        told.insert("limits".to_owned(), verdict.limits.iter().map(limit).collect());
    }
    if !verdict.quotas.is_empty() {
        told.insert("quota".to_owned(), quotas(&verdict.quotas));
    }
    Value::Object(told)
}

fn good(told: &mut Map<String, Value>, verdict: &Verdict) {
    let Some(entry) = &verdict.entry else { return };
    let key = &entry.key;
    // That a key has a successor is told, so that whoever uses it is reminded in time.
    let deprecated_until = key.successor.as_ref().and(key.expires_at).map(|at| at.to_string());
    let counts = entry.policy.counts();
    told.insert(
        "key".to_owned(),
        object!({
            "id": key.id,
            "hint": key.hint,
            "kind": key.kind,
            "env": key.environment,
            "expires_at": key.expires_at.map(|at| at.to_string()),
            "deprecated_until": deprecated_until,
        }),
    );
    let owner = &entry.family.owner;
    told.insert("owner".to_owned(), object!({"type": owner.kind(), "id": owner.id()}));
    told.insert("client_id".to_owned(), object!(entry.family.client));
    told.insert("plan".to_owned(), object!(entry.shared.plan.as_ref().map(|plan| &plan.name)));
    told.insert("scopes".to_owned(), key.scope.tokens().map(|token| object!(token)).collect());
    told.insert("meta".to_owned(), Value::Object(key.meta.clone()));
    let max_age = if counts { 0 } else { entry.api().settings.verdict_max_age };
    told.insert("cache".to_owned(), object!({"max_age": max_age}));
}

fn bad(told: &mut Map<String, Value>, denied: &Denied) {
    match denied {
        Denied::Restricted { rule, reason, .. } => {
            told.insert("rule".to_owned(), object!(rule.as_str()));
            told.insert("reason".to_owned(), object!(reason.as_str()));
        }
        Denied::Rate { names, retry_after } => {
            told.insert("violated".to_owned(), object!(names));
            told.insert("retry_after_s".to_owned(), object!(seconds(*retry_after)));
        }
        Denied::Quota { name, retry_after } => {
            told.insert("violated".to_owned(), object!([name]));
            told.insert("retry_after_s".to_owned(), object!(retry_after.map(seconds)));
        }
        Denied::NoKey
        | Denied::Unknown
        | Denied::WrongAudience
        | Denied::WrongEnvironment
        | Denied::Revoked
        | Denied::Disabled
        | Denied::Suspended
        | Denied::NotYetValid
        | Denied::Expired
        | Denied::Binding
        | Denied::Scope { .. }
        | Denied::TooCostly { .. } => {}
    }
}

/// Whole seconds, rounded up.
fn seconds(span: crate::base::moment::Span) -> i64 {
    span.as_micros().saturating_add(999_999).div_euclid(1_000_000)
}

fn limit(limit: &LimitNow) -> Value {
    let (remaining, reset) = (limit.outcome.remaining, seconds(limit.outcome.reset));
    object!({"name": limit.name, "limit": limit.limit, "per_s": limit.per.as_seconds(), "remaining": remaining, "reset_s": reset})
}

/// Quotas, on the wire.
pub(super) fn quotas(quotas: &[QuotaNow]) -> Value {
    let one = |quota: &QuotaNow| {
        object!({
            "name": quota.name,
            "limit": quota.limit,
            "remaining": quota.remaining,
            "reset_s": quota.resets_in.map(seconds),
        })
    };
    quotas.iter().map(one).collect()
}
