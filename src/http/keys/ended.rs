//! `/v1/revocations`: the keys that have ended, for resource servers that keep good verdicts for a while.

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
        give::details,
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

/// Where the next page begins: behind this key, which ended at this moment. Seconds alone would not
/// do: of a second in which more keys ended than a page holds, the same page would come for ever.
fn placed(at: Moment, id: &ApiKeyId) -> String {
    format!("{}.{id}", at.micros())
}

/// Reads what [`placed`] wrote, or a key alone, which stands at `since`.
fn place(text: &str) -> Option<(Option<Moment>, ApiKeyId)> {
    match text.split_once('.') {
        Some((micros, id)) => Some((Some(Moment::from_micros(micros.parse().ok()?)), ApiKeyId::parse(id)?)),
        None => Some((None, ApiKeyId::parse(text)?)),
    }
}

/// Lists the keys that were revoked or switched off since a moment, oldest first. `next` is the
/// `since` of the next question; a key may come again, and never is one left out.
pub async fn get(here: Here, request: HttpRequest) -> HttpResponse {
    let origin = origin(&request);
    let api_key = request.headers().get("x-api-key").map(|value| value.to_str().unwrap_or_default());
    let who = match asker(&here.world, authorization(&request), api_key, &origin).await {
        Ok(who) => who,
        Err(Stop::Refusal(refusal)) => return details::refused(&refusal),
        Err(Stop::Fault(fault)) => return details::failed(&fault, &named(&origin)),
    };
    let bad = |why: &str| details::plain(StatusCode::BAD_REQUEST, why);
    let query = match Params::parse(request.query_string().as_bytes()) {
        Ok(query) => query,
        Err(refusal) => return bad(&refusal.because),
    };
    let (since, after) = match (query.once("since"), query.once("after")) {
        (Ok(since), Ok(after)) => (since.map(str::parse::<i64>), after.map(place)),
        (Err(refusal), _) | (_, Err(refusal)) => return bad(&refusal.because),
    };
    let since = match since {
        None => here.world.now() - Span::minutes(5),
        Some(Ok(seconds)) => Moment::from_unix(seconds),
        Some(Err(_)) => return bad("since must be seconds since 1970"),
    };
    let (since, after) = match after {
        None => (since, None),
        Some(Some((at, id))) => (at.unwrap_or(since), Some(id)),
        Some(None) => return bad("after names no key"),
    };
    match life::ended_since(&here.world, &who, (since, after), MOST).await {
        Ok((keys, more)) => {
            let one = |key: &ApiKey| object!({"key_id": key.id, "state": key.state, "at": key.state_at.unix()});
            let told: Vec<Value> = keys.iter().map(one).collect();
            let next = match more {
                Some((at, id)) => object!({"since": at.unix(), "after": placed(at, &id)}),
                None => object!({"since": (here.world.now() - LOOK_BACK).unix()}),
            };
            HttpResponse::Ok()
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .json(object!({"ended": told, "next": next}))
        }
        Err(fault) => details::failed(&fault, &named(&origin)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_begins_behind_the_last_key_to_the_microsecond() {
        let (at, id) = (Moment::from_micros(1_800_000_000_123_456), ApiKeyId::from_u128(7));
        assert_eq!(place(&placed(at, &id)), Some((Some(at), id.clone())));
        assert_eq!(place(id.as_str()), Some((None, id)));
        for bad in ["", ".", "1.", "x.key_7"] {
            assert_eq!(place(bad), None, "{bad:?}");
        }
    }
}
