//! The one page that shows the text of a key.

use super::super::Guest;
use crate::{
    apikey::key::ApiKey,
    flow::api_keys::create::Created,
    http::{
        give::pages::{self, KeyMade},
        portal::Trouble,
        site::Site,
    },
};
use actix_web::{HttpResponse, http::StatusCode};

/// Shows a key that was just made; with the key whose place it takes, where it does.
pub(super) fn reveal(
    site: &Site,
    guest: &Guest,
    made: &Created,
    old: Option<&ApiKey>,
) -> Result<HttpResponse, Trouble> {
    let audience = made.api.audience.as_str();
    // What is no address of the web cannot be called: then an example stands there.
    let called = if audience.starts_with("http") { audience } else { "https://api.example.com" };
    let body = KeyMade {
        shell: site.shell(),
        account: guest.account(site, None),
        id: made.key.id.to_string(),
        name: made.family.name.clone(),
        text: made.text.clone(),
        variable: pages::variable(&made.api.name),
        snippets: pages::snippets(&made.api.name, called),
        instead_of: old.and_then(|old| Some((old.hint.clone(), old.expires_at?.into()))),
    };
    guest.give(site, StatusCode::OK, &body)
}
