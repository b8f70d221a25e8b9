//! Refusals and faults as direct answers (RFC 6749 §5.2, RFC 6750 §3): one place, so that status,
//! body and fields cannot disagree. And problem documents (RFC 9457), for what HTTP itself has to say.

use super::rate_limit::{self, Jitter, Limit};
use crate::{
    base::{
        fault::{Fault, FaultKind, Stop},
        id::RequestId,
    },
    oauth::{
        code::ErrorCode,
        refusal::{Exceeded, Refusal},
    },
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

/// Why a request is turned away for now (draft-ietf-httpapi-ratelimit-headers-11 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// A limit or a quota is used up.
    QuotaExceeded,
    /// The server, or the API behind it, can take less than usual.
    TemporaryReducedCapacity,
    /// What was sent does not look like what the client is for.
    AbnormalUsage,
}

impl Pressure {
    /// The type, the title and the status of its problem document.
    #[must_use]
    pub const fn problem(self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::QuotaExceeded => (
                "https://iana.org/assignments/http-problem-types#quota-exceeded",
                "Too many requests: a limit is used up",
                StatusCode::TOO_MANY_REQUESTS,
            ),
            Self::TemporaryReducedCapacity => (
                "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
                "There is less capacity than usual",
                StatusCode::SERVICE_UNAVAILABLE,
            ),
            Self::AbnormalUsage => (
                "https://iana.org/assignments/http-problem-types#abnormal-usage-detected",
                "The requests follow an unusual pattern",
                StatusCode::TOO_MANY_REQUESTS,
            ),
        }
    }
}

#[derive(serde::Serialize)]
struct Details<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    #[serde(rename = "violated-policies")]
    violated: &'a [&'a str],
    #[serde(flatten)]
    oauth: Option<Body<'a>>,
}

/// A problem document: why a request is turned away for now, and the names of the policies that
/// it met. `oauth` adds what clients of RFC 6749 read.
#[must_use]
pub fn pressed(pressure: Pressure, violated: &[&str], oauth: Option<&Refusal>) -> HttpResponse {
    let (r#type, title, status) = pressure.problem();
    let oauth = oauth.map(|refusal| Body { error: refusal.code.wire(), error_description: &refusal.because });
    let details = Details { r#type, title, status: status.as_u16(), violated, oauth };
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_TYPE, "application/problem+json"))
        .body(serde_json::to_string(&details).unwrap_or_default())
}

/// Puts the fields of a limit that was met on an answer.
pub fn limited(answer: &mut HttpResponse, exceeded: &Exceeded, jitter: Jitter) {
    let limit = Limit {
        name: exceeded.policy,
        unit: None,
        quota: exceeded.quota.into(),
        window: exceeded.window,
        partition: None,
        remaining: 0,
        until_more: exceeded.wait,
    };
    let status = answer.status();
    rate_limit::put(answer.headers_mut(), status, &[limit], Some(exceeded.wait), jitter);
}

/// The answer for a refusal.
#[must_use]
pub fn refused(refusal: &Refusal) -> HttpResponse {
    if let Some(exceeded) = &refusal.limit {
        let mut answer = pressed(Pressure::QuotaExceeded, &[exceeded.policy], Some(refusal));
        // The windows of our own endpoints are short: nothing needs to be spread.
        limited(&mut answer, exceeded, 0);
        return answer;
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::moment::Span;
    use actix_web::body::MessageBody;

    fn told(answer: HttpResponse) -> serde_json::Value {
        let Ok(bytes) = answer.into_body().try_into_bytes() else { panic!("a stream") };
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn a_problem_document_names_the_policies_that_were_met() {
        let answer = pressed(Pressure::AbnormalUsage, &["burst", "täglich \"x\""], None);
        assert_eq!(answer.status(), 429);
        assert_eq!(answer.headers().get("content-type").unwrap(), "application/problem+json");
        let body = told(answer);
        assert_eq!(body["type"], "https://iana.org/assignments/http-problem-types#abnormal-usage-detected");
        assert_eq!(body["status"], 429);
        assert_eq!(body["violated-policies"], serde_json::json!(["burst", "täglich \"x\""]));
        assert!(body.get("error").is_none());
        assert_eq!(pressed(Pressure::TemporaryReducedCapacity, &[], None).status(), 503);
    }

    #[test]
    fn a_limit_that_a_client_met_is_told_in_both_languages() {
        let (window, wait) = (Span::minutes(1), Span::millis(1500));
        let answer = refused(&Refusal::too_many(Exceeded { policy: "token", quota: 60, window, wait }));
        assert_eq!(answer.status(), 429);
        let field = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(field("retry-after"), "2");
        assert_eq!(field("ratelimit"), r#""token";r=0;t=2"#);
        assert_eq!(field("ratelimit-policy"), r#""token";q=60;w=60"#);
        assert_eq!(field("cache-control"), "no-store");
        let body = told(answer);
        assert_eq!(body["error"], "temporarily_unavailable");
        assert_eq!(body["violated-policies"], serde_json::json!(["token"]));
    }
}
