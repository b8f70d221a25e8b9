//! The keys that verify our tokens (RFC 7517 §5): bytes that were made when the keys changed.

use crate::http::{give::document, site::Here};
use actix_web::{HttpRequest, HttpResponse, web::Bytes};

/// Sends them, or 304.
pub async fn get(here: Here, request: HttpRequest) -> HttpResponse {
    let keyring = here.world.keyring.load();
    let (etag, kept) = (keyring.etag(), keyring.jwks_max_age());
    document::answer(&request, (etag, kept), "application/jwk-set+json", || Bytes::from(keyring.jwks().to_owned()))
}
