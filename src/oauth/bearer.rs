//! Access tokens at our own protected resources (RFC 6750): where they may be, and what is said
//! when they are not good.

use super::{
    code::ErrorCode::{InsufficientScope, InvalidDpopProof, InvalidRequest, InvalidToken},
    dpop,
    issue::TokenType,
    params::Params,
    refusal::Refusal,
};
use crate::base::{scope::Scope, uri::Issuer};
use std::fmt;

/// Most bytes of an access token.
const MAX_TOKEN: usize = 8192;

/// Why there is no token to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoToken {
    /// None was sent: the challenge has no error code then (RFC 6750 §3).
    Absent,
    /// It was sent in a way that is not accepted.
    Refused(Refusal),
}

impl NoToken {
    fn refused(because: &'static str) -> Self {
        Self::Refused(Refusal::new(InvalidRequest, because))
    }
    /// What is answered.
    #[must_use]
    pub fn challenge(&self, issuer: &Issuer) -> Challenge {
        match self {
            Self::Absent => Challenge::bare(issuer),
            Self::Refused(refusal) => Challenge::of(issuer, refusal.clone()),
        }
    }
}

/// Finds the access token of a request: in the `Authorization` field, or in a form body. Never in
/// the query, which is written into logs and histories (RFC 9700 §4.3.2).
///
/// # Errors
/// [`NoToken`].
pub fn token_of<'a>(
    authorization: Option<&'a str>,
    query: &Params,
    body: Option<&'a Params>,
) -> Result<(&'a str, TokenType), NoToken> {
    if query.has("access_token") {
        return Err(NoToken::refused("access_token must not be in the URL: send it as Authorization: Bearer"));
    }
    let in_body = match body.map(|params| params.once("access_token")) {
        None => None,
        Some(Ok(text)) => text,
        Some(Err(refusal)) => return Err(NoToken::Refused(refusal)),
    };
    let in_field = authorization.and_then(|field| {
        let (scheme, rest) = field.split_once(' ').unwrap_or((field, ""));
        let types = [TokenType::Bearer, TokenType::Dpop];
        let shown = types.into_iter().find(|shown| scheme.eq_ignore_ascii_case(shown.wire()))?;
        Some((rest.trim_matches(' '), shown))
    });
    let in_body = in_body.map(|token| (token, TokenType::Bearer));
    let (token, shown) = match (in_field, in_body) {
        (Some(_), Some(_)) => return Err(NoToken::refused("the access token was sent in more than one way")),
        (Some(token), None) | (None, Some(token)) => token,
        (None, None) => return Err(NoToken::Absent),
    };
    // RFC 6750 §2.1: b64token.
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    let body = token.trim_end_matches('=');
    if body.is_empty() || token.len() > MAX_TOKEN || !body.bytes().all(allowed) {
        return Err(NoToken::Refused(Refusal::new(InvalidToken, "the access token is malformed")));
    }
    Ok((token, shown))
}

/// A `WWW-Authenticate` field of the scheme `Bearer` (RFC 6750 §3), or `DPoP` (RFC 9449 §7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    realm: String,
    error: Option<Refusal>,
    scope: Option<Scope>,
    scheme: TokenType,
}

impl Challenge {
    /// For a request without a token: no error code.
    #[must_use]
    pub fn bare(issuer: &Issuer) -> Self {
        Self { realm: issuer.as_str().to_owned(), error: None, scope: None, scheme: TokenType::Bearer }
    }
    /// For a token that is not good.
    #[must_use]
    pub fn of(issuer: &Issuer, refusal: Refusal) -> Self {
        Self { error: Some(refusal), ..Self::bare(issuer) }
    }
    /// For a token that must be shown with a proof of the key it is bound to (RFC 9449 §7.1).
    #[must_use]
    pub fn bound(issuer: &Issuer, refusal: Refusal) -> Self {
        Self { scheme: TokenType::Dpop, ..Self::of(issuer, refusal) }
    }
    /// For a token that lacks some of this scope.
    #[must_use]
    pub fn lacking(issuer: &Issuer, scope: Scope) -> Self {
        let refusal = Refusal::new(InsufficientScope, "the access token lacks the scope that this needs");
        Self { scope: Some(scope), ..Self::of(issuer, refusal) }
    }
    /// The status that goes with it: 401 where there is no error.
    #[must_use]
    pub fn status(&self) -> u16 {
        match &self.error {
            Some(refusal) if refusal.code != InvalidDpopProof => refusal.code.status(),
            Some(_) | None => 401,
        }
    }
    /// The error that goes into the body too, if there is one.
    #[must_use]
    pub const fn error(&self) -> Option<&Refusal> {
        self.error.as_ref()
    }
}

/// The value of the field. Every part is within a quoted string's characters: an issuer, a
/// registered code, a sentence of ours, scope tokens.
impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} realm=\"{}\"", self.scheme.wire(), self.realm)?;
        if let Some(refusal) = &self.error {
            let safe = |c: &char| matches!(c, ' '..='~') && *c != '"' && *c != '\\';
            let because: String = refusal.because.chars().filter(safe).collect();
            write!(f, ", error=\"{}\", error_description=\"{because}\"", refusal.code)?;
        }
        if self.scheme == TokenType::Dpop {
            write!(f, ", algs=\"{}\"", dpop::algs().join(" "))?;
        }
        match &self.scope {
            Some(scope) => write!(f, ", scope=\"{scope}\""),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::sample::issuer;

    fn of(field: Option<&str>, query: &[(&str, &str)], body: &[(&str, &str)]) -> Result<String, NoToken> {
        let (query, body) = (Params::from_pairs(query.iter().copied()), Params::from_pairs(body.iter().copied()));
        token_of(field, &query, Some(&body)).map(|(token, _)| token.to_owned())
    }

    #[test]
    fn a_token_may_be_in_the_field_or_in_the_form() {
        assert_eq!(of(Some("Bearer a.b.c"), &[], &[]).unwrap(), "a.b.c");
        assert_eq!(of(Some("bearer  abc=="), &[], &[]).unwrap(), "abc==");
        assert_eq!(of(None, &[], &[("access_token", "abc")]).unwrap(), "abc");
        assert_eq!(of(None, &[], &[]), Err(NoToken::Absent));
        assert_eq!(of(Some("Basic eA=="), &[], &[]), Err(NoToken::Absent));
    }

    #[test]
    fn b19_a_token_in_the_query_is_refused_even_beside_a_good_one() {
        for field in [None, Some("Bearer abc")] {
            let Err(NoToken::Refused(refusal)) = of(field, &[("access_token", "abc")], &[]) else { panic!("taken") };
            assert_eq!(refusal.code, InvalidRequest);
        }
    }

    #[test]
    fn two_ways_and_broken_text_are_refused() {
        let long = format!("Bearer {}", "a".repeat(8193));
        for (field, body, code) in [
            (Some("Bearer abc"), &[("access_token", "abc")][..], InvalidRequest),
            (None, &[("access_token", "a"), ("access_token", "b")], InvalidRequest),
            (Some("Bearer"), &[], InvalidToken),
            (Some("Bearer ="), &[], InvalidToken),
            (Some("Bearer a b"), &[], InvalidToken),
            (Some("Bearer a\"b"), &[], InvalidToken),
            (Some(&long), &[], InvalidToken),
        ] {
            let Err(NoToken::Refused(refusal)) = of(field, &[], body) else { panic!("taken: {field:?}") };
            assert_eq!(refusal.code, code, "{field:?}");
        }
    }

    #[test]
    fn a_challenge_names_an_error_only_where_a_token_was_sent() {
        let issuer = issuer();
        let bare = NoToken::Absent.challenge(&issuer);
        assert_eq!((bare.to_string().as_str(), bare.status()), ("Bearer realm=\"https://id.example\"", 401));
        let bad = Challenge::of(&issuer, Refusal::new(InvalidToken, "it \"expired\""));
        assert_eq!(
            bad.to_string(),
            "Bearer realm=\"https://id.example\", error=\"invalid_token\", error_description=\"it expired\""
        );
        let lacking = Challenge::lacking(&issuer, Scope::parse("openid").unwrap());
        assert!(lacking.to_string().ends_with(", scope=\"openid\"") && lacking.status() == 403);
    }
}
