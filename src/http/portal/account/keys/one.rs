//! `/account/keys/{id}`: a key looked at, switched off and on, ended.

use super::{super::Guest, DAYS, DAYS_LISTED, Unmet, back_to, chart, line, named, turned, words};
use crate::{
    apikey::{
        access::Caller,
        key::{ApiKey, State},
        rotate::{self, Insist, Step},
    },
    base::{fault::Stop, id::ApiKeyId},
    flow::api_keys::{days, life, refused::Refused, rotation, show, show::Shown},
    http::{
        give::pages::{self, Chart, Check, EventLine, Field, KeyHead, KeyRevoke, Rotating, Step as Button},
        portal::{Trouble, home, settle, sign_in::Onward},
        site::{Here, Site},
    },
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

/// Events on the page.
const EVENTS: i64 = 20;

/// Shows a key.
pub async fn page(here: Here, request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    let outcome = async {
        match (Guest::of(&here, &request).await?, named(&path)) {
            (Err(sign_in), _) => Ok(sign_in),
            (Ok(_), None) => Ok(home::not_found(&here, &request)),
            (Ok(guest), Some(id)) => give(&here, &request, (&guest, &id), Said::default()).await,
        }
    };
    let outcome = outcome.await;
    settle(&here, &request, outcome)
}

/// What the page says besides what is known of the key.
#[derive(Default)]
pub(super) struct Said {
    pub(super) problem: Option<Refused>,
    pub(super) check: Check,
}

/// The page of a key.
pub(super) async fn give(
    site: &Site,
    request: &HttpRequest,
    (guest, id): (&Guest, &ApiKeyId),
    said: Said,
) -> Result<HttpResponse, Trouble> {
    match body(site, (guest, id), &said).await {
        Ok(body) => {
            let status = if said.problem.is_some() { StatusCode::CONFLICT } else { StatusCode::OK };
            guest.give(site, status, &body)
        }
        Err(stop) => match turned(site, request, stop, Onward::Key(id.clone()))? {
            Ok(elsewhere) => Ok(elsewhere),
            Err(_) => Ok(home::not_found(site, request)),
        },
    }
}

async fn body(site: &Site, (guest, id): (&Guest, &ApiKeyId), said: &Said) -> Result<pages::Key, Unmet> {
    let (world, caller) = (&site.world, guest.caller(site));
    let shown = show::one(world, &caller, id.clone()).await?;
    let entry = show::entry(world, &caller, id).await?;
    let quotas = show::quotas(world, &caller, id).await?;
    let events = show::events(world, &caller, id.clone(), EVENTS).await?;
    let used = days::of_key(world, &caller, id.clone(), DAYS).await?;
    let others: Vec<_> = shown.line.iter().filter(|one| one.key.id != *id).cloned().collect();
    let others_used = days::of_listed(world, &others, DAYS_LISTED).await?;
    let now = world.now();
    let days_of = |one: &show::Listed| others_used.get(one.key.id.as_str()).map_or(&[][..], Vec::as_slice);
    let own = [&shown.facts.family.policy, &shown.facts.key.policy];
    Ok(pages::Key {
        shell: site.shell(),
        account: guest.account(site, said.problem.as_ref().map(words::sentence).as_deref()),
        head: head(site, &shown),
        rotation: rotating(site, caller, id).await?,
        line: others.iter().map(|one| line(one, days_of(one), now)).collect(),
        steps: steps(&shown.facts.key, said, rotate::is_live(&shown.facts.key, now)),
        chart: chart(&used.days),
        served: words::served(&used),
        limits: entry.policy.limits().iter().map(words::limit).collect(),
        quotas: quotas.iter().map(words::quota).collect(),
        restrictions: own.into_iter().flat_map(words::restrictions).collect(),
        events: lived(&shown, events.into_iter().map(words::event).collect()),
        check: said.check.clone(),
    })
}

/// What happened to a key, with how it came to be where that stands in the event of the key before it.
fn lived(shown: &Shown, mut events: Vec<EventLine>) -> Vec<EventLine> {
    let key = &shown.facts.key;
    let succeeds = shown.line.iter().any(|one| one.key.successor.as_ref() == Some(&key.id));
    let all = i64::try_from(events.len()).is_ok_and(|n| n < EVENTS);
    if succeeds && all {
        events.push(EventLine { at: key.created_at.into(), what: "made by rotation".to_owned(), address: None });
    }
    events
}

/// The rotation of a key, while the overlap runs.
async fn rotating(site: &Site, caller: Caller, id: &ApiKeyId) -> Result<Option<Rotating>, Unmet> {
    match rotation::of(&site.world, caller, id.clone()).await {
        Ok(found) => Ok(found.overlaps(site.world.now()).then(|| words::rotating(found))),
        Err(Stop::Refusal(Refused::State(_))) => Ok(None),
        Err(stop) => Err(stop),
    }
}

/// What is known of a key.
pub(super) fn head(site: &Site, shown: &Shown) -> KeyHead {
    let facts = &shown.facts;
    KeyHead {
        id: facts.key.id.to_string(),
        name: facts.family.name.clone(),
        hint: facts.key.hint.clone(),
        api: facts.api.name.clone(),
        environment: facts.key.environment.clone(),
        badge: words::badge(&facts.key, site.world.now()),
        reason: facts.key.state_reason.clone(),
        scopes: facts.key.scope.tokens().map(str::to_owned).collect(),
        made: facts.key.created_at.into(),
        last_used: facts.last_used.map(Into::into),
        expires: facts.key.expires_at.map(Into::into),
    }
}

/// What can be done with a key.
fn steps(key: &ApiKey, said: &Said, live: bool) -> Vec<Button> {
    let ending = if matches!(said.problem, Some(Refused::InUse(_))) { Button::FinishInUse } else { Button::Finish };
    match key.state {
        State::Revoked | State::Compromised => Vec::new(),
        _ if !live => vec![Button::Revoke],
        State::Active => vec![Button::Rotate, Button::Disable, Button::Revoke],
        State::Retiring => vec![ending, Button::Disable, Button::Revoke],
        State::Disabled => vec![Button::Enable, Button::Revoke],
        // What we switched off is not theirs to switch on.
        State::Suspended => vec![Button::Revoke],
    }
}

/// Takes a step.
pub async fn step(here: Here, request: HttpRequest, path: web::Path<String>, body: web::Payload) -> HttpResponse {
    let outcome = take_step(&here, &request, &path, body).await;
    settle(&here, &request, outcome)
}

async fn take_step(
    site: &Site,
    request: &HttpRequest,
    path: &str,
    body: web::Payload,
) -> Result<HttpResponse, Trouble> {
    let (guest, params, id) = match Guest::at_key(site, request, (path, body)).await? {
        Ok(all) => all,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let (world, caller, done) = (&site.world, guest.caller(site), guest.done(site));
    let (taken, code) = match params.required("step")? {
        "disable" => (life::take(world, caller, (id.clone(), Step::Disable, None), done).await, "key-off"),
        "enable" => (life::take(world, caller, (id.clone(), Step::Enable, None), done).await, "key-on"),
        "finish" => {
            let insist = if params.has("insist") { Insist::Yes } else { Insist::No };
            (life::finish(world, caller, (id.clone(), insist), done).await, "key-finished")
        }
        _ => return Ok(home::not_found(site, request)),
    };
    match taken {
        Ok(_) => Ok(back_to(site, &id, code)),
        Err(stop) => match turned(site, request, stop, Onward::Key(id.clone()))? {
            Ok(elsewhere) => Ok(elsewhere),
            Err(refused) => {
                let said = Said { problem: Some(refused), ..Said::default() };
                give(site, request, (&guest, &id), said).await
            }
        },
    }
}

/// Asks before a key is ended.
pub async fn revoking(here: Here, request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    let outcome = async {
        match (Guest::of(&here, &request).await?, named(&path)) {
            (Err(sign_in), _) => Ok(sign_in),
            (Ok(_), None) => Ok(home::not_found(&here, &request)),
            (Ok(guest), Some(id)) => ask(&here, &request, (&guest, &id), (String::new(), None)).await,
        }
    };
    let outcome = outcome.await;
    settle(&here, &request, outcome)
}

/// A key with its last days, for the pages that ask before something is done with it.
pub(super) async fn looked_at(site: &Site, guest: &Guest, id: &ApiKeyId) -> Result<(Shown, Chart), Unmet> {
    let caller = guest.caller(site);
    let shown = show::one(&site.world, &caller, id.clone()).await?;
    let used = days::of_key(&site.world, &caller, id.clone(), DAYS).await?;
    Ok((shown, chart(&used.days)))
}

async fn ask(
    site: &Site,
    request: &HttpRequest,
    (guest, id): (&Guest, &ApiKeyId),
    (typed, refused): (String, Option<Refused>),
) -> Result<HttpResponse, Trouble> {
    let (shown, chart) = match looked_at(site, guest, id).await {
        Ok(found) => found,
        Err(stop) => {
            return Ok(turned(site, request, stop, Onward::Key(id.clone()))?
                .unwrap_or_else(|_| home::not_found(site, request)));
        }
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let body = KeyRevoke {
        shell: site.shell(),
        account: guest.account(site, None),
        head: head(site, &shown),
        chart,
        reason: Field { value: typed, problem: refused.as_ref().map(words::sentence) },
    };
    guest.give(site, status, &body)
}

/// Ends a key for good.
pub async fn revoke(here: Here, request: HttpRequest, path: web::Path<String>, body: web::Payload) -> HttpResponse {
    let outcome = take_revocation(&here, &request, &path, body).await;
    settle(&here, &request, outcome)
}

async fn take_revocation(
    site: &Site,
    request: &HttpRequest,
    path: &str,
    body: web::Payload,
) -> Result<HttpResponse, Trouble> {
    let (guest, params, id) = match Guest::at_key(site, request, (path, body)).await? {
        Ok(all) => all,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let reason = params.once("reason")?.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let wanted = (id.clone(), Step::Revoke, reason.clone());
    match life::take(&site.world, guest.caller(site), wanted, guest.done(site)).await {
        Ok(_) => Ok(back_to(site, &id, "key-revoked")),
        Err(stop) => match turned(site, request, stop, Onward::Key(id.clone()))? {
            Ok(elsewhere) => Ok(elsewhere),
            Err(refused) => ask(site, request, (&guest, &id), (reason.unwrap_or_default(), Some(refused))).await,
        },
    }
}
