//! Problem details (RFC 9457): how everything under `/v1` says no.

use crate::{
    base::{
        fault::{Fault, FaultKind},
        id::RequestId,
    },
    http::take::body::Unread,
    oauth::refusal::Refusal,
};
use actix_web::{HttpResponse, http::StatusCode, http::header};
use serde_json::{Map, Value, json};

/// The type that adds nothing to the status.
pub const BLANK: &str = "about:blank";

/// An answer that says no: the status, what kind of problem, a sentence, and what else a program may want.
#[must_use]
pub fn problem(status: StatusCode, kind: &str, detail: &str, more: Map<String, Value>) -> HttpResponse {
    let mut body = Map::new();
    body.insert("type".to_owned(), json!(kind));
    body.insert("title".to_owned(), json!(status.canonical_reason().unwrap_or_default()));
    body.insert("status".to_owned(), json!(status.as_u16()));
    body.insert("detail".to_owned(), json!(detail));
    body.extend(more);
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_TYPE, "application/problem+json"))
        .body(Value::Object(body).to_string())
}

/// One that says no more than its status and a sentence.
#[must_use]
pub fn plain(status: StatusCode, detail: &str) -> HttpResponse {
    problem(status, BLANK, detail, Map::new())
}

/// The answer to who could not prove themselves as they should: a problem that has the code of RFC 6749 too.
#[must_use]
pub fn refused(refusal: &Refusal) -> HttpResponse {
    let oauth = super::problem::refused(refusal);
    if refusal.limit.is_some() {
        return oauth;
    }
    let more = Map::from_iter([("error".to_owned(), json!(refusal.code.wire()))]);
    let mut answer = problem(oauth.status(), BLANK, &refusal.because, more);
    for field in [header::WWW_AUTHENTICATE, header::RETRY_AFTER] {
        if let Some(value) = oauth.headers().get(&field) {
            answer.headers_mut().insert(field, value.clone());
        }
    }
    answer
}

/// The answer to a body that was not read.
#[must_use]
pub fn unread(unread: &Unread) -> HttpResponse {
    match unread {
        Unread::Refused(refusal) => plain(StatusCode::BAD_REQUEST, &refusal.because),
        Unread::MediaType => plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json"),
        Unread::TooLarge => plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"),
        Unread::TooSlow => plain(StatusCode::REQUEST_TIMEOUT, "the body took more than ten seconds"),
    }
}

/// The answer for a fault of ours, which is logged here: 500, or 503 where trying again helps.
#[must_use]
pub fn failed(fault: &Fault, request: &RequestId) -> HttpResponse {
    super::problem::log(fault, request);
    let more = Map::from_iter([("request_id".to_owned(), json!(request))]);
    match fault.kind() {
        FaultKind::Broken => {
            problem(StatusCode::INTERNAL_SERVER_ERROR, BLANK, "something went wrong here; quote the request_id", more)
        }
        FaultKind::Unavailable => {
            let mut answer = problem(StatusCode::SERVICE_UNAVAILABLE, BLANK, "try again in a second", more);
            answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
            answer
        }
    }
}
