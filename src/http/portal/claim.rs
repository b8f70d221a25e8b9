//! `/claim`: a key is made with a link, by whoever has it.
//!
//! What stands in the link is behind its `#`, so that a browser sends it to nobody: it is in no log and
//! in no `Referer`. A script of ours moves it into the form; without one it is pasted. Opening the
//! page changes nothing, whoever or whatever opens it: a key is made by the second of two buttons,
//! after the first has shown what it will be.

use super::{
    Arrival, Trouble, arrive, busy, check_form, form_token, greet, query, settle,
    sign_in::{Onward, first, kept_form},
    who,
};
use crate::{
    base::{fault::Stop, moment::Span},
    flow::{
        api_keys::claim::{self, AfterAll, Claimer, Offer, Turned},
        visit::{self, session},
    },
    http::{
        give::{
            page::{FormsLead, page},
            pages::{self, ClaimMade, ClaimOffer, ClaimOver, Pressure},
        },
        site::{Here, Site},
        take::body::form,
    },
    oauth::params::Params,
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use askama::Template;

/// Shows the form. It changes nothing.
pub async fn get(here: Here, request: HttpRequest) -> HttpResponse {
    let outcome = show(&here, &request).await;
    settle(&here, &request, outcome)
}

/// Shows what can be claimed, or makes it.
pub async fn post(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let outcome = take(&here, &request, body).await;
    settle(&here, &request, outcome)
}

/// Whoever is at the page, signed in or not.
struct Comer {
    arrival: Arrival,
    here: Option<visit::Here>,
}

impl Comer {
    async fn of(site: &Site, request: &HttpRequest) -> Result<Self, Trouble> {
        let arrival = arrive(site, request)?;
        let here = session(&site.world, &arrival.visit).await?;
        Ok(Self { arrival, here })
    }
    fn csrf(&self, site: &Site) -> String {
        form_token(site, &self.arrival.visit, self.here.as_ref())
    }
    fn claimer(&self) -> Claimer {
        Claimer::new(&self.arrival.visit.browser, self.here.as_ref(), &self.arrival.origin)
    }
    fn give(&self, site: &Site, status: StatusCode, body: &impl Template) -> Result<HttpResponse, Trouble> {
        let mut response = page(status, body, FormsLead::Home)?;
        greet(site, &self.arrival.visit, &mut response);
        Ok(response)
    }
}

async fn show(site: &Site, request: &HttpRequest) -> Result<HttpResponse, Trouble> {
    let comer = Comer::of(site, request).await?;
    let kept = kept_form(site, (&comer.arrival.visit, comer.here.as_ref()), &query(request)?)?;
    let code = kept.as_ref().map(|kept| kept.once("code")).transpose()?.flatten().unwrap_or_default();
    ask(site, &comer, code, None)
}

fn ask(site: &Site, comer: &Comer, code: &str, problem: Option<&str>) -> Result<HttpResponse, Trouble> {
    let body = pages::Claim {
        shell: site.shell(),
        csrf: comer.csrf(site),
        code: pages::Field { value: code.to_owned(), problem: problem.map(str::to_owned) },
    };
    comer.give(site, if problem.is_some() { StatusCode::NOT_FOUND } else { StatusCode::OK }, &body)
}

/// What stands in a link, where somebody pasted all of it or only the end.
fn code_in(text: &str) -> &str {
    let text = text.trim();
    text.rsplit_once('#').map_or(text, |(_, code)| code)
}

async fn take(site: &Site, request: &HttpRequest, body: web::Payload) -> Result<HttpResponse, Trouble> {
    let params = form(request, body).await?;
    let comer = Comer::of(site, request).await?;
    check_form(site, request, &comer.arrival.visit, comer.here.as_ref(), &params)?;
    let code = code_in(params.once("code")?.unwrap_or_default()).to_owned();
    if params.once("step")? == Some("make") {
        return match claim::take(&site.world, &code, comer.claimer()).await {
            Ok(made) => comer.give(site, StatusCode::OK, &revealed(site, &comer, &made)),
            Err(stop) => turned(site, &comer, (&code, &params), stop),
        };
    }
    match claim::look(&site.world, &code, comer.claimer()).await {
        Ok(offer) => comer.give(site, StatusCode::OK, &offered(site, &comer, code, &offer)),
        Err(stop) => turned(site, &comer, (&code, &params), stop),
    }
}

fn offered(site: &Site, comer: &Comer, code: String, offer: &Offer) -> ClaimOffer {
    let spec = &offer.spec;
    ClaimOffer {
        shell: site.shell(),
        csrf: comer.csrf(site),
        code,
        name: spec.name.clone(),
        api: offer.api.name.clone(),
        environment: spec.environment.clone(),
        scopes: spec.scope.tokens().map(str::to_owned).collect(),
        restrictions: super::account::keys::restrictions(&spec.policy),
        expires: offer.expires_at.into(),
        who: comer.here.as_ref().map(who),
    }
}

fn revealed(site: &Site, comer: &Comer, made: &crate::flow::api_keys::create::Created) -> ClaimMade {
    let audience = made.api.audience.as_str();
    let called = if audience.starts_with("http") { audience } else { "https://api.example.com" };
    let theirs = comer.here.as_ref().is_some_and(|here| made.family.owner.id() == here.user.id.as_str());
    ClaimMade {
        shell: site.shell(),
        name: made.family.name.clone(),
        text: made.text.clone(),
        variable: pages::variable(&made.api.name),
        snippets: pages::snippets(&made.api.name, called),
        instead_of: None,
        onward: if theirs { format!("/account/keys/{}", made.key.id) } else { String::new() },
    }
}

/// What is said where no key is made.
fn turned(
    site: &Site,
    comer: &Comer,
    (code, params): (&str, &Params),
    stop: Stop<Turned>,
) -> Result<HttpResponse, Trouble> {
    let turned = match stop {
        Stop::Fault(fault) => return Err(fault.into()),
        Stop::Refusal(turned) => turned,
    };
    let at = |at: &crate::base::moment::Moment| pages::When::from(*at).text;
    let (status, title, what, next) = match &turned {
        Turned::Unknown => return ask(site, comer, code, Some("There is no such link. Paste the whole of it.")),
        Turned::SignIn => return first(site, (&comer.arrival.visit, comer.here.as_ref()), Onward::Claim, params),
        Turned::TooMany(wait) => return Ok(busy(site, Pressure::TooMany, seconds(*wait))),
        Turned::Over => (
            StatusCode::GONE,
            "This link has expired",
            "Nobody used it in time, so no key was made.".to_owned(),
            "Ask whoever sent it for another.",
        ),
        Turned::Repeated(when, _) => (
            StatusCode::GONE,
            "You have claimed this key already",
            format!("It was shown in this browser on {}. It is shown only once, and we keep no copy.", at(when)),
            "If you did not store it, ask whoever sent the link for another, and to revoke the first.",
        ),
        Turned::Used(when, AfterAll::Revoked) => (
            StatusCode::GONE,
            "Somebody else used this link before you",
            format!(
                "A key was made with it on {}, in another browser. Two had the link, so that key is revoked: it opens nothing any more.",
                at(when)
            ),
            "Tell whoever sent it what happened, and ask for another link, sent in a safer way.",
        ),
        Turned::Used(when, AfterAll::AsItWas) => (
            StatusCode::GONE,
            "This link was used before",
            format!("A key was made with it on {}, in another browser.", at(when)),
            "If that was not you, tell whoever sent it at once: the key may be in wrong hands.",
        ),
        Turned::NotTheirs => (
            StatusCode::FORBIDDEN,
            "This link is for somebody else",
            "It was made for another account than the one you are signed in with.".to_owned(),
            "Sign out, sign in with that account, and open the link again.",
        ),
        Turned::Unmet(refused) => (
            StatusCode::CONFLICT,
            "This key cannot be made now",
            super::account::keys::sentence(refused),
            "Ask whoever sent the link. It stays good until its time is over.",
        ),
    };
    let body = ClaimOver { shell: site.shell(), title: title.to_owned(), what, next: next.to_owned() };
    comer.give(site, status, &body)
}

fn seconds(span: Span) -> u32 {
    u32::try_from(span.as_seconds()).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_may_be_pasted_whole_or_in_part() {
        for text in ["kw_claim_x", " kw_claim_x\n", "https://id.example/claim#kw_claim_x", "/claim#kw_claim_x"] {
            assert_eq!(code_in(text), "kw_claim_x", "{text}");
        }
    }
}
