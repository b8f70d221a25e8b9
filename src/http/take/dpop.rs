//! The field `DPoP` of a request (RFC 9449 §4.1), with what its proof must be for: of one to us, or of one
//! that somebody else was sent and asks us about.

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

/// What a request to somebody else shows, as they tell it. A proof of which it is not said what it must be for cannot
/// be good.
#[must_use]
pub fn told<'a>(proof: Option<&'a str>, method: Option<&'a str>, uri: Option<String>) -> Shown<'a> {
    match (proof, method, uri) {
        (None, ..) => Shown::default(),
        (Some(proof), Some(method), Some(uri)) => Shown { field: Field::One(proof), method, uri },
        (Some(_), ..) => unreadable(),
    }
}

/// What a request shows that has said it would show a proof, and shows none that can be read.
#[must_use]
pub fn unreadable<'a>() -> Shown<'a> {
    Shown { field: Field::Unreadable, ..Shown::default() }
}
