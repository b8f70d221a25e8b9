//! `/v1/keys/verify`: a resource server asks whether a key is good for a call.
//!
//! The answer is 200 whatever the verdict: what was asked has been answered. Other statuses are
//! about the question itself.

use super::{Misread, named};
use crate::{
    apikey::{call::Call, key::Kind, verdict::Denied},
    audit::Origin,
    base::{
        fault::{Fault, Stop},
        id::{ApiKeyId, ClientId, RequestId},
        moment::{Moment, Span},
        scope::Scope,
    },
    flow::keys::{
        ask::{Asker, ask, asker},
        directory::Entry,
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
use serde::{Deserialize, Serialize};
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

/// Several verdicts, in the order of the questions.
#[derive(Serialize)]
struct Items<'v> {
    items: Vec<Told<'v>>,
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
    let call = match called(&question, here.world.now()) {
        Ok(call) => call,
        Err(Misread(status, why)) => return details::plain(status, &why),
    };
    match answer(&here, &who, (&question, &call), &origin).await {
        Ok(Verdict { outcome: Err(Denied::TooCostly { name, burst }), .. }) => {
            let why = format!("cost can never pass: the limit {name} lets through {burst} at once");
            details::plain(StatusCode::BAD_REQUEST, &why)
        }
        Ok(verdict) => {
            HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(Told::of(&verdict, &origin))
        }
        Err(fault) => details::failed(&fault, &named(&origin)),
    }
}

/// Answers several, each for itself: of one whose cost can never pass, the code is `invalid_request`.
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
    // All are read before the first is answered, which spends.
    let now = here.world.now();
    let all: Vec<(&Question, Call<'_>)> = match batch.items.iter().map(|one| Ok((one, called(one, now)?))).collect() {
        Ok(all) => all,
        Err(Misread(status, why)) => return details::plain(status, &why),
    };
    let mut verdicts = Vec::with_capacity(all.len());
    for (question, call) in &all {
        match answer(&here, &who, (question, call), &origin).await {
            Ok(one) => verdicts.push(one),
            Err(fault) => return details::failed(&fault, &named(&origin)),
        }
    }
    let told: Vec<Told<'_>> = verdicts.iter().map(|verdict| Told::of(verdict, &origin)).collect();
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(Items { items: told })
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

/// What a question says of the call.
fn called(question: &Question, at: Moment) -> Result<Call<'_>, Misread> {
    if question.cost == Some(0) {
        return Err(Misread::because("cost must be at least 1"));
    }
    let scope = Scope::parse(&question.scopes.join(" "));
    let request = &question.request;
    Ok(Call {
        scope: scope.map_err(|scope| Misread(StatusCode::BAD_REQUEST, scope.to_string().into()))?,
        cost: question.cost.unwrap_or(1),
        environment: question.env.as_deref(),
        address: request.ip.as_deref(),
        country: request.country.as_deref(),
        method: request.method.as_deref(),
        path: request.path.as_deref(),
        user_agent: request.user_agent.as_deref(),
        referer: request.referer.as_deref(),
        origin: request.origin.as_deref(),
        ..Call::of_some_api(at)
    })
}

async fn answer(
    site: &Site,
    who: &Asker,
    (question, call): (&Question, &Call<'_>),
    origin: &Origin,
) -> Result<Verdict, Fault> {
    let mode = if question.dry_run { Mode::Dry } else { Mode::Real };
    ask(&site.world, who, (&question.key, call), mode, origin).await
}

/// A verdict, on the wire.
#[derive(Serialize)]
struct Told<'v> {
    valid: bool,
    code: &'static str,
    request_id: Option<&'v RequestId>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    good: Option<Good<'v>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    violated: Option<Vec<&'v str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    limits: Vec<LimitTold<'v>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    quota: Vec<QuotaTold<'v>>,
}

/// What is told of a good key.
#[derive(Serialize)]
struct Good<'v> {
    key: KeyTold<'v>,
    owner: OwnerTold<'v>,
    client_id: Option<&'v ClientId>,
    plan: Option<&'v str>,
    scopes: Vec<&'v str>,
    meta: &'v Map<String, Value>,
    cache: CacheTold,
}

#[derive(Serialize)]
struct KeyTold<'v> {
    id: &'v ApiKeyId,
    hint: &'v str,
    kind: Kind,
    env: &'v str,
    expires_at: Option<String>,
    deprecated_until: Option<String>,
}

#[derive(Serialize)]
struct OwnerTold<'v> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'v str,
}

#[derive(Serialize)]
struct CacheTold {
    max_age: u8,
}

#[derive(Serialize)]
struct LimitTold<'v> {
    name: &'v str,
    limit: u32,
    per_s: i64,
    remaining: u32,
    reset_s: i64,
}

#[derive(Serialize)]
struct QuotaTold<'v> {
    name: &'v str,
    limit: u64,
    remaining: u64,
    reset_s: Option<i64>,
}

impl<'v> Told<'v> {
    fn of(verdict: &'v Verdict, origin: &'v Origin) -> Self {
        let mut told = Self {
            valid: verdict.outcome.is_ok(),
            code: verdict.code(),
            request_id: origin.request.as_ref(),
            good: None,
            rule: None,
            reason: None,
            violated: None,
            retry_after_s: None,
            limits: verdict.limits.iter().map(LimitTold::of).collect(),
            quota: verdict.quotas.iter().map(QuotaTold::of).collect(),
        };
        match &verdict.outcome {
            Ok(()) => told.good = verdict.entry.as_deref().map(Good::of),
            Err(denied) => told.say(denied),
        }
        told
    }

    /// Of every other reason than these the code says all that is told.
    fn say(&mut self, denied: &'v Denied) {
        if let Denied::Restricted { rule, reason, .. } = denied {
            (self.rule, self.reason) = (Some(rule.as_str()), Some(reason.as_str()));
        }
        if let Denied::Rate { names, retry_after } = denied {
            self.violated = Some(names.iter().map(String::as_str).collect());
            self.retry_after_s = Some(seconds(*retry_after));
        }
        if let Denied::Quota { name, retry_after } = denied {
            self.violated = Some(vec![name.as_str()]);
            self.retry_after_s = retry_after.map(seconds);
        }
    }
}

impl<'v> Good<'v> {
    fn of(entry: &'v Entry) -> Self {
        let (key, owner) = (&entry.key, &entry.family.owner);
        let told = |at: Moment| at.to_string();
        Self {
            key: KeyTold {
                id: &key.id,
                hint: &key.hint,
                kind: key.kind,
                env: &key.environment,
                expires_at: key.expires_at.map(told),
                // That a key has a successor is told, so that whoever uses it is reminded in time.
                deprecated_until: key.successor.as_ref().and(key.expires_at).map(told),
            },
            owner: OwnerTold { kind: owner.kind(), id: owner.id() },
            client_id: entry.family.client.as_ref(),
            plan: entry.shared.plan.as_ref().map(|plan| plan.name.as_str()),
            scopes: key.scope.tokens().collect(),
            meta: &key.meta,
            cache: CacheTold { max_age: if entry.policy.counts() { 0 } else { entry.api().settings.verdict_max_age } },
        }
    }
}

impl<'v> LimitTold<'v> {
    fn of(limit: &'v LimitNow) -> Self {
        Self {
            name: &limit.name,
            limit: limit.limit,
            per_s: limit.per.as_seconds(),
            remaining: limit.outcome.remaining,
            reset_s: seconds(limit.outcome.reset),
        }
    }
}

impl<'v> QuotaTold<'v> {
    fn of(quota: &'v QuotaNow) -> Self {
        Self {
            name: &quota.name,
            limit: quota.limit,
            remaining: quota.remaining,
            reset_s: quota.resets_in.map(seconds),
        }
    }
}

/// Whole seconds, rounded up.
fn seconds(span: Span) -> i64 {
    span.as_micros().saturating_add(999_999).div_euclid(1_000_000)
}

/// Quotas, on the wire.
pub(super) fn quotas(quotas: &[QuotaNow]) -> Value {
    quotas.iter().map(|quota| object!(QuotaTold::of(quota))).collect()
}
