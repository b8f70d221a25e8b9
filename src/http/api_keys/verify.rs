//! `/v1/keys/verify`: a resource server asks whether a key is good for a call.
//!
//! The answer is 200 whatever the verdict: what was asked has been answered. Other statuses are
//! about the question itself.

pub(super) mod told;

use super::{Misread, named};
use crate::{
    apikey::{call::Call, verdict::Denied},
    audit::Origin,
    base::{
        fault::{Fault, Stop},
        moment::Moment,
        scope::{MAX_TOKENS, Scope},
    },
    flow::api_keys::{
        ask::{Asker, ask, asker},
        possession::Sent,
        verify::{Mode, QuotaNow, Verdict},
    },
    http::{
        give::details,
        oauth::authorization,
        request_log,
        site::{Here, Site, origin},
        take::{
            dpop,
            json::{MAX_JSON, json},
            object::{Object, whole},
        },
    },
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json as object};
use std::time::Instant;
use told::{QuotaTold, Told};

/// The most bytes of one question.
const MAX_ONE: usize = 16 * 1024;
/// The most characters of a scope token that is asked for.
const MAX_TOKEN: usize = 256;
/// How the log of requests calls this way of asking.
const VIA: &str = "verify";
/// The most questions at once.
const MOST: usize = 100;

/// What is said of the call, on the wire.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "CallTold")]
struct RequestBody {
    /// The address of the client.
    ip: Option<String>,
    /// Its country; believed only where the API trusts its resource servers with that.
    country: Option<String>,
    /// The method.
    method: Option<String>,
    /// The path, as it was sent.
    path: Option<String>,
    /// The field `User-Agent`.
    user_agent: Option<String>,
    /// The field `Referer`.
    referer: Option<String>,
    /// The field `Origin`.
    origin: Option<String>,
    /// The field `DPoP` (RFC 9449): where it is told, `method` and `url` must be.
    dpop: Option<String>,
    /// Where the call was sent, as the client knows it: scheme, host and path. A proof must be for it.
    url: Option<String>,
}

/// A question. Its `Debug` is never shown: it holds a key.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// The text that the client sent as its key.
    key: String,
    /// The scope tokens that the call needs.
    #[serde(default)]
    #[schemars(inner(regex(pattern = "^[!#-\\[\\]-~]{1,256}$")), length(max = 64))]
    scopes: Vec<String>,
    /// How many units of its limits the call is worth; 1 where nothing is said.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    cost: Option<u32>,
    /// The environment that the key must be of.
    env: Option<String>,
    /// What is known of the call.
    #[serde(default)]
    request: Object<RequestBody>,
    /// Whether it is only tried: then nothing is spent, counted or recorded.
    #[serde(default)]
    dry_run: bool,
}

/// Several questions.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    /// Each is answered for itself.
    #[schemars(length(max = 100))]
    items: Vec<Object<Question>>,
}

/// Several verdicts, in the order of the questions.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Verdicts")]
pub(super) struct Items<'v> {
    /// In the order of the questions.
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
            let told = Told::of(&verdict, &origin, here.world.now());
            HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(told)
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
    let all: Vec<(&Question, Call<'_>)> =
        match batch.items.iter().map(|Object(one)| Ok((one, called(one, now)?))).collect() {
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
    let now = here.world.now();
    let told: Vec<Told<'_>> = verdicts.iter().map(|verdict| Told::of(verdict, &origin, now)).collect();
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(Items { items: told })
}

/// Who asks.
pub(super) async fn who(site: &Site, request: &HttpRequest, origin: &Origin) -> Result<Asker, HttpResponse> {
    let api_key = request.headers().get("x-api-key").map(|value| value.to_str().unwrap_or_default());
    let asked = asker(&site.world, authorization(request), api_key, origin).await;
    asked.map_err(|stop| match stop {
        Stop::Refusal(refusal) => details::refused(&refusal),
        Stop::Fault(fault) => details::failed(&fault, &named(origin)),
    })
}

fn is_token(text: &str) -> bool {
    text.len() <= MAX_TOKEN && Scope::parse(text).is_ok_and(|scope| scope.tokens().eq([text]))
}

/// What a question says of the call.
fn called(question: &Question, at: Moment) -> Result<Call<'_>, Misread> {
    if question.cost == Some(0) {
        return Err(Misread::because("cost must be at least 1"));
    }
    if question.scopes.iter().any(|one| !is_token(one)) || question.scopes.len() > MAX_TOKENS {
        return Err(Misread::because("scopes must be at most 64 scope tokens of at most 256 characters"));
    }
    let scope = Scope::parse(&question.scopes.join(" "));
    let Object(request) = &question.request;
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
    let Object(request) = &question.request;
    let proof = dpop::told(request.dpop.as_deref(), call.method, request.url.clone());
    let began = Instant::now();
    let verdict = ask(&site.world, who, (Sent { text: &question.key, proof: &proof }, call), mode, origin).await?;
    if mode == Mode::Real {
        let target = call.path.unwrap_or_default();
        request_log::note(&verdict, (&question.key, call, target), (VIA, origin), began);
    }
    Ok(verdict)
}

/// Quotas, on the wire.
pub(super) fn quotas(quotas: &[QuotaNow]) -> Value {
    quotas.iter().map(|quota| object!(QuotaTold::of(quota))).collect()
}
