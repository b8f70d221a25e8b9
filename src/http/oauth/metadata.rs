//! The discovery document, under both its names (RFC 8414 §3, OpenID Connect Discovery §4): bytes
//! that were made when the settings were read.

use crate::{
    flow::world::World,
    http::{give::document::Document, site::Here},
    oauth::metadata::{self, Abilities},
};
use actix_web::{HttpRequest, HttpResponse};

/// The document of a world.
#[must_use]
pub fn document(world: &World) -> Document {
    let policy = world.policy.load();
    let offered = policy.resources.iter().flat_map(|r| r.scopes.iter().map(|(name, _)| name.clone()));
    let abilities = Abilities {
        scopes: offered.collect(),
        acr_values: Vec::new(),
        ui_locales: vec!["en".to_owned()],
        documentation: None,
    };
    Document::new(&metadata::metadata(&policy.tokens.issuer, &abilities))
}

/// Sends it, or 304.
pub async fn get(here: Here, request: HttpRequest) -> HttpResponse {
    here.metadata.load().answer(&request)
}
