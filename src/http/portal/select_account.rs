//! The choice of accounts (`prompt=select_account`): the one that is signed in, or another.

use super::{Open, Trouble, answer, arrive, check_form, form_token, query, session_cookie, set, settle};
use crate::{
    audit::SignOutKind,
    flow::{authorize, interaction::Chosen, log_out, visit::session},
    http::{
        give::{
            page::{FormsLead, page},
            pages::{self, AccountChoice},
        },
        site::{Here, Site},
        take::body::form,
    },
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
    let Some(here) = session(&site.world, &arrival.visit).await? else {
        let next = authorize::resume(&site.world, open.interaction, &arrival.visit, &arrival.origin).await?;
        return answer(site, &arrival.visit, next);
    };
    let body = pages::SelectAccount {
        shell: site.shell(),
        client: Some(open.card()),
        accounts: vec![AccountChoice {
            handle: here.session.id.to_string(),
            username: here.user.username.as_str().to_owned(),
            name: here.user.profile.name.clone(),
        }],
        interaction: open.sealed.clone(),
        csrf: form_token(site, &arrival.visit, Some(&here)),
        action: format!("{}/select-account", site.issuer.path()),
    };
    Ok(page(StatusCode::OK, &body, FormsLead::OnTo(&open.leads_to))?)
}

async fn take(site: &Site, request: &HttpRequest, body: web::Payload) -> Result<HttpResponse, Trouble> {
    let arrival = arrive(site, request)?;
    let params = form(request, body).await?;
    let here = session(&site.world, &arrival.visit).await?;
    check_form(site, request, &arrival.visit, here.as_ref(), &params)?;
    let mut open = Open::read(site, &params, &arrival.visit).await?;
    let mut visit = arrival.visit;
    let mut left = false;
    match (here, params.once("choice")?) {
        (Some(here), Some(chosen)) if chosen == here.session.id.as_str() => {
            open.interaction.chosen = Some(Chosen { session: here.session.id, at: site.world.now() });
        }
        (Some(here), _) => {
            log_out::session(&site.world, &here, SignOutKind::Page, &arrival.origin).await?;
            visit.session = None;
            left = true;
        }
        (None, _) => {}
    }
    let next = authorize::resume(&site.world, open.interaction, &visit, &arrival.origin).await?;
    let mut response = answer(site, &visit, next)?;
    if left {
        set(&mut response, &session_cookie(site, None));
    }
    Ok(response)
}
