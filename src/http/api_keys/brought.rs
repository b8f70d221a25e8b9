//! `/v1/keys/import` and `/v1/hmac-keys`: keys brought from elsewhere, and what they were hashed with there.

use super::{
    Manager, ended, manager, secret,
    wire::{ImportBody, Imported},
};
use crate::{
    base::fault::Stop,
    flow::api_keys::{bulk, mac_keys, refused::Refused},
    http::{
        give::details,
        site::{Here, Site, origin},
        take::json::{MAX_JSON, json},
    },
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::json as object;

type Outcome = Result<HttpResponse, HttpResponse>;

/// Brings keys that were made elsewhere.
pub async fn import(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    try_import(&here, &request, body).await.unwrap_or_else(|refused| refused)
}

async fn try_import(site: &Site, request: &HttpRequest, body: web::Payload) -> Outcome {
    let Manager { caller, done } = manager(site, request).await?;
    let body: ImportBody = json(request, body, MAX_JSON).await.map_err(|unread| details::unread(&unread))?;
    let stop = |stop| ended(site, stop, &origin(request));
    let import = body.import(site.world.now()).map_err(|unfit| stop(Stop::Refusal(Refused::Unfit(unfit))))?;
    let outcomes = bulk::import(&site.world, caller, import, done).await.map_err(stop)?;
    let told: Vec<_> = outcomes.iter().map(Imported::of).collect();
    Ok(secret(StatusCode::OK, &object!({ "items": told })))
}

/// Lists the keys of HMAC under which others hashed what was brought.
pub async fn hmac_keys(here: Here, request: HttpRequest) -> HttpResponse {
    try_hmac_keys(&here, &request).await.unwrap_or_else(|refused| refused)
}

async fn try_hmac_keys(site: &Site, request: &HttpRequest) -> Outcome {
    let Manager { caller, .. } = manager(site, request).await?;
    let listed = mac_keys::list(&site.world, &caller).await;
    let listed = listed.map_err(|stop| ended(site, stop, &origin(request)))?;
    Ok(secret(StatusCode::OK, &object!({ "hmac_keys": listed })))
}

/// Forgets one by which no key is known any more.
pub async fn remove_hmac_key(here: Here, request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    try_remove_hmac_key(&here, &request, path.into_inner()).await.unwrap_or_else(|refused| refused)
}

async fn try_remove_hmac_key(site: &Site, request: &HttpRequest, id: String) -> Outcome {
    let Manager { caller, done } = manager(site, request).await?;
    let removed = mac_keys::remove(&site.world, &caller, id, done).await;
    removed.map_err(|stop| ended(site, stop, &origin(request)))?;
    Ok(HttpResponse::NoContent().finish())
}
