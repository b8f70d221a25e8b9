//! The one thing that the weather API serves, `GET /v1/forecast/{place}`, to those who may have it.

use super::{
    WeatherSettings,
    asked::Issuer,
    caller::{Caller, Shown, judge},
    forecast::{forecast, places},
    refused::{Refused, put},
    reports::{Measured, Reports, Served},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use serde_json::json;
use std::time::Instant;

/// Everything that the API knows.
#[derive(Debug)]
pub(super) struct Site {
    issuer: Issuer,
    reports: Reports,
}

impl Site {
    pub(super) fn new(settings: WeatherSettings) -> Self {
        Self { issuer: Issuer::new(settings), reports: Reports::default() }
    }
    /// Reports what was served since the last time. It blocks.
    pub(super) fn report(&self) {
        self.reports.send(|body| self.issuer.report(body));
    }
}

/// Answers a call, whatever it asks for: who may not call learns nothing of what there is.
pub(super) async fn call(request: HttpRequest, body: web::Bytes, site: web::Data<Site>) -> HttpResponse {
    let began = Instant::now();
    let shown = Shown::of(&request, site.issuer.settings.asking);
    let to = site.clone();
    let judged = web::block(move || judge(&to.issuer, shown)).await;
    let caller = match judged.unwrap_or_else(|_| Err(Refused::unasked().into())) {
        Ok(caller) => caller,
        Err(refused) => return refused.answer(),
    };
    let (mut answer, bytes) = served(&request, &site, &caller);
    put(&mut answer, &caller.fields);
    let settings = &site.issuer.settings;
    let measured = Measured {
        status: answer.status().as_u16(),
        bytes_in: u64::try_from(body.len()).unwrap_or(u64::MAX),
        bytes_out: bytes,
        took: began.elapsed(),
    };
    if let Some(key) = &caller.key
        && let Ok(served) = Served::new(caller.name, key, settings.clock.now(), measured, &*settings.entropy)
    {
        site.reports.add(served);
    }
    answer
}

/// The answer, and the bytes of its body.
fn served(request: &HttpRequest, site: &Site, caller: &Caller) -> (HttpResponse, u64) {
    let now = site.issuer.settings.clock.now();
    let wanted = request.uri().path().strip_prefix("/v1/forecast/");
    let hours = wanted.and_then(|place| Some((place, forecast(place, now)?)));
    if request.method() != Method::GET {
        let refused = Refused { fields: vec![("allow", "GET".to_owned())], ..Refused::new(405, "Only GET is known.") };
        return (refused.answer(), 0);
    }
    let Some((place, hours)) = hours else {
        let mut refused = Refused::new(404, "There is no weather at this address.");
        refused.more.insert("addresses".to_owned(), places().map(|place| format!("/v1/forecast/{place}")).collect());
        return (refused.answer(), 0);
    };
    let body = json!({
        "place": place,
        "hours": hours,
        "asked_with": {"a": caller.with, "key": caller.key, "owner": caller.owner, "plan": caller.plan},
    });
    let body = body.to_string();
    let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CACHE_CONTROL, "no-store")).content_type("application/json");
    (answer.body(body), bytes)
}
