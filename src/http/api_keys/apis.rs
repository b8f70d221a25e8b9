//! `/v1/apis` and `/v1/plans`.

use super::{
    Manager, Misread, ended, etag, if_match, manager, secret, tagged,
    wire::{ApiBody, PlanBody},
};
use crate::{
    base::{
        fault::Stop,
        id::{ApiId, PlanId},
    },
    flow::api_keys::{
        apis::{self, Switch},
        refused::Refused,
        told as view,
    },
    http::{
        give::details,
        site::{Here, Site, origin},
        take::json::{MAX_JSON, json},
    },
    oauth::params::Params,
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::{Value, json as object};

type Outcome = Result<HttpResponse, HttpResponse>;

fn settle(outcome: Outcome) -> HttpResponse {
    outcome.unwrap_or_else(|refused| refused)
}

/// Where the page begins, if the query says so.
fn after<T>(request: &HttpRequest, read: fn(&str) -> Option<T>) -> Result<Option<T>, Misread> {
    let query = Params::parse(request.query_string().as_bytes())?;
    let named = query.once("after")?.map(|text| read(text).ok_or(Misread::because("after is no identifier")));
    named.transpose()
}

/// The most of one page.
const PAGE: i64 = 100;

/// Adds an API.
pub async fn add(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    settle(try_add(&here, &request, body).await)
}

async fn try_add(site: &Site, request: &HttpRequest, body: web::Payload) -> Outcome {
    let Manager { caller, done } = manager(site, request).await?;
    let body: ApiBody = json(request, body, MAX_JSON).await.map_err(|unread| details::unread(&unread))?;
    let stop = |stop| ended(site, stop, &origin(request));
    let spec = body.spec().map_err(|unfit| stop(Stop::Refusal(Refused::Unfit(unfit))))?;
    let api = apis::add(&site.world, &caller, spec, done).await.map_err(stop)?;
    Ok(tagged(StatusCode::CREATED, &view::api(&api), &etag(api.version)))
}

/// Replaces what is said of an API.
pub async fn put(here: Here, request: HttpRequest, path: web::Path<String>, body: web::Payload) -> HttpResponse {
    settle(try_put(&here, &request, path.into_inner(), body).await)
}

async fn try_put(site: &Site, request: &HttpRequest, named: String, body: web::Payload) -> Outcome {
    let Manager { caller, done } = manager(site, request).await?;
    let version = if_match(request)?;
    let body: ApiBody = json(request, body, MAX_JSON).await.map_err(|unread| details::unread(&unread))?;
    let stop = |stop| ended(site, stop, &origin(request));
    let spec = body.spec().map_err(|unfit| stop(Stop::Refusal(Refused::Unfit(unfit))))?;
    let api = apis::change(&site.world, &caller, (named, version), spec, done).await.map_err(stop)?;
    Ok(tagged(StatusCode::OK, &view::api(&api), &etag(api.version)))
}

/// Shows an API, by name or identifier.
pub async fn show(here: Here, request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    settle(try_show(&here, &request, path.into_inner()).await)
}

async fn try_show(site: &Site, request: &HttpRequest, named: String) -> Outcome {
    let Manager { caller, .. } = manager(site, request).await?;
    let found = apis::find(&site.world, &caller, named).await;
    let api = found.map_err(|stop| ended(site, stop, &origin(request)))?;
    Ok(tagged(StatusCode::OK, &view::api(&api), &etag(api.version)))
}

/// Lists APIs.
pub async fn list(here: Here, request: HttpRequest) -> HttpResponse {
    settle(try_list(&here, &request).await)
}

async fn try_list(site: &Site, request: &HttpRequest) -> Outcome {
    let Manager { caller, .. } = manager(site, request).await?;
    let after = after(request, ApiId::parse)?;
    let listed = apis::list(&site.world, &caller, after, PAGE).await;
    let listed = listed.map_err(|stop| ended(site, stop, &origin(request)))?;
    let next = listed.last().filter(|_| i64::try_from(listed.len()) == Ok(PAGE)).map(|api| api.id.clone());
    let all: Vec<Value> = listed.iter().map(view::api).collect();
    Ok(secret(StatusCode::OK, &object!({"apis": all, "next": next})))
}

/// Disables an API.
pub async fn disable(here: Here, request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    settle(switch(&here, &request, (path.into_inner(), Switch::Off)).await)
}

/// Enables an API again.
pub async fn enable(here: Here, request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    settle(switch(&here, &request, (path.into_inner(), Switch::On)).await)
}

async fn switch(site: &Site, request: &HttpRequest, (named, to): (String, Switch)) -> Outcome {
    let Manager { caller, done } = manager(site, request).await?;
    let switched = apis::switch(&site.world, &caller, named, to, done).await;
    let api = switched.map_err(|stop| ended(site, stop, &origin(request)))?;
    Ok(tagged(StatusCode::OK, &view::api(&api), &etag(api.version)))
}

/// Adds a plan.
pub async fn add_plan(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    settle(try_add_plan(&here, &request, body).await)
}

async fn try_add_plan(site: &Site, request: &HttpRequest, body: web::Payload) -> Outcome {
    let Manager { caller, done } = manager(site, request).await?;
    let body: PlanBody = json(request, body, MAX_JSON).await.map_err(|unread| details::unread(&unread))?;
    let added = apis::add_plan(&site.world, &caller, body.spec(), done).await;
    let plan = added.map_err(|stop| ended(site, stop, &origin(request)))?;
    Ok(tagged(StatusCode::CREATED, &view::plan(&plan), &etag(plan.version)))
}

/// Replaces what is said of a plan.
pub async fn put_plan(here: Here, request: HttpRequest, path: web::Path<String>, body: web::Payload) -> HttpResponse {
    settle(try_put_plan(&here, &request, path.into_inner(), body).await)
}

async fn try_put_plan(site: &Site, request: &HttpRequest, named: String, body: web::Payload) -> Outcome {
    let Manager { caller, done } = manager(site, request).await?;
    let version = if_match(request)?;
    let body: PlanBody = json(request, body, MAX_JSON).await.map_err(|unread| details::unread(&unread))?;
    let changed = apis::change_plan(&site.world, &caller, (named, version), body.spec(), done).await;
    let plan = changed.map_err(|stop| ended(site, stop, &origin(request)))?;
    Ok(tagged(StatusCode::OK, &view::plan(&plan), &etag(plan.version)))
}

/// Shows a plan, by name or identifier.
pub async fn show_plan(here: Here, request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    settle(try_show_plan(&here, &request, path.into_inner()).await)
}

async fn try_show_plan(site: &Site, request: &HttpRequest, named: String) -> Outcome {
    let Manager { caller, .. } = manager(site, request).await?;
    let found = apis::find_plan(&site.world, &caller, named).await;
    let plan = found.map_err(|stop| ended(site, stop, &origin(request)))?;
    Ok(tagged(StatusCode::OK, &view::plan(&plan), &etag(plan.version)))
}

/// Lists plans.
pub async fn list_plans(here: Here, request: HttpRequest) -> HttpResponse {
    settle(try_list_plans(&here, &request).await)
}

async fn try_list_plans(site: &Site, request: &HttpRequest) -> Outcome {
    let Manager { caller, .. } = manager(site, request).await?;
    let after = after(request, PlanId::parse)?;
    let listed = apis::list_plans(&site.world, &caller, after, PAGE).await;
    let listed = listed.map_err(|stop| ended(site, stop, &origin(request)))?;
    let next = listed.last().filter(|_| i64::try_from(listed.len()) == Ok(PAGE)).map(|plan| plan.id.clone());
    let all: Vec<Value> = listed.iter().map(view::plan).collect();
    Ok(secret(StatusCode::OK, &object!({"plans": all, "next": next})))
}
