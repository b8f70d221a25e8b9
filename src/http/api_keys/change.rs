//! `PATCH` of keys, APIs and plans: JSON Merge Patch (RFC 7396), over the version that was seen
//! (RFC 9110 §13).

use super::{Manager, ended, etag, if_key_match, if_match, key_etag, manage, manager, tagged};
use crate::{
    apikey::{create::From, wanted::Unfit},
    base::fault::Stop,
    flow::api_keys::{
        apis,
        change::{self, Seen, Wanted},
        patch::Patch,
        refused::Refused,
        told as view,
    },
    http::{
        give::details,
        site::{Here, Site, origin},
        take::json::{MAX_JSON, json},
    },
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::Value;

type Outcome = Result<HttpResponse, HttpResponse>;

async fn read(request: &HttpRequest, body: web::Payload) -> Result<Patch, HttpResponse> {
    json(request, body, MAX_JSON).await.map_err(|unread| details::unread(&unread))
}

/// Changes a key.
pub async fn key(here: Here, request: HttpRequest, path: web::Path<String>, body: web::Payload) -> HttpResponse {
    try_key(&here, &request, &path, body).await.unwrap_or_else(|refused| refused)
}

async fn try_key(site: &Site, request: &HttpRequest, path: &str, body: web::Payload) -> Outcome {
    let Manager { caller, done } = manager(site, request).await?;
    let (id, seen) = (manage::named(path)?, if_key_match(request)?);
    let mut patch = read(request, body).await?;
    let stop = |stop| ended(site, stop, &origin(request));
    // It is no member of a key: it says that addresses need not be listed.
    let from = match patch.remove("anywhere") {
        None | Some(Value::Bool(false)) => From::Listed,
        Some(Value::Bool(true)) => From::Anywhere,
        Some(_) => {
            let unfit = Unfit::Member("anywhere", "must be true or false".to_owned());
            return Err(stop(Stop::Refusal(Refused::Unfit(unfit))));
        }
    };
    let changed = change::change(&site.world, caller, (id, Wanted { patch, from, seen }), done).await.map_err(stop)?;
    let told = view::key(&changed.key, &changed.family, changed.last_used);
    Ok(tagged(StatusCode::OK, &told, &key_etag(Seen::of(&changed.key, &changed.family))))
}

/// Changes an API.
pub async fn api(here: Here, request: HttpRequest, path: web::Path<String>, body: web::Payload) -> HttpResponse {
    try_api(&here, &request, path.into_inner(), body).await.unwrap_or_else(|refused| refused)
}

async fn try_api(site: &Site, request: &HttpRequest, named: String, body: web::Payload) -> Outcome {
    let Manager { caller, done } = manager(site, request).await?;
    let version = if_match(request)?;
    let patch = read(request, body).await?;
    let changed = apis::patch(&site.world, &caller, (named, version), patch, done).await;
    let api = changed.map_err(|stop| ended(site, stop, &origin(request)))?;
    Ok(tagged(StatusCode::OK, &view::api(&api), &etag(api.version)))
}

/// Changes a plan.
pub async fn plan(here: Here, request: HttpRequest, path: web::Path<String>, body: web::Payload) -> HttpResponse {
    try_plan(&here, &request, path.into_inner(), body).await.unwrap_or_else(|refused| refused)
}

async fn try_plan(site: &Site, request: &HttpRequest, named: String, body: web::Payload) -> Outcome {
    let Manager { caller, done } = manager(site, request).await?;
    let version = if_match(request)?;
    let patch = read(request, body).await?;
    let changed = apis::patch_plan(&site.world, &caller, (named, version), patch, done).await;
    let plan = changed.map_err(|stop| ended(site, stop, &origin(request)))?;
    Ok(tagged(StatusCode::OK, &view::plan(&plan), &etag(plan.version)))
}
