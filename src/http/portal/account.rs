//! A person's own account. Every page needs somebody who is signed in; every form goes back to
//! its page by a redirect, which then says what was done.

mod changes;
pub mod keys;
mod lists;

pub use changes::{password, profile, save_password, save_profile};
pub use lists::{consents, end_sessions, sessions, withdraw};

use super::{Arrival, Trouble, arrive, check_form, form_token, greet, see_other, settle, sign_in::required, who};
use crate::{
    flow::{account as flow, visit},
    http::{
        give::{
            page::{FormsLead, page},
            pages::{self, Flash},
        },
        site::{Here, Site},
        take::body::form,
    },
    oauth::params::Params,
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use askama::Template;

/// `/account`.
pub async fn overview(here: Here, request: HttpRequest) -> HttpResponse {
    let outcome = show_overview(&here, &request).await;
    settle(&here, &request, outcome)
}

async fn show_overview(site: &Site, request: &HttpRequest) -> Result<HttpResponse, Trouble> {
    let guest = match Guest::of(site, request).await? {
        Ok(guest) => guest,
        Err(sign_in) => return Ok(sign_in),
    };
    let found = flow::overview(&site.world, &guest.here).await?;
    let body = pages::Overview {
        shell: site.shell(),
        account: guest.account(site, None),
        email: found.profile.email,
        password_set: found.password_set.map(Into::into),
        sessions: found.sessions,
        consents: found.consents,
    };
    guest.give(site, StatusCode::OK, &body)
}

/// A signed-in person at one of these pages.
struct Guest {
    arrival: Arrival,
    here: visit::Here,
    said: Option<Flash>,
}

impl Guest {
    /// Who asks for a page; the way to the sign-in page where nobody is signed in.
    async fn of(site: &Site, request: &HttpRequest) -> Result<Result<Self, HttpResponse>, Trouble> {
        let arrival = arrive(site, request)?;
        let said = super::query(request)?.once("saved")?.and_then(saved).map(|text| Flash::Saved(text.to_owned()));
        Ok(required(site, &arrival.visit).await?.map(|here| Self { arrival, here, said }))
    }

    /// Who sends a form, and what is in it.
    async fn posting(
        site: &Site,
        request: &HttpRequest,
        body: web::Payload,
    ) -> Result<Result<(Self, Params), HttpResponse>, Trouble> {
        let params = form(request, body).await?;
        let guest = match Self::of(site, request).await? {
            Ok(guest) => guest,
            Err(sign_in) => return Ok(Err(sign_in)),
        };
        check_form(site, request, &guest.arrival.visit, Some(&guest.here), &params)?;
        Ok(Ok((guest, params)))
    }

    /// What all these pages share.
    fn account(&self, site: &Site, problem: Option<&str>) -> pages::Account {
        let problem = problem.map(|text| Flash::Problem(text.to_owned()));
        pages::Account {
            who: who(&self.here),
            csrf: form_token(site, &self.arrival.visit, Some(&self.here)),
            flash: problem.or_else(|| self.said.clone()),
        }
    }

    fn give(&self, site: &Site, status: StatusCode, body: &impl Template) -> Result<HttpResponse, Trouble> {
        let mut response = page(status, body, FormsLead::Home)?;
        greet(site, &self.arrival.visit, &mut response);
        Ok(response)
    }
}

/// What was done, by the code in the address: never a text from there.
fn saved(code: &str) -> Option<&'static str> {
    match code {
        "profile" => Some("Your profile is saved."),
        "password" => Some("Your password is changed. You are signed out everywhere else."),
        "session" => Some("That session has ended."),
        "stored" => Some("Your key is ready. It is not shown again."),
        "shown" => Some("This key was made and shown before. Its text is shown only once: if you lost it, rotate it."),
        "kept" => Some("You are signed in again. Nothing was done yet: look at what you typed, and press the button."),
        "key-off" => Some("The key is switched off."),
        "key-on" => Some("The key is switched on."),
        "key-finished" => Some("The old key has ended."),
        "key-revoked" => Some("The key is revoked for good."),
        "key-as-it-is" => Some("Nothing was changed: this is how the key is now."),
        "consent" => Some("That application no longer has access to your account."),
        _ => None,
    }
}

/// Back to a page, which says what was done.
fn back(site: &Site, path: &str, code: &'static str) -> HttpResponse {
    see_other(&format!("{}/account/{path}?saved={code}", site.issuer.path()))
}
