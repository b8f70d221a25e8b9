//! The keys that verify our tokens (RFC 7517 §5): bytes that were made when the keys changed.

use crate::{
    flow::follow,
    http::{
        give::document,
        site::{Here, origin},
    },
};
use actix_web::{HttpRequest, HttpResponse, http::header, web::Bytes};

/// Sends them, or 304; and counts who has which set now.
pub async fn get(here: Here, request: HttpRequest) -> HttpResponse {
    follow::awake(&here.world).await;
    let keyring = here.world.keyring.load();
    let (etag, kept) = (keyring.etag(), keyring.jwks_max_age());
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    here.world.key_tally.fetched(origin(&request).address, agent, etag, here.world.now());
    document::answer(&request, (etag, kept), "application/jwk-set+json", || Bytes::from(keyring.jwks().to_owned()))
}
