//! An issuer made of a few lines, which can be told to lie: the code that it is given says which
//! nonce and challenge it belongs to, and in what way the tokens are to be wrong.

use crate::{
    base::{id::KeyId, moment::Moment, uri::Issuer},
    jose::{Alg, SigningKey, Typ},
};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// The time at which it and the application live.
pub(super) const NOW: Moment = Moment::from_unix(1_800_000_000);

/// The one that answers, and a key with which to sign for it.
#[derive(Clone)]
pub(super) struct Pretender {
    pub(super) issuer: Issuer,
    key: Arc<SigningKey>,
    strange: Arc<SigningKey>,
    revoked: Arc<AtomicBool>,
}

fn key(name: &str) -> Arc<SigningKey> {
    let private = SigningKey::generate(Alg::Es256).unwrap();
    Arc::new(SigningKey::from_private(KeyId::parse(name).unwrap(), Alg::Es256, &private).unwrap())
}

/// Starts one on a free port.
pub(super) fn start() -> Pretender {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = Issuer::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let me = Pretender { issuer, key: key("k1"), strange: key("k1"), revoked: Arc::default() };
    let data = web::Data::new(me.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .route("/.well-known/openid-configuration", web::get().to(discovery))
            .route("/jwks", web::get().to(jwks))
            .route("/token", web::post().to(token))
            .route("/userinfo", web::get().to(userinfo))
            .route("/introspect", web::post().to(introspect))
            .route("/revoke", web::post().to(revoke))
    });
    actix_web::rt::spawn(server.workers(1).disable_signals().listen(listener).unwrap().run());
    me
}

impl Pretender {
    /// A logout token for the session of everybody that it signs in, with these members changed.
    pub(super) fn logout_token(&self, changes: Value) -> String {
        let mut claims = json!({
            "iss": self.issuer.as_str(), "aud": "demo-app", "iat": NOW.unix(), "exp": NOW.unix() + 120,
            "jti": "j1", "sid": "ses_1", "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        merge(&mut claims, changes);
        self.key.sign(Typ::LogoutToken, &claims).unwrap()
    }

    /// An access token for the sample API with this scope.
    pub(super) fn access_token(&self, scope: &str, audience: &str) -> String {
        let claims = json!({
            "iss": self.issuer.as_str(), "aud": [audience], "sub": "usr_1", "client_id": "demo-app",
            "iat": NOW.unix(), "exp": NOW.unix() + 300, "jti": "t1", "scope": scope,
        });
        self.key.sign(Typ::AccessToken, &claims).unwrap()
    }

    fn id_token(&self, nonce: &str, access_token: &str, lie: &str) -> String {
        let at_hash = crate::base::digest::half_hash(crate::base::digest::HalfHash::Sha256, access_token);
        let mut claims = json!({
            "iss": self.issuer.as_str(), "aud": "demo-app", "sub": "usr_1", "nonce": nonce, "at_hash": at_hash,
            "iat": NOW.unix(), "exp": NOW.unix() + 300, "auth_time": NOW.unix(), "sid": "ses_1", "amr": ["pwd"],
        });
        merge(
            &mut claims,
            match lie {
                "nonce" => json!({"nonce": "another"}),
                "aud" => json!({"aud": "another"}),
                "iss" => json!({"iss": "https://another.example"}),
                "exp" => json!({"exp": NOW.unix() - 100}),
                "at_hash" => json!({"at_hash": "another"}),
                "old" => json!({"auth_time": NOW.unix() - 100}),
                _ => json!({}),
            },
        );
        let with = if lie == "signature" { &self.strange } else { &self.key };
        with.sign(Typ::IdToken, &claims).unwrap()
    }
}

fn merge(into: &mut Value, changes: Value) {
    for (name, value) in changes.as_object().unwrap() {
        let members = into.as_object_mut().unwrap();
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
}

async fn discovery(me: web::Data<Pretender>) -> HttpResponse {
    let at = |path| me.issuer.at(path);
    HttpResponse::Ok().json(json!({
        "issuer": at(""), "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"), "jwks_uri": at("/jwks"), "introspection_endpoint": at("/introspect"),
        "revocation_endpoint": at("/revoke"), "end_session_endpoint": at("/end_session"),
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn jwks(me: web::Data<Pretender>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"keys": [me.key.public_jwk()]}))
}

async fn token(me: web::Data<Pretender>, form: web::Form<HashMap<String, String>>) -> HttpResponse {
    let refused = || HttpResponse::BadRequest().json(json!({"error": "invalid_grant"}));
    let access_token = me.access_token("openid profile email", "http://127.0.0.1:8090/api");
    let answer = json!({"token_type": "Bearer", "expires_in": 300, "access_token": access_token,
        "scope": "openid profile email", "refresh_token": "rt_second_second_second_second"});
    if form["grant_type"] == "refresh_token" {
        return HttpResponse::Ok().json(answer);
    }
    let parts: Vec<&str> = form["code"].split('.').collect();
    if super::super::attempt::challenge(&form["code_verifier"]) != parts[1] {
        return refused();
    }
    let mut answer = answer;

    merge(
        &mut answer,
        json!({"id_token": me.id_token(parts[0], &access_token, parts[2]), "refresh_token": "rt_first_first_first_first_first"}),
    );
    HttpResponse::Ok().json(answer)
}

async fn introspect(me: web::Data<Pretender>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"active": !me.revoked.load(Ordering::SeqCst)}))
}

async fn revoke(me: web::Data<Pretender>) -> HttpResponse {
    me.revoked.store(true, Ordering::SeqCst);
    HttpResponse::Ok().finish()
}

async fn userinfo(request: HttpRequest) -> HttpResponse {
    match request.headers().contains_key("authorization") {
        true => HttpResponse::Ok().json(json!({"sub": "usr_1", "name": "Ada <script>alert(1)</script> Lovelace"})),
        false => HttpResponse::Unauthorized().finish(),
    }
}
