//! The keys that verify our tokens (RFC 7517 §5): bytes that were made when the keys changed.

use crate::http::site::Here;
use actix_web::{HttpRequest, HttpResponse, http::header};

/// Sends them, or 304.
pub async fn get(here: Here, request: HttpRequest) -> HttpResponse {
    let keyring = here.world.keyring.load();
    let known =
        request.headers().get(header::IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == keyring.etag().as_bytes());
    let mut answer = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((header::CACHE_CONTROL, format!("public, max-age={}", keyring.jwks_max_age().as_seconds())))
        .insert_header((header::ETAG, keyring.etag()));
    if known {
        return answer.finish();
    }
    answer.content_type("application/jwk-set+json").body(keyring.jwks().to_owned())
}
