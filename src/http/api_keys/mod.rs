//! `/v1`: the API of API keys. JSON in and out, problems as RFC 9457 has them.

pub mod apis;
pub mod brought;
pub mod change;
pub mod claims;
pub mod ended;
pub mod leaks;
pub mod manage;
pub mod many;
pub mod openapi;
pub mod quotas;
mod stream;
pub mod usage;
pub mod verify;
mod wire;

use super::{
    give::details,
    oauth::authorization,
    site::{Site, origin},
    take::dpop,
};
use crate::{
    apikey::access::{Caller, NotAllowed},
    audit::Origin,
    base::{fault::Stop, id::RequestId},
    flow::{
        api_keys::{apis::Done, caller, change::Seen, refused::Refused},
        bearer::Places,
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
    let shown = dpop::shown(&site.issuer, request);
    let places = Places { authorization: authorization(request), query: &query, body: None, dpop: &shown };
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
        Refused::NotAllowed(NotAllowed::StepUp) => return step_up(site, &refused.to_string()),
        Refused::NotAllowed(NotAllowed::NotHere) => (StatusCode::FORBIDDEN, Map::new()),
        Refused::Unfit(Unfit::Member(member, _)) => {
            (StatusCode::UNPROCESSABLE_ENTITY, Map::from_iter([("member".to_owned(), json!(member))]))
        }
        Refused::Policy(invalid) | Refused::Unfit(Unfit::Policy(invalid)) => {
            let member = format!("policy.{}", invalid.member());
            (StatusCode::UNPROCESSABLE_ENTITY, Map::from_iter([("member".to_owned(), json!(member))]))
        }
        Refused::AlreadyRevealed(id) => (StatusCode::CONFLICT, Map::from_iter([("key_id".to_owned(), json!(id))])),
        Refused::Unfit(Unfit::ApiDisabled)
        | Refused::Taken(_)
        | Refused::State(_)
        | Refused::InUse(_)
        | Refused::Known(_)
        | Refused::TooMany(_)
        | Refused::TooManyOfLate(_) => (StatusCode::CONFLICT, Map::new()),
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

/// The answer to a token whose person signed in too long ago (RFC 9470 §3).
fn step_up(site: &Site, why: &str) -> HttpResponse {
    let mut answer = details::plain(StatusCode::UNAUTHORIZED, why);
    let seconds = caller::FRESH.as_seconds();
    let told = format!(
        "Bearer realm=\"{}\", error=\"insufficient_user_authentication\", \
         error_description=\"the last sign-in is too long ago\", max_age={seconds}",
        site.issuer
    );
    if let Ok(value) = header::HeaderValue::from_str(&told) {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    answer
}

/// What a request says that it changes (`If-Match`, RFC 9110 §13.1.1): one of the versions that these tags are of, or
/// `None` where whatever is there is meant. A request that says nothing is told to (RFC 6585 §3).
fn matching<T>(request: &HttpRequest, version: fn(&str) -> Option<T>) -> Result<Option<Vec<T>>, Misread> {
    let lines: Vec<&str> =
        request.headers().get_all(header::IF_MATCH).map(|line| line.to_str().unwrap_or_default()).collect();
    if lines.is_empty() {
        return Err(Misread(
            StatusCode::PRECONDITION_REQUIRED,
            "If-Match must hold the ETag of what is changed".into(),
        ));
    }
    // Several lines are one list (RFC 9110 §5.3).
    let list = lines.join(",");
    if list.trim() == "*" {
        return Ok(None);
    }
    let versions: Vec<T> = tags(&list).into_iter().flatten().filter_map(version).collect();
    if versions.is_empty() { Err(unmatched()) } else { Ok(Some(versions)) }
}

/// The entity tags of a list, without their quotes (RFC 9110 §8.8.3, §5.6.1); `None` where it is no such list. Weak ones
/// are left out: they match nothing that is to be changed (§13.1.1).
fn tags(list: &str) -> Option<Vec<&str>> {
    let mut found = Vec::new();
    let mut rest = list.trim();
    while !rest.is_empty() {
        // An element may be empty.
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
            continue;
        }
        let (strong, quoted) = rest.strip_prefix("W/").map_or((true, rest), |quoted| (false, quoted));
        let (tag, after) = quoted.strip_prefix('"')?.split_once('"')?;
        rest = after.trim_start();
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
        found.extend(strong.then_some(tag));
    }
    Some(found)
}

/// The word under which a request may be sent again without being done again, where it has one.
fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, Misread> {
    let Some(value) = request.headers().get("idempotency-key") else { return Ok(None) };
    let word = value.to_str().unwrap_or_default();
    if (1..=255).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(word.to_owned()));
    }
    Err(Misread::because("Idempotency-Key must have 1 to 255 visible ASCII characters"))
}

fn unmatched() -> Misread {
    Misread(StatusCode::PRECONDITION_FAILED, "If-Match names no version of it".into())
}

/// The versions of which a request says it changes one; `None` where any is meant.
fn if_match(request: &HttpRequest) -> Result<Option<Vec<u32>>, Misread> {
    matching(request, |tag| tag.parse().ok())
}

/// The entity tag of a key: of it and of its family, which is shown with it.
fn key_etag(seen: Seen) -> String {
    format!("\"{}.{}\"", seen.0, seen.1)
}

/// What of a key a request says it changes, one of these; `None` where any is meant.
fn if_key_match(request: &HttpRequest) -> Result<Option<Vec<Seen>>, Misread> {
    matching(request, |tag| {
        let (key, family) = tag.split_once('.')?;
        Some(Seen(key.parse().ok()?, family.parse().ok()?))
    })
}

/// An answer with an entity tag.
fn tagged(status: StatusCode, told: &serde_json::Value, tag: &str) -> HttpResponse {
    let mut answer = secret(status, told);
    if let Ok(tag) = header::HeaderValue::from_str(tag) {
        answer.headers_mut().insert(header::ETAG, tag);
    }
    answer
}
