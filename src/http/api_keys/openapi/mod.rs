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

use crate::http::{give::document::Document, site::Here};
use actix_web::{HttpRequest, HttpResponse};

/// Sends it, or 304.
pub async fn get(here: Here, request: HttpRequest) -> HttpResponse {
    let document = || Document::new(&document::document(here.issuer.as_str()));
    here.openapi.get_or_init(document).answer(&request)
}

/// The document for the documentation, of an issuer that stands for all.
#[must_use]
pub fn reference() -> String {
    format!("{:#}\n", document::document("https://keywright.example"))
}

#[cfg(test)]
mod tests;
