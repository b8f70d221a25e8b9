//! `/account/sessions` and `/account/consents`.

use super::{Guest, back};
use crate::{
    base::{
        fault::Stop,
        id::{ConsentId, SessionId},
    },
    flow::{
        account::{self as flow, Consented, NotFound},
        log_out::{self, Everywhere},
    },
    http::{
        give::{
            device,
            pages::{self, ClientCard, ConsentLine, Place, SessionLine, SessionPlace},
        },
        portal::{Trouble, card, consent::describe, home, see_other, session_cookie, set, settle},
        site::{Here, Site},
    },
    oauth::client::Client,
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

/// Shows where the person is signed in.
pub async fn sessions(here: Here, request: HttpRequest) -> HttpResponse {
    let outcome = show_sessions(&here, &request).await;
    settle(&here, &request, outcome)
}

/// Ends one session, or all.
pub async fn end_sessions(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let outcome = take_sessions(&here, &request, body).await;
    settle(&here, &request, outcome)
}

async fn show_sessions(site: &Site, request: &HttpRequest) -> Result<HttpResponse, Trouble> {
    let guest = match Guest::of(site, request).await? {
        Ok(guest) => guest,
        Err(sign_in) => return Ok(sign_in),
    };
    let found = flow::sessions(&site.world, &guest.here).await?;
    let lines = found.into_iter().map(|session| SessionLine {
        place: if session.id == guest.here.session.id { SessionPlace::Here } else { SessionPlace::Elsewhere },
        handle: session.id.to_string(),
        device: device::name(session.agent.as_deref().unwrap_or_default()),
        address: session.address.map_or_else(|| "unknown".to_owned(), |address| address.to_canonical().to_string()),
        signed_in: session.auth_time.into(),
        last_seen: session.seen_at.into(),
    });
    let sessions = lines.collect();
    guest.give(
        site,
        StatusCode::OK,
        &pages::Sessions { shell: site.shell(), account: guest.account(site, None), sessions },
    )
}

async fn take_sessions(site: &Site, request: &HttpRequest, body: web::Payload) -> Result<HttpResponse, Trouble> {
    let (guest, params) = match Guest::posting(site, request, body).await? {
        Ok(both) => both,
        Err(sign_in) => return Ok(sign_in),
    };
    let (here, origin) = (&guest.here, &guest.arrival.origin);
    let wanted = params.required("end")?;
    if wanted == "everywhere" {
        log_out::everywhere(&site.world, Everywhere::asked_by(&here.user.id), origin).await?;
        return Ok(left(site));
    }
    let Some(session) = SessionId::parse(wanted) else { return Ok(home::not_found(site, request)) };
    let own = session == here.session.id;
    match flow::end_session(&site.world, here, session, origin).await {
        Ok(()) if own => Ok(left(site)),
        Ok(()) => Ok(back(site, "sessions", "session")),
        Err(Stop::Refusal(NotFound)) => Ok(home::not_found(site, request)),
        Err(Stop::Fault(fault)) => Err(fault.into()),
    }
}

/// The way on for a person who has just signed out here: to the page that says so.
fn left(site: &Site) -> HttpResponse {
    let mut response = see_other(&format!("{}/end_session", site.issuer.path()));
    set(&mut response, &session_cookie(site, None));
    response
}

/// Shows what the person has consented to.
pub async fn consents(here: Here, request: HttpRequest) -> HttpResponse {
    let outcome = show_consents(&here, &request).await;
    settle(&here, &request, outcome)
}

/// Takes a consent back.
pub async fn withdraw(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let outcome = take_consent(&here, &request, body).await;
    settle(&here, &request, outcome)
}

async fn show_consents(site: &Site, request: &HttpRequest) -> Result<HttpResponse, Trouble> {
    let guest = match Guest::of(site, request).await? {
        Ok(guest) => guest,
        Err(sign_in) => return Ok(sign_in),
    };
    let found = flow::consents(&site.world, &guest.here).await?;
    let policy = site.world.policy.load();
    let line = |consented: Consented| ConsentLine {
        id: consented.id.to_string(),
        client: shown(&consented.client),
        scopes: consented.scope.tokens().map(|token| describe(&policy, token)).collect(),
        given: consented.given_at.into(),
        ends: None,
    };
    let consents = found.into_iter().map(line).collect();
    guest.give(
        site,
        StatusCode::OK,
        &pages::Consents { shell: site.shell(), account: guest.account(site, None), consents },
    )
}

/// What the page shows of a client; one that has lost its redirection URIs still has a name.
fn shown(client: &Client) -> ClientCard {
    match client.redirect_uris.first() {
        Some(uri) => card(client, uri),
        None => ClientCard {
            name: client.shown.name.clone(),
            host: client.id.to_string(),
            place: Place::Website,
            uri: client.shown.uri.clone(),
            policy_uri: client.shown.policy_uri.clone(),
            tos_uri: client.shown.tos_uri.clone(),
        },
    }
}

async fn take_consent(site: &Site, request: &HttpRequest, body: web::Payload) -> Result<HttpResponse, Trouble> {
    let (guest, params) = match Guest::posting(site, request, body).await? {
        Ok(both) => both,
        Err(sign_in) => return Ok(sign_in),
    };
    let Some(wanted) = ConsentId::parse(params.required("withdraw")?) else {
        return Ok(home::not_found(site, request));
    };
    match flow::withdraw(&site.world, &guest.here, wanted, &guest.arrival.origin).await {
        Ok(()) => Ok(back(site, "consents", "consent")),
        Err(Stop::Refusal(NotFound)) => Ok(home::not_found(site, request)),
        Err(Stop::Fault(fault)) => Err(fault.into()),
    }
}
