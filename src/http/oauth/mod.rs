//! The endpoints of OAuth 2.

pub mod authorize;
pub mod introspect;
pub mod jwks;
pub mod metadata;
pub mod revoke;
pub mod token;

use super::{
    give::problem,
    site::{Site, origin},
    take::body::{Unread, form},
};
use crate::{
    audit::Origin,
    base::{fault::Stop, id::RequestId},
    oauth::{engine::Ended, params::Params},
};
use actix_web::{HttpRequest, HttpResponse, http::header, web};

/// A form post of a client, read.
pub(super) struct Post {
    pub(super) params: Params,
    pub(super) origin: Origin,
}

impl Post {
    /// Reads it.
    pub(super) async fn read(request: &HttpRequest, body: web::Payload) -> Result<Self, HttpResponse> {
        match form(request, body).await {
            Ok(params) => Ok(Self { params, origin: origin(request) }),
            Err(unread) => Err(answer_unread(&unread)),
        }
    }
}

/// The `Authorization` field; one that is not text counts as one that proves nothing, and so do two
/// (RFC 9110 §5.3): whoever stands before us may have looked at the other.
pub(super) fn authorization(request: &HttpRequest) -> Option<&str> {
    let mut all = request.headers().get_all(header::AUTHORIZATION);
    let first = all.next()?;
    Some(if all.next().is_none() { first.to_str().unwrap_or(UNREADABLE) } else { UNREADABLE })
}

/// Stands for a field that proves nothing.
const UNREADABLE: &str = "unreadable";

/// The answer to a request that ended early, counted.
pub(super) fn ended(site: &Site, stop: Ended, origin: &Origin) -> HttpResponse {
    if let Stop::Refusal(refusal) = &stop {
        site.world.metrics.refusals.one(refusal.code.wire());
    }
    let nobody = || RequestId::parse("req_unnamed");
    match origin.request.clone().or_else(nobody) {
        Some(id) => problem::ended(stop, &id),
        None => HttpResponse::InternalServerError().finish(),
    }
}

/// The answer to a body that was not read.
pub(super) fn answer_unread(unread: &Unread) -> HttpResponse {
    use actix_web::http::StatusCode;
    match unread {
        Unread::Refused(refusal) => problem::refused(refusal),
        Unread::MediaType => {
            problem::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/x-www-form-urlencoded")
        }
        Unread::TooLarge => problem::plain(StatusCode::PAYLOAD_TOO_LARGE, "a form has at most 64 KiB"),
        Unread::TooSlow => problem::plain(StatusCode::REQUEST_TIMEOUT, "the body took more than ten seconds"),
    }
}
