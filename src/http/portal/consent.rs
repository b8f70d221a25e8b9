//! The consent page.

use super::{Open, Trouble, answer, arrive, check_form, form_token, query, session_cookie, set, settle, who};
use crate::{
    audit::SignOutKind,
    flow::{
        authorize, consent, log_out,
        visit::{self, session},
    },
    http::{
        give::{
            page::{FormsLead, page},
            pages::{self, ScopeLine},
        },
        site::{Here, Site},
        take::body::form,
    },
    oauth::authorize::interaction::{self as rule, Next},
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

/// Shows it.
pub async fn get(here: Here, request: HttpRequest) -> HttpResponse {
    let outcome = show(&here, &request).await;
    settle(&here, &request, outcome)
}

/// Takes the answer.
pub async fn post(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let outcome = take(&here, &request, body).await;
    settle(&here, &request, outcome)
}

async fn show(site: &Site, request: &HttpRequest) -> Result<HttpResponse, Trouble> {
    let arrival = arrive(site, request)?;
    let params = query(request)?;
    let open = Open::read(site, &params, &arrival.visit).await?;
    let here = session(&site.world, &arrival.visit).await?;
    let facts = authorize::facts(&site.world, &open.interaction, open.client.client(), here.clone()).await?;
    let next = rule::next(&open.interaction.asked, &facts, site.world.now());
    match (next, here) {
        (Next::Consent { new_scope, .. }, Some(here)) => render(site, &arrival.visit, &open, &here, &new_scope),
        // Something else is needed first, or nothing any more: the dispatcher knows.
        _ => {
            let next = authorize::resume(&site.world, open.interaction, &arrival.visit, &arrival.origin).await?;
            answer(site, &arrival.visit, next)
        }
    }
}

fn render(
    site: &Site,
    visit: &visit::Visit,
    open: &Open,
    here: &visit::Here,
    new_scope: &crate::base::scope::Scope,
) -> Result<HttpResponse, Trouble> {
    let asked = &open.interaction.asked;
    let policy = site.world.policy.load();
    let days = policy.tokens.refresh_absolute.as_seconds() / 86_400;
    let body = pages::Consent {
        shell: site.shell(),
        client: open.card(),
        who: who(here),
        // With what stands for claims asked for one by one: they are consented to as well.
        scopes: asked
            .to_consent()
            .tokens()
            .map(|token| ScopeLine {
                name: token.to_owned(),
                description: describe(&policy, token),
                is_new: new_scope.has(token),
            })
            .collect(),
        resources: asked.resources.iter().map(|r| policy.name_of(r)).collect(),
        lifetime: format!("until you withdraw it, and at most {days} days after you last signed in for it"),
        interaction: open.sealed.clone(),
        csrf: form_token(site, visit, Some(here)),
        action: format!("{}/consent", site.issuer.path()),
    };
    Ok(page(StatusCode::OK, &body, FormsLead::OnTo(&open.leads_to))?)
}

/// What a scope token allows, in words for people; the token itself where nobody described it.
pub(super) fn describe(policy: &crate::flow::world::Policy, token: &str) -> String {
    let standard = match token {
        "openid" => "know who you are",
        "profile" => "see your name and the rest of your profile",
        "email" => "see your e-mail address",
        "phone" => "see your telephone number",
        "address" => "see your postal address",
        "offline_access" => "keep this access while you are away, also after you sign out",
        _ => "",
    };
    if standard.is_empty() { policy.scope_in_words(token).unwrap_or(token).to_owned() } else { standard.to_owned() }
}

async fn take(site: &Site, request: &HttpRequest, body: web::Payload) -> Result<HttpResponse, Trouble> {
    let arrival = arrive(site, request)?;
    let params = form(request, body).await?;
    let here = session(&site.world, &arrival.visit).await?;
    check_form(site, request, &arrival.visit, here.as_ref(), &params)?;
    let open = Open::read(site, &params, &arrival.visit).await?;
    let mut visit = arrival.visit;
    let mut left = false;
    let next = match (params.once("decision")?, &here) {
        (Some("allow"), Some(here)) => {
            consent::give(&site.world, &open.interaction, here, &arrival.origin).await?;
            authorize::resume(&site.world, open.interaction, &visit, &arrival.origin).await?
        }
        (Some("not_me"), Some(here)) => {
            log_out::session(&site.world, here, SignOutKind::Page, &arrival.origin).await?;
            visit.session = None;
            left = true;
            authorize::resume(&site.world, open.interaction, &visit, &arrival.origin).await?
        }
        (Some("deny"), _) => {
            let user = here.as_ref().map(|h| &h.user.id);
            authorize::deny(&site.world, &open.interaction, user, &arrival.origin).await?
        }
        _ => authorize::resume(&site.world, open.interaction, &visit, &arrival.origin).await?,
    };
    let mut response = answer(site, &visit, next)?;
    if left {
        set(&mut response, &session_cookie(site, None));
    }
    Ok(response)
}
