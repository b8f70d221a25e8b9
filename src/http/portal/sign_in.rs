//! The sign-in page.

use super::{Open, Trouble, answer, arrive, busy, check_form, form_token, greet, query, see_other, set, settle};
use crate::{
    base::moment::Span,
    flow::{authorize, sign_in, visit::session},
    http::{
        give::{
            page::{FormsLead, page},
            pages::{self, Pressure},
        },
        site::{Here, Site},
        take::{body::form, cookies::Jar},
    },
    oauth::params::Params,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};

/// Shows it.
pub async fn get(here: Here, request: HttpRequest) -> HttpResponse {
    let outcome = show(&here, &request).await;
    settle(&here, &request, outcome)
}

/// Takes a name and a password.
pub async fn post(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let outcome = take(&here, &request, body).await;
    settle(&here, &request, outcome)
}

/// What the page says besides its form.
#[derive(Default)]
struct Said {
    username: Option<String>,
    problem: Option<String>,
    retry_after: Option<u32>,
}

async fn show(site: &Site, request: &HttpRequest) -> Result<HttpResponse, Trouble> {
    let arrival = arrive(site, request)?;
    let params = query(request)?;
    let open = open(site, &params, &arrival.visit).await?;
    render(site, &arrival.visit, open.as_ref(), Said::default(), StatusCode::OK)
}

/// The interaction that the sign-in is for; none where the person came by themselves.
async fn open(site: &Site, params: &Params, visit: &crate::flow::visit::Visit) -> Result<Option<Open>, Trouble> {
    if params.has("interaction") { Open::read(site, params, visit).await.map(Some) } else { Ok(None) }
}

fn render(
    site: &Site,
    visit: &crate::flow::visit::Visit,
    open: Option<&Open>,
    said: Said,
    status: StatusCode,
) -> Result<HttpResponse, Trouble> {
    let hint = open.and_then(|o| o.interaction.asked.login_hint.clone());
    let body = pages::SignIn {
        shell: site.shell(),
        client: open.map(Open::card),
        username: said.username.or(hint).unwrap_or_default(),
        interaction: open.map(|o| o.sealed.clone()).unwrap_or_default(),
        csrf: form_token(site, visit, None),
        problem: said.problem,
        retry_after: said.retry_after,
        action: format!("{}/sign-in", site.issuer.path()),
    };
    let leads = open.map_or(FormsLead::Home, |o| FormsLead::OnTo(&o.leads_to));
    let mut response = page(status, &body, leads)?;
    greet(site, visit, &mut response);
    Ok(response)
}

async fn take(site: &Site, request: &HttpRequest, body: web::Payload) -> Result<HttpResponse, Trouble> {
    let arrival = arrive(site, request)?;
    let params = form(request, body).await?;
    check_form(site, request, &arrival.visit, None, &params)?;
    let open = open(site, &params, &arrival.visit).await?;
    let username = params.once("username")?.unwrap_or_default().to_owned();
    let typed = sign_in::Form {
        username: username.clone(),
        password: params.once("password")?.unwrap_or_default().to_owned(),
        known: site.cookies.read(request, Jar::Known),
        agent: agent(request),
    };
    match sign_in::run(&site.world, typed, &arrival.visit, &arrival.origin).await {
        Ok(signed) => {
            let mut visit = arrival.visit;
            visit.session = Some(signed.cookie.clone());
            let mut response = match open {
                Some(open) => {
                    let next = authorize::resume(&site.world, open.interaction, &visit, &arrival.origin).await?;
                    answer(site, &visit, next)?
                }
                None => see_other(&format!("{}/account", site.issuer.path())),
            };
            set(&mut response, &site.cookies.set(Jar::Session, &signed.cookie));
            set(&mut response, &site.cookies.set(Jar::Known, &signed.known));
            Ok(response)
        }
        Err(crate::base::fault::Stop::Fault(fault)) => Err(fault.into()),
        Err(crate::base::fault::Stop::Refusal(denied)) => {
            refused(site, &arrival.visit, open.as_ref(), username, denied)
        }
    }
}

fn refused(
    site: &Site,
    visit: &crate::flow::visit::Visit,
    open: Option<&Open>,
    username: String,
    denied: sign_in::Denied,
) -> Result<HttpResponse, Trouble> {
    let (status, problem, wait) = match denied {
        sign_in::Denied::Credentials => (StatusCode::OK, "The user name or the password is not right.", None),
        sign_in::Denied::Throttled(wait) => {
            (StatusCode::TOO_MANY_REQUESTS, "There were too many attempts.", Some(seconds(wait)))
        }
        sign_in::Denied::Busy(wait) => return Ok(busy(site, Pressure::Unavailable, seconds(wait))),
    };
    let said = Said { username: Some(username), problem: Some(problem.to_owned()), retry_after: wait };
    let mut response = render(site, visit, open, said, status)?;
    if let Some(wait) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(wait));
    }
    Ok(response)
}

fn seconds(span: Span) -> u32 {
    u32::try_from(span.as_seconds()).unwrap_or(u32::MAX).saturating_add(1)
}

/// What the browser calls itself, cut to what a person can read.
fn agent(request: &HttpRequest) -> Option<String> {
    let field = request.headers().get(header::USER_AGENT)?.to_str().ok()?;
    Some(field.chars().filter(|c| !c.is_control()).take(256).collect())
}

/// Who is signed in; used by the pages that need somebody.
///
/// # Errors
/// A redirect to the sign-in page, as the answer to give.
pub(super) async fn required(
    site: &Site,
    visit: &crate::flow::visit::Visit,
) -> Result<Result<crate::flow::visit::Here, HttpResponse>, Trouble> {
    match session(&site.world, visit).await? {
        Some(here) => Ok(Ok(here)),
        None => {
            let mut response = see_other(&format!("{}/sign-in", site.issuer.path()));
            greet(site, visit, &mut response);
            Ok(Err(response))
        }
    }
}
