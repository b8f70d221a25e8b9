//! What happens to every request on its way in and to every answer on its way out: a name, the
//! caller's address, a span, the fields that every answer carries, and a measurement.

use super::{
    give::{pages::Pressure, problem},
    portal,
    site::Site,
    take::{
        chunks::{Held, Holding},
        peer::Unreadable,
    },
};
use crate::{
    flow::guard::{self, Door},
    oauth::{
        code::ErrorCode::InvalidRequest,
        refusal::{Exceeded, Refusal},
    },
    telemetry::{instrument::RouteMeter, request_span},
};
use actix_web::{
    Error, HttpMessage, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse, Url},
    http::header,
    http::{
        StatusCode, Uri,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use std::{sync::Arc, time::Instant};
use tracing::Instrument;

/// The longest path and query that is looked at.
const MAX_URL: usize = 8 * 1024;
/// The most bytes of all fields of a head together; the framework itself reads four times as many.
const MAX_FIELDS: usize = 32 * 1024;

/// Which other origins' scripts may read the answers (the Fetch standard, "CORS protocol").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cors {
    /// Any: these endpoints know no cookie, so there is nothing that another origin could abuse.
    Any,
    /// None: pages, and everything that a browser's cookies reach (RFC 9700 §2.6).
    None,
}

/// A route's way through the edge.
pub struct Lane {
    /// Its path, as it is measured.
    pub path: &'static str,
    /// Who may read its answers.
    pub cors: Cors,
    /// The limit of an address that it counts against.
    pub door: Option<Door>,
    /// Its meter.
    pub meter: RouteMeter,
    /// The site.
    pub site: Arc<Site>,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lane({})", self.path)
    }
}

/// Takes a request through.
///
/// # Errors
/// Those of the framework beneath.
pub async fn through<B: MessageBody + 'static>(
    lane: Arc<Lane>,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let began = Instant::now();
    let long = request.uri().path_and_query().is_some_and(|asked| asked.as_str().len() > MAX_URL);
    let refused = match lane.site.receive(request.request()) {
        _ if long => Some(problem::plain(StatusCode::URI_TOO_LONG, "the URL has more than 8 KiB")),
        _ if bytes_of(request.headers()) > MAX_FIELDS => {
            Some(problem::plain(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the head has more than 32 KiB"))
        }
        Ok(Ok(origin)) => {
            let held = lane.door.and_then(|door| guard::pass(&lane.site.world, door, origin.address).err());
            request.extensions_mut().insert(origin);
            held.map(|exceeded| hold(&lane, exceeded))
        }
        Ok(Err(Unreadable)) => Some(problem::refused(&Refusal::new(
            InvalidRequest,
            "X-Forwarded-For, from a trusted proxy, is not a list of addresses",
        ))),
        Err(fault) => {
            tracing::error!(error = %fault, "a request could not be named");
            Some(HttpResponse::InternalServerError().finish())
        }
    };
    let body = Held::of(&mut request);
    let mut answer = match refused {
        Some(answer) => request.into_response(answer).map_into_right_body(),
        None => {
            let span = span_of(&lane, &request);
            next.call(request).instrument(span).await?.map_into_left_body()
        }
    };
    dress(answer.headers_mut(), &lane.site, lane.cors);
    lane.meter.note(answer.status().as_u16(), began.elapsed());
    Ok(match body {
        Some(body) => answer.map_body(|_, told| EitherBody::right(Holding::boxed(told, body))),
        None => answer,
    })
}

/// Forgets what a request has brought, in its fields and in its address, when it is answered: the framework keeps
/// requests, to use their memory again, and with them cookies and passwords until others take their place.
///
/// # Errors
/// Those of the framework beneath.
///
/// # Panics
/// Where a handler has kept the request, as in a body that is still to be sent: what it needs of it, it copies.
pub async fn forget<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let (request, answer) = next.call(request).await?.into_parts();
    let mut request = ServiceRequest::from_request(request);
    let head = request.head_mut();
    (head.headers, head.uri) = (HeaderMap::new(), Uri::default());
    // What was matched with the routes is another copy of the address.
    request.match_info_mut().set(Url::new(Uri::default()));
    Ok(ServiceResponse::new(request.into_parts().0, answer))
}

fn bytes_of(fields: &HeaderMap) -> usize {
    fields.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum()
}

fn span_of(lane: &Lane, request: &ServiceRequest) -> tracing::Span {
    let extensions = request.extensions();
    let id = extensions.get::<crate::audit::Origin>().and_then(|origin| origin.request.as_ref());
    id.map_or_else(tracing::Span::none, |id| request_span(id, request.method().as_str(), lane.path))
}

/// The answer to one request too many: a page for people, a document for programs.
fn hold(lane: &Lane, exceeded: Exceeded) -> HttpResponse {
    lane.site.world.metrics.held.one(exceeded.policy);
    if lane.cors == Cors::Any {
        return problem::refused(&Refusal::too_many(exceeded));
    }
    let seconds = u32::try_from(exceeded.wait.as_seconds()).unwrap_or(u32::MAX).saturating_add(1);
    let mut page = portal::busy(&lane.site, Pressure::TooMany, seconds);
    problem::limited(&mut page, &exceeded, 0);
    page
}

/// The fields that every answer carries.
pub(super) fn dress(fields: &mut HeaderMap, site: &Site, cors: Cors) {
    let mut set = |name: HeaderName, value: &'static str| {
        fields.insert(name, HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if site.issuer.is_https() {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    if cors == Cors::Any {
        set(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        set(header::ACCESS_CONTROL_EXPOSE_HEADERS, "WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy");
    }
}

/// The answer to a preflight request for an endpoint that any origin may use.
pub async fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type, DPoP"))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"))
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::{App, middleware::from_fn, rt, test as asking, web};

    #[test]
    fn of_a_request_that_was_answered_neither_its_fields_nor_its_address_are_kept() {
        rt::System::new().block_on(async {
            let app = App::new().wrap(from_fn(forget)).route("/{it}", web::get().to(HttpResponse::Ok));
            let app = asking::init_service(app).await;
            let asked = asking::TestRequest::get().uri("/a?access_token=hunter2").insert_header(("cookie", "hunter2"));
            let answer = asking::call_service(&app, asked.to_request()).await;
            let kept = answer.request();
            assert!(answer.status() == StatusCode::OK && kept.headers().is_empty() && kept.uri().query().is_none());
            // What was matched with the routes is another copy of the address.
            assert_eq!(kept.match_info().get_ref().uri().query(), None);
        });
    }
}
