//! Exchanging an API key for an access token (RFC 8693): what is asked, and what the token says.
//!
//! The key is the credential, so nobody else need be proven. It becomes a token for the one
//! audience of its API, for what the key may do or less, that ends within minutes.

use crate::{
    base::{
        id::{ApiKeyId, FamilyId},
        moment::{Moment, Span},
        scope::Scope,
        secret::Secret,
        uri::{Issuer, Resource},
    },
    oauth::{
        code::ErrorCode::{InvalidGrant, InvalidRequest, InvalidScope, InvalidTarget},
        issue::Confirmation,
        params::Params,
        refusal::{Refusal, refuse},
        resource::{resources_of, scope_of},
    },
};
use serde_json::Value;
use std::collections::BTreeSet;

/// `subject_token_type` of an API key.
pub const API_KEY: &str = "urn:keywright:token-type:api-key";
/// The token types that an exchange can issue (RFC 8693 §3): an access token, which is a JWT.
const ISSUED: [&str; 2] = ["urn:ietf:params:oauth:token-type:access_token", "urn:ietf:params:oauth:token-type:jwt"];
/// Most bytes of a subject token: no key is as long.
const MAX_SUBJECT: usize = 512;
/// The longest life of a token that a key was exchanged for: it is not asked about each time.
pub const LONGEST: Span = Span::minutes(5);

/// What is sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// `subject_token`: the key.
    pub subject: Secret<String>,
    /// `resource` (RFC 8707 §2).
    pub resources: BTreeSet<Resource>,
    /// `audience`: the audience of an API, its name or its identifier.
    pub audience: Option<String>,
    /// `scope`.
    pub scope: Option<Scope>,
    /// `issued_token_type` of the answer: the type that was asked for, or an access token.
    pub issued_type: &'static str,
}

impl Request {
    pub(super) fn parse(params: &Params) -> Result<Self, Refusal> {
        if ["actor_token", "actor_token_type"].iter().any(|name| params.has(name)) {
            return refuse(InvalidRequest, "actor_token is not taken: an API key acts for its owner alone");
        }
        let subject = params.required("subject_token")?;
        match params.required("subject_token_type")? {
            API_KEY => {}
            _ => return refuse(InvalidRequest, format!("subject_token_type must be {API_KEY}")),
        }
        let issued_type = match params.once("requested_token_type")? {
            None => ISSUED.first().copied(),
            Some(asked) => ISSUED.iter().copied().find(|one| *one == asked),
        };
        let Some(issued_type) = issued_type else {
            return refuse(InvalidRequest, format!("requested_token_type must be {} or {}", ISSUED[0], ISSUED[1]));
        };
        if subject.len() > MAX_SUBJECT {
            return Err(not_good());
        }
        Ok(Self {
            subject: Secret::new(subject.to_owned()),
            resources: resources_of(params)?,
            audience: params.once("audience")?.map(str::to_owned),
            scope: scope_of(params)?,
            issued_type,
        })
    }

    /// Whether the token is asked for this audience, whose API has these names; nothing asked is this.
    ///
    /// # Errors
    /// `invalid_target`.
    pub fn targets(&self, audience: &Resource, names: [&str; 2]) -> Result<(), Refusal> {
        let named = |asked: &String| asked == audience.as_str() || names.contains(&asked.as_str());
        if self.resources.iter().all(|resource| resource == audience) && self.audience.iter().all(named) {
            return Ok(());
        }
        refuse(InvalidTarget, "the API key is for another API: a token of it is for the audience of its API alone")
    }

    /// The scope of the token: what was asked for, or all that the key may do.
    ///
    /// # Errors
    /// `invalid_scope` for more than the key may do.
    pub fn narrowed(&self, whole: &Scope) -> Result<Scope, Refusal> {
        match &self.scope {
            None => Ok(whole.clone()),
            Some(asked) if asked.within(whole) => Ok(asked.clone()),
            Some(_) => refuse(InvalidScope, "the scope is wider than what the API key may do"),
        }
    }
}

/// What is told of a key that is unknown, ended, expired, switched off, or of another kind.
#[must_use]
pub fn not_good() -> Refusal {
    Refusal::new(InvalidGrant, "the API key is unknown, ended, expired, switched off, or no server key")
}

/// The end of a token that a key is exchanged for: five minutes, or as long as any access token
/// lives, or the end of the key and so of its overlap, whichever comes first. `None` where that is now.
#[must_use]
pub fn end(key_expires_at: Option<Moment>, lifetime: Span, now: Moment) -> Option<Moment> {
    let longest = now + lifetime.min(LONGEST);
    let end = key_expires_at.map_or(longest, |expires_at| expires_at.min(longest));
    (end.unix() > now.unix()).then_some(end)
}

/// The claims of a token that a key was exchanged for, in the order they are written (RFC 9068 §2.2).
#[derive(Debug, serde::Serialize)]
pub struct KeyToken<'a> {
    /// Who issues.
    pub iss: &'a Issuer,
    /// The owner of the key.
    pub sub: &'a str,
    /// The audience of its API.
    pub aud: &'a Resource,
    /// When it ends.
    pub exp: i64,
    /// When it was made.
    pub iat: i64,
    /// Its name in introspection, audit and revocation.
    pub jti: &'a str,
    /// Who asked for it: the client that was proven, the application that uses the key, its
    /// owner where that is a client; where it is none of them, the key itself.
    pub client_id: &'a str,
    /// What it allows.
    #[serde(skip_serializing_if = "Scope::is_empty")]
    pub scope: &'a Scope,
    /// How whoever asked for it was authenticated (RFC 8176).
    pub amr: [&'static str; 1],
    /// The key.
    pub key_id: &'a ApiKeyId,
    /// Its family.
    pub fam: &'a FamilyId,
    /// The key pair that it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation<'a>>,
    /// What restricts the key and a resource server can ask of a call itself: policies, all of which count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restrictions: Vec<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 2] = [("subject_token", "kw_live_x"), ("subject_token_type", API_KEY)];

    fn with(more: &[(&str, &str)]) -> Result<Request, Refusal> {
        Request::parse(&Params::from_pairs(GOOD.iter().chain(more).copied()))
    }

    #[test]
    fn r053_what_is_not_taken_is_refused_by_its_own_code() {
        let long = "k".repeat(513);
        let cases: &[(&[(&str, &str)], _)] = &[
            (&[("actor_token", "x")], InvalidRequest),
            (&[("actor_token_type", API_KEY)], InvalidRequest),
            (&[("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")], InvalidRequest),
            (&[("requested_token_type", "urn:ietf:params:oauth:token-type:id_token")], InvalidRequest),
            (&[("resource", "not a uri")], InvalidTarget),
            (&[("scope", "a\"b")], InvalidScope),
        ];
        for (more, code) in cases {
            assert_eq!(with(more).unwrap_err().code, *code, "{more:?}");
        }
        for (pairs, code) in [
            (&[("subject_token", "x")][..], InvalidRequest),
            (&[("subject_token_type", API_KEY)], InvalidRequest),
            (&[("subject_token", "x"), ("subject_token_type", ISSUED[0])], InvalidRequest),
            (&[("subject_token", &long), ("subject_token_type", API_KEY)], InvalidGrant),
        ] {
            let refused = Request::parse(&Params::from_pairs(pairs.iter().copied())).unwrap_err();
            assert_eq!(refused.code, code, "{pairs:?}");
            assert!(!refused.because.contains(&long));
        }
        assert_eq!(with(&[]).unwrap().issued_type, ISSUED[0]);
        assert_eq!(with(&[("requested_token_type", ISSUED[1])]).unwrap().issued_type, ISSUED[1]);
    }

    #[test]
    fn r053_a_token_is_for_the_audience_of_the_api_and_for_no_more_than_the_key() {
        let audience = Resource::parse("https://docs.example/").unwrap();
        let names = ["docs", "api_1"];
        let targets = |more: &[(&str, &str)]| with(more).unwrap().targets(&audience, names).is_ok();
        assert!(targets(&[]));
        assert!(targets(&[("resource", "https://docs.example/"), ("audience", "docs")]));
        assert!(targets(&[("audience", "https://docs.example/")]) && targets(&[("audience", "api_1")]));
        assert!(!targets(&[("resource", "https://docs.example")]));
        assert!(!targets(&[("resource", "https://docs.example/"), ("resource", "https://mail.example/")]));
        assert!(!targets(&[("resource", "https://docs.example/"), ("audience", "mail")]));
        let whole = Scope::parse("a b").unwrap();
        assert_eq!(with(&[]).unwrap().narrowed(&whole).unwrap(), whole);
        assert_eq!(with(&[("scope", "b")]).unwrap().narrowed(&whole).unwrap().to_string(), "b");
        assert_eq!(with(&[("scope", "b c")]).unwrap().narrowed(&whole).unwrap_err().code, InvalidScope);
    }

    #[test]
    fn r053_it_ends_with_the_key_and_after_five_minutes() {
        let at = Moment::from_unix;
        let hour = Span::hours(1);
        assert_eq!(end(None, hour, at(1000)), Some(at(1300)));
        assert_eq!(end(Some(at(1100)), hour, at(1000)), Some(at(1100)));
        assert_eq!(end(Some(at(9000)), Span::minutes(1), at(1000)), Some(at(1060)));
        assert_eq!(end(Some(at(1000)), hour, at(1000)), None);
    }
}
