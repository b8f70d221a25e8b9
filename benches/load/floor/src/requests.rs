//! The two hot requests of an authorization server, with all their steps but
//! without a store: client authentication, scope check, rate limit and a signed
//! token; API key lookup, policy and rate limit. What a real server may add to
//! this is its own cost.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use base64::{Engine, engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD}};
use ring::{digest, rand::{SecureRandom, SystemRandom}};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use subtle::ConstantTimeEq;

/// Requests a second and burst of every limit here: high, but checked each time.
const RATE: u64 = 10_000_000;
const BURST: u64 = 1_000_000;

struct Client {
    secret: [u8; 32],
    scopes: Vec<&'static str>,
    limit: AtomicU64,
}

struct ApiKey {
    id: u64,
    expires: u64,
    scopes: u32,
    limit: AtomicU64,
    uses: AtomicU64,
}

pub struct State {
    issuer: String,
    clients: HashMap<String, Client>,
    keys: HashMap<[u8; 32], ApiKey>,
    signer: EcdsaKeyPair,
    rng: SystemRandom,
}

fn sha256(data: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, data).as_ref().try_into().expect("32 bytes")
}

pub fn api_key(n: u64) -> String {
    format!("ak_{}", URL_SAFE_NO_PAD.encode(sha256(&n.to_le_bytes())))
}

impl State {
    pub fn new(port: u16, api_keys: u64) -> State {
        let rng = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).expect("a key");
        let clients = (0..1000)
            .map(|n| {
                let client = Client {
                    secret: sha256(b"bench-secret-0123456789abcdef0123456789"),
                    scopes: vec!["api", "read"],
                    limit: AtomicU64::new(0),
                };
                (if n == 0 { "bench".to_owned() } else { format!("bench{n}") }, client)
            })
            .collect();
        let mut keys = HashMap::with_capacity(api_keys as usize);
        for n in 0..api_keys {
            let key = ApiKey { id: n, expires: u64::MAX, scopes: 3, limit: AtomicU64::new(0), uses: AtomicU64::new(0) };
            keys.insert(sha256(api_key(n).as_bytes()), key);
        }
        State {
            issuer: format!("http://127.0.0.1:{port}"),
            clients,
            keys,
            signer: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &rng).expect("a key"),
            rng,
        }
    }
}

fn now() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Generic cell rate algorithm on one word: the theoretical arrival time.
fn within_limit(cell: &AtomicU64, now: u64) -> bool {
    let step = 1_000_000_000 / RATE;
    let mut tat = cell.load(Ordering::Relaxed);
    loop {
        let next = tat.max(now) + step;
        if next - now > step * BURST {
            return false;
        }
        match cell.compare_exchange_weak(tat, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(seen) => tat = seen,
        }
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    client_id: &'a str,
    scope: &'a str,
    iat: u64,
    exp: u64,
    jti: &'a str,
}

fn credentials(req: &HttpRequest) -> Option<(String, String)> {
    let value = req.headers().get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |s: &str| form_urlencoded::parse(s.as_bytes()).next().map(|(k, _)| k.into_owned());
    Some((decode(id)?, decode(secret)?))
}

fn refuse(error: &str) -> HttpResponse {
    HttpResponse::BadRequest().json(serde_json::json!({"error": error}))
}

async fn token(req: HttpRequest, body: web::Bytes, state: web::Data<State>) -> HttpResponse {
    let Some((id, secret)) = credentials(&req) else { return refuse("invalid_client") };
    let Some(client) = state.clients.get(&id) else { return refuse("invalid_client") };
    let given = sha256(secret.as_bytes());
    if !bool::from(given.ct_eq(&client.secret)) {
        return refuse("invalid_client");
    }
    let now = now();
    if !within_limit(&client.limit, now.as_nanos() as u64) {
        return HttpResponse::TooManyRequests().finish();
    }
    let (mut grant, mut scope) = (None, None);
    for (k, v) in form_urlencoded::parse(&body) {
        match k.as_ref() {
            "grant_type" => grant = Some(v),
            "scope" => scope = Some(v),
            _ => {}
        }
    }
    if grant.as_deref() != Some("client_credentials") {
        return refuse("unsupported_grant_type");
    }
    let scope = scope.unwrap_or_default();
    if !scope.split(' ').all(|s| client.scopes.contains(&s)) {
        return refuse("invalid_scope");
    }
    let mut random = [0u8; 16];
    if state.rng.fill(&mut random).is_err() {
        return HttpResponse::InternalServerError().finish();
    }
    let jti = URL_SAFE_NO_PAD.encode(random);
    let claims = Claims {
        iss: &state.issuer,
        sub: &id,
        aud: "https://api.example.com",
        client_id: &id,
        scope: &scope,
        iat: now.as_secs(),
        exp: now.as_secs() + 3600,
        jti: &jti,
    };
    // {"alg":"ES256","typ":"at+jwt","kid":"ES256"}
    let mut jwt = String::with_capacity(512);
    jwt.push_str("eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6IkVTMjU2In0.");
    URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(&claims).unwrap_or_default(), &mut jwt);
    let Ok(signature) = state.signer.sign(&state.rng, jwt.as_bytes()) else {
        return HttpResponse::InternalServerError().finish();
    };
    jwt.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(serde_json::json!({"access_token": jwt, "token_type": "Bearer", "expires_in": 3600, "scope": scope}))
}

#[derive(Deserialize)]
struct Verify<'a> {
    key: &'a str,
}

#[derive(Serialize)]
struct Verdict {
    valid: bool,
    key_id: u64,
    scopes: u32,
    uses: u64,
}

async fn verify(body: web::Bytes, state: web::Data<State>) -> HttpResponse {
    let Ok(ask) = serde_json::from_slice::<Verify>(&body) else { return refuse("invalid_request") };
    let now = now();
    let verdict = state
        .keys
        .get(&sha256(ask.key.as_bytes()))
        .filter(|k| k.expires > now.as_secs() && within_limit(&k.limit, now.as_nanos() as u64))
        .map(|k| Verdict {
            valid: true,
            key_id: k.id,
            scopes: k.scopes,
            uses: k.uses.fetch_add(1, Ordering::Relaxed) + 1,
        });
    HttpResponse::Ok().json(verdict.unwrap_or(Verdict { valid: false, key_id: 0, scopes: 0, uses: 0 }))
}

async fn discovery(state: web::Data<State>) -> HttpResponse {
    let issuer = &state.issuer;
    HttpResponse::Ok().json(serde_json::json!({
        "issuer": issuer, "token_endpoint": format!("{issuer}/token/full"), "jwks_uri": format!("{issuer}/")}))
}

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/.well-known/openid-configuration", web::get().to(discovery))
        .route("/token/full", web::post().to(token))
        .route("/keys/verify", web::post().to(verify));
}
