//! A token that brings its own public key along (RFC 9449 §4.2): good, it proves that whoever made it
//! holds the private half, and nothing else. Nowhere else is a key in a header looked at.

use super::profile::TypRule;
use super::{
    alg::Scheme,
    bad_token::BadToken,
    claims::{Verified, date},
    thumbprint::thumbprint,
    verify::{Parts, decoded, scheme, typ, types},
    verifying::VerifyingKey,
};
use crate::base::{digest::from_base64url, moment::Moment};

/// A token with the key that it is signed by.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// Its claims, each that we know of its type; none is required.
    pub claims: Verified,
    /// The thumbprint of the key (RFC 7638).
    pub jkt: String,
}

/// Verifies a token of this `typ` by the key in its header, which must be public and of one of our
/// algorithms.
///
/// # Errors
/// [`BadToken`]: the first rule that it breaks.
pub fn verify_embedded(typ_wanted: &'static str, token: &str) -> Result<Embedded, BadToken> {
    let parts = Parts::of(token)?;
    let header = decoded(parts.header, BadToken::Header)?;
    let scheme = scheme(&Scheme::ALL, &header)?;
    typ(TypRule::Exactly(typ_wanted), &header)?;
    let jwk = header.get("jwk").filter(|jwk| jwk.is_object()).ok_or(BadToken::UnknownKey)?;
    let key = VerifyingKey::from_brought_jwk(jwk).map_err(BadToken::Embedded)?;
    if !key.fits(scheme) {
        return Err(BadToken::Algorithm);
    }
    let signature = from_base64url(parts.signature).ok_or(BadToken::NotBase64)?;
    if signature.len() != key.signature_len() {
        return Err(BadToken::SignatureLength);
    }
    if !key.accepts(scheme, parts.signed.as_bytes(), &signature) {
        return Err(BadToken::Signature);
    }
    let claims = decoded(parts.payload, BadToken::Claims)?;
    types(&claims)?;
    let jkt = thumbprint(jwk).ok_or(BadToken::UnknownKey)?;
    let until = claims.get("exp").and_then(date).unwrap_or(Moment::from_micros(i64::MAX));
    Ok(Embedded { claims: Verified { claims, until }, jkt })
}
