//! `/v1/keys`: keys made, listed, shown, rotated, switched off and on, ended.

use super::{
    Manager, Misread, ended, idempotency_key, key_etag, manager, secret, tagged,
    wire::{CreateBody, FinishBody, ReasonBody, RotateBody},
};
use crate::{
    apikey::{
        key::State,
        rotate::{Insist, Step},
        wanted::Unfit,
    },
    base::{
        fault::Stop,
        id::{ApiId, ApiKeyId, FamilyId},
    },
    flow::api_keys::{change::Seen, create, life, refused::Refused, rotation, show, told as view},
    http::{
        give::details,
        site::{Here, Site, origin},
        take::json::{MAX_JSON, json, optional},
    },
    oauth::params::Params,
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::{Value, json as object};

/// The most keys of one page.
const MOST: i64 = 200;

type Outcome = Result<HttpResponse, HttpResponse>;

fn settle(outcome: Outcome) -> HttpResponse {
    outcome.unwrap_or_else(|refused| refused)
}

/// The key that a path names; 404 where it names none.
pub(super) fn named(path: &str) -> Result<ApiKeyId, Misread> {
    ApiKeyId::parse(path).ok_or_else(|| Misread(StatusCode::NOT_FOUND, "there is no such API key".into()))
}

/// Makes a key. Its text is in the answer, this once.
pub async fn create(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    settle(try_create(&here, &request, body).await)
}

async fn try_create(site: &Site, request: &HttpRequest, body: web::Payload) -> Outcome {
    let Manager { caller, done } = manager(site, request).await?;
    let body: CreateBody = json(request, body, MAX_JSON).await.map_err(|unread| details::unread(&unread))?;
    let stop = |stop| ended(site, stop, &origin(request));
    let wish = body.wish(site.world.now(), idempotency_key(request)?);
    let wish = wish.map_err(|unfit| stop(Stop::Refusal(Refused::Unfit(unfit))))?;
    let made = create::create(&site.world, caller, wish, done).await.map_err(stop)?;
    let mut told = view::key(&made.key, &made.family, None);
    reveal(&mut told, made.text.expose());
    Ok(secret(StatusCode::CREATED, &told))
}

/// Puts the text of a key into the one answer that holds it.
fn reveal(told: &mut Value, text: &str) {
    if let Some(members) = told.as_object_mut() {
        members.insert("key".to_owned(), object!(text));
    }
}

/// Lists keys, a page at a time: `after` is the last of the page before.
pub async fn list(here: Here, request: HttpRequest) -> HttpResponse {
    settle(try_list(&here, &request).await)
}

async fn try_list(site: &Site, request: &HttpRequest) -> Outcome {
    let Manager { caller, .. } = manager(site, request).await?;
    let (filter, after, n) = wanted(request.query_string())?;
    let listed = show::list(&site.world, &caller, filter, (after, n)).await;
    let listed = listed.map_err(|stop| ended(site, stop, &origin(request)))?;
    let next = listed.last().filter(|_| i64::try_from(listed.len()) == Ok(n)).map(|one| one.key.id.clone());
    let keys: Vec<Value> =
        listed.iter().map(|one| view::key(&one.key, &one.family, one.last_use.as_ref().map(|last| last.at))).collect();
    Ok(secret(StatusCode::OK, &object!({"keys": keys, "next": next})))
}

/// Which keys a query asks for: the filter, the last of the page before, and how many.
fn wanted(query: &str) -> Result<(show::Filter, Option<ApiKeyId>, i64), Misread> {
    let query = Params::parse(query.as_bytes())?;
    let n = query.once("limit")?.map_or(Ok(50), str::parse).ok().filter(|n| (1..=MOST).contains(n));
    let after = query.once("after")?.map(|text| ApiKeyId::parse(text).ok_or(Misread::because("after names no key")));
    let state = query.once("state")?.map(|text| State::parse(text).ok_or(Misread::because("state is unknown")));
    let api = query.once("api")?.map(|text| ApiId::parse(text).ok_or(Misread::because("api is no identifier")));
    let family =
        query.once("family")?.map(|text| FamilyId::parse(text).ok_or(Misread::because("family is no identifier")));
    let filter = show::Filter {
        api: api.transpose()?,
        family: family.transpose()?,
        state: state.transpose()?,
        ..Default::default()
    };
    Ok((filter, after.transpose()?, n.ok_or(Misread::because("limit must be from 1 to 200"))?))
}

/// Shows a key.
pub async fn show(here: Here, request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    settle(try_show(&here, &request, &path).await)
}

async fn try_show(site: &Site, request: &HttpRequest, path: &str) -> Outcome {
    let Manager { caller, .. } = manager(site, request).await?;
    let stop = |stop| ended(site, stop, &origin(request));
    let shown = show::one(&site.world, &caller, named(path)?).await.map_err(stop)?;
    let facts = &shown.facts;
    let quotas = show::quotas(&site.world, &caller, &facts.key.id).await.map_err(stop)?;
    let mut told = view::key(&facts.key, &facts.family, facts.last_used);
    if let Some(members) = told.as_object_mut() {
        members.insert("quota".to_owned(), super::verify::quotas(&quotas));
        let line: Vec<_> = shown.line.iter().map(|one| one.key.id.clone()).collect();
        members.insert("line".to_owned(), object!(line));
        let alerts: Vec<_> = shown.alerts.iter().map(view::alert).collect();
        members.insert("alerts".to_owned(), object!(alerts));
    }
    Ok(tagged(StatusCode::OK, &told, &key_etag(Seen::of(&facts.key, &facts.family))))
}

/// Gives a key a successor, whose text is in the answer, this once.
pub async fn rotate(here: Here, request: HttpRequest, path: web::Path<String>, body: web::Payload) -> HttpResponse {
    settle(try_rotate(&here, &request, &path, body).await)
}

async fn try_rotate(site: &Site, request: &HttpRequest, path: &str, body: web::Payload) -> Outcome {
    let Manager { caller, done } = manager(site, request).await?;
    let body: RotateBody = optional(request, body, MAX_JSON).await.map_err(|unread| details::unread(&unread))?;
    let stop = |stop| ended(site, stop, &origin(request));
    let overlap = body.overlap.as_deref().map(crate::config::span).transpose();
    let overlap = overlap.map_err(|_| Unfit::Member("overlap", "must be a time such as 24h".to_owned()));
    let overlap = overlap.map_err(|unfit| stop(Stop::Refusal(Refused::Unfit(unfit))))?;
    let rotated = life::rotate(&site.world, caller, (named(path)?, overlap), done).await.map_err(stop)?;
    let mut new = view::key(&rotated.new.key, &rotated.new.family, None);
    reveal(&mut new, rotated.new.text.expose());
    let old = view::key(&rotated.old, &rotated.new.family, None);
    Ok(secret(StatusCode::CREATED, &object!({"new": new, "old": old})))
}

/// Shows how far a rotation is, by either of its keys.
pub async fn rotation(here: Here, request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    settle(try_rotation(&here, &request, &path).await)
}

async fn try_rotation(site: &Site, request: &HttpRequest, path: &str) -> Outcome {
    let Manager { caller, .. } = manager(site, request).await?;
    let found = rotation::of(&site.world, caller, named(path)?).await;
    let found = found.map_err(|stop| ended(site, stop, &origin(request)))?;
    Ok(secret(StatusCode::OK, &object!(rotation::Told::of(&found, site.world.now()))))
}

/// Ends the overlap of a key with its successor.
pub async fn finish(here: Here, request: HttpRequest, path: web::Path<String>, body: web::Payload) -> HttpResponse {
    settle(try_finish(&here, &request, &path, body).await)
}

async fn try_finish(site: &Site, request: &HttpRequest, path: &str, body: web::Payload) -> Outcome {
    let Manager { caller, done } = manager(site, request).await?;
    let body: FinishBody = optional(request, body, MAX_JSON).await.map_err(|unread| details::unread(&unread))?;
    let insist = if body.force { Insist::Yes } else { Insist::No };
    let finished = life::finish(&site.world, caller, (named(path)?, insist), done).await;
    let key = finished.map_err(|stop| ended(site, stop, &origin(request)))?;
    Ok(secret(StatusCode::OK, &object!({"id": key.id, "expires_at": key.expires_at.map(|at| at.to_string())})))
}

/// Switches a key off.
pub async fn disable(here: Here, request: HttpRequest, path: web::Path<String>, body: web::Payload) -> HttpResponse {
    settle(step(&here, &request, (&path, Step::Disable), body).await)
}

/// Switches a key on again.
pub async fn enable(here: Here, request: HttpRequest, path: web::Path<String>, body: web::Payload) -> HttpResponse {
    settle(step(&here, &request, (&path, Step::Enable), body).await)
}

/// Ends a key for good.
pub async fn revoke(here: Here, request: HttpRequest, path: web::Path<String>, body: web::Payload) -> HttpResponse {
    settle(step(&here, &request, (&path, Step::Revoke), body).await)
}

async fn step(site: &Site, request: &HttpRequest, (path, step): (&str, Step), body: web::Payload) -> Outcome {
    let Manager { caller, done } = manager(site, request).await?;
    let body: ReasonBody = optional(request, body, MAX_JSON).await.map_err(|unread| details::unread(&unread))?;
    let taken = life::take(&site.world, caller, (named(path)?, step, body.reason), done).await;
    let key = taken.map_err(|stop| ended(site, stop, &origin(request)))?;
    Ok(secret(StatusCode::OK, &object!({"id": key.id, "state": key.state})))
}
