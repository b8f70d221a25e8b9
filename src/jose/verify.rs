//! The one strict function through which every token comes in (RFC 8725, RFC 7519 §7.2).
//!
//! Libraries let a token through that lacks what was not asked for. Here nothing is optional that
//! the profile names, and the order is fixed: size and shape before any decoding, the algorithm
//! from our own list, the key from our own set, the signature's length before the signature, the
//! signature before any claim.

use super::{
    alg::Scheme,
    bad_token::BadToken,
    claims::{self, KNOWN, Verified, date},
    json,
    keys::KeySet,
    profile::{Audience, Expiry, Profile, TypRule},
};
use crate::base::{digest::from_base64url, moment::Moment};
use serde_json::{Map, Value};

/// The longest token that is looked at, in bytes.
pub const MAX_LENGTH: usize = 8 * 1024;

/// Accepts a token, or says why not.
///
/// # Errors
/// [`BadToken`]: the first rule that it breaks.
pub fn verify(profile: &Profile, keys: &KeySet, token: &str, now: Moment) -> Result<Verified, BadToken> {
    let parts = Parts::of(token)?;
    let header = decoded(parts.header, BadToken::Header)?;
    let scheme = scheme(profile.schemes, &header)?;
    typ(profile.typ, &header)?;
    let kid = header.get("kid").map(|kid| kid.as_str().ok_or(BadToken::KeyId)).transpose()?;
    let key = keys.find(kid, scheme).ok_or_else(|| {
        keys.missed(kid);
        BadToken::UnknownKey
    })?;
    let signature = from_base64url(parts.signature).ok_or(BadToken::NotBase64)?;
    if signature.len() != key.signature_len() {
        return Err(BadToken::SignatureLength);
    }
    if !key.accepts(scheme, parts.signed.as_bytes(), &signature) {
        return Err(BadToken::Signature);
    }
    key.met();
    let claims = decoded(parts.payload, BadToken::Claims)?;
    typed(profile, &claims)?;
    parties(profile, &claims)?;
    let until = timely(profile, &claims, now)?;
    Ok(Verified { claims, until })
}

/// Which client a client assertion says it is of. **Nothing is verified**: it serves to find the
/// client whose keys then verify the assertion, and for nothing else.
///
/// # Errors
/// [`BadToken`] where it has not the shape of a client assertion, or `iss` and `sub` differ.
pub fn peek_subject(token: &str) -> Result<String, BadToken> {
    let parts = Parts::of(token)?;
    let claims = decoded(parts.payload, BadToken::Claims)?;
    let of = |claim: &'static claims::Claim| {
        let value = claims.get(claim.name).ok_or(BadToken::Missing(claim))?;
        value.as_str().ok_or(BadToken::WrongType(claim))
    };
    let (issuer, subject) = (of(&claims::ISS)?, of(&claims::SUB)?);
    if issuer == subject { Ok(subject.to_owned()) } else { Err(BadToken::Unequal(&claims::SUB)) }
}

/// Whether a text has the shape of a token: three parts, of which the first is a header (RFC 7515 §7.1).
/// Unverified: it serves to tell tokens from what else people show.
#[must_use]
pub fn has_header(text: &str) -> bool {
    Parts::of(text).is_ok_and(|parts| decoded(parts.header, BadToken::Header).is_ok())
}

/// The `kid` in a token's header, unverified: only to know which key to look for.
#[must_use]
pub fn peek_kid(token: &str) -> Option<String> {
    let parts = Parts::of(token).ok()?;
    let header = decoded(parts.header, BadToken::Header).ok()?;
    header.get("kid")?.as_str().map(str::to_owned)
}

/// The parts of a token in compact form (RFC 7515 §7.1).
pub(super) struct Parts<'a> {
    pub(super) header: &'a str,
    pub(super) payload: &'a str,
    pub(super) signature: &'a str,
    /// Header and payload with the dot between them.
    pub(super) signed: &'a str,
}

impl<'a> Parts<'a> {
    /// Size and number of dots first: nothing is split, decoded or parsed of a text that is too long.
    pub(super) fn of(token: &'a str) -> Result<Self, BadToken> {
        if token.len() > MAX_LENGTH {
            return Err(BadToken::TooLong);
        }
        if token.bytes().filter(|byte| *byte == b'.').count() != 2 {
            return Err(BadToken::NotCompact);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(BadToken::NotCompact)?;
        let (header, payload) = signed.split_once('.').ok_or(BadToken::NotCompact)?;
        Ok(Self { header, payload, signature, signed })
    }
}

pub(super) fn decoded(part: &str, otherwise: BadToken) -> Result<Map<String, Value>, BadToken> {
    let bytes = from_base64url(part).ok_or(BadToken::NotBase64)?;
    json::object(&bytes).map_err(|_| otherwise)
}

/// The algorithm: named by the header, but only out of the profile's list, and then fixed by the
/// key, which fits some schemes and no others. `jku`, `jwk`, `x5u` and `x5c` are not looked at.
pub(super) fn scheme(schemes: &[Scheme], header: &Map<String, Value>) -> Result<Scheme, BadToken> {
    if ["crit", "b64", "zip"].iter().any(|extension| header.contains_key(*extension)) {
        return Err(BadToken::Critical);
    }
    let named = header.get("alg").and_then(Value::as_str).and_then(Scheme::parse);
    named.filter(|scheme| schemes.contains(scheme)).ok_or(BadToken::Algorithm)
}

pub(super) fn typ(rule: TypRule, header: &Map<String, Value>) -> Result<(), BadToken> {
    let given = header.get("typ").map(|typ| typ.as_str().ok_or(BadToken::Typ)).transpose()?;
    let names = |given: &str, typ: &str| {
        let (front, rest) = given.split_at_checked("application/".len()).unwrap_or(("", given));
        given.eq_ignore_ascii_case(typ)
            || (front.eq_ignore_ascii_case("application/") && rest.eq_ignore_ascii_case(typ))
    };
    let fits = match (rule, given) {
        (TypRule::Exactly(typ), Some(given)) => names(given, typ),
        (TypRule::Exactly(_), None) => false,
        (TypRule::AbsentOr(typs), Some(given)) => typs.iter().any(|typ| names(given, typ)),
        (TypRule::AbsentOr(_), None) => true,
    };
    if fits { Ok(()) } else { Err(BadToken::Typ) }
}

/// Every claim that we know has its type, whether required or not.
pub(super) fn types(claims: &Map<String, Value>) -> Result<(), BadToken> {
    let wrong = KNOWN.iter().find(|claim| claims.get(claim.name).is_some_and(|value| !claim.types(value)));
    wrong.map_or(Ok(()), |claim| Err(BadToken::WrongType(claim)))
}

/// The claims have their types, and the required ones are there.
fn typed(profile: &Profile, claims: &Map<String, Value>) -> Result<(), BadToken> {
    types(claims)?;
    let everywhere = &[claims::ISS, claims::AUD];
    for claim in everywhere.iter().chain(profile.required) {
        if !claims.contains_key(claim.name) {
            return Err(BadToken::Missing(claim));
        }
    }
    let unwanted = profile.forbidden.iter().find(|claim| claims.contains_key(claim.name));
    unwanted.map_or(Ok(()), |claim| Err(BadToken::Forbidden(claim)))
}

/// Who issued it, for whom, and whatever else must have one value.
fn parties(profile: &Profile, claims: &Map<String, Value>) -> Result<(), BadToken> {
    let is = |name: &str, expected: &str| claims.get(name).and_then(Value::as_str) == Some(expected);
    if !is(claims::ISS.name, &profile.issuer) {
        return Err(BadToken::Issuer);
    }
    let audience = claims.get(claims::AUD.name);
    let one = audience.and_then(Value::as_str);
    let many = audience.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let audience: Vec<&str> = one.into_iter().chain(many.iter().filter_map(Value::as_str)).collect();
    match &profile.audience {
        Audience::Judged => {}
        Audience::OneOf(expected) => {
            if !expected.iter().any(|name| audience.contains(&name.as_str())) {
                return Err(BadToken::Audience);
            }
        }
        Audience::Only(expected) => {
            if audience != [expected.as_str()] {
                return Err(BadToken::SoleAudience);
            }
        }
    }
    for (claim, expected) in &profile.equal {
        if claims.contains_key(claim.name) && !is(claim.name, expected) {
            return Err(BadToken::Unequal(claim));
        }
    }
    Ok(())
}

/// Whether now is its time; and from when on it never is again.
fn timely(profile: &Profile, claims: &Map<String, Value>, now: Moment) -> Result<Moment, BadToken> {
    let at = |name: &str| claims.get(name).and_then(date);
    let expires = at(claims::EXP.name).ok_or(BadToken::Missing(&claims::EXP))?;
    let until = match profile.expiry {
        Expiry::Late(leeway) => expires + leeway,
        Expiry::LateAndNear(leeway, life) => {
            if expires > now + life + leeway {
                return Err(BadToken::TooFarAhead);
            }
            expires + leeway
        }
        Expiry::Reminder => Moment::from_micros(i64::MAX),
    };
    if now >= until {
        return Err(BadToken::Expired);
    }
    let starts = [at(claims::NBF.name), at(claims::IAT.name)].into_iter().flatten();
    if starts.into_iter().any(|start| start > now + profile.early) {
        return Err(BadToken::NotYet);
    }
    Ok(until)
}

#[cfg(test)]
mod tests;
