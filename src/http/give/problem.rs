//! Refusals and faults as direct answers (RFC 6749 §5.2, RFC 6750 §3): one place, so that status,
//! body and fields cannot disagree.

use crate::{
    base::{
        fault::{Fault, FaultKind, Stop},
        id::RequestId,
    },
    oauth::{code::ErrorCode, refusal::Refusal},
};
use actix_web::{HttpResponse, http::StatusCode, http::header};

/// How a refused client is asked to prove itself (RFC 6749 §5.2: a client that used the
/// `Authorization` field is answered with a challenge of its scheme).
pub const BASIC_CHALLENGE: &str = "Basic realm=\"keywright\", charset=\"UTF-8\"";

#[derive(serde::Serialize)]
struct Body<'a> {
    error: &'a str,
    error_description: &'a str,
}

/// The answer to a request that ended early. A fault is logged here, once, with its chain; the
/// client gets its reference id and no more.
#[must_use]
pub fn ended(stop: Stop<Refusal>, request: &RequestId) -> HttpResponse {
    match stop {
        Stop::Refusal(refusal) => refused(&refusal),
        Stop::Fault(fault) => failed(&fault, request),
    }
}

/// The answer for a refusal.
#[must_use]
pub fn refused(refusal: &Refusal) -> HttpResponse {
    let mut answer = json(refusal.code, &refusal.because);
    if refusal.code == ErrorCode::InvalidClient {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static(BASIC_CHALLENGE));
    }
    if refusal.code == ErrorCode::TemporarilyUnavailable {
        answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    answer
}

/// The answer for a fault of ours: 500, or 503 with `Retry-After` where trying again helps.
#[must_use]
pub fn failed(fault: &Fault, request: &RequestId) -> HttpResponse {
    log(fault, request);
    match fault.kind() {
        FaultKind::Broken => {
            json(ErrorCode::ServerError, &format!("something went wrong here; quote the reference {request}"))
        }
        FaultKind::Unavailable => refused(&Refusal::new(
            ErrorCode::TemporarilyUnavailable,
            format!("try again in a second; if it lasts, quote the reference {request}"),
        )),
    }
}

/// Writes a fault to the log, at the edge where it ends.
pub fn log(fault: &Fault, request: &RequestId) {
    match fault.kind() {
        FaultKind::Broken => tracing::error!(request.id = %request, error = %fault, "a request failed"),
        FaultKind::Unavailable => {
            tracing::warn!(request.id = %request, error = %fault, "a request could not be served now")
        }
    }
}

/// The answer to what is no request of the protocol at all, with the status that HTTP has for it.
#[must_use]
pub fn plain(status: StatusCode, because: &str) -> HttpResponse {
    body(status, ErrorCode::InvalidRequest, because)
}

fn json(code: ErrorCode, because: &str) -> HttpResponse {
    body(StatusCode::from_u16(code.status()).unwrap_or(StatusCode::BAD_REQUEST), code, because)
}

fn body(status: StatusCode, code: ErrorCode, because: &str) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Body { error: code.wire(), error_description: because })
}
