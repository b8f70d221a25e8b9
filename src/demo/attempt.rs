//! A sign-in on its way: `state`, `nonce` and the PKCE verifier, kept with the browser that
//! began it until the answer comes back (RFC 6749 §10.12, RFC 7636 §4).

use super::{
    settings::{API_SCOPE, DemoSettings},
    told::Named,
    wire,
};
use crate::base::{
    digest::{base64url, sha256},
    entropy::{self, Entropy},
    fault::Fault,
    moment::{Moment, Span},
};
use url::form_urlencoded;

/// How long the person may take at the issuer.
pub(super) const PATIENCE: Span = Span::minutes(30);

/// What the person wanted when they pressed the button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// To sign in.
    Plain,
    /// To prove once more who they are: `prompt=login`.
    Again,
    /// To let the application call the sample API too: a wider scope.
    More,
    /// To see a code exchanged with another verifier.
    WrongVerifier,
}

impl Ask {
    /// From the form on the page.
    pub(super) fn from_form(text: &str) -> Option<Self> {
        match text {
            "plain" => Some(Self::Plain),
            "again" => Some(Self::Again),
            "more" => Some(Self::More),
            "wrong-verifier" => Some(Self::WrongVerifier),
            _ => None,
        }
    }
    const fn prompt(self) -> Option<&'static str> {
        match self {
            Self::Again => Some("login"),
            Self::Plain | Self::More | Self::WrongVerifier => None,
        }
    }
}

/// How far the access token shall reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Userinfo only.
    Person,
    /// The sample API too.
    Api,
}

/// A sign-in that has been sent off.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) ask: Ask,
    pub(super) reach: Reach,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
    pub(super) begun: Moment,
}

impl Attempt {
    /// A new one, with 256 random bits in each of its three values. It reaches as far as what the
    /// person allowed before, so that proving who they are again takes nothing away.
    ///
    /// # Errors
    /// As [`Entropy::fill`].
    pub(super) fn begin(ask: Ask, before: Reach, now: Moment, dice: &dyn Entropy) -> Result<Self, Fault> {
        let reach = if ask == Ask::More { Reach::Api } else { before };
        Ok(Self { ask, reach, state: random(dice)?, nonce: random(dice)?, verifier: random(dice)?, begun: now })
    }

    /// The parameters of its authorization request.
    pub(super) fn parameters(&self, of: &DemoSettings) -> Vec<(&'static str, String)> {
        let scope = match self.reach {
            Reach::Api => format!("openid profile email {API_SCOPE}"),
            Reach::Person => "openid profile email".into(),
        };
        let mut list = vec![
            ("response_type", "code".into()),
            ("client_id", of.client_id.to_string()),
            ("redirect_uri", of.redirect_uri()),
            ("scope", scope),
            ("resource", of.resource()),
            ("state", self.state.clone()),
            ("nonce", self.nonce.clone()),
            ("code_challenge", challenge(&self.verifier)),
            ("code_challenge_method", "S256".into()),
        ];
        list.extend(self.ask.prompt().map(|p| ("prompt", p.to_owned())));
        list
    }

    /// Whether the person took too long.
    pub(super) fn stale(&self, now: Moment) -> bool {
        now.since(self.begun) > PATIENCE
    }
}

/// The S256 challenge of a verifier (RFC 7636 §4.2).
pub(super) fn challenge(verifier: &str) -> String {
    base64url(&sha256(verifier.as_bytes()))
}

/// 43 characters of base64url from 256 random bits: what RFC 7636 §4.1 recommends for a
/// verifier, and enough for everything else.
///
/// # Errors
/// As [`Entropy::fill`].
pub(super) fn random(dice: &dyn Entropy) -> Result<String, Fault> {
    Ok(base64url(&entropy::bytes::<32>(dice)?))
}

/// A URL with these parameters added to its query.
pub(super) fn with_query(endpoint: &str, parameters: &[(&'static str, String)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let joint = if endpoint.contains('?') { '&' } else { '?' };
    format!("{endpoint}{joint}{query}")
}

/// The parameters as they are told on the page.
pub(super) fn shown(parameters: &[(&'static str, String)]) -> Vec<Named> {
    parameters.iter().map(|(name, value)| wire::named(name, value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::entropy::SeededEntropy, demo::settings::sample};

    #[test]
    fn the_challenge_is_the_example_of_rfc_7636() {
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn every_attempt_has_values_of_its_own_and_sends_no_verifier() {
        let dice = SeededEntropy::new(1);
        let a = Attempt::begin(Ask::Plain, Reach::Person, Moment::EPOCH, &dice).unwrap();
        let b = Attempt::begin(Ask::Again, Reach::Person, Moment::EPOCH, &dice).unwrap();
        assert_eq!(a.verifier.len(), 43);
        let all = [&a.state, &a.nonce, &a.verifier, &b.state, &b.nonce, &b.verifier];
        assert!(all.iter().enumerate().all(|(n, x)| all.iter().skip(n + 1).all(|y| x != y)));
        let url = with_query("http://127.0.0.1:8080/authorize", &b.parameters(&sample()));
        assert!(url.contains("prompt=login") && url.contains("code_challenge_method=S256"), "{url}");
        assert!(url.contains("resource=http%3A%2F%2F127.0.0.1%3A8090%2Fapi") && !url.contains(&b.verifier), "{url}");
    }

    #[test]
    fn only_asking_for_more_reaches_further_and_nothing_less_far() {
        let dice = SeededEntropy::new(1);
        for (ask, before, wide) in [
            (Ask::Plain, Reach::Person, false),
            (Ask::WrongVerifier, Reach::Person, false),
            (Ask::More, Reach::Person, true),
            (Ask::More, Reach::Api, true),
            (Ask::Again, Reach::Api, true),
        ] {
            let attempt = Attempt::begin(ask, before, Moment::EPOCH, &dice).unwrap();
            let scope = attempt.parameters(&sample()).into_iter().find(|(n, _)| *n == "scope").unwrap().1;
            assert_eq!(scope.contains(API_SCOPE), wide, "{ask:?}");
        }
    }
}
