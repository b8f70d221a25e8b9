//! `/v1/openapi.json`: what `/v1` takes and gives, as OpenAPI 3.1 has it, for programs.
//!
//! The forms come from the types that are read and written, what is done from one table
//! ([`operations`]). A route under `/v1` without a row there fails a test.

mod document;
mod operation;
mod operations;
mod parameters;
mod refusals;
mod told;

use crate::{
    base::{
        digest::{base64url, sha256},
        uri::Issuer,
    },
    http::site::Here,
};
use actix_web::{HttpRequest, HttpResponse, http::header, web::Bytes};

/// The document, ready to send.
#[derive(Debug)]
pub struct Ready {
    body: Bytes,
    etag: String,
}

impl Ready {
    /// Of the server with this issuer.
    #[must_use]
    pub fn new(issuer: &Issuer) -> Self {
        let body = document::document(issuer.as_str()).to_string();
        let etag = format!("\"{}\"", base64url(&sha256(body.as_bytes())));
        Self { body: Bytes::from(body), etag }
    }
}

/// Sends it, or 304.
pub async fn get(here: Here, request: HttpRequest) -> HttpResponse {
    let ready = &here.openapi;
    let known = request.headers().get(header::IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == ready.etag.as_bytes());
    let mut answer = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
        .insert_header((header::ETAG, ready.etag.as_str()));
    if known { answer.finish() } else { answer.content_type("application/json").body(ready.body.clone()) }
}

/// The document for the documentation, of an issuer that stands for all.
#[must_use]
pub fn reference() -> String {
    format!("{:#}\n", document::document("https://keywright.example"))
}

#[cfg(test)]
mod tests;
