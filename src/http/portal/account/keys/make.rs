//! `/account/keys/new`: what a key is for, the form, and the key.

use super::{super::Guest, anew, back_to, reveal::reveal, turned, words};
use crate::{
    apikey::{
        access::{Act, NotAllowed},
        api::Api,
        create::{Ending, From},
        key::Kind,
        plan::Plan,
        wanted::{Unfit, Wanted},
    },
    base::{
        fault::{Fault, Stop},
        id::RequestId,
        moment::Span,
        scope::Scope,
    },
    flow::api_keys::{create, create::Create, refused::Refused, show},
    http::{
        give::pages::{ApiCard, Choice, Field, KeyFor, KeyNew, Purpose, Tick},
        portal::{
            Trouble, home, query, settle,
            sign_in::{Onward, first, kept_form},
        },
        site::{Here, Site},
    },
    oauth::params::Params,
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::{Map, Value, json};

/// For how many days a key may live, and how that is said.
const DAYS: &[(i64, &str)] = &[(1, "1 day"), (7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "1 year")];

/// The APIs that keys can be made for.
pub(super) async fn offered(site: &Site) -> Result<Vec<(Api, Option<Plan>)>, Fault> {
    match show::offered(&site.world).await {
        Ok(offered) => Ok(offered),
        Err(Stop::Fault(fault)) => Err(fault),
        Err(Stop::Refusal(_)) => Ok(Vec::new()),
    }
}

/// What keys can be for at an API.
fn purposes(api: &Api) -> Vec<Purpose> {
    let fits = |one: &Purpose| *one != Purpose::Page || api.settings.public_keys;
    Purpose::ALL.iter().copied().filter(fits).collect()
}

/// Shows the choice, or the form for what was chosen.
pub async fn form(here: Here, request: HttpRequest) -> HttpResponse {
    let outcome = show_form(&here, &request).await;
    settle(&here, &request, outcome)
}

async fn show_form(site: &Site, request: &HttpRequest) -> Result<HttpResponse, Trouble> {
    let guest = match Guest::of(site, request).await? {
        Ok(guest) => guest,
        Err(sign_in) => return Ok(sign_in),
    };
    // Before anything is typed that would be lost.
    if guest.caller(site).may(Act::Create).is_err() {
        return Ok(anew(site, &Onward::NewKey));
    }
    let (offered, query) = (offered(site).await?, query(request)?);
    let kept = kept_form(site, (&guest.arrival.visit, Some(&guest.here)), &query)?;
    let params = kept.as_ref().unwrap_or(&query);
    let purpose = params.once("for")?.and_then(Purpose::parse);
    let api = params.once("api")?.and_then(|name| offered.iter().find(|(api, _)| api.name == name));
    match (api, purpose) {
        (Some((api, _)), Some(purpose)) if purposes(api).contains(&purpose) => {
            let typed = if kept.is_some() {
                Typed::read(params, purpose)?
            } else {
                let once = RequestId::mint(site.world.now(), &*site.world.dice)?.to_string();
                Typed::begun(api, purpose, once)
            };
            give_form(site, &guest, (api, &typed), None)
        }
        _ => {
            let apis = offered.iter().map(card).collect();
            let body = KeyFor { shell: site.shell(), account: guest.account(site, None), apis };
            guest.give(site, StatusCode::OK, &body)
        }
    }
}

fn card((api, plan): &(Api, Option<Plan>)) -> ApiCard {
    ApiCard {
        name: api.name.clone(),
        audience: api.audience.as_str().to_owned(),
        plan: plan.as_ref().map(|plan| plan.name.clone()),
        purposes: purposes(api),
    }
}

/// What stands in the form.
struct Typed {
    purpose: Purpose,
    name: String,
    environment: String,
    scope: Vec<String>,
    addresses: String,
    anywhere: Tick,
    pages: String,
    reading: Tick,
    days: String,
    once: String,
}

impl Typed {
    /// The form as it begins: restricted as fits what the key is for.
    fn begun(api: &Api, purpose: Purpose, once: String) -> Self {
        let (days, anywhere, reading) = match purpose {
            Purpose::Server => ("90", Tick::Off, Tick::Off),
            Purpose::Job => ("30", Tick::On, Tick::Off),
            Purpose::Page => ("90", Tick::Off, Tick::On),
        };
        let longest = api.settings.sensitivity.longest().map_or(i64::MAX, |span| span.as_seconds() / 86_400);
        let days = if days == "90" && longest < 90 { "30" } else { days };
        Self {
            purpose,
            name: String::new(),
            environment: api.environments.first().cloned().unwrap_or_default(),
            scope: Vec::new(),
            addresses: String::new(),
            anywhere,
            pages: String::new(),
            reading,
            days: days.to_owned(),
            once,
        }
    }

    /// As it was sent.
    fn read(params: &Params, purpose: Purpose) -> Result<Self, Trouble> {
        let text = |name: &str| Ok::<_, Trouble>(params.once(name)?.unwrap_or_default().to_owned());
        Ok(Self {
            purpose,
            name: text("name")?.trim().to_owned(),
            environment: text("environment")?,
            scope: params.all("scope").map(str::to_owned).collect(),
            addresses: text("addresses")?,
            anywhere: Tick::when(|| params.has("anywhere")),
            pages: text("pages")?,
            reading: Tick::when(|| params.has("reading")),
            days: text("days")?,
            once: text("once")?,
        })
    }

    fn policy(&self) -> Map<String, Value> {
        let (addresses, pages) = (entries(&self.addresses), entries(&self.pages));
        let mut policy = Map::new();
        let mut say = |name: &str, value: Value| policy.insert(name.to_owned(), value);
        if self.purpose == Purpose::Page {
            if !pages.is_empty() {
                say("referrer", json!({"allow": pages}));
            }
        } else if !addresses.is_empty() {
            say("ip", json!({"allow": addresses}));
        }
        if self.reading == Tick::On {
            say("routes", json!([{"methods": ["GET", "HEAD"], "path": "/**"}]));
        }
        if !policy.is_empty() {
            policy.insert("v".to_owned(), json!(1));
        }
        policy
    }

    /// The key that it asks for.
    fn wish(&self, site: &Site, api: &Api) -> Result<Create, Refused> {
        let unfit = |member, why: &str| Refused::Unfit(Unfit::Member(member, why.to_owned()));
        let days = self.days.parse().ok().filter(|days| DAYS.iter().any(|(one, _)| one == days));
        let days = days.ok_or_else(|| unfit("expires_at", "must be one of those offered"))?;
        let scope =
            Scope::parse(&self.scope.join(" ")).map_err(|_| unfit("scope", "has what the API does not offer"))?;
        if !(1..=64).contains(&self.once.len()) {
            return Err(Refused::Changed);
        }
        Ok(Create {
            api: api.id.to_string(),
            owner: None,
            client: None,
            plan: None,
            family_policy: Map::new(),
            wanted: Wanted {
                name: self.name.clone(),
                kind: if self.purpose == Purpose::Page { Kind::Public } else { Kind::Server },
                environment: Some(self.environment.clone()).filter(|word| !word.is_empty()),
                scope,
                policy: self.policy(),
                meta: Map::new(),
                not_before: None,
                ending: Ending::At(site.world.now() + Span::days(days)),
                from: if self.anywhere == Tick::On { From::Anywhere } else { From::Listed },
            },
            idempotency_key: Some(self.once.clone()),
        })
    }
}

/// Entries that stand in lines, or apart by commas or spaces.
fn entries(text: &str) -> Vec<&str> {
    text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty()).collect()
}

/// Makes the key and shows it. Sent again, it makes no other.
pub async fn post(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let outcome = take(&here, &request, body).await;
    settle(&here, &request, outcome)
}

async fn take(site: &Site, request: &HttpRequest, body: web::Payload) -> Result<HttpResponse, Trouble> {
    let (guest, params) = match Guest::posting(site, request, body).await? {
        Ok(both) => both,
        Err(sign_in) => return Ok(sign_in),
    };
    let offered = offered(site).await?;
    let api = params.once("api")?.and_then(|name| offered.iter().find(|(api, _)| api.name == name));
    let purpose = params.once("for")?.and_then(Purpose::parse);
    let (Some((api, _)), Some(purpose)) = (api, purpose) else { return Ok(home::not_found(site, request)) };
    let typed = Typed::read(&params, purpose)?;
    let made = match typed.wish(site, api) {
        Ok(wish) => create::create(&site.world, guest.caller(site), wish, guest.done(site)).await,
        Err(refused) => Err(Stop::Refusal(refused)),
    };
    match made {
        Ok(made) => reveal(site, &guest, &made, None),
        Err(Stop::Refusal(Refused::NotAllowed(NotAllowed::StepUp))) => {
            first(site, (&guest.arrival.visit, Some(&guest.here)), Onward::NewKey, &params)
        }
        Err(Stop::Refusal(Refused::AlreadyRevealed(id))) => Ok(back_to(site, &id, "shown")),
        Err(stop) => match turned(site, request, stop, Onward::NewKey)? {
            Ok(elsewhere) => Ok(elsewhere),
            Err(refused) => give_form(site, &guest, (api, &typed), Some(&refused)),
        },
    }
}

/// What is wrong, each at its place.
#[derive(Default)]
struct Wrong {
    name: Option<String>,
    scope: Option<String>,
    addresses: Option<String>,
    pages: Option<String>,
    days: Option<String>,
    all: Option<String>,
}

fn wrong(refused: &Refused) -> Wrong {
    let said = |text: String| Some(words::capital(&text));
    match refused {
        Refused::Unfit(Unfit::Member("name", why)) => Wrong { name: said(format!("it {why}")), ..Wrong::default() },
        Refused::Unfit(Unfit::Member("scope", why)) => Wrong { scope: said(format!("it {why}")), ..Wrong::default() },
        Refused::Unfit(Unfit::Member("expires_at", why)) => {
            Wrong { days: said(format!("it {why}")), ..Wrong::default() }
        }
        Refused::Unfit(Unfit::Member("policy", why)) if why.contains("referrer") => {
            Wrong { pages: said("name the pages that may use it".to_owned()), ..Wrong::default() }
        }
        Refused::Unfit(Unfit::Member("policy", _)) => {
            Wrong { addresses: said("name an address, or tick the box below".to_owned()), ..Wrong::default() }
        }
        Refused::Policy(invalid) | Refused::Unfit(Unfit::Policy(invalid)) => {
            let at = invalid.member().split_once('[').and_then(|(_, n)| n.trim_end_matches(']').parse::<usize>().ok());
            let place = at.map_or_else(|| "this".to_owned(), |n| format!("entry {}", n.saturating_add(1)));
            let text = said(format!("{place} {}", invalid.why()));
            match invalid.member().split(['.', '[']).next() {
                Some("ip") => Wrong { addresses: text, ..Wrong::default() },
                Some("referrer") => Wrong { pages: text, ..Wrong::default() },
                _ => Wrong { all: Some(words::sentence(refused)), ..Wrong::default() },
            }
        }
        Refused::Unfit(_)
        | Refused::NotAllowed(_)
        | Refused::NotFound(_)
        | Refused::Taken(_)
        | Refused::State(_)
        | Refused::InUse(_)
        | Refused::Changed
        | Refused::AlreadyRevealed(_)
        | Refused::Known(_)
        | Refused::TooMany(_)
        | Refused::TooManyOfLate(_)
        | Refused::Gone => Wrong { all: Some(words::sentence(refused)), ..Wrong::default() },
    }
}

fn give_form(
    site: &Site,
    guest: &Guest,
    (api, typed): (&Api, &Typed),
    refused: Option<&Refused>,
) -> Result<HttpResponse, Trouble> {
    let wrong = refused.map(wrong).unwrap_or_default();
    let choice = |value: &str, tick| Choice { value: value.to_owned(), label: value.to_owned(), tick };
    let environments = api.environments.iter().map(|one| choice(one, Tick::when(|| *one == typed.environment)));
    let scopes =
        api.settings.scopes.tokens().map(|one| choice(one, Tick::when(|| typed.scope.iter().any(|s| s == one))));
    let longest = api.settings.sensitivity.longest().map_or(i64::MAX, |span| span.as_seconds() / 86_400);
    let days = DAYS.iter().filter(|(n, _)| *n <= longest).map(|(n, label)| Choice {
        value: n.to_string(),
        label: (*label).to_owned(),
        tick: Tick::when(|| n.to_string() == typed.days),
    });
    let body = KeyNew {
        shell: site.shell(),
        account: guest.account(
            site,
            refused.map(|_| wrong.all.as_deref().unwrap_or("No key was made yet. See below what to mend.")),
        ),
        api: api.name.clone(),
        purpose: typed.purpose,
        name: Field { value: typed.name.clone(), problem: wrong.name },
        environments: environments.collect(),
        scopes: scopes.collect(),
        scope_problem: wrong.scope,
        addresses: Field { value: typed.addresses.clone(), problem: wrong.addresses },
        anywhere: typed.anywhere,
        pages: Field { value: typed.pages.clone(), problem: wrong.pages },
        reading: typed.reading,
        days: days.collect(),
        days_problem: wrong.days,
        once: typed.once.clone(),
    };
    let status = if refused.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    guest.give(site, status, &body)
}
