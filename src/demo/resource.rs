//! The sample API: a resource server that verifies access tokens by itself (RFC 9068 §4), answers
//! with the challenges of RFC 6750 §3 and describes itself (RFC 9728).

use super::{
    proof::{self, Kind},
    provider::Provider,
    routes::Site,
    settings::API_SCOPE,
};
use crate::base::scope::Scope;
use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde_json::{Value, json};

/// What the API makes of a call.
#[derive(Debug, PartialEq)]
enum Judgement {
    /// Served, with these claims.
    Served(Value),
    /// No token came: say what is needed, without an error code (RFC 6750 §3.1).
    Bare,
    /// The token does not hold.
    Invalid(String),
    /// It holds, but does not allow this.
    Narrow,
}

/// `GET /api/hello`.
pub(super) async fn hello(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let token = bearer(&request);
    let to = site.clone();
    let judged = web::block(move || judge(&to.provider, token.as_deref())).await;
    let judged = judged.unwrap_or_else(|_| Judgement::Invalid("it could not be verified now".into()));
    let metadata = format!("{}/.well-known/oauth-protected-resource/api", site.provider.settings.origin());
    answer(judged, &metadata)
}

/// `GET /.well-known/oauth-protected-resource/api` (RFC 9728 §3.1: the resource's path comes last).
pub(super) async fn metadata(site: web::Data<Site>) -> HttpResponse {
    let settings = &site.provider.settings;
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "max-age=300")).json(json!({
        "resource": settings.resource(),
        "authorization_servers": [settings.issuer.as_str()],
        "scopes_supported": [API_SCOPE],
        "bearer_methods_supported": ["header"],
        "resource_name": "Keywright demo sample API",
    }))
}

fn bearer(request: &HttpRequest) -> Option<String> {
    let mut fields = request.headers().get_all(header::AUTHORIZATION);
    let value = fields.next()?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let alone = fields.next().is_none() && scheme.eq_ignore_ascii_case("bearer");
    alone.then(|| token.trim().to_owned()).filter(|t| !t.is_empty())
}

fn judge(provider: &Provider, token: Option<&str>) -> Judgement {
    let Some(token) = token else { return Judgement::Bare };
    let (_, keys) = provider.keys(proof::kid(token).as_deref());
    let claims = match proof::prove(&keys, token, Kind::Access(&provider.settings.resource()), provider) {
        Ok(claims) => claims,
        Err(why) => return Judgement::Invalid(why),
    };
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let allowed = Scope::parse(text("scope")).is_ok_and(|s| s.has(API_SCOPE));
    if !allowed {
        return Judgement::Narrow;
    }
    let left = claims.get("exp").and_then(Value::as_i64).unwrap_or(0).saturating_sub(provider.now().unix());
    Judgement::Served(json!({
        "message": format!("Hello, {}!", text("sub")),
        "client_id": text("client_id"),
        "scope": text("scope"),
        "token_expires_in": left,
    }))
}

fn answer(judged: Judgement, metadata: &str) -> HttpResponse {
    let pointer = format!("resource_metadata=\"{metadata}\"");
    let (mut response, challenge, body) = match judged {
        Judgement::Served(body) => {
            return HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(body);
        }
        Judgement::Bare => {
            let challenge = format!("Bearer scope=\"{API_SCOPE}\", {pointer}");
            (HttpResponse::Unauthorized(), challenge, json!({"message": "Send an access token."}))
        }
        Judgement::Invalid(why) => {
            let why = why.replace(['"', '\\'], "'");
            let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{why}\", {pointer}");
            (HttpResponse::Unauthorized(), challenge, json!({"error": "invalid_token", "error_description": why}))
        }
        Judgement::Narrow => {
            let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{API_SCOPE}\", {pointer}");
            (HttpResponse::Forbidden(), challenge, json!({"error": "insufficient_scope", "scope": API_SCOPE}))
        }
    };
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::WWW_AUTHENTICATE, challenge))
        .json(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn challenge(judged: Judgement) -> (u16, String) {
        let response = answer(judged, "http://127.0.0.1:8090/m");
        let field = response.headers().get(header::WWW_AUTHENTICATE).unwrap().to_str().unwrap().to_owned();
        (response.status().as_u16(), field)
    }

    #[test]
    fn each_refusal_has_its_status_and_challenge() {
        let (status, field) = challenge(Judgement::Bare);
        assert_eq!((status, field.contains("error")), (401, false), "{field}");
        let (status, field) = challenge(Judgement::Invalid("a \"quoted\" \\ reason".into()));
        assert_eq!(status, 401);
        assert!(
            field.starts_with("Bearer error=\"invalid_token\", error_description=\"a 'quoted' ' reason\""),
            "{field}"
        );
        let (status, field) = challenge(Judgement::Narrow);
        assert_eq!(status, 403);
        assert!(field.contains("insufficient_scope") && field.contains("scope=\"demo.read\""), "{field}");
        assert!(field.contains("resource_metadata=\"http://127.0.0.1:8090/m\""));
    }

    #[test]
    fn a_token_comes_in_one_authorization_field_or_not_at_all() {
        let with = |values: &[&str]| {
            let mut request = TestRequest::with_uri("/api/hello?access_token=q");
            for value in values {
                request = request.append_header((header::AUTHORIZATION, *value));
            }
            bearer(&request.to_http_request())
        };
        assert_eq!(with(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(with(&["bearer abc"]).as_deref(), Some("abc"));
        for none in [&[][..], &["Basic abc"], &["Bearer"], &["Bearer "], &["Bearer a", "Bearer b"]] {
            assert_eq!(with(none), None, "{none:?}");
        }
    }
}
