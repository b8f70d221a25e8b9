//! The ID token (OpenID Connect Core §2, §3.1.3.6; `sid` of Back-Channel Logout §2.1).

use crate::{
    base::{
        digest::half_hash,
        id::SessionId,
        moment::{Moment, Span},
        uri::Issuer,
    },
    jose::Alg,
    oauth::grant::Granted,
};
use serde_json::{Map, Value};

/// The claims of an ID token, in the order they are written. Only a single audience is written,
/// so there is no `azp` (Core §2).
#[derive(Debug, serde::Serialize)]
pub struct IdToken<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    iat: i64,
    auth_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    amr: &'a [String],
    at_hash: String,
    sid: &'a SessionId,
    #[serde(flatten)]
    person: Map<String, Value>,
}

/// On which occasion an ID token is issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A code is redeemed.
    Code,
    /// A refresh: the nonce of a request long past is not repeated (Core §12.2).
    Refresh,
}

/// What goes into an ID token besides the grant.
#[derive(Clone, Debug)]
pub struct Terms<'a> {
    /// Who issues.
    pub issuer: &'a Issuer,
    /// How long it lives.
    pub lifetime: Span,
    /// How it is signed, which decides the hash of `at_hash`.
    pub alg: Alg,
    /// The access token issued beside it.
    pub access_token: &'a str,
    /// On which occasion.
    pub occasion: Occasion,
}

impl<'a> IdToken<'a> {
    /// The claims for what was granted. `auth_time` is that of the sign-in, also when refreshed.
    #[must_use]
    pub fn of(granted: &'a Granted, terms: &Terms<'a>, person: Map<String, Value>, now: Moment) -> Self {
        let nonce = match terms.occasion {
            Occasion::Code => granted.nonce.as_deref(),
            Occasion::Refresh => None,
        };
        Self {
            iss: terms.issuer.as_str(),
            sub: granted.user.as_str(),
            aud: granted.client.as_str(),
            exp: (now + terms.lifetime).unix(),
            iat: now.unix(),
            auth_time: granted.authentication.at.unix(),
            nonce,
            acr: granted.authentication.acr.as_deref(),
            amr: &granted.authentication.amr,
            at_hash: half_hash(terms.alg.half_hash(), terms.access_token),
            sid: &granted.session,
            person: without_ours(person),
        }
    }
}

/// Nothing known of a person can stand in the place of what the server says itself.
fn without_ours(mut person: Map<String, Value>) -> Map<String, Value> {
    use crate::oauth::standard_claims::scope_of;
    person.retain(|claim, _| scope_of(claim).is_some());
    person
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{
            id::{ClientId, UserId},
            scope::Scope,
        },
        oauth::{
            grant::{Authentication, ClaimsRequest},
            sample::issuer,
        },
    };
    use serde_json::json;
    use std::collections::BTreeSet;

    fn written(occasion: Occasion, person: Value) -> Value {
        let granted = Granted {
            client: ClientId::parse("cli_app").unwrap(),
            user: UserId::parse("usr_ada").unwrap(),
            session: SessionId::parse("ses_1").unwrap(),
            scope: Scope::parse("openid").unwrap(),
            resources: BTreeSet::new(),
            claims: ClaimsRequest::default(),
            authentication: Authentication { at: Moment::from_unix(900), amr: vec!["pwd".to_owned()], acr: None },
            nonce: Some("n-0S6_WzA2Mj".to_owned()),
        };
        let issuer = issuer();
        let terms = Terms {
            issuer: &issuer,
            lifetime: Span::minutes(5),
            alg: Alg::Rs256,
            access_token: "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
            occasion,
        };
        let person = person.as_object().unwrap().clone();
        serde_json::to_value(IdToken::of(&granted, &terms, person, Moment::from_unix(1000))).unwrap()
    }

    #[test]
    fn c01_the_claims_are_those_of_the_sign_in() {
        assert_eq!(
            written(Occasion::Code, json!({"email": "ada@example.com", "sub": "usr_evil", "aud": "x"})),
            json!({
                "iss": "https://id.example", "sub": "usr_ada", "aud": "cli_app", "exp": 1300, "iat": 1000,
                "auth_time": 900, "nonce": "n-0S6_WzA2Mj", "amr": ["pwd"], "at_hash": "77QmUPtjPfzWtF2AnpK9RQ",
                "sid": "ses_1", "email": "ada@example.com",
            })
        );
    }

    #[test]
    fn a_refreshed_one_repeats_no_nonce_and_keeps_its_auth_time() {
        let it = written(Occasion::Refresh, json!({}));
        assert!(it.get("nonce").is_none());
        assert_eq!(it["auth_time"], 900);
    }
}
