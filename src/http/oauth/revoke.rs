//! The revocation endpoint (RFC 7009).

use super::{Post, authorization, ended};
use crate::{flow::revoke, http::site::Here};
use actix_web::{HttpRequest, HttpResponse, http::header, web};

/// Revokes a token. The answer to success is empty.
pub async fn post(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let post = match Post::read(&request, body).await {
        Ok(post) => post,
        Err(answer) => return answer,
    };
    match revoke::run(&here.world, authorization(&request), &post.params, &post.origin).await {
        Ok(()) => HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).finish(),
        Err(stop) => ended(&here, stop, &post.origin),
    }
}
