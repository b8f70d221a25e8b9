//! Requests to the issuer and to the sample API, each kept as it is told on the page: what was
//! sent and what came back, with the secrets masked.

use super::{
    decode, meaning,
    told::{Answer, Named, Request},
};
use crate::base::secret::Secret;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use std::time::Duration;
use url::form_urlencoded;

/// Longest answer that is read.
const MAX_ANSWER: u64 = 256 * 1024;

/// Who is calling.
#[derive(Clone, Copy)]
pub(super) enum Caller<'a> {
    /// Nobody in particular.
    Anyone,
    /// A client with its secret, by HTTP Basic (RFC 6749 §2.3.1).
    Client(&'a str, &'a Secret<String>),
    /// The bearer of a token (RFC 6750 §2.1).
    Bearer(&'a str),
}

/// One request and its answer.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// As it is told.
    pub(super) request: Request,
    /// As it is told.
    pub(super) answer: Answer,
    /// The status, or 0 where no answer came.
    pub(super) status: u16,
    /// The body, where it is JSON; null otherwise.
    pub(super) json: Value,
}

impl Exchange {
    /// Whether the status is 200.
    pub(super) const fn ok(&self) -> bool {
        self.status == 200
    }
    /// A text member of the answer.
    pub(super) fn text(&self, member: &str) -> Option<&str> {
        self.json.get(member).and_then(Value::as_str)
    }
    /// Such as `invalid_grant`, or the status where the answer names no error.
    pub(super) fn error(&self) -> String {
        self.text("error").map_or_else(|| self.answer.status.clone(), str::to_owned)
    }
}

/// An HTTP client that follows no redirect and uses no proxy.
#[derive(Clone, Debug)]
pub(super) struct Wire(ureq::Agent);

impl Wire {
    pub(super) fn new() -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(10)))
            .build();
        Self(agent.into())
    }

    /// Sends a GET.
    pub(super) fn get(&self, url: &str, caller: Caller<'_>) -> Exchange {
        let mut call = self.0.get(url).header("accept", "application/json");
        if let Some(value) = authorization(caller) {
            call = call.header("authorization", value);
        }
        told(request("GET", url, caller, &[]), call.call())
    }

    /// Posts a form.
    pub(super) fn post(&self, url: &str, caller: Caller<'_>, form: &[(&str, &str)]) -> Exchange {
        let mut call = self.0.post(url).header("accept", "application/json");
        if let Some(value) = authorization(caller) {
            call = call.header("authorization", value);
        }
        told(request("POST", url, caller, form), call.send_form(form.iter().copied()))
    }

    /// Posts JSON.
    pub(super) fn post_json(&self, url: &str, caller: Caller<'_>, body: &Value) -> Exchange {
        let mut call = self.0.post(url).header("accept", "application/json").content_type("application/json");
        if let Some(value) = authorization(caller) {
            call = call.header("authorization", value);
        }
        told(request("POST", url, caller, &[]), call.send(body.to_string()))
    }
}

fn authorization(caller: Caller<'_>) -> Option<String> {
    match caller {
        Caller::Anyone => None,
        Caller::Client(id, secret) => {
            let form = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", form(id), form(secret.expose()));
            Some(format!("Basic {}", BASE64_STANDARD.encode(pair)))
        }
        Caller::Bearer(token) => Some(format!("Bearer {token}")),
    }
}

fn request(method: &'static str, url: &str, caller: Caller<'_>, form: &[(&str, &str)]) -> Request {
    let shown = match caller {
        Caller::Anyone => None,
        Caller::Client(id, _) => Some(format!("Basic base64({id}:••••••••)")),
        Caller::Bearer(token) => Some(format!("Bearer {}", shortened(token))),
    };
    Request {
        method,
        url: url.to_owned(),
        fields: shown.map(|value| named_field("authorization", &value)).into_iter().collect(),
        parameters: form.iter().map(|(name, value)| named(name, value)).collect(),
    }
}

/// A parameter for showing, shortened where it is a secret.
pub(super) fn named(name: &str, value: &str) -> Named {
    Named { name: name.to_owned(), value: masked(name, value), meaning: meaning::of_parameter(name) }
}

fn named_field(name: &str, value: &str) -> Named {
    Named { name: name.to_owned(), value: value.to_owned(), meaning: meaning::of_field(name) }
}

/// A value for showing. Verifiers are shown whole on purpose: they are spent by then, and the
/// page lets people compare them with their challenge.
fn masked(name: &str, value: &str) -> String {
    match name {
        "client_secret" => "••••••••".into(),
        "code" | "token" | "access_token" | "refresh_token" | "id_token" | "id_token_hint" | "logout_token" => {
            shortened(value)
        }
        _ => value.to_owned(),
    }
}

/// Front and back of a secret: enough to recognise it, too little to use it.
pub(super) fn shortened(secret: &str) -> String {
    let length = secret.chars().count();
    if length < 24 {
        return "••••••••".into();
    }
    let front: String = secret.chars().take(8).collect();
    let back: String = secret.chars().skip(length - 4).collect();
    format!("{front}…{back} ({length} characters)")
}

fn told(request: Request, outcome: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Exchange {
    let failed = |request, why: String| {
        let answer = Answer { status: format!("no answer: {why}"), fields: Vec::new(), body: String::new() };
        Exchange { request, answer, status: 0, json: Value::Null }
    };
    let mut response = match outcome {
        Ok(response) => response,
        Err(e) => return failed(request, e.to_string()),
    };
    let status = response.status();
    let fields = ["content-type", "cache-control", "www-authenticate", "retry-after", "location"]
        .iter()
        .filter_map(|name| Some(named_field(name, response.headers().get(*name)?.to_str().ok()?)))
        .collect();
    let text = match response.body_mut().with_config().limit(MAX_ANSWER).read_to_string() {
        Ok(text) => text,
        Err(e) => return failed(request, e.to_string()),
    };
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    let body = if json.is_null() { brief(&text) } else { pretty(&json) };
    let answer = Answer { status: status.to_string(), fields, body };
    Exchange { request, answer, status: status.as_u16(), json }
}

/// JSON over several lines with its secrets shortened.
pub(super) fn pretty(json: &Value) -> String {
    let mut copy = json.clone();
    if let Value::Object(map) = &mut copy {
        for (name, value) in map.iter_mut() {
            if let Value::String(text) = value {
                *text = masked(name, text);
            }
        }
    }
    serde_json::to_string_pretty(&copy).unwrap_or_else(|_| decode::text(&copy))
}

/// The beginning of an answer that is not JSON.
fn brief(text: &str) -> String {
    let mut out: String = text.chars().take(2000).collect();
    if out.len() < text.len() {
        out.push_str(" […]");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_are_told() {
        let secret = Secret::new("s3cret-s3cret-s3cret-s3cret".to_owned());
        let token = "kwr_0123456789abcdefghijklmnopqrstuvwxyz";
        let told = request(
            "POST",
            "http://127.0.0.1/token",
            Caller::Client("app", &secret),
            &[("refresh_token", token), ("client_secret", "s3cret"), ("code", "kwc_short"), ("scope", "openid")],
        );
        let text = format!("{told:?}{}", pretty(&serde_json::json!({"access_token": token, "token_type": "Bearer"})));
        assert!(!text.contains("s3cret") && !text.contains(token) && !text.contains("kwc_short"), "{text}");
        assert!(text.contains("kwr_0123…wxyz (40 characters)") && text.contains("openid") && text.contains("Bearer"));
    }

    #[test]
    fn id_and_secret_are_form_encoded_before_basic() {
        let secret = Secret::new("p:ss wörd".to_owned());
        let header = authorization(Caller::Client("a:b", &secret)).unwrap();
        let pair = BASE64_STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(String::from_utf8(pair).unwrap(), "a%3Ab:p%3Ass+w%C3%B6rd");
    }
}
