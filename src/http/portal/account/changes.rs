//! `/account/profile` and `/account/password`.

use super::{Guest, back};
use crate::{
    account::rules::Weakness,
    base::{fault::Stop, moment::Span, secret::Secret},
    flow::account::{self as flow, Changed, EDITABLE, Edited, Wrong, Wrongs},
    http::{
        give::pages::{self, Email, Field, Pressure},
        portal::{Trouble, busy, see_other, session_cookie, set, settle},
        site::{Here, Site},
        take::cookies::Jar,
    },
    oauth::params::Params,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};

/// Shows the profile.
pub async fn profile(here: Here, request: HttpRequest) -> HttpResponse {
    let outcome = async {
        match Guest::of(&here, &request).await? {
            Ok(guest) => {
                let mut own = guest.here.user.profile.clone();
                let typed = EDITABLE.iter().filter_map(|(name, member)| Some((*name, member(&mut own).clone()?)));
                show_profile(&here, &guest, typed.collect(), &Wrongs::new())
            }
            Err(sign_in) => Ok(sign_in),
        }
    };
    let outcome = outcome.await;
    settle(&here, &request, outcome)
}

/// Takes what was typed.
pub async fn save_profile(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let outcome = take_profile(&here, &request, body).await;
    settle(&here, &request, outcome)
}

async fn take_profile(site: &Site, request: &HttpRequest, body: web::Payload) -> Result<HttpResponse, Trouble> {
    let (guest, params) = match Guest::posting(site, request, body).await? {
        Ok(both) => both,
        Err(sign_in) => return Ok(sign_in),
    };
    let mut typed = Edited::new();
    for (name, _) in EDITABLE {
        typed.insert(name, params.once(name)?.unwrap_or_default().to_owned());
    }
    match flow::save_profile(&site.world, &guest.here, typed.clone(), &guest.arrival.origin).await {
        Ok(()) => Ok(back(site, "profile", "profile")),
        Err(Stop::Fault(fault)) => Err(fault.into()),
        Err(Stop::Refusal(wrongs)) => show_profile(site, &guest, typed, &wrongs),
    }
}

fn show_profile(site: &Site, guest: &Guest, typed: Edited, wrongs: &Wrongs) -> Result<HttpResponse, Trouble> {
    let field = |name: &str| Field {
        value: typed.get(name).cloned().unwrap_or_default(),
        problem: wrongs.get(name).map(|bad| sentence(&bad.to_string())),
    };
    let own = &guest.here.user.profile;
    let body = pages::Profile {
        shell: site.shell(),
        account: guest.account(site, (!wrongs.is_empty()).then_some("Nothing was saved yet. See below what to mend.")),
        name: field("name"),
        given_name: field("given_name"),
        family_name: field("family_name"),
        nickname: field("nickname"),
        email: field("email"),
        email_state: match (&own.email, own.email_verified) {
            (None, _) => Email::Absent,
            (Some(_), true) => Email::Verified,
            (Some(_), false) => Email::Stated,
        },
        website: field("website"),
        zoneinfo: field("zoneinfo"),
        locale: field("locale"),
    };
    let status = if wrongs.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    guest.give(site, status, &body)
}

/// A reason, as a sentence of its own.
fn sentence(because: &str) -> String {
    let mut letters = because.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// Shows the form for a new password.
pub async fn password(here: Here, request: HttpRequest) -> HttpResponse {
    let outcome = async {
        match Guest::of(&here, &request).await? {
            Ok(guest) => show_password(&here, &guest, Said::default()),
            Err(sign_in) => Ok(sign_in),
        }
    };
    let outcome = outcome.await;
    settle(&here, &request, outcome)
}

/// Takes a new password.
pub async fn save_password(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let outcome = take_password(&here, &request, body).await;
    settle(&here, &request, outcome)
}

async fn take_password(site: &Site, request: &HttpRequest, body: web::Payload) -> Result<HttpResponse, Trouble> {
    let (guest, params) = match Guest::posting(site, request, body).await? {
        Ok(both) => both,
        Err(sign_in) => return Ok(sign_in),
    };
    let typed = change(&params, site.cookies.read(request, Jar::Known))?;
    let (visit, origin) = (&guest.arrival.visit, &guest.arrival.origin);
    match flow::change_password(&site.world, &guest.here, typed, visit, origin).await {
        Ok(Changed::Stays { cookie, known }) => {
            let mut response = back(site, "password", "password");
            set(&mut response, &session_cookie(site, Some(&cookie)));
            set(&mut response, &site.cookies.set(Jar::Known, &known));
            Ok(response)
        }
        Ok(Changed::Leaves) => {
            let mut response = see_other(&format!("{}/sign-in", site.issuer.path()));
            set(&mut response, &session_cookie(site, None));
            Ok(response)
        }
        Err(Stop::Fault(fault)) => Err(fault.into()),
        Err(Stop::Refusal(Wrong::Busy(wait))) => Ok(busy(site, Pressure::Unavailable, seconds(wait))),
        Err(Stop::Refusal(wrong)) => show_password(site, &guest, Said::about(&wrong)),
    }
}

fn change(params: &Params, known: Option<Secret<String>>) -> Result<flow::Change, Trouble> {
    let typed = |name: &str| Ok::<_, Trouble>(Secret::new(params.once(name)?.unwrap_or_default().to_owned()));
    Ok(flow::Change {
        current: typed("current_password")?,
        new: typed("new_password")?,
        again: typed("new_password_again")?,
        known,
    })
}

/// What the page says besides its form.
#[derive(Default)]
struct Said {
    flash: Option<String>,
    current: Option<String>,
    new: Option<String>,
    again: Option<String>,
    retry_after: Option<u32>,
}

impl Said {
    fn about(wrong: &Wrong) -> Self {
        let text = |text: &str| Some(text.to_owned());
        match wrong {
            Wrong::Current => Self { current: text("This is not your present password."), ..Self::default() },
            Wrong::New(weakness) => Self { new: Some(Weakness::to_string(weakness)), ..Self::default() },
            Wrong::Again => Self { again: text("The two are not the same."), ..Self::default() },
            Wrong::Throttled(wait) | Wrong::Busy(wait) => {
                let wait = seconds(*wait);
                let words = pages::wait_in_words(&wait);
                let flash = Some(format!("There were too many attempts. Try again in {words}."));
                Self { flash, retry_after: Some(wait), ..Self::default() }
            }
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self { retry_after: Some(_), .. } => StatusCode::TOO_MANY_REQUESTS,
            Self { current: None, new: None, again: None, .. } => StatusCode::OK,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

fn show_password(site: &Site, guest: &Guest, said: Said) -> Result<HttpResponse, Trouble> {
    let status = said.status();
    let body = pages::Password {
        shell: site.shell(),
        account: guest.account(site, said.flash.as_deref()),
        shortest: site.world.policy.load().passwords.min_length,
        current_problem: said.current,
        new_problem: said.new,
        again_problem: said.again,
    };
    let mut response = guest.give(site, status, &body)?;
    if let Some(wait) = said.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(wait));
    }
    Ok(response)
}

fn seconds(span: Span) -> u32 {
    u32::try_from(span.as_seconds()).unwrap_or(u32::MAX).saturating_add(1)
}
