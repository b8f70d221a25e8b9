//! The pages that people use: sign-in, consent, sign-out, and their own account.

pub mod account;
pub mod claim;
pub mod consent;
pub mod home;
pub mod select_account;
pub mod sign_in;

use super::{
    give::{
        page::{FormsLead, page},
        pages::{self, ClientCard, Pressure, Stuck},
        problem,
    },
    site::{Site, origin, reference},
    take::{body::Unread, cookies::Jar},
};
use crate::{
    audit::Origin,
    base::{
        fault::{Fault, FaultKind},
        id::RequestId,
        secret::Secret,
        uri::RedirectUri,
    },
    flow::{
        authorize::{Answer, Halt, Page},
        clients,
        interaction::{Interaction, Lost},
        visit::{Here, Newcomer, Visit},
    },
    oauth::{authorize::respond::Delivery, client::Client, params::Params, refusal::Dead},
};
use actix_web::{
    HttpRequest, HttpResponse,
    cookie::Cookie,
    http::{StatusCode, header},
};

/// A browser's request: who it is, and where it comes from.
pub(super) struct Arrival {
    pub(super) visit: Visit,
    pub(super) origin: Origin,
}

/// Reads the two cookies. With a form of another site they do not come along, which are `SameSite=Lax`;
/// what is answered to that may not set one: the browser would take it, and have lost its own.
pub(super) fn arrive(site: &Site, request: &HttpRequest) -> Result<Arrival, Fault> {
    let browser = site.cookies.read(request, Jar::Browser);
    let session = site.cookies.read(request, Jar::Session);
    let mut visit = Visit::new(&site.world, browser.as_ref(), session)?;
    if visit.newcomer == Newcomer::Yes && !request.method().is_safe() && !from_our_page(site, request) {
        visit.newcomer = Newcomer::Unknown;
    }
    Ok(Arrival { visit, origin: origin(request) })
}

/// Whether a form was sent by a page of ours, as far as the browser says: the token in the form
/// decides, this turns away what cannot be ours at once (RFC 9700 §2.1, Fetch Metadata).
pub(super) fn from_our_page(site: &Site, request: &HttpRequest) -> bool {
    let field = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok());
    let same_origin = field("origin").is_none_or(|o| o == site.issuer.origin());
    let fetched = field("sec-fetch-site").is_none_or(|s| matches!(s, "same-origin" | "none"));
    same_origin && fetched
}

/// How a page's handler ends early: with a page that says why.
pub(super) enum Trouble {
    /// The request cannot go back to its application.
    Halt(Halt),
    /// The request of an application that a person sign out cannot go back to it.
    NotLeft(Dead),
    /// The state of the interaction is lost.
    Lost,
    /// The form is not one that we showed to this browser in this session.
    Forged,
    /// The body could not be read.
    Unread(Unread),
}

impl From<Halt> for Trouble {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}
impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Halt(Halt::Fault(fault))
    }
}
impl From<Lost> for Trouble {
    fn from(_: Lost) -> Self {
        Self::Lost
    }
}
impl From<Unread> for Trouble {
    fn from(unread: Unread) -> Self {
        Self::Unread(unread)
    }
}
impl From<crate::oauth::refusal::Refusal> for Trouble {
    fn from(refusal: crate::oauth::refusal::Refusal) -> Self {
        Self::Unread(Unread::Refused(refusal))
    }
}

/// The answer of a handler, or the page that says why there is none.
pub(super) fn settle(site: &Site, request: &HttpRequest, outcome: Result<HttpResponse, Trouble>) -> HttpResponse {
    let trouble = match outcome {
        Ok(answer) => return answer,
        Err(trouble) => trouble,
    };
    let dead = |status, stuck, happened: &str, next: &str, because: &str| {
        let body = pages::Dead {
            shell: site.shell(),
            stuck,
            happened: happened.to_owned(),
            next: next.to_owned(),
            error: "invalid_request".to_owned(),
            description: because.to_owned(),
        };
        page(status, &body, FormsLead::Home).unwrap_or_else(|fault| failed(site, request, &fault))
    };
    match trouble {
        Trouble::Halt(Halt::Fault(fault)) => failed(site, request, &fault),
        Trouble::Halt(Halt::Dead(why)) => dead(
            StatusCode::BAD_REQUEST,
            Stuck::SignIn,
            "An application sent you here with a request that cannot be answered.",
            "Go back to the application and try again. If it happens again, tell its makers what is written below.",
            &why.because,
        ),
        Trouble::NotLeft(why) => dead(
            StatusCode::BAD_REQUEST,
            Stuck::SignOut,
            "An application sent you here to sign out, with a request that cannot be answered.",
            "You can sign out here. If it happens again, tell the makers of the application what is written below.",
            &why.because,
        ),
        Trouble::Lost => dead(
            StatusCode::BAD_REQUEST,
            Stuck::Closed,
            "This sign-in is no longer open: it was started too long ago, or in another browser.",
            "Go back to the application and start again.",
            "the interaction is unknown, expired, or bound to another browser",
        ),
        Trouble::Forged => dead(
            StatusCode::FORBIDDEN,
            Stuck::Request,
            "This form was not sent from a page that we showed to you, or you have signed in or out since.",
            "Go back, reload the page and try again.",
            "the form token does not match this browser and session",
        ),
        Trouble::Unread(unread) => unread_page(site, request, &unread, dead),
    }
}

fn unread_page(
    site: &Site,
    request: &HttpRequest,
    unread: &Unread,
    dead: impl Fn(StatusCode, Stuck, &str, &str, &str) -> HttpResponse,
) -> HttpResponse {
    let dead = |status, because: &str| {
        dead(status, Stuck::Request, "What was sent could not be read.", "Go back and try again.", because)
    };
    match unread {
        Unread::Refused(refusal) => dead(StatusCode::BAD_REQUEST, &refusal.because),
        Unread::MediaType => dead(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/x-www-form-urlencoded"),
        Unread::TooLarge => dead(StatusCode::PAYLOAD_TOO_LARGE, "a form has at most 64 KiB"),
        Unread::TooSlow => {
            tracing::debug!(request.id = %reference(request), issuer = %site.issuer, "a body was too slow");
            dead(StatusCode::REQUEST_TIMEOUT, "the body took more than ten seconds")
        }
    }
}

/// The page for a fault of ours: with a reference id, or, where waiting helps, how long.
pub(super) fn failed(site: &Site, request: &HttpRequest, fault: &Fault) -> HttpResponse {
    let reference = reference(request);
    if let Some(id) = RequestId::parse(&reference) {
        problem::log(fault, &id);
    }
    let made = match fault.kind() {
        FaultKind::Broken => {
            let body = pages::Failed { shell: site.shell(), reference };
            page(StatusCode::INTERNAL_SERVER_ERROR, &body, FormsLead::Home)
        }
        FaultKind::Unavailable => return busy(site, Pressure::Unavailable, 1),
    };
    made.unwrap_or_else(|_| HttpResponse::InternalServerError().finish())
}

/// The page for too much at once.
pub(in crate::http) fn busy(site: &Site, pressure: Pressure, retry_after: u32) -> HttpResponse {
    let status = match pressure {
        Pressure::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Pressure::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = pages::Busy { shell: site.shell(), pressure, retry_after };
    let mut answer =
        page(status, &body, FormsLead::Home).unwrap_or_else(|_| HttpResponse::ServiceUnavailable().finish());
    answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(retry_after));
    answer
}

/// A redirect after whatever was done: 303, so that no method and no body is repeated (RFC 9700 §4.12).
pub(super) fn see_other(location: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, location))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .finish()
}

/// What an authorization request was answered with, on its way to the browser.
pub(super) fn answer(site: &Site, visit: &Visit, answer: Answer) -> Result<HttpResponse, Trouble> {
    let mut response = match answer {
        Answer::Deliver(Delivery::Redirect(location)) => see_other(&location),
        Answer::Deliver(Delivery::FormPost { action, fields }) => form_post(site, &action, fields)?,
        Answer::Page(which, sealed) => {
            let path = match which {
                Page::SignIn(_) => "/sign-in",
                Page::SelectAccount => "/select-account",
                Page::Consent => "/consent",
            };
            see_other(&format!("{}{path}?interaction={sealed}", site.issuer.path()))
        }
    };
    greet(site, visit, &mut response);
    Ok(response)
}

/// Gives a browser that is new here its cookie.
pub(super) fn greet(site: &Site, visit: &Visit, response: &mut HttpResponse) {
    if visit.newcomer == Newcomer::Yes {
        set(response, &site.cookies.set(Jar::Browser, visit.browser.cookie()));
    }
}

/// Sets a cookie.
pub(super) fn set(response: &mut HttpResponse, cookie: &Cookie<'_>) {
    // It fails only for text that is no header value, and ours is plain ASCII.
    if let Err(error) = response.add_cookie(cookie) {
        tracing::error!(%error, "a cookie could not be set");
    }
}

fn form_post(site: &Site, action: &str, fields: Vec<(&'static str, String)>) -> Result<HttpResponse, Fault> {
    let action = RedirectUri::parse_lenient(action).map_err(|e| Fault::new("reading a proven redirect URI", e))?;
    let body = pages::FormPost {
        shell: site.shell(),
        client_name: pages::ClientCard::new("", &action).host,
        action: action.clone(),
        fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    };
    page(StatusCode::OK, &body, FormsLead::OnTo(&action))
}

/// An open interaction with its client, for the pages.
pub(super) struct Open {
    pub(super) interaction: Interaction,
    pub(super) sealed: String,
    pub(super) client: clients::Listed,
    pub(super) leads_to: RedirectUri,
}

impl Open {
    /// From the parameter `interaction`.
    pub(super) async fn read(site: &Site, params: &Params, visit: &Visit) -> Result<Self, Trouble> {
        let sealed = params.required("interaction")?;
        let interaction = Interaction::open(&site.world, sealed, Some(&visit.browser))?;
        let client = clients::find(&site.world, &interaction.asked.client).await?.ok_or(Lost)?;
        let leads_to = RedirectUri::parse_lenient(interaction.asked.destination.uri()).map_err(|_| Lost)?;
        Ok(Self { interaction, sealed: sealed.to_owned(), client, leads_to })
    }

    /// What the page shows of the client.
    pub(super) fn card(&self) -> ClientCard {
        card(self.client.client(), &self.leads_to)
    }
}

/// What a page shows of a client.
pub(super) fn card(client: &Client, redirect_uri: &RedirectUri) -> ClientCard {
    let shown = &client.shown;
    ClientCard {
        uri: shown.uri.clone(),
        policy_uri: shown.policy_uri.clone(),
        tos_uri: shown.tos_uri.clone(),
        ..ClientCard::new(&shown.name, redirect_uri)
    }
}

/// Who is signed in, for a page.
pub(super) fn who(here: &Here) -> pages::Who {
    pages::Who { username: here.user.username.as_str().to_owned(), name: here.user.profile.name.clone() }
}

/// Refuses a form that we did not show.
pub(super) fn check_form(
    site: &Site,
    request: &HttpRequest,
    visit: &Visit,
    here: Option<&Here>,
    params: &Params,
) -> Result<(), Trouble> {
    let token = params.once("csrf")?.unwrap_or_default();
    let session = here.map(|h| &h.session.id);
    if from_our_page(site, request) && visit.browser.sent(&site.world, session, token) {
        return Ok(());
    }
    Err(Trouble::Forged)
}

/// The token for a form on a page.
pub(super) fn form_token(site: &Site, visit: &Visit, here: Option<&Here>) -> String {
    visit.browser.form_token(&site.world, here.map(|h| &h.session.id))
}

/// The query of a request.
pub(super) fn query(request: &HttpRequest) -> Result<Params, Trouble> {
    Ok(Params::parse(request.query_string().as_bytes())?)
}

/// A session's cookie, set or taken away.
pub(super) fn session_cookie(site: &Site, value: Option<&Secret<String>>) -> Cookie<'static> {
    value.map_or_else(|| site.cookies.clear(Jar::Session), |v| site.cookies.set(Jar::Session, v))
}
