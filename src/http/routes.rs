//! The one table of routes: path, who may read the answers, method, handler, and what it is for.

use super::{
    api_keys, assets,
    edge::{Cors, Lane, dress, preflight, through},
    give::{details, problem},
    oauth::{authorize, introspect, jwks, metadata, revoke, token},
    oidc::{end_session, userinfo},
    ops,
    portal::{account, claim, consent, home, select_account, sign_in},
    site::{Here, Site},
    take::chunks::{Holding, is_chunked},
};
use crate::flow::guard::Door;
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
    middleware::from_fn,
    web::{self, ServiceConfig},
};
use std::sync::Arc;

/// A row of the table, for the documentation.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The path, under the issuer's.
    pub path: &'static str,
    /// The methods.
    pub methods: &'static [&'static str],
    /// Who may read the answers from another origin.
    pub cors: Cors,
    /// What it is for.
    pub doc: &'static str,
}

macro_rules! routes {
    ($($path:literal $cors:ident { $($method:ident $handler:path),+ } $doc:literal;)*) => {
        /// Every route.
        pub const ROUTES: &[Row] = &[$(Row {
            path: $path,
            methods: &[$(stringify!($method)),+],
            cors: Cors::$cors,
            doc: $doc,
        },)*];

        /// Puts every route where the issuer's path says.
        pub fn mount(config: &mut ServiceConfig, site: &Arc<Site>) {
            let base = site.issuer.path().to_owned();
            $({
                let lane = lane($path, Cors::$cors, site);
                let resource = web::resource(format!("{base}{}", $path))
                    $(.route(web::$method().to($handler)))+;
                let resource = heads(resource, $path, &[$((stringify!($method), || web::head().to($handler))),+]);
                config.service(
                    finish(resource, $path, Cors::$cors)
                        .wrap(from_fn(move |request, next| through(Arc::clone(&lane), request, next))),
                );
            })*
            well_known(config, site);
        }
    };
}

routes! {
    "/" None { get home::show } "A page that says what this is.";
    "/.well-known/openid-configuration" Any { get metadata::get } "The discovery document (OpenID Connect Discovery §4).";
    "/jwks" Any { get jwks::get } "The keys that verify our tokens (RFC 7517 §5).";
    "/authorize" None { get authorize::get, post authorize::post } "The authorization endpoint (RFC 6749 §3.1).";
    "/sign-in" None { get sign_in::get, post sign_in::post } "The sign-in page.";
    "/consent" None { get consent::get, post consent::post } "The consent page.";
    "/select-account" None { get select_account::get, post select_account::post } "The choice of accounts.";
    "/token" Any { post token::post } "The token endpoint (RFC 6749 §3.2).";
    "/userinfo" Any { get userinfo::get, post userinfo::post } "Claims about the person (OpenID Connect Core §5.3).";
    "/introspect" Any { post introspect::post } "Token introspection (RFC 7662).";
    "/revoke" Any { post revoke::post } "Token revocation (RFC 7009).";
    "/end_session" None { get end_session::get, post end_session::post } "Sign-out (OpenID Connect RP-Initiated Logout).";
    "/account" None { get account::overview } "One's own account.";
    "/account/profile" None { get account::profile, post account::save_profile } "One's own profile.";
    "/account/password" None { get account::password, post account::save_password } "One's own password.";
    "/account/sessions" None { get account::sessions, post account::end_sessions } "Where one is signed in.";
    "/account/consents" None { get account::consents, post account::withdraw } "What one has consented to.";
    "/account/keys" None { get account::keys::list } "One's own API keys.";
    "/account/keys/new" None { get account::keys::new, post account::keys::make } "Make an API key, and see it once.";
    "/account/keys/{id}" None { get account::keys::one, post account::keys::step } "One's own API key: looked at, switched off and on.";
    "/account/keys/{id}/check" None { post account::keys::check } "Whether a request with it would pass.";
    "/account/keys/{id}/rotate" None { get account::keys::rotating, post account::keys::rotate } "Give it a successor, and see that once.";
    "/account/keys/{id}/revoke" None { get account::keys::revoking, post account::keys::revoke } "End it for good, after a question.";
    "/claim" None { get claim::get, post claim::post } "An API key is made with a link: looked at first, then made once.";
    "/v1/keys/verify" None { post api_keys::verify::post } "Whether an API key is good for a call.";
    "/v1/keys/verify/batch" None { post api_keys::verify::batch } "The same for several keys at once.";
    "/v1/keys" None { get api_keys::manage::list, post api_keys::manage::create } "API keys.";
    "/v1/keys/import" None { post api_keys::brought::import } "Bring API keys that were made elsewhere.";
    "/v1/keys/revoke" None { post api_keys::many::revoke } "End many API keys for good, by owner, family, API, age or use.";
    "/v1/keys/claims" None { get api_keys::claims::list, post api_keys::claims::create } "Links with which an API key is claimed, once.";
    "/v1/keys/claims/{id}" None { delete api_keys::claims::withdraw } "Take such a link back.";
    "/v1/keys/{id}" None { get api_keys::manage::show, patch api_keys::change::key } "An API key.";
    "/v1/hmac-keys" None { get api_keys::brought::hmac_keys } "The keys of HMAC under which others hashed what was brought.";
    "/v1/hmac-keys/{id}" None { delete api_keys::brought::remove_hmac_key } "Forget one of them.";
    "/v1/keys/{id}/usage" None { get api_keys::usage::show } "What an API key was used for, as verified and as reported.";
    "/v1/usage" None { post api_keys::usage::post } "What resource servers report of the calls that they served.";
    "/v1/leaks" None { post api_keys::leaks::report } "Tell of API keys that were found where they do not belong.";
    "/v1/leaks/trufflehog" None { post api_keys::leaks::question } "Whether something that TruffleHog found is a good API key.";
    "/v1/keys/{id}/rotate" None { post api_keys::manage::rotate } "Give an API key a successor.";
    "/v1/keys/{id}/rotation" None { get api_keys::manage::rotation } "How far a rotation is: whether the new key is used, and from where the old one still is.";
    "/v1/keys/{id}/finish" None { post api_keys::manage::finish } "End the overlap of an API key with its successor.";
    "/v1/keys/{id}/disable" None { post api_keys::manage::disable } "Switch an API key off.";
    "/v1/keys/{id}/enable" None { post api_keys::manage::enable } "Switch an API key on again.";
    "/v1/keys/{id}/revoke" None { post api_keys::manage::revoke } "End an API key for good.";
    "/v1/keys/{id}/quotas" None { get api_keys::quotas::list } "How the quotas of an API key stand.";
    "/v1/keys/{id}/quotas/{name}/grants" None { post api_keys::quotas::grant } "Raise the limit of a quota for its period.";
    "/v1/keys/{id}/quotas/{name}/used" None { put api_keys::quotas::used } "Correct what was used of a quota.";
    "/v1/openapi.json" None { get api_keys::openapi::get } "What `/v1` takes and gives, as OpenAPI 3.1.";
    "/v1/revocations" None { get api_keys::ended::get } "The API keys that have ended of late.";
    "/v1/apis" None { get api_keys::apis::list, post api_keys::apis::add } "The APIs that keys are for.";
    "/v1/apis/{id}" None { get api_keys::apis::show, put api_keys::apis::put, patch api_keys::change::api } "An API.";
    "/v1/apis/{id}/disable" None { post api_keys::apis::disable } "Disable an API: its keys are refused.";
    "/v1/apis/{id}/enable" None { post api_keys::apis::enable } "Enable an API again.";
    "/v1/plans" None { get api_keys::apis::list_plans, post api_keys::apis::add_plan } "Plans: rate and quota under a name.";
    "/v1/plans/{id}" None { get api_keys::apis::show_plan, put api_keys::apis::put_plan, patch api_keys::change::plan } "A plan.";
    "/static/{file}" None { get assets::serve } "Stylesheet, icon and script of the pages.";
    "/livez" None { get ops::livez } "Whether the process runs.";
    "/readyz" None { get ops::readyz } "Whether it can serve: the store answers and there are keys.";
}

type Made = (&'static str, fn() -> actix_web::Route);

/// Where a GET may issue a code or end a session: HEAD, which must change nothing, is not answered.
const WITH_EFFECTS: [&str; 4] = ["/authorize", "/consent", "/select-account", "/end_session"];

/// What answers GET answers HEAD, but where GET has effects.
fn heads(resource: actix_web::Resource, path: &str, made: &[Made]) -> actix_web::Resource {
    if WITH_EFFECTS.contains(&path) {
        return resource;
    }
    made.iter().filter(|(method, _)| *method == "get").fold(resource, |resource, (_, head)| resource.route(head()))
}

fn lane(path: &'static str, cors: Cors, site: &Arc<Site>) -> Arc<Lane> {
    Arc::new(Lane { path, cors, meter: site.world.metrics.route(path), door: door(path), site: Arc::clone(site) })
}

/// Which limit of an address a route counts against, if any.
fn door(path: &str) -> Option<Door> {
    match path {
        "/authorize" | "/sign-in" | "/consent" | "/select-account" | "/end_session" | "/claim" => Some(Door::Pages),
        "/token" => Some(Door::Token),
        "/revoke" => Some(Door::Revoke),
        "/introspect" | "/userinfo" => Some(Door::Introspect),
        _ if path.starts_with("/account") => Some(Door::Pages),
        _ => None,
    }
}

/// Preflight where other origins may ask, and 405 with `Allow` for every method that is left.
fn finish(resource: actix_web::Resource, path: &'static str, cors: Cors) -> actix_web::Resource {
    let resource = match cors {
        Cors::Any => resource.route(web::method(actix_web::http::Method::OPTIONS).to(preflight)),
        Cors::None => resource,
    };
    resource.default_service(web::to(move |request: HttpRequest| async move { wrong_method(path, cors, &request) }))
}

/// The answer to a method that a path does not know, in the form of its other refusals: a problem under `/v1`,
/// a page for whoever reads pages, what clients of RFC 6749 read for them.
fn wrong_method(path: &str, cors: Cors, request: &HttpRequest) -> HttpResponse {
    let row = ROUTES.iter().find(|row| row.path == path);
    let allow = row.map(|row| row.methods.join(", ").to_uppercase()).unwrap_or_default();
    let because = format!("this address answers {allow} only");
    let site = request.app_data::<Here>();
    let mut answer = match (site, cors) {
        _ if path.starts_with("/v1/") => details::plain(StatusCode::METHOD_NOT_ALLOWED, &because),
        (Some(site), _) if reads_pages(request) => home::wrong_method(site, request, allow.clone()),
        (_, Cors::Any) => problem::plain(StatusCode::METHOD_NOT_ALLOWED, &because),
        (_, Cors::None) => details::plain(StatusCode::METHOD_NOT_ALLOWED, &because),
    };
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_str(&allow).unwrap_or(HeaderValue::from_static("")));
    answer
}

/// Whether whoever asks says that they take a page: a browser in which somebody typed an address does.
fn reads_pages(request: &HttpRequest) -> bool {
    let accepted = request.headers().get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let is_page = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"));
        is_page && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// The documents whose place is at the root of the host: RFC 8414 §3.1 puts the issuer's path
/// behind the well-known name; some clients do so for OpenID Connect's document too.
fn well_known(config: &mut ServiceConfig, site: &Arc<Site>) {
    let path = site.issuer.path();
    let mut places = vec![format!("/.well-known/oauth-authorization-server{path}")];
    if !path.is_empty() {
        places.push(format!("/.well-known/openid-configuration{path}"));
    }
    for place in places {
        let lane = lane("/.well-known/oauth-authorization-server", Cors::Any, site);
        let resource = web::resource(place).route(web::get().to(metadata::get)).route(web::head().to(metadata::get));
        config.service(
            finish(resource, "/.well-known/openid-configuration", Cors::Any)
                .wrap(from_fn(move |request, next| through(Arc::clone(&lane), request, next))),
        );
    }
}

/// The answer for every path that is none of ours.
pub async fn not_found(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let mut answer = home::not_found(&here, &request);
    dress(answer.headers_mut(), &here, Cors::None);
    if is_chunked(request.headers()) { answer.map_body(|_, page| Holding::boxed(page, body)) } else { answer }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_is_answered_only_where_a_get_changes_nothing() {
        for path in WITH_EFFECTS {
            assert!(ROUTES.iter().any(|row| row.path == path), "{path}");
        }
        let answered = |path: &str, method: actix_web::http::Method| {
            let made: [Made; 1] = [("get", || web::head().to(crate::http::ops::livez))];
            let resource = heads(web::resource("/x"), path, &made);
            let resource = finish(resource, "/authorize", Cors::None);
            actix_web::rt::System::new().block_on(async move {
                let app = actix_web::test::init_service(actix_web::App::new().service(resource)).await;
                let request = actix_web::test::TestRequest::default().uri("/x").method(method).to_request();
                actix_web::test::call_service(&app, request).await.status().as_u16()
            })
        };
        assert_eq!(answered("/authorize", actix_web::http::Method::HEAD), 405);
        assert_eq!(answered("/end_session", actix_web::http::Method::HEAD), 405);
        assert_eq!(answered("/jwks", actix_web::http::Method::HEAD), 200);
    }
}
