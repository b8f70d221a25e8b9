//! `/v1/keys/{id}/quotas`: how the quotas of a key stand; topped up, and corrected.

use super::{
    Manager, ended, idempotency_key, manage, manager, secret,
    wire::{GrantBody, UsedBody},
};
use crate::{
    base::fault::Stop,
    flow::api_keys::{
        grants::{self, Asked, What},
        told as view,
    },
    http::{
        give::details,
        site::{Here, Site, origin},
        take::json::{MAX_JSON, json},
    },
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::{Value, json as object};

type Outcome = Result<HttpResponse, HttpResponse>;

/// Shows the quotas of a key.
pub async fn list(here: Here, request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    try_list(&here, &request, &path).await.unwrap_or_else(|refused| refused)
}

async fn try_list(site: &Site, request: &HttpRequest, path: &str) -> Outcome {
    let Manager { caller, .. } = manager(site, request).await?;
    let all = grants::show(&site.world, &caller, &manage::named(path)?).await;
    let all = all.map_err(|stop| ended(site, stop, &origin(request)))?;
    let told: Vec<Value> = all.iter().map(view::quota).collect();
    Ok(secret(StatusCode::OK, &object!({ "quotas": told })))
}

/// Raises the limit of a quota for its period, or takes that back.
pub async fn grant(
    here: Here,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    body: web::Payload,
) -> HttpResponse {
    try_grant(&here, &request, path.into_inner(), body).await.unwrap_or_else(|refused| refused)
}

async fn try_grant(site: &Site, request: &HttpRequest, path: (String, String), body: web::Payload) -> Outcome {
    let manager = manager(site, request).await?;
    let GrantBody { amount, reason } =
        json(request, body, MAX_JSON).await.map_err(|unread| details::unread(&unread))?;
    settle(site, request, manager, (path, What::Grant(amount), reason)).await
}

/// Corrects what was used of a quota.
pub async fn used(
    here: Here,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    body: web::Payload,
) -> HttpResponse {
    try_used(&here, &request, path.into_inner(), body).await.unwrap_or_else(|refused| refused)
}

async fn try_used(site: &Site, request: &HttpRequest, path: (String, String), body: web::Payload) -> Outcome {
    let manager = manager(site, request).await?;
    let UsedBody { used, reason } = json(request, body, MAX_JSON).await.map_err(|unread| details::unread(&unread))?;
    settle(site, request, manager, (path, What::Correct(used), reason)).await
}

async fn settle(
    site: &Site,
    request: &HttpRequest,
    Manager { caller, done }: Manager,
    ((id, quota), what, reason): ((String, String), What, Option<String>),
) -> Outcome {
    let word = idempotency_key(request)?;
    let asked = Asked { key: manage::named(&id)?, quota, what, reason, idempotency_key: word };
    let stop = |stop: Stop<_>| ended(site, stop, &origin(request));
    let standing = grants::change(&site.world, &caller, asked, done).await.map_err(stop)?;
    Ok(secret(StatusCode::OK, &view::quota(&standing)))
}
