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
    base::uri::Issuer,
    http::{give::document::Document, site::Here},
};
use actix_web::{HttpRequest, HttpResponse};

/// The document of the server with this issuer.
#[must_use]
pub fn of(issuer: &Issuer) -> Document {
    Document::new(&document::document(issuer.as_str()))
}

/// Sends it, or 304.
pub async fn get(here: Here, request: HttpRequest) -> HttpResponse {
    here.openapi.answer(&request)
}

/// The document for the documentation, of an issuer that stands for all.
#[must_use]
pub fn reference() -> String {
    format!("{:#}\n", document::document("https://keywright.example"))
}

#[cfg(test)]
mod tests;
