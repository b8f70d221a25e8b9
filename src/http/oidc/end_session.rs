//! The end-session endpoint (OpenID Connect RP-Initiated Logout 1.0 §2), for applications by GET
//! and by POST, and for our own "Sign out".
//!
//! A POST from another site comes without our cookies, which are `SameSite=Lax`; so it is
//! answered with a redirect to the same request by GET, sealed, which comes with them.

use crate::{
    base::uri::RedirectUri,
    flow::{
        authorize::Halt,
        end_session::{Asked, Outcome, agree, begin},
        visit::{Visit, unended},
    },
    http::{
        give::{
            page::{FormsLead, page},
            pages,
        },
        portal::{Trouble, arrive, check_form, form_token, query, see_other, session_cookie, set, settle, who},
        site::{Here, Site},
        take::body::form,
    },
    oauth::params::Params,
    oidc::logout::Afterwards,
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

/// Takes a request from the query.
pub async fn get(here: Here, request: HttpRequest) -> HttpResponse {
    let outcome = show(&here, &request).await;
    settle(&here, &request, outcome)
}

/// Takes a request from a form of an application, or the answer from ours.
pub async fn post(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let outcome = take(&here, &request, body).await;
    settle(&here, &request, outcome)
}

async fn show(site: &Site, request: &HttpRequest) -> Result<HttpResponse, Trouble> {
    let arrival = arrive(site, request)?;
    let params = query(request)?;
    let asked = match params.once("request")? {
        Some(sealed) => Asked::open(&site.world, sealed),
        None => Asked::read(&site.world, &params, &arrival.origin).map_err(Trouble::NotLeft)?,
    };
    match begin(&site.world, &asked, &arrival.visit, &arrival.origin).await.map_err(not_left)? {
        Outcome::Left(afterwards) => left(site, &arrival.visit, &afterwards),
        Outcome::Ask { here, client_name, afterwards } => {
            let body = pages::SignOut {
                shell: site.shell(),
                client_name,
                who: here.signed_in(&site.world).then(|| who(&here)),
                csrf: form_token(site, &arrival.visit, Some(&here)),
                state: asked.seal(&site.world)?,
                action: format!("{}/end_session", site.issuer.path()),
            };
            let leads_to = match &afterwards {
                Afterwards::OurPage => None,
                Afterwards::Redirect(uri) => RedirectUri::parse_lenient(uri).ok(),
            };
            let leads = leads_to.as_ref().map_or(FormsLead::Home, FormsLead::OnTo);
            Ok(page(StatusCode::OK, &body, leads)?)
        }
    }
}

async fn take(site: &Site, request: &HttpRequest, body: web::Payload) -> Result<HttpResponse, Trouble> {
    let params = form(request, body).await?;
    if params.has("decision") {
        return decided(site, request, &params).await;
    }
    let asked = Asked::read(&site.world, &params, &arrive(site, request)?.origin).map_err(Trouble::NotLeft)?;
    Ok(see_other(&format!("{}/end_session?request={}", site.issuer.path(), asked.seal(&site.world)?)))
}

async fn decided(site: &Site, request: &HttpRequest, params: &Params) -> Result<HttpResponse, Trouble> {
    let arrival = arrive(site, request)?;
    let here = unended(&site.world, &arrival.visit).await?;
    if here.is_some() {
        check_form(site, request, &arrival.visit, here.as_ref(), params)?;
    }
    if params.once("decision")? != Some("sign_out") {
        return Ok(see_other(&format!("{}/account", site.issuer.path())));
    }
    let asked = Asked::open(&site.world, params.once("state")?.unwrap_or_default());
    let afterwards = agree(&site.world, &asked, here.as_ref(), &arrival.origin).await?;
    left(site, &arrival.visit, &afterwards)
}

/// Why nobody was signed out: not what stands in the way of a sign-in.
fn not_left(halt: Halt) -> Trouble {
    match halt {
        Halt::Dead(why) => Trouble::NotLeft(why),
        Halt::Fault(fault) => fault.into(),
    }
}

/// The way on for a person who is signed in here no more.
fn left(site: &Site, visit: &Visit, afterwards: &Afterwards) -> Result<HttpResponse, Trouble> {
    let mut response = match afterwards {
        Afterwards::Redirect(uri) => see_other(uri),
        Afterwards::OurPage => {
            let body = pages::SignedOut { shell: site.shell(), back: None };
            page(StatusCode::OK, &body, FormsLead::Home)?
        }
    };
    if visit.session.is_some() {
        set(&mut response, &session_cookie(site, None));
    }
    Ok(response)
}
