//! The application's addresses. Every button posts, is answered with a redirect to the page, and
//! needs the key of the session's forms; so no reload repeats anything and no other site can press.

use super::{
    acts, attempt,
    attempt::{Ask, Attempt, Reach},
    leaving, lessons,
    pages::{Home, SIGN, STYLE},
    provider::Provider,
    sessions::{COOKIE, Local, Login, Sessions},
    settings::DemoSettings,
    sign_in::{self, Callback},
    told::Chapter,
};
use crate::base::{fault::Fault, moment::Moment, secret::same};
use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite},
    error::ErrorInternalServerError,
    http::header,
    web,
};
use askama::Template;
use serde::Deserialize;

/// Everything that the handlers share.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) provider: Provider,
    pub(super) sessions: Sessions,
}

impl Site {
    pub(super) fn new(settings: DemoSettings) -> Self {
        Self { provider: Provider::new(settings), sessions: Sessions::default() }
    }
}

type Shared = web::Data<Site>;
type Answer = actix_web::Result<HttpResponse>;
type Act = fn(&Provider, &mut Login) -> Result<Chapter, Chapter>;

/// Adds the routes.
pub(super) fn routes(to: &mut web::ServiceConfig) {
    to.route("/", web::get().to(home))
        .route("/sign-in", web::post().to(start_sign_in))
        .route("/callback", web::get().to(callback))
        .route("/act", web::post().to(act))
        .route("/elsewhere", web::post().to(elsewhere))
        .route("/sign-out", web::post().to(sign_out))
        .route("/signed-out", web::get().to(signed_out))
        .route("/backchannel-logout", web::post().to(backchannel_logout))
        .route("/api/hello", web::get().to(super::resource::hello))
        .route("/.well-known/oauth-protected-resource/api", web::get().to(super::resource::metadata))
        .route("/demo.css", web::get().to(|| asset("text/css; charset=utf-8", STYLE)))
        .route("/demo.svg", web::get().to(|| asset("image/svg+xml", SIGN)));
}

async fn asset(kind: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok().content_type(kind).insert_header((header::CACHE_CONTROL, "no-cache")).body(text)
}

/// What every form carries.
#[derive(Deserialize)]
struct Pressed {
    form_key: String,
    #[serde(default)]
    ask: String,
    #[serde(default)]
    act: String,
}

async fn home(request: HttpRequest, site: Shared) -> Answer {
    let (cookie, fresh) = enter(&request, &site)?;
    let page = site.sessions.with(&cookie, site.provider.now(), |local| Home::of(&site.provider, local));
    let text = page.map(|p| p.render()).transpose().map_err(ErrorInternalServerError)?;
    let mut response = HttpResponse::Ok();
    response.content_type("text/html; charset=utf-8").insert_header((header::CACHE_CONTROL, "no-store"));
    if fresh {
        response.cookie(cookie_of(&cookie));
    }
    Ok(response.body(text.unwrap_or_default()))
}

async fn start_sign_in(request: HttpRequest, site: Shared, form: web::Form<Pressed>) -> Answer {
    let Some(cookie) = pressed(&request, &site, &form) else { return Ok(to_page(None)) };
    let Some(ask) = Ask::from_form(&form.ask) else { return Ok(to_page(None)) };
    let settings = &site.provider.settings;
    let before = change(&site, &cookie, |local| local.login.as_ref().map(Login::reach)).flatten();
    let before = before.unwrap_or(Reach::Person);
    let attempt = Attempt::begin(ask, before, site.provider.now(), settings.entropy.as_ref()).map_err(hidden)?;
    let (to, sent) = (site.clone(), attempt.clone());
    match web::block(move || sign_in::depart(&to.provider, &sent)).await? {
        Ok(url) => {
            change(&site, &cookie, |local| local.await_answer(attempt));
            Ok(away(&url))
        }
        Err(chapter) => {
            change(&site, &cookie, |local| local.tell(chapter));
            Ok(to_page(None))
        }
    }
}

async fn callback(request: HttpRequest, site: Shared, came: web::Query<Callback>) -> Answer {
    let (cookie, fresh) = enter(&request, &site)?;
    let now = site.provider.now();
    let state = came.state.clone().unwrap_or_default();
    let Some(attempt) = change(&site, &cookie, |local| local.recall(&state, now)).flatten() else {
        let chapter = sign_in::stranger(&site.provider, &came);
        change(&site, &cookie, |local| local.tell(chapter));
        return Ok(to_page(fresh.then_some(&cookie)));
    };
    let (to, came) = (site.clone(), came.into_inner());
    let outcome = web::block(move || sign_in::arrive(&to.provider, &attempt, &came)).await?;
    let dice = site.provider.settings.entropy.as_ref();
    let cookie = site.sessions.renew(&cookie, dice).map_err(hidden)?.unwrap_or(cookie);
    change(&site, &cookie, |local| {
        local.tell(outcome.chapter);
        if outcome.login.is_some() {
            local.login = outcome.login;
        }
    });
    Ok(to_page(Some(&cookie)))
}

async fn act(request: HttpRequest, site: Shared, form: web::Form<Pressed>) -> Answer {
    let Some(cookie) = pressed(&request, &site, &form) else { return Ok(to_page(None)) };
    let act: Act = match form.act.as_str() {
        "refresh" => acts::refresh,
        "userinfo" => acts::userinfo,
        "api" => acts::call_api,
        "introspect" => acts::introspect,
        "revoke" => acts::revoke,
        "replay" => lessons::replay_code,
        "spent" => lessons::spent_refresh,
        "tampered" => lessons::tampered,
        _ => return Ok(to_page(None)),
    };
    let Some(mut login) = change(&site, &cookie, |local| local.login.clone()).flatten() else {
        return Ok(to_page(None));
    };
    let to = site.clone();
    let (chapter, after) = web::block(move || {
        let chapter = act(&to.provider, &mut login).unwrap_or_else(|told| told);
        (chapter, login)
    })
    .await?;
    change(&site, &cookie, |local| {
        local.tell(chapter);
        // Meanwhile the person may have been signed out: then nothing is written back.
        if local.login.as_ref().is_some_and(|l| l.id_token == after.id_token) {
            local.login = Some(after);
        }
    });
    Ok(to_page(None))
}

/// Sends the browser off with a redirect URI that nobody registered.
async fn elsewhere(request: HttpRequest, site: Shared, form: web::Form<Pressed>) -> Answer {
    if pressed(&request, &site, &form).is_none() {
        return Ok(to_page(None));
    }
    let dice = site.provider.settings.entropy.as_ref();
    let attempt = Attempt::begin(Ask::Plain, Reach::Person, site.provider.now(), dice).map_err(hidden)?;
    let mut parameters = attempt.parameters(&site.provider.settings);
    for (name, value) in &mut parameters {
        if *name == "redirect_uri" {
            "https://elsewhere.example/callback".clone_into(value);
        }
    }
    let to = site.clone();
    let found = web::block(move || to.provider.endpoints()).await?;
    Ok(found.map_or_else(|_| to_page(None), |e| away(&attempt::with_query(&e.authorization_endpoint, &parameters))))
}

async fn sign_out(request: HttpRequest, site: Shared, form: web::Form<Pressed>) -> Answer {
    let Some(cookie) = pressed(&request, &site, &form) else { return Ok(to_page(None)) };
    let state = attempt::random(site.provider.settings.entropy.as_ref()).map_err(hidden)?;
    let Some(login) = change(&site, &cookie, |local| local.login.take()).flatten() else { return Ok(to_page(None)) };
    let (to, sent) = (site.clone(), state.clone());
    let (url, step) = web::block(move || {
        (leaving::depart(&to.provider, &login, &sent), leaving::departure(&to.provider, &login, &sent))
    })
    .await?;
    match url {
        Ok(url) => {
            change(&site, &cookie, |local| local.leaving = Some((state, step)));
            Ok(away(&url))
        }
        Err(chapter) => {
            change(&site, &cookie, |local| local.tell(chapter));
            Ok(to_page(None))
        }
    }
}

#[derive(Deserialize)]
struct Left {
    #[serde(default)]
    state: String,
}

async fn signed_out(request: HttpRequest, site: Shared, came: web::Query<Left>) -> Answer {
    let (cookie, fresh) = enter(&request, &site)?;
    change(&site, &cookie, |local| {
        let (expected, step) = local.leaving.take().unzip();
        let mut chapter = leaving::arrival(&site.provider, &came.state, expected.as_deref());
        chapter.steps.splice(0..0, step);
        local.tell(chapter);
    });
    Ok(to_page(fresh.then_some(&cookie)))
}

#[derive(Deserialize)]
struct LogoutForm {
    logout_token: String,
}

async fn backchannel_logout(site: Shared, form: web::Form<LogoutForm>) -> Answer {
    let to = site.clone();
    let outcome = web::block(move || leaving::told_by_issuer(&to.provider, &to.sessions, &form.logout_token)).await?;
    let mut response = match &outcome {
        Ok(_) => HttpResponse::Ok(),
        Err(_) => HttpResponse::BadRequest(),
    };
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    Ok(match outcome {
        Ok(_) => response.finish(),
        Err(why) => response.json(serde_json::json!({"error": "invalid_request", "error_description": why})),
    })
}

/// The cookie of this browser's session, opening one where there is none; and whether it is new.
fn enter(request: &HttpRequest, site: &Site) -> actix_web::Result<(String, bool)> {
    let now = site.provider.now();
    if let Some(cookie) = sent(request)
        && site.sessions.with(&cookie, now, |_| ()).is_some()
    {
        return Ok((cookie, false));
    }
    let dice = site.provider.settings.entropy.as_ref();
    Ok((site.sessions.open(now, dice).map_err(hidden)?, true))
}

/// The cookie, where the form's key is that of its session.
fn pressed(request: &HttpRequest, site: &Site, form: &Pressed) -> Option<String> {
    let cookie = sent(request)?;
    let now = site.provider.now();
    let ours = |local: &mut Local| same(local.form_key.as_bytes(), form.form_key.as_bytes());
    site.sessions.with(&cookie, now, ours)?.then_some(cookie)
}

fn sent(request: &HttpRequest) -> Option<String> {
    request.cookie(COOKIE).map(|c| c.value().to_owned())
}

fn change<R>(site: &Site, cookie: &str, act: impl FnOnce(&mut Local) -> R) -> Option<R> {
    let now: Moment = site.provider.now();
    site.sessions.with(cookie, now, act)
}

fn cookie_of(value: &str) -> Cookie<'static> {
    Cookie::build(COOKIE, value.to_owned()).path("/").http_only(true).same_site(SameSite::Lax).finish()
}

/// Back to the page, at what was just told.
fn to_page(cookie: Option<&String>) -> HttpResponse {
    let mut response = HttpResponse::SeeOther();
    response.insert_header((header::LOCATION, "/#latest")).insert_header((header::CACHE_CONTROL, "no-store"));
    if let Some(cookie) = cookie {
        response.cookie(cookie_of(cookie));
    }
    response.finish()
}

fn away(url: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, url))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// A fault of ours, with nothing of it in the answer.
fn hidden(_: Fault) -> actix_web::Error {
    ErrorInternalServerError("something went wrong here")
}
