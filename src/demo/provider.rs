//! The issuer as the application knows it: its discovery document and its keys, fetched and kept
//! (OpenID Connect Discovery §4, RFC 8414 §3, RFC 7517).

use super::{
    settings::DemoSettings,
    told::{Check, Section, Step, Way},
    wire::{Caller, Exchange, Wire},
};
use crate::base::moment::{Moment, Span};
use serde::Deserialize;
use serde_json::Value;
use std::sync::{Mutex, PoisonError};

/// How long keys are kept before they are asked for again.
const KEEP_KEYS: Span = Span::minutes(5);
/// An unknown `kid` makes us ask at most this often: a flood of bad tokens is no flood of requests.
const ASK_AT_MOST_EVERY: Span = Span::seconds(5);

const DISCOVERY: &str = "An application needs to be told one thing only: the issuer’s URL. Its endpoints, its \
     keys and what it can do stand in a document at a fixed address below it. A real application \
     keeps that document for a while.";
const KEYS: &str = "The issuer publishes the public halves of its signing keys. Whoever has them can verify \
     tokens without asking the issuer, and they are kept until a token names a key that is not among them: \
     that is how keys can be changed without anyone noticing.";

/// What we use of the discovery document.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Endpoints {
    issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) userinfo_endpoint: String,
    jwks_uri: String,
    pub(super) introspection_endpoint: String,
    pub(super) revocation_endpoint: String,
    pub(super) end_session_endpoint: String,
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

#[derive(Debug)]
struct Keys {
    set: Value,
    asked: Moment,
}

/// The issuer. Shared between threads; its calls block.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) settings: DemoSettings,
    pub(super) wire: Wire,
    endpoints: Mutex<Option<Endpoints>>,
    keys: Mutex<Option<Keys>>,
}

impl Provider {
    pub(super) fn new(settings: DemoSettings) -> Self {
        Self { settings, wire: Wire::new(), endpoints: Mutex::new(None), keys: Mutex::new(None) }
    }

    /// The time now.
    pub(super) fn now(&self) -> Moment {
        self.settings.clock.now()
    }

    /// The application itself, as a caller.
    pub(super) fn ourselves(&self) -> Caller<'_> {
        Caller::Client(self.settings.client_id.as_str(), &self.settings.client_secret)
    }

    /// Fetches the discovery document and tells of it; no endpoints where a check fails.
    pub(super) fn discover(&self) -> (Step, Option<Endpoints>) {
        let issuer = &self.settings.issuer;
        let exchange = self.wire.get(&issuer.at("/.well-known/openid-configuration"), Caller::Anyone);
        let read: Result<Endpoints, String> = if exchange.ok() {
            serde_json::from_value(exchange.json.clone()).map_err(|e| e.to_string())
        } else {
            Err(exchange.error())
        };
        let named = read.as_ref().is_ok_and(|e| e.issuer == issuer.as_str());
        let mut step = told(Way::Server, "Discover the issuer", DISCOVERY, exchange);
        match &read {
            Ok(found) => {
                let what = format!("issuer in the document is {} = the issuer we were told", found.issuer);
                let why = "Otherwise somebody else’s document could pass for this issuer’s.";
                step = step.checked(Check::new(named, what, why, Section::Rfc(8414, "3.3")));
            }
            Err(why) => {
                step = step.checked(Check::new(
                    false,
                    format!("the document can be read: {why}"),
                    "",
                    Section::Discovery("4"),
                ));
            }
        }
        let endpoints = read.ok().filter(|_| named);
        if endpoints.is_some() {
            self.endpoints.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&endpoints);
        }
        (step, endpoints)
    }

    /// The endpoints from memory, or discovered now.
    ///
    /// # Errors
    /// The step that tells what went wrong.
    pub(super) fn endpoints(&self) -> Result<Endpoints, Box<Step>> {
        let kept = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(endpoints) = kept {
            return Ok(endpoints);
        }
        let (step, endpoints) = self.discover();
        endpoints.ok_or_else(|| Box::new(step))
    }

    /// The issuer's keys, among them the one named `kid` where it exists, and what there is to
    /// tell of fetching them.
    pub(super) fn keys(&self, kid: Option<&str>) -> (Option<Step>, Value) {
        let now = self.now();
        let mut kept = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = kept.as_ref() {
            let age = now.since(keys.asked);
            let known = kid.is_some_and(|kid| has(&keys.set, kid));
            if (known && age < KEEP_KEYS) || age < ASK_AT_MOST_EVERY {
                return (None, keys.set.clone());
            }
        }
        let endpoints = match self.endpoints() {
            Ok(endpoints) => endpoints,
            Err(step) => return (Some(*step), Value::Null),
        };
        let exchange = self.wire.get(&endpoints.jwks_uri, Caller::Anyone);
        if exchange.ok() {
            *kept = Some(Keys { set: exchange.json.clone(), asked: now });
        }
        let set = exchange.json.clone();
        (Some(told(Way::Server, "Fetch the issuer’s public keys (JWKS)", KEYS, exchange)), set)
    }
}

fn has(set: &Value, kid: &str) -> bool {
    let listed = set.get("keys").and_then(Value::as_array);
    listed.is_some_and(|keys| keys.iter().any(|k| k.get("kid").and_then(Value::as_str) == Some(kid)))
}

/// A step made of an exchange.
pub(super) fn told(way: Way, title: impl Into<String>, why: &'static str, exchange: Exchange) -> Step {
    Step::new(way, title, why).asked(exchange.request).answered(exchange.answer)
}
