//! The introspection endpoint (RFC 7662).

use super::{Post, authorization, ended};
use crate::{flow::introspect, http::site::Here};
use actix_web::{HttpRequest, HttpResponse, http::header, web};

/// Tells what a token is, to those whom it concerns.
pub async fn post(here: Here, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let post = match Post::read(&request, body).await {
        Ok(post) => post,
        Err(answer) => return answer,
    };
    match introspect::run(&here.world, authorization(&request), &post.params, &post.origin).await {
        Ok(told) => HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(told),
        Err(stop) => ended(&here, stop, &post.origin),
    }
}
