//! "Would this request pass?": asks every question that a real call would be asked, and spends nothing.

use super::{super::Guest, one, turned, words};
use crate::{
    apikey::{
        call::Call,
        judge::{Finding, explain},
        policy::Level,
    },
    base::{fault::Fault, id::ApiKeyId, scope::Scope},
    flow::api_keys::{
        directory::Entry,
        show,
        verify::{self, Mode},
    },
    http::{
        give::pages::{Answer, Badge, Check, Field, Tone},
        portal::{Trouble, home, settle, sign_in::Onward},
        site::{Here, Site},
    },
    oauth::params::Params,
};
use actix_web::{HttpRequest, HttpResponse, web};
use std::sync::Arc;

/// Most characters of what is tried.
const LONGEST: usize = 2048;

/// Tries a request.
pub async fn post(here: Here, request: HttpRequest, path: web::Path<String>, body: web::Payload) -> HttpResponse {
    let outcome = take(&here, &request, &path, body).await;
    settle(&here, &request, outcome)
}

async fn take(site: &Site, request: &HttpRequest, path: &str, body: web::Payload) -> Result<HttpResponse, Trouble> {
    let (guest, params, id) = match Guest::at_key(site, request, (path, body)).await? {
        Ok(all) => all,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let entry = match show::entry(&site.world, &guest.caller(site), &id).await {
        Ok(entry) => entry,
        Err(stop) => return elsewhere(site, request, stop, &id),
    };
    let mut check = typed(&params)?;
    if let Ok(scope) = Scope::parse(&check.scope.value) {
        check.answer = Some(answer(site, &guest, entry, (&check, scope)).await?);
    } else {
        check.scope.problem = Some("These are no scopes: words apart by spaces, such as docs.read.".to_owned());
    }
    one::give(site, request, (&guest, &id), one::Said { check, problem: None }).await
}

fn elsewhere(site: &Site, request: &HttpRequest, stop: super::Unmet, id: &ApiKeyId) -> Result<HttpResponse, Trouble> {
    let turned = turned(site, request, stop, Onward::Key(id.clone()))?;
    Ok(turned.unwrap_or_else(|_| home::not_found(site, request)))
}

fn typed(params: &Params) -> Result<Check, Trouble> {
    let field = |name: &str| {
        let text = params.once(name)?.unwrap_or_default().trim();
        Ok::<_, Trouble>(Field::of(text.chars().take(LONGEST).collect::<String>()))
    };
    Ok(Check {
        address: field("address")?,
        method: field("method")?,
        path: field("path")?,
        page: field("page")?,
        agent: field("agent")?,
        scope: field("scope")?,
        answer: None,
    })
}

async fn answer(
    site: &Site,
    guest: &Guest,
    entry: Arc<Entry>,
    (check, scope): (&Check, Scope),
) -> Result<Answer, Fault> {
    fn said(field: &Field) -> Option<&str> {
        Some(field.value.as_str()).filter(|text| !text.is_empty())
    }
    let api = entry.api().id.clone();
    let method = check.method.value.to_ascii_uppercase();
    let call = Call {
        scope,
        address: said(&check.address),
        method: Some(method.as_str()).filter(|text| !text.is_empty()),
        path: said(&check.path),
        origin: said(&check.page),
        user_agent: said(&check.agent),
        ..Call::new(&api, site.world.now())
    };
    let told = Told { exposed: entry.api().settings.expose_reason };
    let asked = explain(&entry.known(), &call);
    let findings: Vec<(String, Badge)> = asked.iter().map(|one| told.finding(one)).collect();
    // What is used up is no finding: it is known only when it is counted.
    let first = asked.iter().position(|one| one.answer.is_err()).and_then(|at| findings.get(at));
    let verdict = verify::known(&site.world, entry, (&call, None), Mode::Dry, &guest.arrival.origin).await?;
    let (verdict, tone) = match &verdict.outcome {
        Ok(()) => ("It would pass.".to_owned(), Tone::Good),
        Err(denied) => {
            let why = first.map(|(what, badge)| format!("{what}: {}", badge.word));
            let why = why.unwrap_or_else(|| words::denied(denied).to_owned());
            (format!("It would be refused. {why}."), Tone::Over)
        }
    };
    Ok(Answer { verdict, tone, findings })
}

/// What may be told of the restrictions that are not the owner's own.
struct Told {
    exposed: bool,
}

impl Told {
    /// A question in words, and its answer. Which restriction of the API it was that refused is
    /// told where the API says so to refused callers too.
    fn finding(&self, finding: &Finding) -> (String, Badge) {
        let level = match finding.level {
            None => "",
            Some(Level::Key) => " (this key)",
            Some(Level::Family) => " (this line of keys)",
            Some(Level::Plan) => " (plan)",
            Some(Level::Api) => " (API)",
        };
        let hidden = finding.level == Some(Level::Api) && !self.exposed && finding.asked != "rate";
        let asked = match finding.asked {
            _ if hidden => "A restriction of the API",
            "key" => "API and environment",
            "state" => "Switched on",
            "validity" => "Within its time",
            "binding" => "Proof of possession",
            "ip" => "Address",
            "geo" => "Country",
            "time" => "Hour",
            "referrer" => "Page",
            "user_agent" => "Program",
            "route" => "Method and path",
            "scope" => "Scopes",
            "cost" => "Cost",
            "rate" => "Limit of rate",
            other => other,
        };
        let badge = match &finding.answer {
            Ok(()) => Badge { word: "passes", tone: Tone::Good },
            Err(_) if hidden => Badge { word: "refuses", tone: Tone::Over },
            Err(denied) => Badge { word: words::denied(denied), tone: Tone::Over },
        };
        (if hidden { asked.to_owned() } else { format!("{asked}{level}") }, badge)
    }
}
