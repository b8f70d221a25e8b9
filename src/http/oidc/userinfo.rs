//! The userinfo endpoint (OpenID Connect Core §5.3), with the challenges of RFC 6750 §3.

use crate::{
    base::fault::Stop,
    flow::{
        bearer::{self, Besides, Places},
        userinfo::{self, Told},
    },
    http::{
        give::problem,
        oauth::{answer_unread, authorization, ended},
        site::{Here, Site, origin},
        take::{
            body::{form, is_form},
            dpop,
        },
    },
    oauth::{bearer::Challenge, params::Params, refusal::Refusal},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};

/// Takes the access token from the `Authorization` field.
pub async fn get(here: Here, request: HttpRequest) -> HttpResponse {
    run(&here, &request, None).await
}

/// Takes it from the field, or from a form (RFC 6750 §2.2). A body of another kind is not looked at.
pub async fn post(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    if !is_form(&request) {
        return run(&here, &request, None).await;
    }
    match form(&request, body).await {
        Ok(params) => run(&here, &request, Some(&params)).await,
        Err(unread) => answer_unread(&unread),
    }
}

async fn run(site: &Site, request: &HttpRequest, body: Option<&Params>) -> HttpResponse {
    let query = match Params::parse(request.query_string().as_bytes()) {
        Ok(query) => query,
        Err(refusal) => return refused(site, &Challenge::of(&site.issuer, refusal)),
    };
    let shown = dpop::shown(&site.issuer, request);
    let places = Places { authorization: authorization(request), query: &query, body, dpop: &shown };
    let told = match bearer::check(&site.world, places, Besides::Others).await {
        Ok(bearer) => userinfo::run(&site.world, bearer).await,
        Err(stop) => Err(stop),
    };
    match told {
        Ok(told) => {
            let mut answer = HttpResponse::Ok();
            answer.insert_header((header::CACHE_CONTROL, "no-store")).insert_header((header::PRAGMA, "no-cache"));
            match told {
                Told::Claims(claims) => answer.json(claims),
                Told::Jwt(token) => answer.content_type("application/jwt").body(token),
            }
        }
        Err(Stop::Refusal(challenge)) => refused(site, &challenge),
        Err(Stop::Fault(fault)) => ended(site, Stop::<Refusal>::Fault(fault), &origin(request)),
    }
}

/// The answer with a challenge: an error in the body too, where there is one.
fn refused(site: &Site, challenge: &Challenge) -> HttpResponse {
    let mut answer = match challenge.error() {
        Some(refusal) => {
            site.world.metrics.refusals.one(refusal.code.wire());
            problem::refused(refusal)
        }
        None => HttpResponse::Unauthorized().insert_header((header::CACHE_CONTROL, "no-store")).finish(),
    };
    *answer.status_mut() = StatusCode::from_u16(challenge.status()).unwrap_or(StatusCode::UNAUTHORIZED);
    // It is made of visible ASCII, so it is a field's value.
    if let Ok(value) = header::HeaderValue::from_str(&challenge.to_string()) {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    answer
}
