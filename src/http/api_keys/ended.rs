//! `/v1/revocations`: the keys that have ended, for resource servers that keep good verdicts for a while.

use super::{Misread, named, stream};
use crate::{
    apikey::ended::Ended,
    base::{fault::Stop, id::ApiKeyId, moment::Moment},
    flow::api_keys::{
        ask::asker,
        ended::{self, LOOK_BACK, OF_INTEREST, Place},
    },
    http::{
        give::details,
        oauth::authorization,
        site::{Here, origin},
    },
    oauth::params::Params,
};
use actix_web::{HttpRequest, HttpResponse, http::header};
use serde_json::{Value, json as object};

/// The last second of the year 9999.
const LAST: i64 = 253_402_300_799;

/// Where the next page begins: behind this key, which ended at this moment. Seconds alone would not
/// do: of a second in which more keys ended than a page holds, the same page would come for ever.
pub(super) fn placed(at: Moment, id: &ApiKeyId) -> String {
    format!("{}.{id}", at.micros())
}

/// Reads what [`placed`] wrote, or a key alone, which stands at `since`.
fn place(text: &str) -> Option<(Option<Moment>, ApiKeyId)> {
    match text.split_once('.') {
        Some((micros, id)) => {
            let micros = micros.parse().ok().filter(|micros| (0..=LAST * 1_000_000).contains(micros))?;
            Some((Some(Moment::from_micros(micros)), ApiKeyId::parse(id)?))
        }
        None => Some((None, ApiKeyId::parse(text)?)),
    }
}

/// One that has ended, on the wire.
pub(super) fn told(one: &Ended) -> Value {
    object!({"key_id": one.id, "state": one.why.as_str(), "at": one.at.unix()})
}

/// Lists the keys that have ended since a moment, oldest first, or sends them as they end where the
/// reader accepts events. `next` is the `since` of the next question; a key may come again, and
/// never is one left out.
pub async fn get(here: Here, request: HttpRequest) -> HttpResponse {
    let origin = origin(&request);
    let api_key = request.headers().get("x-api-key").map(|value| value.to_str().unwrap_or_default());
    let who = match asker(&here.world, authorization(&request), api_key, &origin).await {
        Ok(who) => who,
        Err(Stop::Refusal(refusal)) => return details::refused(&refusal),
        Err(Stop::Fault(fault)) => return details::failed(&fault, &named(&origin)),
    };
    let from = match wanted(&request, here.world.now()) {
        Ok(from) => from,
        Err(bad) => return bad.into(),
    };
    if streams(&request) {
        let (authorization, api_key) = (authorization(&request).map(str::to_owned), api_key.map(str::to_owned));
        return stream::begin(&here, stream::Shown { authorization, api_key, origin }, from);
    }
    match ended::since(&here.world, &who, from).await {
        Ok((keys, more)) => {
            let all: Vec<Value> = keys.iter().map(told).collect();
            let next = match more {
                Some((at, id)) => object!({"since": at.unix(), "after": placed(at, &id)}),
                None => object!({"since": (here.world.now() - LOOK_BACK).unix()}),
            };
            HttpResponse::Ok()
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .json(object!({"ended": all, "next": next}))
        }
        Err(fault) => details::failed(&fault, &named(&origin)),
    }
}

/// From where on the keys are wanted: behind the last event of a stream that was cut off, or as the
/// query says.
fn wanted(request: &HttpRequest, now: Moment) -> Result<Place, Misread> {
    let query = Params::parse(request.query_string().as_bytes())?;
    let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok());
    if let Some((Some(at), _)) = last.filter(|_| streams(request)).and_then(place) {
        return Ok((at - LOOK_BACK, None));
    }
    let since = match query.once("since")?.map(str::parse::<i64>) {
        None => now - OF_INTEREST,
        Some(Ok(seconds)) if (0..=LAST).contains(&seconds) => Moment::from_unix(seconds),
        Some(_) => return Err(Misread::because("since must be seconds since 1970")),
    };
    match query.once("after")?.map(place) {
        None => Ok((since, None)),
        Some(Some((at, id))) => Ok((at.unwrap_or(since), Some(id))),
        Some(None) => Err(Misread::because("after names no key")),
    }
}

/// Whether the reader asks for events.
fn streams(request: &HttpRequest) -> bool {
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepts.split(',').any(|one| one.split(';').next().unwrap_or_default().trim() == "text/event-stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_begins_behind_the_last_key_to_the_microsecond() {
        let (at, id) = (Moment::from_micros(1_800_000_000_123_456), ApiKeyId::from_u128(7));
        assert_eq!(place(&placed(at, &id)), Some((Some(at), id.clone())));
        assert_eq!(place(id.as_str()), Some((None, id.clone())));
        // Beyond what the database holds, too: it would be a fault of ours.
        let [late, early] = [i64::MAX, i64::MIN].map(|micros| format!("{micros}.{id}"));
        for bad in ["", ".", "1.", "x.key_7", &late, &early] {
            assert_eq!(place(bad), None, "{bad:?}");
        }
    }
}
