//! The authorization endpoint (RFC 6749 §3.1): GET and POST say the same.

use crate::{
    flow::authorize::begin,
    http::{
        portal::{Trouble, answer, arrive, query, settle},
        site::{Here, Site},
        take::body::form,
    },
    oauth::params::Params,
};
use actix_web::{HttpRequest, HttpResponse, web};

/// Takes a request from the query.
pub async fn get(here: Here, request: HttpRequest) -> HttpResponse {
    let outcome = match query(&request) {
        Ok(params) => run(&here, &request, &params).await,
        Err(trouble) => Err(trouble),
    };
    settle(&here, &request, outcome)
}

/// Takes a request from a form (OpenID Connect Core §3.1.2.1).
pub async fn post(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let outcome = match form(&request, body).await {
        Ok(params) => run(&here, &request, &params).await,
        Err(unread) => Err(unread.into()),
    };
    settle(&here, &request, outcome)
}

async fn run(site: &Site, request: &HttpRequest, params: &Params) -> Result<HttpResponse, Trouble> {
    let arrival = arrive(site, request)?;
    let next = begin(&site.world, params, &arrival.visit, &arrival.origin).await?;
    answer(site, &arrival.visit, next)
}
