//! What the weather API asks the issuer, and what it tells it: as any resource server would.

use super::WeatherSettings;
use crate::demo::wire::{Caller, Exchange, Wire};
use serde_json::Value;

/// The issuer, as the API knows it. Its calls block.
#[derive(Debug)]
pub(super) struct Issuer {
    pub(super) settings: WeatherSettings,
    wire: Wire,
}

impl Issuer {
    pub(super) fn new(settings: WeatherSettings) -> Self {
        Self { settings, wire: Wire::new() }
    }

    /// The verdict about a key; `None` where there is no answer, and nothing may pass.
    pub(super) fn verify(&self, question: &Value) -> Option<Value> {
        let asked = self.wire.post_json(&self.settings.issuer.at("/v1/keys/verify"), self.ourselves(), question);
        answered(asked)
    }

    /// What a token is (RFC 7662); `None` where there is no answer.
    pub(super) fn introspect(&self, token: &str) -> Option<Value> {
        let asked = self.wire.post(&self.settings.issuer.at("/introspect"), self.ourselves(), &[("token", token)]);
        answered(asked)
    }

    /// Reports what was served; false where it has to be told again.
    pub(super) fn report(&self, body: &Value) -> bool {
        self.wire.post_json(&self.settings.issuer.at("/v1/usage"), self.ourselves(), body).ok()
    }

    fn ourselves(&self) -> Caller<'_> {
        Caller::Client(self.settings.client_id.as_str(), &self.settings.client_secret)
    }
}

fn answered(asked: Exchange) -> Option<Value> {
    asked.ok().then_some(asked.json).filter(Value::is_object)
}
