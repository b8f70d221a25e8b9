//! Bodies, and form bodies in particular, bounded in size and in time: the framework has no deadline of its own for a
//! body that dribbles in.

use crate::oauth::{
    code::ErrorCode::InvalidRequest,
    params::Params,
    refusal::{Refusal, refuse},
};
use actix_web::{HttpRequest, http::header, web};
use std::time::Duration;

/// The most bytes of a form.
pub const MAX_FORM: usize = 64 * 1024;
const DEADLINE: Duration = Duration::from_secs(10);

/// Why a body was not read.
#[derive(Debug)]
pub enum Unread {
    /// It is not what the endpoint takes: 400.
    Refused(Refusal),
    /// Of a media type that the endpoint does not take: 415.
    MediaType,
    /// More bytes than the endpoint takes: 413.
    TooLarge,
    /// Not complete after ten seconds: 408.
    TooSlow,
}

/// The parameters of a form post.
///
/// # Errors
/// [`Unread`].
pub async fn form(request: &HttpRequest, body: web::Payload) -> Result<Params, Unread> {
    if !is_form(request) {
        return Err(Unread::MediaType);
    }
    let bytes = bytes(request, body, MAX_FORM).await?;
    Params::parse(&bytes).map_err(Unread::Refused)
}

/// A body of at most so many bytes, within ten seconds.
///
/// # Errors
/// [`Unread`], never [`Unread::MediaType`].
pub async fn bytes(request: &HttpRequest, body: web::Payload, most: usize) -> Result<web::Bytes, Unread> {
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|n| n > most) {
        return Err(Unread::TooLarge);
    }
    match tokio::time::timeout(DEADLINE, body.to_bytes_limited(most)).await {
        Err(_) => Err(Unread::TooSlow),
        Ok(Err(_)) => Err(Unread::TooLarge),
        Ok(Ok(Err(_))) => refuse(InvalidRequest, "the body ended early").map_err(Unread::Refused),
        Ok(Ok(Ok(bytes))) => Ok(bytes),
    }
}

/// Whether a request says that its body is a form.
#[must_use]
pub fn is_form(request: &HttpRequest) -> bool {
    let Some(Ok(kind)) = request.headers().get(header::CONTENT_TYPE).map(header::HeaderValue::to_str) else {
        return false;
    };
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
