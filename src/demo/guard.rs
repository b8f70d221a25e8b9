//! What holds for every answer of the application: the host it is asked under, and the header
//! fields that keep a page from being framed, scripted or leaked.

use super::routes::Site;
use actix_web::{
    Error, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};

/// Refuses requests for other hosts, so that no name that somebody points at this machine can
/// read the pages (DNS rebinding); sends `localhost` to the address that the cookies are for.
///
/// # Errors
/// As the rest of the chain.
pub(super) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(site) = request.app_data::<web::Data<Site>>().cloned() else {
        return Ok(request.into_response(HttpResponse::InternalServerError().finish()));
    };
    let settings = &site.provider.settings;
    let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
    let mut response = if host == settings.listen.to_string() {
        next.call(request).await?.map_into_boxed_body()
    } else if host == format!("localhost:{}", settings.listen.port()) && request.method() == Method::GET {
        let there = format!("{}{}", settings.origin(), request.uri());
        request.into_response(HttpResponse::SeeOther().insert_header((header::LOCATION, there)).finish())
    } else {
        let text = format!("This demonstration answers at {} only.\n", settings.origin());
        request.into_response(HttpResponse::MisdirectedRequest().body(text))
    };
    // form-action names the issuer because browsers hold the redirect after a form to it too.
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {}; base-uri 'none'; frame-ancestors 'none'",
        settings.issuer.origin()
    );
    let fields = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        fields.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        fields.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
