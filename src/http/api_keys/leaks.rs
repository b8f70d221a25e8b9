//! `/v1/leaks`: anybody tells of keys that they found, and scanners ask whether one is still good.

use super::named;
use crate::{
    audit::Origin,
    base::fault::Fault,
    flow::api_keys::leak::{self, Asked, MOST, Want},
    http::{
        give::details,
        site::{Here, Site, origin},
        take::{
            body::bytes,
            json::{json, parse},
        },
    },
    oauth::refusal::{Exceeded, Refusal},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The most bytes of a report.
const MAX_REPORT: usize = 256 * 1024;
/// The most bytes of a question, and of the texts in it.
const MAX_QUESTION: usize = 16 * 1024;
const MOST_TEXTS: usize = 10;
/// The most characters of where something was found.
const MAX_PLACE: usize = 500;

/// `POST /v1/leaks`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LeakReport")]
pub(super) struct Report {
    /// Texts that may be API keys. Those that are none are passed over.
    #[schemars(length(max = 1000))]
    tokens: Vec<String>,
    /// Where they were found, such as a URL, for their owner.
    #[schemars(length(max = 500), regex(pattern = r"^[^\x00-\x1f\x7f-\x9f]*$"))]
    found_at: Option<String>,
}

/// `POST /v1/leaks/trufflehog`: what a detector found, by its name and the names of its patterns.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "LeakQuestion")]
pub(super) struct Question(BTreeMap<String, BTreeMap<String, Vec<String>>>);

fn too_many(exceeded: Exceeded) -> HttpResponse {
    details::refused(&Refusal::too_many(exceeded))
}

fn failed(fault: &Fault, origin: &Origin) -> HttpResponse {
    details::failed(fault, &named(origin))
}

fn bare(status: StatusCode) -> HttpResponse {
    HttpResponse::build(status).insert_header((header::CACHE_CONTROL, "no-store")).finish()
}

/// Takes a report. Whatever it is, the answer is the same.
pub async fn report(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    try_report(&here, &request, body).await.unwrap_or_else(|refused| refused)
}

async fn try_report(site: &Site, request: &HttpRequest, body: web::Payload) -> Result<HttpResponse, HttpResponse> {
    let origin = origin(request);
    leak::admit(&site.world, Want::Tell, &origin).await.map_err(too_many)?;
    let body: Report = json(request, body, MAX_REPORT).await.map_err(|unread| details::unread(&unread))?;
    if body.tokens.len() > MOST {
        return Err(details::plain(StatusCode::BAD_REQUEST, "at most 1000 tokens at once"));
    }
    let fits = |place: &String| place.chars().count() <= MAX_PLACE && !place.chars().any(char::is_control);
    if !body.found_at.as_ref().is_none_or(fits) {
        let why = "found_at must have at most 500 characters, none of them a control character";
        return Err(details::plain(StatusCode::BAD_REQUEST, why));
    }
    let told = leak::told(&site.world, &body.tokens, ("report", body.found_at), &origin).await;
    told.map_err(|fault| failed(&fault, &origin))?;
    Ok(bare(StatusCode::ACCEPTED))
}

/// Says whether any of the texts is a key that is still good: 200, else 403. The media type is not
/// looked at, for TruffleHog names none.
pub async fn question(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    try_question(&here, &request, body).await.unwrap_or_else(|refused| refused)
}

async fn try_question(site: &Site, request: &HttpRequest, body: web::Payload) -> Result<HttpResponse, HttpResponse> {
    let origin = origin(request);
    leak::admit(&site.world, Want::Ask, &origin).await.map_err(too_many)?;
    let read = bytes(request, body, MAX_QUESTION).await.and_then(|bytes| parse(&bytes));
    let Question(detectors): Question = read.map_err(|unread| details::unread(&unread))?;
    // A match comes with its groups, so the same text comes more than once.
    let mut texts: Vec<&String> = detectors.values().flat_map(BTreeMap::values).flatten().collect();
    texts.sort_unstable();
    texts.dedup();
    if texts.len() > MOST_TEXTS {
        return Err(details::plain(StatusCode::BAD_REQUEST, "at most 10 texts at once"));
    }
    for text in texts {
        match leak::asked(&site.world, text, &origin).await.map_err(|fault| failed(&fault, &origin))? {
            Asked::Live => return Ok(bare(StatusCode::OK)),
            Asked::Dead => {}
            Asked::TooMany(exceeded) => return Err(too_many(exceeded)),
        }
    }
    Err(details::plain(StatusCode::FORBIDDEN, "this is no API key of this server that is still good"))
}
