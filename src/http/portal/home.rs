//! The page at the root, and the one for addresses that are none of ours.

use super::{arrive, settle, who};
use crate::{
    flow::visit::session,
    http::{
        give::{
            page::{FormsLead, page},
            pages,
        },
        site::{Here, Site},
    },
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode};

/// Shows what this is.
pub async fn show(here: Here, request: HttpRequest) -> HttpResponse {
    let outcome = async {
        let arrival = arrive(&here, &request)?;
        let signed_in = session(&here.world, &arrival.visit).await?;
        let body = pages::Home {
            shell: here.shell(),
            who: signed_in.as_ref().map(who),
            issuer: here.issuer.as_str().to_owned(),
        };
        Ok(page(StatusCode::OK, &body, FormsLead::Home)?)
    };
    let outcome = outcome.await;
    settle(&here, &request, outcome)
}

/// The page for an address of ours that was asked in a way that it does not answer; `allow` as in the field of that name.
pub(in crate::http) fn wrong_method(site: &Site, request: &HttpRequest, allow: String) -> HttpResponse {
    let body = pages::WrongMethod { shell: site.shell(), allow };
    let made = page(StatusCode::METHOD_NOT_ALLOWED, &body, FormsLead::Home);
    made.unwrap_or_else(|fault| super::failed(site, request, &fault))
}

/// The page for an address that is none of ours.
pub(in crate::http) fn not_found(site: &Site, request: &HttpRequest) -> HttpResponse {
    let body = pages::NotFound { shell: site.shell() };
    page(StatusCode::NOT_FOUND, &body, FormsLead::Home).unwrap_or_else(|fault| super::failed(site, request, &fault))
}
