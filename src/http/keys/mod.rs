//! `/v1`: the API of API keys. JSON in and out, problems as RFC 9457 has them.

pub mod apis;
pub mod ended;
pub mod manage;
pub mod openapi;
pub mod verify;
mod wire;

use super::{
    give::details,
    oauth::authorization,
    site::{Site, origin},
};
use crate::{
    apikey::access::{Caller, NotAllowed},
    audit::Origin,
    base::{fault::Stop, id::RequestId},
    flow::{
        bearer::Places,
        keys::{apis::Done, caller, refused::Refused},
    },
    oauth::{bearer::Challenge, params::Params, refusal::Refusal},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use serde_json::{Map, json};

/// A request that cannot be read: the status, and a sentence.
#[derive(Debug)]
struct Misread(StatusCode, std::borrow::Cow<'static, str>);

impl Misread {
    fn because(why: &'static str) -> Self {
        Self(StatusCode::BAD_REQUEST, why.into())
    }
}

impl From<Refusal> for Misread {
    fn from(refusal: Refusal) -> Self {
        Self(StatusCode::BAD_REQUEST, refusal.because)
    }
}
impl From<Misread> for HttpResponse {
    fn from(Misread(status, why): Misread) -> Self {
        details::plain(status, &why)
    }
}

/// Who manages, and how events name them.
struct Manager {
    caller: Caller,
    done: Done,
}

/// Who is behind the access token of a request.
async fn manager(site: &Site, request: &HttpRequest) -> Result<Manager, HttpResponse> {
    let refused = |refusal| challenged(&Challenge::of(&site.issuer, refusal));
    let query = Params::parse(request.query_string().as_bytes()).map_err(refused)?;
    let places = Places { authorization: authorization(request), query: &query, body: None };
    let origin = origin(request);
    match caller::prove(&site.world, places).await {
        Ok((caller, by)) => Ok(Manager { caller, done: Done { by, origin } }),
        Err(Stop::Refusal(challenge)) => Err(challenged(&challenge)),
        Err(Stop::Fault(fault)) => Err(details::failed(&fault, &named(&origin))),
    }
}

fn challenged(challenge: &Challenge) -> HttpResponse {
    let status = StatusCode::from_u16(challenge.status()).unwrap_or(StatusCode::UNAUTHORIZED);
    let because = challenge.error().map_or("an access token is needed", |refusal| refusal.because.as_ref());
    let mut answer = details::plain(status, because);
    // It is made of visible ASCII, so it is a field's value.
    if let Ok(value) = header::HeaderValue::from_str(&challenge.to_string()) {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    answer
}

/// The answer to a request that ended early.
fn ended(site: &Site, stop: Stop<Refused>, origin: &Origin) -> HttpResponse {
    match stop {
        Stop::Refusal(refused) => refusal(site, &refused),
        Stop::Fault(fault) => details::failed(&fault, &named(origin)),
    }
}

fn named(origin: &Origin) -> RequestId {
    origin.request.clone().unwrap_or_else(|| RequestId::from_u128(0))
}

/// A refusal as a problem: one table.
fn refusal(site: &Site, refused: &Refused) -> HttpResponse {
    use crate::apikey::wanted::Unfit;
    let (status, more) = match refused {
        Refused::NotAllowed(NotAllowed::Lacks(scope)) => {
            let scope = crate::base::scope::Scope::parse(scope).unwrap_or_default();
            return challenged(&Challenge::lacking(&site.issuer, scope));
        }
        Refused::NotAllowed(NotAllowed::NotTheirs) | Refused::NotFound(_) => (StatusCode::NOT_FOUND, Map::new()),
        Refused::NotAllowed(NotAllowed::StepUp | NotAllowed::NotHere) => (StatusCode::FORBIDDEN, Map::new()),
        Refused::Unfit(Unfit::Member(member, _)) => {
            (StatusCode::UNPROCESSABLE_ENTITY, Map::from_iter([("member".to_owned(), json!(member))]))
        }
        Refused::Policy(invalid) | Refused::Unfit(Unfit::Policy(invalid)) => {
            let member = format!("policy.{}", invalid.member());
            (StatusCode::UNPROCESSABLE_ENTITY, Map::from_iter([("member".to_owned(), json!(member))]))
        }
        Refused::AlreadyRevealed(id) => (StatusCode::CONFLICT, Map::from_iter([("key_id".to_owned(), json!(id))])),
        Refused::Unfit(Unfit::ApiDisabled) | Refused::Taken(_) | Refused::State(_) | Refused::InUse(_) => {
            (StatusCode::CONFLICT, Map::new())
        }
        Refused::Changed => (StatusCode::PRECONDITION_FAILED, Map::new()),
        Refused::Gone => (StatusCode::GONE, Map::new()),
    };
    details::problem(status, details::BLANK, &refused.to_string(), more)
}

/// An answer that holds what others must not keep.
fn secret(status: StatusCode, body: &serde_json::Value) -> HttpResponse {
    HttpResponse::build(status).insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}

/// The value of an entity tag for this version (RFC 9110 §8.8.3).
fn etag(version: u32) -> String {
    format!("\"{version}\"")
}

/// The version that a request says it changes (`If-Match`, RFC 9110 §13.1.1); `None` where it says none.
fn if_match(request: &HttpRequest) -> Result<Option<u32>, Misread> {
    let Some(value) = request.headers().get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if text.trim() == "*" {
        return Ok(None);
    }
    let version = text.trim().strip_prefix('"').and_then(|t| t.strip_suffix('"')).and_then(|t| t.parse().ok());
    let unknown = || Misread(StatusCode::PRECONDITION_FAILED, "If-Match names no version of it".into());
    version.map(Some).ok_or_else(unknown)
}
