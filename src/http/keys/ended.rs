//! `/v1/revocations`: the keys that have ended, for resource servers that verify tokens which were
//! exchanged for keys without asking us each time.

use super::named;
use crate::{
    apikey::key::ApiKey,
    base::{
        fault::Stop,
        id::ApiKeyId,
        moment::{Moment, Span},
    },
    flow::keys::{ask::asker, life},
    http::{
        give::{details, problem},
        oauth::authorization,
        site::{Here, origin},
    },
    oauth::params::Params,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use serde_json::{Value, json as object};

/// The most of one page.
const MOST: i64 = 500;
/// How far back a reader has to look: transactions show their keys late by at most this.
const LOOK_BACK: Span = Span::seconds(10);

/// Lists the keys that were revoked or switched off since a moment, oldest first. `next` is the
/// `since` of the next question; a key may come again, and never is one left out.
pub async fn get(here: Here, request: HttpRequest) -> HttpResponse {
    let origin = origin(&request);
    let api_key = request.headers().get("x-api-key").map(|value| value.to_str().unwrap_or_default());
    let who = match asker(&here.world, authorization(&request), api_key, &origin).await {
        Ok(who) => who,
        Err(Stop::Refusal(refusal)) => return problem::refused(&refusal),
        Err(Stop::Fault(fault)) => return details::failed(&fault, &named(&origin)),
    };
    let bad = |why: &str| details::plain(StatusCode::BAD_REQUEST, why);
    let query = match Params::parse(request.query_string().as_bytes()) {
        Ok(query) => query,
        Err(refusal) => return bad(&refusal.because),
    };
    let (since, after) = match (query.once("since"), query.once("after")) {
        (Ok(since), Ok(after)) => (since.map(str::parse::<i64>), after.map(ApiKeyId::parse)),
        (Err(refusal), _) | (_, Err(refusal)) => return bad(&refusal.because),
    };
    let since = match since {
        None => here.world.now() - Span::minutes(5),
        Some(Ok(seconds)) => Moment::from_unix(seconds),
        Some(Err(_)) => return bad("since must be seconds since 1970"),
    };
    if matches!(after, Some(None)) {
        return bad("after names no key");
    }
    match life::ended_since(&here.world, &who, (since, after.flatten()), MOST).await {
        Ok((keys, more)) => {
            let one = |key: &ApiKey| object!({"key_id": key.id, "state": key.state, "at": key.state_at.unix()});
            let told: Vec<Value> = keys.iter().map(one).collect();
            let next = match more {
                Some((at, id)) => object!({"since": at.unix(), "after": id}),
                None => object!({"since": (here.world.now() - LOOK_BACK).unix()}),
            };
            HttpResponse::Ok()
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .json(object!({"ended": told, "next": next}))
        }
        Err(fault) => details::failed(&fault, &named(&origin)),
    }
}
