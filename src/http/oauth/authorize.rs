//! The authorization endpoint (RFC 6749 §3.1): GET and POST say the same.

use crate::{
    flow::authorize::begin,
    http::{
        portal::{Trouble, answer, arrive, query, see_other, settle},
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

/// The longest query that a request by form is turned into.
const MAX_QUERY: usize = 6 * 1024;

/// Takes a request from a form (OpenID Connect Core §3.1.2.1). A form from another site comes
/// without our cookies, which are `SameSite=Lax`; so the browser is sent to ask again by GET,
/// which comes with them.
pub async fn post(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let outcome = match form(&request, body).await {
        Ok(params) => {
            let query = params.to_query();
            if query.len() <= MAX_QUERY {
                return see_other(&format!("{}/authorize?{query}", here.issuer.path()));
            }
            run(&here, &request, &params).await
        }
        Err(unread) => Err(unread.into()),
    };
    settle(&here, &request, outcome)
}

async fn run(site: &Site, request: &HttpRequest, params: &Params) -> Result<HttpResponse, Trouble> {
    let arrival = arrive(site, request)?;
    let next = begin(&site.world, params, &arrival.visit, &arrival.origin).await?;
    answer(site, &arrival.visit, next)
}
