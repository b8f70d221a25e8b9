//! Who calls the weather API: found by the gateway, by asking about a key, or by asking about a
//! token. Whatever cannot be said is a refusal.

use super::{Asking, asked::Issuer, refused::Refused};
use crate::{
    base::{scope::Scope, secret::Secret},
    demo::settings::{KEY_SCOPE, WEATHER},
};
use actix_web::HttpRequest;
use chrono::DateTime;
use ipnet::IpNet;
use serde_json::{Value, json};
use std::net::IpAddr;

/// What a call shows of itself.
#[derive(Debug)]
pub(super) struct Shown {
    credential: Credential,
    address: Option<IpAddr>,
    /// What a verdict wants to know of the call.
    call: Value,
}

/// What a call shows to be let in.
enum Credential {
    /// Nothing.
    None,
    /// More than one thing.
    Several,
    /// A key that the gateway found good for this call.
    Found(Caller),
    /// A text that may be a key.
    Key(Secret<String>),
    /// A text that may be a token: a JWT begins so.
    Token(Secret<String>),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Several => "Several",
            Self::Found(_) => "Found",
            Self::Key(_) => "Key",
            Self::Token(_) => "Token",
        })
    }
}

/// Whoever may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Caller {
    /// The key, or the one that the token was had for.
    pub(super) key: Option<String>,
    /// Whose it is.
    pub(super) owner: String,
    /// Its plan.
    pub(super) plan: Option<String>,
    /// What was shown.
    pub(super) with: &'static str,
    /// The name of this call at the issuer, where it has one.
    pub(super) name: Option<String>,
    /// What the answer must say of limits, and of a key that has a successor.
    pub(super) fields: Vec<(&'static str, String)>,
}

impl Shown {
    /// Reads a request. What a gateway writes is believed only where one stands in front.
    pub(super) fn of(request: &HttpRequest, asking: Asking) -> Self {
        let field = |name: &str| one(request, name);
        let peer = request.peer_addr().map(|at| at.ip());
        let address = match asking {
            Asking::Gateway => field("x-forwarded-for").and_then(|text| text.parse().ok()),
            Asking::Itself => peer,
        };
        let address = address.map(|address: IpAddr| address.to_canonical());
        let call = json!({
            "ip": address, "method": request.method().as_str(), "path": request.uri().path(),
            "user_agent": field("user-agent"), "referer": field("referer"), "origin": field("origin"),
        });
        Self { credential: credential(request, asking), address, call }
    }
}

/// The only line of a field; nothing where there are several.
fn one<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let mut lines = request.headers().get_all(name);
    let first = lines.next()?.to_str().ok().map(str::trim).filter(|text| !text.is_empty());
    if lines.next().is_none() { first } else { None }
}

fn credential(request: &HttpRequest, asking: Asking) -> Credential {
    if let (Asking::Gateway, Some(key)) = (asking, one(request, "x-key-id")) {
        let text = |name| one(request, name).map(str::to_owned);
        return Credential::Found(Caller {
            key: Some(key.to_owned()),
            owner: text("x-key-owner").unwrap_or_default(),
            plan: text("x-key-plan"),
            with: "key",
            name: text("x-request-id"),
            fields: Vec::new(),
        });
    }
    let count = |name: &str| request.headers().get_all(name).count();
    match (count("authorization"), count("x-api-key")) {
        (0, 0) => Credential::None,
        (0, 1) => one(request, "x-api-key").map_or(Credential::None, |text| Credential::Key(secret(text))),
        (1, 0) => one(request, "authorization").and_then(bearer).map_or(Credential::None, |text| {
            if text.starts_with("eyJ") { Credential::Token(secret(text)) } else { Credential::Key(secret(text)) }
        }),
        _ => Credential::Several,
    }
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn bearer(field: &str) -> Option<&str> {
    let (scheme, text) = field.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| text.trim())
}

/// Says who calls. It blocks.
///
/// # Errors
/// The refusal.
pub(super) fn judge(issuer: &Issuer, shown: Shown) -> Result<Caller, Box<Refused>> {
    match (shown.credential, issuer.settings.asking) {
        (Credential::Found(caller), _) => Ok(caller),
        (Credential::Several, _) => Err(Refused::new(400, "Send one credential.").into()),
        (Credential::Token(text), _) => token(issuer, text.expose(), shown.address),
        (Credential::Key(text), Asking::Itself) => key(issuer, text.expose(), &shown.call),
        // A key that came past the gateway was not asked about.
        (Credential::Key(_), Asking::Gateway) | (Credential::None, _) => Err(Refused::nothing_shown().into()),
    }
}

fn key(issuer: &Issuer, text: &str, call: &Value) -> Result<Caller, Box<Refused>> {
    let question = json!({"key": text, "scopes": [KEY_SCOPE], "request": call});
    let verdict = issuer.verify(&question).ok_or_else(|| Box::new(Refused::unasked()))?;
    let mut fields = limits(&verdict);
    if verdict.get("valid") != Some(&json!(true)) {
        let mut refused = Refused::of(&verdict);
        refused.fields.append(&mut fields);
        return Err(refused.into());
    }
    let text = |at: &str| verdict.pointer(at).and_then(Value::as_str).map(str::to_owned);
    fields.extend(retiring(&verdict));
    Ok(Caller {
        key: text("/key/id"),
        owner: text("/owner/id").unwrap_or_default(),
        plan: text("/plan"),
        with: "key",
        name: text("/request_id"),
        fields,
    })
}

/// What is left (the draft of RateLimit fields for HTTP).
fn limits(verdict: &Value) -> Vec<(&'static str, String)> {
    let wait = verdict.get("retry_after_s").and_then(Value::as_i64);
    let of = |name: &str| verdict.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let (mut left, mut policy) = (Vec::new(), Vec::new());
    for limit in of("limits").iter().chain(&of("quota")) {
        let number = |name: &str| limit.get(name).and_then(Value::as_i64);
        let name = limit.get("name").and_then(Value::as_str).unwrap_or_default().replace(['"', '\\'], "");
        let (Some(most), Some(remaining)) = (number("limit"), number("remaining")) else { continue };
        let until = wait.filter(|_| remaining == 0).or_else(|| number("reset_s")).unwrap_or(86_400);
        left.push(format!("\"{name}\";r={remaining};t={until}"));
        let window = number("per_s").map(|window| format!(";w={window}")).unwrap_or_default();
        policy.push(format!("\"{name}\";q={most}{window}"));
    }
    if left.is_empty() {
        return Vec::new();
    }
    vec![("ratelimit", left.join(", ")), ("ratelimit-policy", policy.join(", "))]
}

/// Reminds whoever uses a key that has a successor (RFC 9745, RFC 8594).
fn retiring(verdict: &Value) -> Vec<(&'static str, String)> {
    let moment = |at: &str| {
        let text = verdict.pointer(at).and_then(Value::as_str)?;
        DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
    };
    let since = moment("/key/deprecated_since").map(|at| ("deprecation", format!("@{}", at.timestamp())));
    let until = moment("/key/deprecated_until");
    let until = until.map(|at| ("sunset", at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()));
    since.into_iter().chain(until).collect()
}

/// A token is asked about each time, so that it ends with its key at once. One that is bound to a
/// key pair is refused: no proof is checked here.
fn token(issuer: &Issuer, text: &str, address: Option<IpAddr>) -> Result<Caller, Box<Refused>> {
    let told = issuer.introspect(text).ok_or_else(|| Box::new(Refused::unasked()))?;
    let is = |name: &str, wanted: Value| told.get(name) == Some(&wanted);
    let audience = match told.get("aud") {
        Some(Value::Array(list)) => list.contains(&json!(WEATHER)),
        Some(one) => *one == json!(WEATHER),
        None => false,
    };
    if !is("active", json!(true)) || !is("token_type", json!("Bearer")) || !audience {
        return Err(Refused::token().into());
    }
    let member = |name: &str| told.get(name).and_then(Value::as_str);
    if !Scope::parse(member("scope").unwrap_or_default()).is_ok_and(|scope| scope.has(KEY_SCOPE)) {
        return Err(Refused::narrow().into());
    }
    if !travelled(told.get("restrictions"), address) {
        return Err(Refused::new(403, "The token may not be used from here.").into());
    }
    Ok(Caller {
        key: member("key_id").map(str::to_owned),
        owner: member("sub").unwrap_or_default().to_owned(),
        with: "token",
        ..Caller::default()
    })
}

/// Whether what restricts the key, and came along in its token, allows the call. Of that only
/// addresses are understood here, and what is not understood refuses.
fn travelled(restrictions: Option<&Value>, address: Option<IpAddr>) -> bool {
    let holds = |policy: &Value| {
        policy.as_object().is_some_and(|rules| rules.iter().all(|(name, rule)| name == "ip" && within(rule, address)))
    };
    match restrictions {
        None => true,
        Some(Value::Array(policies)) => policies.iter().all(holds),
        Some(_) => false,
    }
}

fn within(rule: &Value, address: Option<IpAddr>) -> bool {
    let Some(address) = address else { return false };
    let networks = |name: &str| -> Option<Vec<IpNet>> {
        let list = rule.get(name)?.as_array()?;
        list.iter().map(|one| one.as_str().and_then(network)).collect()
    };
    let any = |list: Vec<IpNet>| list.iter().any(|network| network.contains(&address));
    let allowed = rule.get("allow").is_none() || networks("allow").is_some_and(any);
    let denied = rule.get("deny").is_some() && networks("deny").is_none_or(any);
    allowed && !denied
}

/// A network, or one address.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn shown(fields: &[(&'static str, &str)], asking: Asking) -> String {
        let mut request = TestRequest::get();
        for (name, value) in fields {
            request = request.append_header((*name, *value));
        }
        format!("{:?}", Shown::of(&request.to_http_request(), asking).credential)
    }

    #[test]
    fn what_a_client_writes_of_itself_is_believed_behind_a_gateway_only() {
        let forged = [("x-key-id", "key_1"), ("x-key-owner", "mallory")];
        assert_eq!(shown(&forged, Asking::Gateway), "Found");
        assert_eq!(shown(&forged, Asking::Itself), "None");
        assert_eq!(shown(&[("x-key-id", "")], Asking::Gateway), "None");
        assert_eq!(shown(&[("x-key-id", "a"), ("x-key-id", "b")], Asking::Gateway), "None");
    }

    #[test]
    fn one_credential_counts_and_two_are_none() {
        let cases: [(&[(&str, &str)], &str); 8] = [
            (&[("x-api-key", "kw_live_a")], "Key"),
            (&[("authorization", "Bearer kw_live_a")], "Key"),
            (&[("authorization", "bearer eyJhbGciOi")], "Token"),
            (&[("authorization", "Basic YTpi")], "None"),
            (&[("authorization", "DPoP eyJhbGciOi")], "None"),
            (&[("x-api-key", "a"), ("x-api-key", "a")], "Several"),
            (&[("x-api-key", "a"), ("authorization", "Bearer a")], "Several"),
            (&[], "None"),
        ];
        for (fields, wanted) in cases {
            assert_eq!(shown(fields, Asking::Itself), wanted, "{fields:?}");
        }
    }

    #[test]
    fn restrictions_that_came_along_are_asked_and_what_is_not_understood_refuses() {
        let here = Some("127.0.0.1".parse().unwrap());
        let cases = [
            (json!([{"ip": {"allow": ["127.0.0.1"]}}]), true),
            (json!([{"ip": {"allow": ["127.0.0.0/8"], "deny": ["127.0.0.2"]}}]), true),
            (json!([{"ip": {"allow": ["127.0.0.0/8"], "deny": ["127.0.0.1"]}}]), false),
            (json!([{"ip": {"allow": ["203.0.113.0/24"]}}]), false),
            (json!([{"ip": {"allow": ["127.0.0.1"]}}, {"ip": {"allow": ["203.0.113.9"]}}]), false),
            (json!([{"ip": {"deny": ["nonsense"]}}]), false),
            (json!([{"ip": {"allow": "127.0.0.1"}}]), false),
            (json!([{"time": {"windows": []}}]), false),
            (json!({"ip": {}}), false),
            (json!([]), true),
        ];
        for (restrictions, wanted) in cases {
            assert_eq!(travelled(Some(&restrictions), here), wanted, "{restrictions}");
        }
        assert!(travelled(None, None));
        assert!(!travelled(Some(&json!([{"ip": {"allow": ["127.0.0.1"]}}])), None));
    }

    #[test]
    fn limits_and_the_end_of_a_key_are_told_in_fields() {
        let verdict = json!({
            "limits": [{"name": "burst", "limit": 5, "per_s": 1, "remaining": 9, "reset_s": 1}],
            "quota": [{"name": "day", "limit": 1000, "remaining": 0, "reset_s": 40}], "retry_after_s": 30,
            "key": {"deprecated_since": "2026-11-24T10:00:00Z", "deprecated_until": "2026-11-25T10:00:00.5Z"},
        });
        let told = [
            ("ratelimit", "\"burst\";r=9;t=1, \"day\";r=0;t=30".to_owned()),
            ("ratelimit-policy", "\"burst\";q=5;w=1, \"day\";q=1000".to_owned()),
        ];
        assert_eq!(limits(&verdict), told);
        let told = [("deprecation", "@1795514400".to_owned()), ("sunset", "Wed, 25 Nov 2026 10:00:00 GMT".to_owned())];
        assert_eq!(retiring(&verdict), told);
        assert!(limits(&json!({})).is_empty() && retiring(&json!({"key": {"deprecated_until": null}})).is_empty());
    }
}
