//! An application as its makers would write it: it begins a sign-in with PKCE, state and nonce,
//! redeems the code, refreshes, asks about tokens and revokes them.

use super::{
    browser::Browser,
    http::{Reply, Request, encode},
    jwt::{Key, payload},
    server::Server,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use keywright::base::digest::{base64url, sha256};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};

pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How it proves itself.
#[derive(Clone)]
pub enum Auth {
    None,
    Basic(String),
    Post(String),
    Key(Key),
}

#[derive(Clone)]
pub struct App {
    pub id: String,
    pub auth: Auth,
    pub redirect_uri: String,
    pub scope: String,
    address: SocketAddr,
    issuer: String,
    clock: std::sync::Arc<dyn keywright::base::moment::Clock>,
}

/// A number that was not there before.
fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::SeqCst)
}

impl App {
    pub(super) fn new(server: &Server, id: String, auth: Auth, metadata: &Map<String, Value>) -> Self {
        let method = metadata.get("token_endpoint_auth_method").and_then(Value::as_str);
        let auth = match auth {
            Auth::Basic(secret) if method == Some("client_secret_post") => Auth::Post(secret),
            auth @ (Auth::None | Auth::Basic(_) | Auth::Post(_) | Auth::Key(_)) => auth,
        };
        let first = |name: &str| metadata.get(name).and_then(|v| v[0].as_str()).unwrap_or_default().to_owned();
        Self {
            id,
            auth,
            redirect_uri: first("redirect_uris"),
            scope: "openid docs.read".to_owned(),
            address: server.address,
            issuer: server.issuer.clone(),
            clock: server.clock.clone(),
        }
    }

    /// An application of a server that runs in a process of its own.
    pub fn outside((address, issuer): (SocketAddr, &str), id: &str, auth: Auth, redirect_uri: &str) -> Self {
        Self {
            id: id.to_owned(),
            auth,
            redirect_uri: redirect_uri.to_owned(),
            scope: "openid".to_owned(),
            address,
            issuer: issuer.to_owned(),
            clock: std::sync::Arc::new(keywright::base::moment::SystemClock),
        }
    }

    pub fn with_key(mut self, key: &Key) -> Self {
        self.auth = Auth::Key(key.clone());
        self
    }
    /// The same application, with this secret.
    pub fn with_secret(&self, secret: &str) -> Self {
        Self { auth: Auth::Basic(secret.to_owned()), ..self.clone() }
    }
    /// The same application, under another name.
    pub fn called(&self, id: &str) -> Self {
        Self { id: id.to_owned(), ..self.clone() }
    }
    /// The same application, which asks for this scope.
    pub fn scope(mut self, scope: &str) -> Self {
        self.scope = scope.to_owned();
        self
    }
    /// The same application, at another node.
    pub fn moved_to(&self, server: &Server) -> Self {
        Self { address: server.address, ..self.clone() }
    }
    pub fn secret(&self) -> &str {
        match &self.auth {
            Auth::Basic(secret) | Auth::Post(secret) => secret,
            Auth::None | Auth::Key(_) => panic!("it has no secret"),
        }
    }

    /// Begins a sign-in.
    pub fn begin(&self) -> Attempt {
        let n = fresh();
        let verifier = base64url(&sha256(format!("verifier {n}").as_bytes()));
        let (state, nonce) = (format!("state-{n}"), format!("nonce-{n}"));
        let challenge = base64url(&sha256(verifier.as_bytes()));
        let params = [
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", &self.scope),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Attempt { params, verifier, state, nonce, issuer: self.issuer.clone(), redirect_uri: self.redirect_uri.clone() }
    }

    /// Claims of an assertion that is good.
    pub fn assertion_claims(&self) -> Value {
        let now = self.clock.now().unix();
        json!({"iss": self.id, "sub": self.id, "aud": self.issuer, "iat": now, "exp": now + 60, "jti": format!("jti-{}", fresh())})
    }

    /// A form post in the name of this client.
    pub fn request(&self, target: &str, form: &[(&str, &str)]) -> Request {
        let mut pairs = form.to_vec();
        let basic = match &self.auth {
            Auth::None => {
                pairs.push(("client_id", &self.id));
                None
            }
            Auth::Post(secret) => {
                pairs.extend([("client_id", self.id.as_str()), ("client_secret", secret)]);
                None
            }
            Auth::Basic(secret) => Some(BASE64_STANDARD.encode(format!("{}:{secret}", self.id))),
            Auth::Key(key) => {
                let assertion = key.sign(&self.assertion_claims());
                let mut body = encode(&pairs);
                let more = [("client_assertion_type", JWT_BEARER), ("client_assertion", assertion.as_str())];
                body = format!("{body}&{}", encode(&more));
                return Request::new("POST", target).form(&body);
            }
        };
        let request = Request::new("POST", target).form(&encode(&pairs));
        match basic {
            Some(basic) => request.field("Authorization", format!("Basic {basic}")),
            None => request,
        }
    }

    pub fn post(&self, target: &str, form: &[(&str, &str)]) -> Reply {
        self.request(target, form).send(self.address)
    }
    pub fn token(&self, form: &[(&str, &str)]) -> Reply {
        self.post("/token", form)
    }
    pub fn redeem(&self, attempt: &Attempt, code: &str) -> Reply {
        self.redeem_with(code, &attempt.verifier, &attempt.redirect_uri)
    }
    pub fn redeem_with(&self, code: &str, verifier: &str, redirect_uri: &str) -> Reply {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", redirect_uri),
        ])
    }
    pub fn refresh(&self, token: &str) -> Reply {
        self.refresh_with(token, &[])
    }
    pub fn refresh_with(&self, token: &str, more: &[(&str, &str)]) -> Reply {
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        form.extend_from_slice(more);
        self.token(&form)
    }
    /// A token of its own account.
    pub fn own_token(&self, more: &[(&str, &str)]) -> Reply {
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend_from_slice(more);
        self.token(&form)
    }
    pub fn introspect(&self, token: &str) -> Value {
        let reply = self.post("/introspect", &[("token", token)]);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }
    pub fn sees_live(&self, token: &str) -> bool {
        self.introspect(token)["active"].as_bool().unwrap()
    }
    pub fn revoke(&self, token: &str) -> Reply {
        self.post("/revoke", &[("token", token)])
    }
    pub fn userinfo(&self, token: &str) -> Reply {
        Request::new("GET", "/userinfo").bearer(token).send(self.address)
    }
    /// Asks without showing a page.
    pub fn silently(&self, browser: &mut Browser) -> Callback {
        let attempt = self.begin().with("prompt", "none");
        let reply = browser.open(&attempt.url());
        attempt.callback(&reply)
    }
}

/// A sign-in that was begun.
#[derive(Clone)]
pub struct Attempt {
    params: Vec<(String, String)>,
    pub verifier: String,
    pub state: String,
    pub nonce: String,
    issuer: String,
    redirect_uri: String,
}

impl Attempt {
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.also(name, value)
    }
    /// Adds a parameter, whether or not it is there.
    pub fn also(mut self, name: &str, value: &str) -> Self {
        self.params.push((name.to_owned(), value.to_owned()));
        self
    }
    pub fn without(mut self, name: &str) -> Self {
        self.params.retain(|(known, _)| known != name);
        self
    }
    pub fn query(&self) -> String {
        let pairs: Vec<(&str, &str)> = self.params.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        encode(&pairs)
    }
    pub fn url(&self) -> String {
        let path = url::Url::parse(&self.issuer).unwrap().path().trim_end_matches('/').to_owned();
        format!("{path}/authorize?{}", self.query())
    }

    /// What came back: in the query, or in a form for the application.
    pub fn callback(&self, page: &Reply) -> Callback {
        let (address, pairs): (String, Vec<(String, String)>) = if page.status == 303 {
            let location = page.location();
            let url = url::Url::parse(location).unwrap();
            let pairs = url.query_pairs().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
            (location.split('?').next().unwrap_or_default().to_owned(), pairs)
        } else {
            let form = page.form();
            (form.action, form.fields)
        };
        let params: BTreeMap<String, String> = pairs.iter().cloned().collect();
        assert_eq!(params.len(), pairs.len(), "a parameter came twice");
        let callback = Callback { address, params };
        assert_eq!(callback.get("state"), Some(self.state.as_str()), "the state comes back");
        assert_eq!(callback.get("iss"), Some(self.issuer.as_str()), "RFC 9207");
        callback
    }
}

#[derive(Clone, Debug)]
pub struct Callback {
    pub address: String,
    pub params: BTreeMap<String, String>,
}

impl Callback {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }
    pub fn code(&self) -> &str {
        self.get("code").unwrap_or_else(|| panic!("no code: {:?}", self.params))
    }
    pub fn error(&self) -> &str {
        self.get("error").unwrap_or_else(|| panic!("no error: {:?}", self.params))
    }
}

#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub id: String,
    pub body: Value,
}

impl Reply {
    /// The tokens of a good answer; those that are not there are empty.
    pub fn tokens(&self) -> Tokens {
        assert_eq!(self.status, 200, "{}", self.text());
        let body = self.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        Tokens { access: text("access_token"), refresh: text("refresh_token"), id: text("id_token"), body }
    }
}

impl Tokens {
    pub fn access_claims(&self) -> Value {
        payload(&self.access)
    }
    pub fn id_claims(&self) -> Value {
        payload(&self.id)
    }
    pub fn scope(&self) -> &str {
        self.body["scope"].as_str().unwrap()
    }
}
