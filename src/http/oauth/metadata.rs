//! The discovery document, under both its names (RFC 8414 §3, OpenID Connect Discovery §4): bytes
//! that were made when the server started.

use crate::{
    base::digest::{base64url, sha256},
    flow::world::World,
    http::site::Here,
    oauth::metadata::{self, Abilities},
};
use actix_web::{HttpRequest, HttpResponse, http::header, web::Bytes};

/// The document, ready to send.
#[derive(Debug)]
pub struct Ready {
    body: Bytes,
    etag: String,
}

impl Ready {
    /// Of a world.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let policy = world.policy.load();
        let offered = policy.resources.iter().flat_map(|r| r.scopes.iter().map(|(name, _)| name.clone()));
        let abilities = Abilities {
            scopes: offered.collect(),
            acr_values: Vec::new(),
            ui_locales: vec!["en".to_owned()],
            documentation: None,
        };
        let document = metadata::metadata(&policy.tokens.issuer, &abilities);
        let body = document.to_string();
        let etag = format!("\"{}\"", base64url(&sha256(body.as_bytes())));
        Self { body: Bytes::from(body), etag }
    }
}

/// Sends it, or 304.
pub async fn get(here: Here, request: HttpRequest) -> HttpResponse {
    let ready = &here.metadata;
    let known = request.headers().get(header::IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == ready.etag.as_bytes());
    let mut answer = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
        .insert_header((header::ETAG, ready.etag.as_str()));
    if known { answer.finish() } else { answer.content_type("application/json").body(ready.body.clone()) }
}
