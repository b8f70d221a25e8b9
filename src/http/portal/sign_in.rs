//! The sign-in page.

use super::{Open, Trouble, answer, arrive, busy, check_form, form_token, greet, query, see_other, set, settle};
use crate::{
    base::{id::ApiKeyId, moment::Span},
    flow::{authorize, authorize::AtOnce, kept, sign_in, visit::session},
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

/// Where a person goes on to who signs in for a page of their own: one of a few, never an address
/// that somebody else wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Onward {
    /// The account.
    Account,
    /// Where a key is made.
    NewKey,
    /// A key.
    Key(ApiKeyId),
    /// Where a key is rotated.
    Rotate(ApiKeyId),
    /// Where a key is claimed.
    Claim,
}

/// Where a person goes on to, with the form that they had filled, sealed, where there was one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) to: Onward,
    pub(super) kept: Option<String>,
}

impl Way {
    /// From the parameters `to` and `kept`.
    fn read(params: &Params) -> Result<Self, Trouble> {
        let sealed = |text: &&str| {
            text.len() <= kept::MAX_TEXT && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        Ok(Self { to: Onward::read(params)?, kept: params.once("kept")?.filter(sealed).map(str::to_owned) })
    }

    /// The sign-in page that leads there, below the issuer's path.
    pub(super) fn sign_in(&self) -> String {
        match (&self.to, &self.kept) {
            (Onward::Account, _) => "/sign-in".to_owned(),
            (to, None) => format!("/sign-in?to={to}"),
            (to, Some(kept)) => format!("/sign-in?to={to}&kept={kept}"),
        }
    }

    /// Where it ends, below the issuer's path.
    fn end(&self) -> String {
        let path = self.to.path();
        self.kept.as_ref().map_or_else(|| path.clone(), |kept| format!("{path}?saved=kept&kept={kept}"))
    }
}

/// A form that has to wait until somebody has signed in: the way to the sign-in page and back.
///
/// # Errors
/// A fault of the cipher.
pub(super) fn first(
    site: &Site,
    (visit, here): (&crate::flow::visit::Visit, Option<&crate::flow::visit::Here>),
    to: Onward,
    form: &Params,
) -> Result<HttpResponse, Trouble> {
    let kept = kept::seal(&site.world, &visit.browser, here.map(|here| &here.user.id), form)?;
    let mut response = see_other(&format!("{}{}", site.issuer.path(), Way { to, kept }.sign_in()));
    greet(site, visit, &mut response);
    Ok(response)
}

/// The form that a person comes back to; `None` where there is none that could be read.
pub(super) fn kept_form(
    site: &Site,
    (visit, here): (&crate::flow::visit::Visit, Option<&crate::flow::visit::Here>),
    query: &Params,
) -> Result<Option<Params>, Trouble> {
    let text = query.once("kept")?;
    Ok(text.and_then(|text| kept::open(&site.world, text, &visit.browser, here.map(|here| &here.user.id))))
}

impl Onward {
    /// From the parameter `to`; the account where it is anything else.
    fn read(params: &Params) -> Result<Self, Trouble> {
        let id = |text: &str| ApiKeyId::parse(text).filter(|id| id.to_u128().is_some());
        Ok(match params.once("to")?.map(|to| to.split('.').collect::<Vec<_>>()).as_deref() {
            Some(["new-key"]) => Self::NewKey,
            Some(["claim"]) => Self::Claim,
            Some(["key", text]) => id(text).map_or(Self::Account, Self::Key),
            Some(["rotate", text]) => id(text).map_or(Self::Account, Self::Rotate),
            Some(_) | None => Self::Account,
        })
    }

    /// Its path, below the issuer's.
    fn path(&self) -> String {
        match self {
            Self::Account => "/account".to_owned(),
            Self::NewKey => "/account/keys/new".to_owned(),
            Self::Claim => "/claim".to_owned(),
            Self::Key(id) => format!("/account/keys/{id}"),
            Self::Rotate(id) => format!("/account/keys/{id}/rotate"),
        }
    }
}

impl std::fmt::Display for Onward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Account => f.write_str("account"),
            Self::NewKey => f.write_str("new-key"),
            Self::Claim => f.write_str("claim"),
            Self::Key(id) => write!(f, "key.{id}"),
            Self::Rotate(id) => write!(f, "rotate.{id}"),
        }
    }
}

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
    way: Option<Way>,
    username: Option<String>,
    problem: Option<String>,
    retry_after: Option<u32>,
}

async fn show(site: &Site, request: &HttpRequest) -> Result<HttpResponse, Trouble> {
    let arrival = arrive(site, request)?;
    let params = query(request)?;
    let open = open(site, &params, &arrival.visit).await?;
    let said = Said { way: Some(Way::read(&params)?), ..Said::default() };
    render(site, &arrival.visit, open.as_ref(), said, StatusCode::OK)
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
        action: format!(
            "{}{}",
            site.issuer.path(),
            said.way.map_or_else(|| "/sign-in".to_owned(), |way| way.sign_in())
        ),
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
    let way = Way::read(&query(request)?)?;
    let username = params.once("username")?.unwrap_or_default().to_owned();
    let typed = sign_in::Form {
        username: username.clone(),
        password: params.once("password")?.unwrap_or_default().to_owned(),
        known: site.cookies.read(request, Jar::Known),
        agent: agent(request),
    };
    let waiting = match &open {
        Some(open) => AtOnce::of(&site.world, &open.interaction).await?,
        None => None,
    };
    match sign_in::run(&site.world, (typed, waiting), &arrival.visit, &arrival.origin).await {
        Ok(signed) => {
            let mut visit = arrival.visit;
            let cookies = [(Jar::Session, signed.cookie.clone()), (Jar::Known, signed.known.clone())];
            visit.session = Some(signed.cookie.clone());
            let mut response = match open {
                Some(open) => {
                    let next =
                        authorize::resume_as(&site.world, open.interaction, (&visit, signed), &arrival.origin).await?;
                    answer(site, &visit, next)?
                }
                None => see_other(&format!("{}{}", site.issuer.path(), way.end())),
            };
            for (jar, value) in &cookies {
                set(&mut response, &site.cookies.set(*jar, value));
            }
            Ok(response)
        }
        Err(crate::base::fault::Stop::Fault(fault)) => Err(fault.into()),
        Err(crate::base::fault::Stop::Refusal(denied)) => {
            refused(site, &arrival.visit, open.as_ref(), (username, way), denied)
        }
    }
}

fn refused(
    site: &Site,
    visit: &crate::flow::visit::Visit,
    open: Option<&Open>,
    (username, way): (String, Way),
    denied: sign_in::Denied,
) -> Result<HttpResponse, Trouble> {
    let (status, problem, wait) = match denied {
        sign_in::Denied::Credentials => (StatusCode::OK, "The user name or the password is not right.", None),
        sign_in::Denied::Throttled(wait) => {
            (StatusCode::TOO_MANY_REQUESTS, "There were too many attempts.", Some(seconds(wait)))
        }
        sign_in::Denied::Busy(wait) => return Ok(busy(site, Pressure::Unavailable, seconds(wait))),
    };
    let said = Said { way: Some(way), username: Some(username), problem: Some(problem.to_owned()), retry_after: wait };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_a_sealed_text_and_nothing_else() {
        for (text, kept) in [("aZ09-_", Some("aZ09-_")), ("a&to=x", None), ("a#b", None), ("a/../b", None), ("é", None)]
        {
            let way = Way::read(&Params::from_pairs([("to", "new-key"), ("kept", text)])).ok().unwrap();
            assert_eq!(way.kept.as_deref(), kept, "{text}");
        }
        let way = Way { to: Onward::Account, kept: Some("x".into()) };
        assert_eq!(way.sign_in(), "/sign-in");
    }

    #[test]
    fn a_sign_in_leads_on_to_our_own_pages_only() {
        let id = ApiKeyId::from_u128(7);
        for onward in [Onward::Account, Onward::NewKey, Onward::Claim, Onward::Key(id.clone()), Onward::Rotate(id)] {
            let text = onward.to_string();
            assert_eq!(Onward::read(&Params::from_pairs([("to", text.as_str())])).ok(), Some(onward), "{text}");
        }
        for text in
            ["//evil.example", "https://evil.example", "key.", "key../..", "key.key_x", "rotate.key_%2e%2e", "x", ""]
        {
            assert_eq!(Onward::read(&Params::from_pairs([("to", text)])).ok(), Some(Onward::Account), "{text}");
        }
    }
}
