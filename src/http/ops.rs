//! For whoever operates the server: is it alive, is it ready.

use super::site::Here;
use actix_web::{HttpResponse, http::header};

/// The process runs and answers.
pub async fn livez() -> HttpResponse {
    plain(HttpResponse::Ok(), "ok")
}

/// It can serve: the store answers, there is a key to sign access tokens with, and the change feed is heard.
pub async fn readyz(here: Here) -> HttpResponse {
    let world = &here.world;
    let signs = world.policy.load().tokens.access_token_alg;
    let problem = if world.keyring.load().signer(signs).is_none() {
        Some("there is no signing key")
    } else if world.draining() {
        Some("the server is shutting down")
    } else if let Err(fault) = world.store.check().await {
        tracing::warn!(error = %fault, "not ready");
        Some("the database does not answer")
    } else if !world.revocations.is_fresh(world.now()) {
        Some("no word of revocations from the database")
    } else {
        None
    };
    match problem {
        None => plain(HttpResponse::Ok(), "ready"),
        Some(problem) => plain(HttpResponse::ServiceUnavailable(), problem),
    }
}

fn plain(mut answer: actix_web::HttpResponseBuilder, text: &'static str) -> HttpResponse {
    answer.insert_header((header::CACHE_CONTROL, "no-store")).content_type("text/plain; charset=utf-8").body(text)
}
