//! `/account/keys/{id}/rotate`: a key is given a successor.

use super::{super::Guest, anew, back_to, named, one, reveal::reveal, turned, words};
use crate::{
    apikey::access::{Act, NotAllowed},
    base::{fault::Stop, id::ApiKeyId, moment::Span},
    flow::api_keys::{life, refused::Refused},
    http::{
        give::pages::{Choice, Field, KeyRotate, Tick},
        portal::{
            Trouble, home, query, settle,
            sign_in::{Onward, first, kept_form},
        },
        site::{Here, Site},
    },
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

/// How many hours the old key may live on, and how that is said.
const OVERLAPS: &[(i64, &str)] =
    &[(1, "in 1 hour"), (24, "in 24 hours"), (168, "in 7 days"), (720, "in 30 days"), (0, "at once")];
/// What is chosen unless somebody chooses.
const USUAL: i64 = 24;
/// What has to be typed where the old key ends at once.
const NOW: &str = "now";

/// Shows the form.
pub async fn form(here: Here, request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    let outcome = async {
        let guest = match Guest::of(&here, &request).await? {
            Ok(guest) => guest,
            Err(sign_in) => return Ok(sign_in),
        };
        let Some(id) = named(&path) else { return Ok(home::not_found(&here, &request)) };
        if guest.caller(&here).may(Act::Rotate).is_err() {
            return Ok(anew(&here, &Onward::Rotate(id)));
        }
        let kept = kept_form(&here, (&guest.arrival.visit, Some(&guest.here)), &query(&request)?)?;
        let typed = |name: &str| kept.as_ref().map_or(Ok(None), |kept| kept.once(name));
        let hours = typed("overlap")?.and_then(|text| text.parse().ok()).unwrap_or(USUAL);
        let confirm = Field { value: typed("confirm")?.unwrap_or_default().to_owned(), problem: None };
        give(&here, &request, (&guest, &id), Said { hours, confirm, problem: None }).await
    };
    let outcome = outcome.await;
    settle(&here, &request, outcome)
}

/// What stands in the form, and what is wrong.
#[derive(Default)]
struct Said {
    hours: i64,
    confirm: Field,
    problem: Option<String>,
}

async fn give(
    site: &Site,
    request: &HttpRequest,
    (guest, id): (&Guest, &ApiKeyId),
    said: Said,
) -> Result<HttpResponse, Trouble> {
    let (shown, chart) = match one::looked_at(site, guest, id).await {
        Ok(found) => found,
        Err(stop) => {
            let turned = turned(site, request, stop, Onward::Rotate(id.clone()))?;
            return Ok(turned.unwrap_or_else(|_| home::not_found(site, request)));
        }
    };
    let overlap = |(hours, label): &(i64, &str)| Choice {
        value: hours.to_string(),
        label: (*label).to_owned(),
        tick: Tick::when(|| *hours == said.hours),
    };
    let is_well = said.problem.is_none() && said.confirm.problem.is_none();
    let body = KeyRotate {
        shell: site.shell(),
        account: guest.account(site, said.problem.as_deref()),
        head: one::head(site, &shown),
        chart,
        overlaps: OVERLAPS.iter().map(overlap).collect(),
        confirm: said.confirm,
    };
    guest.give(site, if is_well { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }, &body)
}

/// Makes the successor and shows it. Sent again, it makes no other: the key has one then.
pub async fn post(here: Here, request: HttpRequest, path: web::Path<String>, body: web::Payload) -> HttpResponse {
    let outcome = take(&here, &request, &path, body).await;
    settle(&here, &request, outcome)
}

async fn take(site: &Site, request: &HttpRequest, path: &str, body: web::Payload) -> Result<HttpResponse, Trouble> {
    let (guest, params, id) = match Guest::at_key(site, request, (path, body)).await? {
        Ok(all) => all,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let hours = params.once("overlap")?.unwrap_or_default().parse().ok();
    let Some(hours) = hours.filter(|hours| OVERLAPS.iter().any(|(one, _)| one == hours)) else {
        let problem = Some("Choose when the old key ends.".to_owned());
        return give(site, request, (&guest, &id), Said { hours: USUAL, problem, ..Said::default() }).await;
    };
    let typed = params.once("confirm")?.unwrap_or_default().trim().to_owned();
    if hours == 0 && !typed.eq_ignore_ascii_case(NOW) {
        let confirm =
            Field { value: typed, problem: Some("Type the word “now”, or choose a later end.".to_owned()) };
        return give(site, request, (&guest, &id), Said { hours, confirm, problem: None }).await;
    }
    let wanted = (id.clone(), Some(Span::hours(hours)));
    match life::rotate(&site.world, guest.caller(site), wanted, guest.done(site)).await {
        Ok(rotated) => reveal(site, &guest, &rotated.new, Some(&rotated.old)),
        Err(Stop::Refusal(Refused::NotAllowed(NotAllowed::StepUp))) => {
            first(site, (&guest.arrival.visit, Some(&guest.here)), Onward::Rotate(id), &params)
        }
        Err(stop) => match turned(site, request, stop, Onward::Rotate(id.clone()))? {
            Ok(elsewhere) => Ok(elsewhere),
            // Such as that it has a successor: a post that was sent again.
            Err(Refused::State(_) | Refused::Changed) => Ok(back_to(site, &id, "key-as-it-is")),
            Err(refused) => {
                let problem = Some(words::sentence(&refused));
                give(site, request, (&guest, &id), Said { hours, problem, ..Said::default() }).await
            }
        },
    }
}
