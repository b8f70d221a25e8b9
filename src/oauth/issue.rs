//! What is minted: the claims of access tokens (RFC 9068 §2.2), and the answer of the token
//! endpoint (RFC 6749 §5.1).

use super::{client::Client, grant::Grant};
use crate::{
    base::{
        digest::base64url,
        entropy::{self, Entropy},
        fault::Fault,
        id::GrantId,
        moment::{CLOCKS, Moment, Span},
        scope::Scope,
        secret::Secret,
        uri::{Issuer, Resource},
    },
    jose::Alg,
};
use std::collections::BTreeSet;

/// What an operator decides about tokens.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Who issues.
    pub issuer: Issuer,
    /// Life of access tokens, unless a client has its own.
    pub access_token_lifetime: Span,
    /// Life of ID tokens.
    pub id_token_lifetime: Span,
    /// Life of authorization codes.
    pub code_lifetime: Span,
    /// How long a refresh token may lie unused.
    pub refresh_idle: Span,
    /// How long a grant may be refreshed at all.
    pub refresh_absolute: Span,
    /// How long the token just used gives the same successor again; zero turns it off.
    pub refresh_grace: Span,
    /// How access tokens are signed.
    pub access_token_alg: Alg,
    /// The audience of access tokens for which no resource was asked and none is registered; the issuer, where none.
    pub default_audience: Option<Resource>,
}

impl Policy {
    /// How long an access token of this client lives.
    #[must_use]
    pub fn lifetime_for(&self, client: &Client) -> Span {
        client.access_token_lifetime.unwrap_or(self.access_token_lifetime)
    }

    /// Until when an access token may be good that this client is given now: by the clock of whichever node.
    #[must_use]
    pub fn good_until(&self, client: &Client, now: Moment) -> Moment {
        now + self.lifetime_for(client) + CLOCKS
    }
}

/// `aud`: one string where it is one, as most verifiers expect; else an array.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Audience {
    /// A single audience.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Audience {
    /// The audience of an access token: the resources, and the issuer too where userinfo may be
    /// asked (`openid`), each once; never nothing, because a token without an audience is good everywhere.
    #[must_use]
    pub fn of(resources: &BTreeSet<Resource>, scope: &Scope, policy: &Policy) -> Self {
        let mut names: Vec<String> = resources.iter().map(|r| r.as_str().to_owned()).collect();
        if names.is_empty() {
            names.extend(policy.default_audience.as_ref().map(|r| r.as_str().to_owned()));
        }
        let us = policy.issuer.as_str();
        if names.is_empty() || (scope.has("openid") && names.iter().all(|name| name != us)) {
            names.push(us.to_owned());
        }
        match <[String; 1]>::try_from(names) {
            Ok([one]) => Self::One(one),
            Err(names) => Self::Many(names),
        }
    }

    /// Its members.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(one) => std::slice::from_ref(one).iter(),
            Self::Many(many) => many.iter(),
        }
        .map(String::as_str)
    }
}

/// The claims of an access token, in the order they are written (RFC 9068 §2.2).
#[derive(Debug, serde::Serialize)]
pub struct AccessToken<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a Audience,
    exp: i64,
    iat: i64,
    /// Its name in introspection, audit and revocation.
    pub jti: String,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Scope::is_empty")]
    scope: &'a Scope,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amr: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_id: Option<&'a GrantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation<'a>>,
}

/// The key that a token is bound to (RFC 9449 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Confirmation<'a> {
    /// Its thumbprint (RFC 7638).
    pub jkt: &'a str,
}

/// What a token is shown as (RFC 6749 §7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenType {
    /// By itself (RFC 6750).
    #[default]
    Bearer,
    /// With a proof of the key that it is bound to (RFC 9449).
    Dpop,
}

impl TokenType {
    /// The text on the wire: `token_type`, and the scheme of the `Authorization` field.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
    /// That of a token that is bound to this key, or to none.
    #[must_use]
    pub const fn of(jkt: Option<&str>) -> Self {
        if jkt.is_some() { Self::Dpop } else { Self::Bearer }
    }
}

/// A fresh name for a token: 128 random bits (R43).
///
/// # Errors
/// As [`Entropy::fill`].
pub fn token_name(dice: &dyn Entropy) -> Result<String, Fault> {
    Ok(base64url(&entropy::bytes::<16>(dice)?))
}

/// What an access token is for.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The client that gets it.
    pub client: &'a Client,
    /// The scope of this token.
    pub scope: &'a Scope,
    /// Its audience.
    pub audience: &'a Audience,
    /// The thumbprint of the key that it is bound to, if to one.
    pub jkt: Option<&'a str>,
}

impl Terms<'_> {
    /// How long it lives.
    #[must_use]
    pub fn lifetime(&self, policy: &Policy) -> Span {
        policy.lifetime_for(self.client)
    }
}

impl<'a> AccessToken<'a> {
    /// The claims for a client on its own account: `sub` is the client (RFC 9068 §2.2).
    #[must_use]
    pub fn own(terms: Terms<'a>, policy: &'a Policy, jti: String, now: Moment) -> Self {
        Self {
            iss: policy.issuer.as_str(),
            sub: terms.client.id.as_str(),
            aud: terms.audience,
            exp: (now + terms.lifetime(policy)).unix(),
            iat: now.unix(),
            jti,
            client_id: terms.client.id.as_str(),
            scope: terms.scope,
            auth_time: None,
            acr: None,
            amr: None,
            grant_id: None,
            cnf: terms.jkt.map(|jkt| Confirmation { jkt }),
        }
    }

    /// The claims for a client acting for a person.
    #[must_use]
    pub fn delegated(terms: Terms<'a>, grant: &'a Grant, policy: &'a Policy, jti: String, now: Moment) -> Self {
        let authentication = &grant.granted.authentication;
        Self {
            sub: grant.granted.user.as_str(),
            auth_time: Some(authentication.at.unix()),
            acr: authentication.acr.as_deref(),
            amr: Some(&authentication.amr),
            grant_id: Some(&grant.id),
            ..Self::own(terms, policy, jti, now)
        }
    }
}

/// A successful answer of the token endpoint, in our types: how it is written is for the edge.
pub struct Issued {
    /// `access_token`.
    pub access_token: String,
    /// `expires_in`.
    pub expires_in: Span,
    /// `scope`: always told, so that a client sees what it really got.
    pub scope: Scope,
    /// `refresh_token`.
    pub refresh_token: Option<Secret<String>>,
    /// `id_token`.
    pub id_token: Option<String>,
    /// `token_type`.
    pub token_type: TokenType,
    /// `issued_token_type` (RFC 8693 §2.2.1), of an exchange.
    pub issued_token_type: Option<&'static str>,
}

/// Tokens never print.
impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issued({})", self.scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(default_audience: Option<&str>) -> Policy {
        Policy {
            issuer: Issuer::parse("https://id.example").unwrap(),
            access_token_lifetime: Span::minutes(5),
            id_token_lifetime: Span::minutes(5),
            code_lifetime: Span::seconds(60),
            refresh_idle: Span::days(30),
            refresh_absolute: Span::days(90),
            refresh_grace: Span::seconds(30),
            access_token_alg: Alg::Es256,
            default_audience: default_audience.map(|r| Resource::parse(r).unwrap()),
        }
    }

    #[test]
    fn b11_every_token_has_an_audience() {
        let none = BTreeSet::new();
        let api: BTreeSet<_> = [Resource::parse("https://api.example").unwrap()].into();
        let (plain, openid) = (Scope::parse("read").unwrap(), Scope::parse("openid read").unwrap());
        let aud = |resources, scope, default| {
            Audience::of(resources, scope, &policy(default)).iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(aud(&none, &plain, None), ["https://id.example"]);
        assert_eq!(aud(&none, &plain, Some("https://api.example")), ["https://api.example"]);
        assert_eq!(aud(&api, &plain, None), ["https://api.example"]);
        assert_eq!(aud(&api, &openid, None), ["https://api.example", "https://id.example"]);
        let us: BTreeSet<_> = [Resource::parse("https://id.example").unwrap()].into();
        assert_eq!(aud(&us, &openid, None), ["https://id.example"], "once, so that it is the only one");
    }
}
