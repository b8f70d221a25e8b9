//! Documents that are the same for everybody until something changes: bytes that were made beforehand,
//! which caches keep for a time and then ask about by their tag (RFC 9110 §13.1.2).

use crate::base::{
    digest::{base64url, sha256},
    moment::Span,
};
use actix_web::{HttpRequest, HttpResponse, http::header, web::Bytes};
use serde_json::Value;

/// How long those are kept that change with the settings of the server only.
const KEPT: Span = Span::hours(1);

/// A JSON document, ready to send.
#[derive(Debug)]
pub struct Document {
    body: Bytes,
    etag: String,
}

impl Document {
    /// This one.
    #[must_use]
    pub fn new(json: &Value) -> Self {
        let body = json.to_string();
        let etag = format!("\"{}\"", base64url(&sha256(body.as_bytes())));
        Self { body: Bytes::from(body), etag }
    }

    /// Sends it, or 304.
    #[must_use]
    pub fn answer(&self, request: &HttpRequest) -> HttpResponse {
        answer(request, (&self.etag, KEPT), "application/json", || self.body.clone())
    }
}

/// Sends what has this tag and may be kept this long, or 304 to whoever has it.
#[must_use]
pub fn answer(
    request: &HttpRequest,
    (etag, kept): (&str, Span),
    content_type: &'static str,
    body: impl FnOnce() -> Bytes,
) -> HttpResponse {
    let known = request.headers().get(header::IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == etag.as_bytes());
    let mut answer = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((header::CACHE_CONTROL, format!("public, max-age={}", kept.as_seconds())))
        .insert_header((header::ETAG, etag));
    if known { answer.finish() } else { answer.content_type(content_type).body(body()) }
}
