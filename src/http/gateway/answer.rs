//! What a gateway is answered: good or not, and what the application behind it may know.
//!
//! A good answer is always 200 with an empty body and *every* field of identity, also the empty
//! ones, so that a gateway replaces whatever a client wrote under their names.

use super::{
    profile::{Profile, Refusing},
    take::Bad,
};
use crate::{
    apikey::{
        api::Api,
        key::State,
        policy::quota::Unit,
        verdict::{BLANK, Denied},
    },
    base::{entropy, fault::Fault, id::RequestId, moment::Moment, moment::Span},
    flow::api_keys::{
        directory::Entry,
        verify::{LimitNow, QuotaNow, Verdict},
    },
    http::{
        give::{
            details, problem,
            rate_limit::{self, Jitter, Limit},
        },
        site::Site,
    },
};
use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};
use serde_json::{Map, json};
use std::sync::Arc;

/// The name of the request, for people to quote.
const REQUEST_ID: &str = "x-request-id";
/// The status that is meant, for gateways that know few.
const STATUS: &str = "x-auth-status";
/// `Retry-After`, for gateways that drop it.
const RETRY_AFTER: &str = "x-auth-retry-after";

/// What is to be answered.
#[derive(Debug)]
pub enum Told {
    /// What came of the key.
    Verdict(Arc<Api>, Verdict),
    /// The question is refused as it stands.
    Bad(Bad),
    /// There is no such API.
    NoSuchApi,
    /// It cannot be said.
    Failed(Fault),
}

/// The answer to whoever may not ask.
#[must_use]
pub fn stranger(id: &RequestId) -> HttpResponse {
    tracing::debug!("asked by a peer that is no gateway of ours");
    named(details::plain(StatusCode::FORBIDDEN, "only the gateways of this installation may ask here"), id)
}

/// The answer on a path that no gateway asks on.
#[must_use]
pub fn nowhere(id: &RequestId) -> HttpResponse {
    named(details::plain(StatusCode::NOT_FOUND, "gateways ask on /auth/{gateway}/{api}"), id)
}

/// The answer, as this gateway understands it.
#[must_use]
pub fn give(site: &Site, profile: &Profile, told: &Told, id: &RequestId) -> HttpResponse {
    let answer = match told {
        Told::Verdict(api, verdict) => {
            let jitter = jitter(site);
            match &verdict.outcome {
                Ok(()) => allowed(site, profile, verdict, jitter),
                Err(denied) => refused(api, denied, verdict, jitter),
            }
        }
        Told::Bad(Bad(why)) => details::plain(StatusCode::BAD_REQUEST, why),
        Told::NoSuchApi => details::plain(StatusCode::NOT_FOUND, "there is no such API"),
        Told::Failed(fault) => failed(fault, id),
    };
    fit(profile, named(answer, id))
}

fn jitter(site: &Site) -> Jitter {
    // Without randomness nothing is spread; that is no reason to refuse.
    entropy::bytes::<1>(&*site.world.dice).map_or(0, |[byte]| byte)
}

fn named(mut answer: HttpResponse, id: &RequestId) -> HttpResponse {
    let status = answer.status().as_u16().to_string();
    set(answer.headers_mut(), REQUEST_ID, id.as_str());
    set(answer.headers_mut(), STATUS, &status);
    answer
}

/// Says by two statuses what a gateway would not hand on.
fn fit(profile: &Profile, mut answer: HttpResponse) -> HttpResponse {
    let plain = matches!(answer.status(), StatusCode::OK | StatusCode::UNAUTHORIZED);
    if profile.refusing == Refusing::ByTwoStatuses && !plain {
        if let Some(wait) = answer.headers().get(header::RETRY_AFTER).cloned() {
            answer.headers_mut().insert(HeaderName::from_static(RETRY_AFTER), wait);
        }
        *answer.status_mut() = StatusCode::FORBIDDEN;
    }
    answer
}

/// Sets a field. What cannot be a field's value is sent empty: it must still replace a client's.
fn set(fields: &mut HeaderMap, name: &'static str, value: &str) {
    let value = HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| HeaderValue::from_static(""));
    fields.insert(HeaderName::from_static(name), value);
}

fn allowed(site: &Site, profile: &Profile, verdict: &Verdict, jitter: Jitter) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    let mut answer = answer.finish();
    let Some(entry) = &verdict.entry else {
        // Nothing is good without a key.
        return details::plain(StatusCode::UNAUTHORIZED, "there is no key");
    };
    let fields = answer.headers_mut();
    let family = &entry.family;
    set(fields, "x-key-id", entry.key.id.as_str());
    set(fields, "x-key-owner", family.owner.id());
    set(fields, "x-key-client", family.client.as_ref().map_or("", |client| client.as_str()));
    set(fields, "x-key-scopes", &entry.key.scope.to_string());
    set(fields, "x-key-plan", entry.shared.plan.as_ref().map_or("", |plan| plan.name.as_str()));
    // Tokens are not made here; but what a client wrote there must go.
    set(fields, "x-key-jwt", "");
    if let Some((name, value)) = profile.strips {
        set(fields, name, value);
    }
    retiring(fields, site, entry);
    rate_limit::put(fields, StatusCode::OK, &limits(entry, verdict), None, jitter);
    answer
}

/// Reminds whoever uses a key that has a successor (RFC 9745, RFC 8594).
fn retiring(fields: &mut HeaderMap, site: &Site, entry: &Entry) {
    let key = &entry.key;
    if key.state != State::Retiring {
        return;
    }
    set(fields, "deprecation", &format!("@{}", key.state_at.unix()));
    if let Some(date) = key.expires_at.and_then(http_date) {
        set(fields, "sunset", &date);
    }
    let link = format!("<{}/v1/keys/{}>; rel=\"deprecation\"", site.issuer, key.id);
    set(fields, "link", &link);
}

/// A date as HTTP has it (RFC 9110 §5.6.7).
fn http_date(at: Moment) -> Option<String> {
    at.to_utc().map(|at| at.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

/// What is left of the limits and quotas that the call met.
fn limits<'a>(entry: &Entry, verdict: &'a Verdict) -> Vec<Limit<'a>> {
    let rates = verdict.limits.iter().filter_map(|now| {
        let same = |rate: &crate::apikey::policy::rate::Rate| {
            rate.name == now.name && rate.limit == now.limit && rate.per == now.per
        };
        let known = entry.policy.limits().iter().find(|limit| same(&limit.rate))?;
        let LimitNow { name, outcome, .. } = now;
        Some(Limit::after(name, known.rate.rule(), outcome))
    });
    rates.chain(verdict.quotas.iter().map(quota)).collect()
}

fn quota(now: &QuotaNow) -> Limit<'_> {
    Limit {
        name: &now.name,
        unit: (now.unit == Unit::ContentBytes).then_some(now.unit.as_str()),
        quota: now.limit,
        // Months differ in length, so none is told.
        window: Span::ZERO,
        partition: None,
        remaining: now.remaining,
        until_more: now.resets_in.unwrap_or(Span::days(1)),
    }
}

/// A refusal, as the client is to have it.
fn refused(api: &Api, denied: &Denied, verdict: &Verdict, jitter: Jitter) -> HttpResponse {
    let told = denied.told();
    let status = StatusCode::from_u16(told.status).unwrap_or(StatusCode::FORBIDDEN);
    let mut more = Map::new();
    let violated = denied.violated();
    if !violated.is_empty() {
        more.insert("violated-policies".to_owned(), json!(violated));
    }
    if let (Some((rule, reason)), true) = (denied.rule(), api.settings.expose_reason) {
        more.insert("rule".to_owned(), json!(rule.as_str()));
        more.insert("reason".to_owned(), json!(reason));
    }
    let mut answer = details::problem(status, told.problem, sentence(denied), more);
    let fields = answer.headers_mut();
    if let Some(challenge) = denied.challenge(&api.name) {
        set(fields, "www-authenticate", &challenge);
    }
    let met = verdict.entry.as_ref().map(|entry| limits(entry, verdict)).unwrap_or_default();
    rate_limit::put(fields, status, &met, denied.retry_after().map(Span::seconds), jitter);
    answer
}

/// A sentence that tells no more than the status does: of a key that is not good, not even why.
const fn sentence(denied: &Denied) -> &'static str {
    match denied {
        Denied::NoKey => "an API key is needed",
        Denied::Binding => "the proof that the key is bound to is missing or does not hold",
        Denied::Restricted { .. } => "the key may not be used for this",
        Denied::Scope { .. } => "the key may do less than this",
        Denied::Suspended => "the key was suspended for how it was used",
        Denied::TooCostly { .. } => "what this costs can never pass its limits",
        Denied::Rate { .. } => "too many requests: a limit is used up",
        Denied::Reduced { .. } => "the API has less room than usual: try again later",
        Denied::Quota { .. } => "a quota is used up",
        Denied::Unknown
        | Denied::WrongAudience
        | Denied::WrongEnvironment
        | Denied::Revoked
        | Denied::Disabled
        | Denied::NotYetValid
        | Denied::Expired => "the API key is not good",
    }
}

/// Whatever is wrong with us, a gateway is told to try again: it must not let pass, nor say more.
fn failed(fault: &Fault, id: &RequestId) -> HttpResponse {
    problem::log(fault, id);
    let more =
        Map::from_iter([("error".to_owned(), json!("temporarily_unavailable")), ("request_id".to_owned(), json!(id))]);
    let mut answer = details::problem(StatusCode::SERVICE_UNAVAILABLE, BLANK, "try again in a second", more);
    set(answer.headers_mut(), "retry-after", "1");
    answer
}
