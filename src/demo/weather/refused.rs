//! What a client of the weather API is told that may not call it: the table for resource servers,
//! from the codes of `POST /v1/keys/verify`.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
};
use serde_json::{Map, Value, json};

/// A refusal, or what else an answer must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) title: &'static str,
    /// `WWW-Authenticate`, where the status wants one.
    pub(super) challenge: Option<&'static str>,
    /// Header fields beside it.
    pub(super) fields: Vec<(&'static str, String)>,
    /// Members of the problem beside `title` and `status`.
    pub(super) more: Map<String, Value>,
}

const REALM: &str = "Bearer realm=\"weather\"";
const NOT_GOOD: &str = "Bearer realm=\"weather\", error=\"invalid_token\"";
const TOO_NARROW: &str = "Bearer realm=\"weather\", error=\"insufficient_scope\", scope=\"forecast.read\"";
const NO_PROOF: &str = "DPoP error=\"invalid_dpop_proof\"";

/// Every code that a key is refused by: the status, the challenge and a sentence. What is not among
/// them is refused as what cannot be said.
const CODES: &[(&str, u16, Option<&str>, &str)] = &[
    ("invalid_key", 401, Some(NOT_GOOD), "The API key is not good."),
    ("wrong_environment", 401, Some(NOT_GOOD), "The API key is not good here."),
    ("key_revoked", 401, Some(NOT_GOOD), "The API key was revoked."),
    ("key_expired", 401, Some(NOT_GOOD), "The API key has expired."),
    ("key_not_yet_valid", 401, Some(NOT_GOOD), "The API key is not good yet."),
    ("key_disabled", 401, Some(NOT_GOOD), "The API key is switched off."),
    ("binding_failed", 401, Some(NO_PROOF), "The proof that the key is bound to is missing or does not hold."),
    ("restricted", 403, None, "The API key may not be used for this."),
    ("insufficient_scope", 403, Some(TOO_NARROW), "The API key may do less than this."),
    ("key_suspended", 429, None, "The API key was suspended for how it was used."),
    ("rate_limited", 429, None, "Too many calls."),
    ("quota_exceeded", 429, None, "A quota is used up."),
    ("reduced_capacity", 503, None, "The API has less room than usual."),
];

impl Refused {
    pub(super) fn new(status: u16, title: &'static str) -> Self {
        Self { status, title, challenge: None, fields: Vec::new(), more: Map::new() }
    }
    /// Nothing was shown that could be good (RFC 6750 §3.1: then no error is named).
    pub(super) fn nothing_shown() -> Self {
        Self { challenge: Some(REALM), ..Self::new(401, "Send an API key in X-API-Key, or a token as Bearer.") }
    }
    /// A token that does not hold.
    pub(super) fn token() -> Self {
        Self { challenge: Some(NOT_GOOD), ..Self::new(401, "The token is not good.") }
    }
    /// A token that allows less.
    pub(super) fn narrow() -> Self {
        Self { challenge: Some(TOO_NARROW), ..Self::new(403, "The token may do less than this.") }
    }
    /// Whoever knows does not answer: then nothing passes.
    pub(super) fn unasked() -> Self {
        let fields = vec![("retry-after", "1".to_owned())];
        Self { fields, ..Self::new(503, "Whether this is allowed cannot be said now.") }
    }

    /// The refusal of a verdict that is not good.
    pub(super) fn of(verdict: &Value) -> Self {
        let code = verdict.get("code").and_then(Value::as_str).unwrap_or_default();
        let Some((code, status, challenge, title)) = CODES.iter().find(|(known, ..)| *known == code) else {
            return Self::unasked();
        };
        let mut refused = Self { challenge: *challenge, ..Self::new(*status, title) };
        refused.more.insert("code".to_owned(), json!(code));
        for name in ["rule", "reason", "violated", "request_id"] {
            if let Some(value) = verdict.get(name) {
                refused.more.insert(name.to_owned(), value.clone());
            }
        }
        if let Some(wait) = verdict.get("retry_after_s").and_then(Value::as_i64) {
            refused.fields.push(("retry-after", wait.to_string()));
        }
        refused
    }

    /// The answer: a problem (RFC 9457).
    pub(super) fn answer(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(StatusCode::from_u16(self.status).unwrap_or(StatusCode::FORBIDDEN));
        if let Some(challenge) = self.challenge {
            answer.insert_header(("www-authenticate", challenge));
        }
        let mut body = Map::from_iter([
            ("type".to_owned(), json!("about:blank")),
            ("title".to_owned(), json!(self.title)),
            ("status".to_owned(), json!(self.status)),
        ]);
        body.extend(self.more.clone());
        let mut answer = answer.content_type("application/problem+json").body(Value::Object(body).to_string());
        put(&mut answer, &self.fields);
        answer
    }
}

/// Puts fields on an answer; what cannot be the value of one is left out.
pub(super) fn put(answer: &mut HttpResponse, fields: &[(&'static str, String)]) {
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_status_and_what_nobody_knows_does_not_pass() {
        for (code, status, challenge, _) in CODES {
            let refused = Refused::of(&json!({"valid": false, "code": code, "rule": "ip", "retry_after_s": 4}));
            assert_eq!((refused.status, refused.challenge), (*status, *challenge), "{code}");
            assert_eq!((&refused.more["code"], &refused.more["rule"]), (&json!(code), &json!("ip")));
            assert_eq!(refused.fields, [("retry-after", "4".to_owned())]);
            let answer = refused.answer();
            assert_eq!(answer.status().as_u16(), *status);
            assert_eq!(answer.headers().contains_key("www-authenticate"), challenge.is_some(), "{code}");
        }
        for unknown in [json!({"valid": false, "code": "new"}), json!({}), json!(null)] {
            assert_eq!(Refused::of(&unknown), Refused::unasked());
        }
    }
}
