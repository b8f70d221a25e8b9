//! The field `DPoP` of a request (RFC 9449 §4.1), with what its proof must be for.

use crate::{
    base::uri::Issuer,
    oauth::dpop::{Field, Shown},
};
use actix_web::HttpRequest;

/// What a request shows. Where it was sent is ours to say, not its: our issuer's origin, and its path.
#[must_use]
pub fn shown<'a>(issuer: &Issuer, request: &'a HttpRequest) -> Shown<'a> {
    let mut fields = request.headers().get_all("dpop");
    let field = match (fields.next(), fields.next()) {
        (None, _) => return Shown::default(),
        (Some(one), None) => one.to_str().map_or(Field::Unreadable, Field::One),
        (Some(_), Some(_)) => Field::Unreadable,
    };
    Shown { field, method: request.method().as_str(), uri: format!("{}{}", issuer.origin(), request.uri().path()) }
}
