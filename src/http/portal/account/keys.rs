//! `/account/keys`: a person's own API keys.
//!
//! The text of a key is in one answer: that to the post which made it. It is never in an address,
//! and no page of ours is kept by anybody.

mod check;
mod make;
mod one;
mod reveal;
mod rotate;
mod words;

pub use check::post as check;
pub use make::{form as new, post as make};
pub use one::{page as one, revoke, revoking, step};
pub use rotate::{form as rotating, post as rotate};
pub(in crate::http::portal) use words::{restrictions, sentence};

use super::{super::home, Guest};
use crate::{
    apikey::access::{Caller, NotAllowed},
    base::{fault::Stop, id::ApiKeyId, moment::Moment},
    flow::api_keys::{apis::Done, caller, days, days::Day, refused::Refused, show},
    http::{
        give::pages::{self, Chart, KeyLine, Offer, When},
        portal::{Trouble, query, see_other, settle, sign_in::Onward},
        site::{Here, Site},
    },
    oauth::params::Params,
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

/// Keys on one page.
const ON_A_PAGE: i64 = 25;
/// Days of a chart in the list.
const DAYS_LISTED: i64 = 7;
/// Days of a chart of one key.
const DAYS: i64 = 14;

/// Why something cannot be done, on its way to the page that says so.
type Unmet = Stop<Refused>;

impl Guest {
    /// The person, as whoever manages keys.
    fn caller(&self, site: &Site) -> Caller {
        caller::at_home(&site.world, &self.here).0
    }
    /// Who sends a form about a key, what is in it, and which key.
    async fn at_key(
        site: &Site,
        request: &HttpRequest,
        (path, body): (&str, web::Payload),
    ) -> Result<Result<(Self, Params, ApiKeyId), HttpResponse>, Trouble> {
        let (guest, params) = match Self::posting(site, request, body).await? {
            Ok(both) => both,
            Err(sign_in) => return Ok(Err(sign_in)),
        };
        let Some(id) = named(path) else { return Ok(Err(home::not_found(site, request))) };
        Ok(Ok((guest, params, id)))
    }
    /// How events name them.
    fn done(&self, site: &Site) -> Done {
        Done { by: caller::at_home(&site.world, &self.here).1, origin: self.arrival.origin.clone() }
    }
}

/// The key that a path names; `None` for what no key of ours is called, so that it can stand in an address.
fn named(path: &str) -> Option<ApiKeyId> {
    ApiKeyId::parse(path).filter(|id| id.to_u128().is_some())
}

/// What is answered by another page than that which was asked for; else the refusal, to be said there.
fn turned(
    site: &Site,
    request: &HttpRequest,
    stop: Unmet,
    onward: Onward,
) -> Result<Result<HttpResponse, Refused>, Trouble> {
    Ok(match stop {
        Stop::Fault(fault) => return Err(fault.into()),
        Stop::Refusal(Refused::NotAllowed(NotAllowed::StepUp)) => Ok(anew(site, &onward)),
        Stop::Refusal(Refused::NotFound(_) | Refused::NotAllowed(_)) => Ok(home::not_found(site, request)),
        Stop::Refusal(refused) => Err(refused),
    })
}

/// To the sign-in page, and from there to where it was wanted.
fn anew(site: &Site, onward: &Onward) -> HttpResponse {
    see_other(&format!("{}/sign-in?to={onward}", site.issuer.path()))
}

/// To the page of a key, which says what was done.
fn back_to(site: &Site, id: &ApiKeyId, code: &'static str) -> HttpResponse {
    super::back(site, &format!("keys/{id}"), code)
}

/// Lists them.
pub async fn list(here: Here, request: HttpRequest) -> HttpResponse {
    let outcome = show_list(&here, &request).await;
    settle(&here, &request, outcome)
}

async fn show_list(site: &Site, request: &HttpRequest) -> Result<HttpResponse, Trouble> {
    let guest = match Guest::of(site, request).await? {
        Ok(guest) => guest,
        Err(sign_in) => return Ok(sign_in),
    };
    let (world, caller) = (&site.world, guest.caller(site));
    let after = query(request)?.once("after")?.and_then(named);
    let listed = match show::list(world, &caller, show::Filter::default(), (after, ON_A_PAGE)).await {
        Ok(listed) => listed,
        Err(Stop::Fault(fault)) => return Err(fault.into()),
        Err(Stop::Refusal(_)) => return Ok(home::not_found(site, request)),
    };
    let used = days::of_listed(world, &listed, DAYS_LISTED).await?;
    let next = listed.last().filter(|_| i64::try_from(listed.len()) == Ok(ON_A_PAGE)).map(|one| one.key.id.to_string());
    let now = world.now();
    let line = |one: &show::Listed| line(one, used.get(one.key.id.as_str()).map_or(&[], Vec::as_slice), now);
    let body = pages::Keys {
        shell: site.shell(),
        account: guest.account(site, None),
        keys: listed.iter().map(line).collect(),
        next,
        offer: if make::offered(site).await?.is_empty() { Offer::Closed } else { Offer::Open },
    };
    guest.give(site, StatusCode::OK, &body)
}

/// A key in a list.
fn line(one: &show::Listed, used: &[Day], now: Moment) -> KeyLine {
    KeyLine {
        id: one.key.id.to_string(),
        name: one.family.name.clone(),
        hint: one.key.hint.clone(),
        badge: words::badge(&one.key, now),
        last_used: one.last_use.as_ref().map(|last| last.at.into()),
        expires: one.key.expires_at.map(When::from),
        chart: chart(used),
    }
}

fn chart(days: &[Day]) -> Chart {
    Chart::of(days.iter().map(|day| (day.begins.into(), day.good, day.refused)))
}
