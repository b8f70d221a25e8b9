//! The token endpoint (RFC 6749 §3.2, §5.1).

use super::{Post, authorization, ended};
use crate::{
    flow::token::{self, Sent},
    http::{site::Here, take::dpop},
    oauth::issue::Issued,
};
use actix_web::{HttpRequest, HttpResponse, http::header, web};

/// Exchanges a grant for tokens.
pub async fn post(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let post = match Post::read(&request, body).await {
        Ok(post) => post,
        Err(answer) => return answer,
    };
    let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let shown = dpop::shown(&here.issuer, &request);
    let sent = Sent { authorization: authorization(&request), user_agent, dpop: &shown };
    match token::run(&here.world, sent, &post.params, &post.origin).await {
        Ok(issued) => issued_answer(&issued),
        Err(stop) => ended(&here, stop, &post.origin),
    }
}

#[derive(serde::Serialize)]
struct Body<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'a str>,
    scope: &'a crate::base::scope::Scope,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
}

fn issued_answer(issued: &Issued) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::PRAGMA, "no-cache"))
        .json(Body {
            access_token: &issued.access_token,
            token_type: issued.token_type.wire(),
            expires_in: issued.expires_in.as_seconds(),
            refresh_token: issued.refresh_token.as_ref().map(|t| t.expose().as_str()),
            id_token: issued.id_token.as_deref(),
            scope: &issued.scope,
            issued_token_type: issued.issued_token_type,
        })
}
