//! `/v1/keys/claims`: links with which a key is claimed, made, listed, taken back.

use super::{Manager, Misread, ended, manager, secret, wire::ClaimBody};
use crate::{
    base::{fault::Stop, id::ClaimId},
    flow::api_keys::{links, refused::Refused},
    http::{
        give::details,
        site::{Here, Site, origin},
        take::json::{MAX_JSON, json},
    },
    oauth::params::Params,
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::json as object;

/// The most links of one page.
const MOST: i64 = 200;

type Outcome = Result<HttpResponse, HttpResponse>;

fn settle(outcome: Outcome) -> HttpResponse {
    outcome.unwrap_or_else(|refused| refused)
}

/// Makes a link. It is in the answer, this once.
pub async fn create(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    settle(try_create(&here, &request, body).await)
}

async fn try_create(site: &Site, request: &HttpRequest, body: web::Payload) -> Outcome {
    let Manager { caller, done } = manager(site, request).await?;
    let body: ClaimBody = json(request, body, MAX_JSON).await.map_err(|unread| details::unread(&unread))?;
    let stop = |stop| ended(site, stop, &origin(request));
    let now = site.world.now();
    let link = body.link(now).map_err(|unfit| stop(Stop::Refusal(Refused::Unfit(unfit))))?;
    let made = links::make(&site.world, caller, link, done).await.map_err(stop)?;
    let told = links::revealed(site.issuer.as_str(), &made).map_err(|fault| stop(fault.into()))?;
    Ok(secret(StatusCode::CREATED, &told))
}

/// Lists links, a page at a time: `after` is the last of the page before.
pub async fn list(here: Here, request: HttpRequest) -> HttpResponse {
    settle(try_list(&here, &request).await)
}

async fn try_list(site: &Site, request: &HttpRequest) -> Outcome {
    let Manager { caller, .. } = manager(site, request).await?;
    let (after, n) = wanted(request.query_string())?;
    let listed = links::list(&site.world, &caller, (after, n)).await;
    let listed = listed.map_err(|stop| ended(site, stop, &origin(request)))?;
    let next = listed.last().filter(|_| i64::try_from(listed.len()) == Ok(n)).map(|one| one.id.clone());
    let claims: Result<Vec<_>, _> = listed.iter().map(|one| links::told(one, site.world.now())).collect();
    let claims = claims.map_err(|fault| ended(site, fault.into(), &origin(request)))?;
    Ok(secret(StatusCode::OK, &object!({"claims": claims, "next": next})))
}

fn wanted(query: &str) -> Result<(Option<ClaimId>, i64), Misread> {
    let query = Params::parse(query.as_bytes())?;
    let n = query.once("limit")?.map_or(Ok(50), str::parse).ok().filter(|n| (1..=MOST).contains(n));
    let after = query.once("after")?.map(|text| ClaimId::parse(text).ok_or(Misread::because("after names no claim")));
    Ok((after.transpose()?, n.ok_or(Misread::because("limit must be from 1 to 200"))?))
}

/// Takes a link back.
pub async fn withdraw(here: Here, request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    settle(try_withdraw(&here, &request, &path).await)
}

async fn try_withdraw(site: &Site, request: &HttpRequest, path: &str) -> Outcome {
    let Manager { caller, done } = manager(site, request).await?;
    let id =
        ClaimId::parse(path).ok_or_else(|| Misread(StatusCode::NOT_FOUND, "there is no such claim link".into()))?;
    let gone = links::withdraw(&site.world, caller, id, done).await;
    gone.map_err(|stop| ended(site, stop, &origin(request)))?;
    Ok(HttpResponse::NoContent().finish())
}
