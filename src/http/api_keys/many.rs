//! `/v1/keys/revoke`: many keys ended at once, after a look at how many they are.

use super::{
    Manager, ended, manager, secret,
    wire::{ManyBody, moment},
};
use crate::{
    apikey::wanted::Unfit,
    base::{fault::Stop, moment::Moment},
    flow::api_keys::{
        life::{self, Many},
        refused::Refused,
        show::Filter,
    },
    http::{
        give::details,
        site::{Here, Site, origin},
        take::{
            json::{MAX_JSON, json},
            object::Object,
        },
    },
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::json as object;

/// The most keys that one request ends.
const MOST: usize = 10_000;

type Outcome = Result<HttpResponse, HttpResponse>;

fn wanted(body: &ManyBody, now: Moment) -> Result<Filter, Unfit> {
    let unused = |text: &String| {
        let span = crate::config::span(text);
        span.map_err(|_| Unfit::Member("unused_for", "must be a time such as 90d".to_owned()))
    };
    let filter = Filter {
        owner: body.owner.as_ref().map(|Object(owner)| owner.owner()).transpose()?,
        family: body.family.clone(),
        api: body.api.clone(),
        created_before: body.created_before.as_deref().map(|text| moment("created_before", text)).transpose()?,
        unused_since: body.unused_for.as_ref().map(unused).transpose()?.map(|span| (now - span).max(Moment::EPOCH)),
        ..Filter::default()
    };
    let narrow = filter.owner.is_some()
        || filter.family.is_some()
        || filter.api.is_some()
        || filter.created_before.is_some()
        || filter.unused_since.is_some();
    if narrow {
        return Ok(filter);
    }
    let why = "must be named, or family, api, created_before or unused_for: nobody ends all keys by accident";
    Err(Unfit::Member("owner", why.to_owned()))
}

/// Ends all keys that fit, at most ten thousand at once; how many there are is all that a dry run tells.
pub async fn revoke(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    try_revoke(&here, &request, body).await.unwrap_or_else(|refused| refused)
}

async fn try_revoke(site: &Site, request: &HttpRequest, body: web::Payload) -> Outcome {
    let Manager { caller, done } = manager(site, request).await?;
    let body: ManyBody = json(request, body, MAX_JSON).await.map_err(|unread| details::unread(&unread))?;
    let stop = |stop| ended(site, stop, &origin(request));
    let filter = wanted(&body, site.world.now()).map_err(|unfit| stop(Stop::Refusal(Refused::Unfit(unfit))))?;
    if body.dry_run {
        let count = life::count_to_revoke(&site.world, &caller, filter).await.map_err(stop)?;
        return Ok(secret(StatusCode::OK, &object!({"dry_run": true, "count": count, "more": count > MOST})));
    }
    let many = Many { filter, reason: body.reason, most: Some(MOST) };
    let count = life::revoke_many(&site.world, &caller, many, done, |_| {}).await.map_err(stop)?;
    Ok(secret(StatusCode::OK, &object!({"dry_run": false, "count": count, "more": count >= MOST})))
}
