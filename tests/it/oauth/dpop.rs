//! Proofs of possession (RFC 9449): what is bound to a key is of no use without it.

use crate::world::{App, ISSUER, Key, Reply, Request, Server, each, encode, payload};
use keywright::{
    base::{
        digest::{base64url, sha256},
        moment::Span,
    },
    jose::thumbprint,
};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

pub fn jwk(key: &Key) -> Value {
    key.jwks()["keys"][0].clone()
}

pub fn jkt(key: &Key) -> String {
    thumbprint(&jwk(key)).unwrap()
}

/// A proof for this request of now, with these claims otherwise.
pub fn proof(server: &Server, key: &Key, (method, path): (&str, &str), more: &Value) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let n = NEXT.fetch_add(1, Ordering::SeqCst);
    let mut claims = json!({"jti": format!("proof-{n}"), "htm": method, "htu": format!("{ISSUER}{path}"), "iat": server.now().unix()});
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk(key)});
    key.sign_raw(&header.to_string(), &claims.to_string())
}

/// A token request with this proof.
fn asked(server: &Server, app: &App, proof: &str) -> Reply {
    server.send(&app.request("/token", &[("grant_type", "client_credentials")]).field("DPoP", proof))
}

/// A machine that manages keys, with a token that is bound to this key.
fn bound(server: &Server, key: &Key) -> String {
    let machine = server.machine_with(|metadata| {
        metadata["scope"] = json!("keys:read");
        metadata["resources"] = json!([server.issuer]);
    });
    let reply = asked(server, &machine, &proof(server, key, ("POST", "/token"), &json!({})));
    assert_eq!((reply.status, &reply.json()["token_type"]), (200, &json!("DPoP")), "{}", reply.text());
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

/// The claim that binds a proof to what is shown with it.
pub fn ath(token: &str) -> Value {
    json!({"ath": base64url(&sha256(token.as_bytes()))})
}

/// A request to our own API with this token and this proof.
fn used(server: &Server, (scheme, token): (&str, &str), proof: Option<&str>) -> Reply {
    let request = Request::new("GET", "/v1/keys").field("authorization", format!("{scheme} {token}"));
    server.send(&match proof {
        Some(proof) => request.field("DPoP", proof),
        None => request,
    })
}

#[test]
fn c13_a_machine_that_shows_a_key_gets_a_token_that_is_bound_to_it() {
    each(|database| {
        let server = Server::on(database);
        let key = Key::new();
        let token = bound(&server, &key);
        assert_eq!(payload(&token)["cnf"], json!({"jkt": jkt(&key)}));
        let rs = server.resource_server(&server.issuer);
        let told = rs.introspect(&token);
        assert_eq!((&told["token_type"], &told["cnf"]["jkt"]), (&json!("DPoP"), &json!(jkt(&key))));
    });
}

#[test]
fn c13_a_bad_proof_at_the_token_endpoint_is_refused_and_a_good_one_is_good_once() {
    each(|database| {
        let server = Server::on(database);
        let (machine, key) = (server.machine(), Key::new());
        let at = ("POST", "/token");
        let with = |more: Value| proof(&server, &key, at, &more);
        let now = server.now().unix();
        let headed = |header: Value| {
            let claims = json!({"jti": "x", "htm": "POST", "htu": format!("{ISSUER}/token"), "iat": now});
            key.sign_raw(&header.to_string(), &claims.to_string())
        };
        let mut private = jwk(&key);
        private["d"] = json!("AAAA");
        for (what, bad) in [
            ("another method", with(json!({"htm": "GET"}))),
            ("another place", with(json!({"htu": format!("{ISSUER}/userinfo")}))),
            ("another host", with(json!({"htu": "https://evil.example/token"}))),
            ("old", with(json!({"iat": now - 61}))),
            ("of tomorrow", with(json!({"iat": now + 86_400}))),
            ("no jti", with(json!({"jti": null}))),
            ("alg none", headed(json!({"typ": "dpop+jwt", "alg": "none", "jwk": jwk(&key)}))),
            ("symmetric", headed(json!({"typ": "dpop+jwt", "alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}}))),
            ("a private key", headed(json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": private}))),
            ("no key", headed(json!({"typ": "dpop+jwt", "alg": "ES256"}))),
            ("another's key", headed(json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk(&Key::new())}))),
            ("another type", headed(json!({"typ": "JWT", "alg": "ES256", "jwk": jwk(&key)}))),
            ("nonsense", "x".to_owned()),
        ] {
            assert_eq!(asked(&server, &machine, &bad).refusal(), (400, "invalid_dpop_proof".to_owned()), "{what}");
        }
        let good = with(json!({}));
        let request = machine.request("/token", &[("grant_type", "client_credentials")]);
        let two = server.send(&request.field("DPoP", good.as_str()).field("DPoP", good.as_str()));
        assert_eq!(two.error(), "invalid_dpop_proof");
        assert_eq!(asked(&server, &machine, &good).status, 200);
        assert_eq!(asked(&server, &machine, &good).refusal(), (400, "invalid_dpop_proof".to_owned()), "replayed");
        server.advance(Span::seconds(61));
        server.sweep_now();
        assert_eq!(asked(&server, &machine, &good).error(), "invalid_dpop_proof", "also when it is forgotten");
    });
}

/// A proof costs us a signature of its sender's choice.
#[test]
fn c13_the_proof_of_a_stranger_is_not_looked_at() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        assert_eq!(asked(&server, &machine, "nonsense").refusal(), (400, "invalid_dpop_proof".to_owned()));
        let nobody = machine.with_secret("kw_cs_made_up");
        assert_eq!(asked(&server, &nobody, "nonsense").refusal(), (401, "invalid_client".to_owned()));
        let (keys, app) = (crate::keys::Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let exchanged = |key: &str| {
            let form = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("subject_token", key),
                ("subject_token_type", "urn:keywright:token-type:api-key"),
            ];
            server.send(&Request::new("POST", "/token").form(&encode(&form)).field("DPoP", "nonsense"))
        };
        assert_eq!(exchanged(made["key"].as_str().unwrap()).refusal(), (400, "invalid_dpop_proof".to_owned()));
        assert_eq!(exchanged("kw_live_made_up").refusal(), (400, "invalid_grant".to_owned()));
    });
}

#[test]
fn c13_a35_a_bound_token_is_of_no_use_without_its_key_at_our_own_endpoints() {
    each(|database| {
        let server = Server::on(database);
        let (key, thief) = (Key::new(), Key::new());
        let token = bound(&server, &key);
        let at = ("GET", "/v1/keys");
        let mine = |more: &Value| proof(&server, &key, at, more);
        let good = mine(&ath(&token));
        assert_eq!(used(&server, ("DPoP", &token), Some(&good)).status, 200);
        for (what, scheme, shown, error) in [
            ("replayed", "DPoP", Some(good), "invalid_dpop_proof"),
            ("as Bearer", "Bearer", None, "invalid_token"),
            ("as Bearer with a proof", "Bearer", Some(mine(&ath(&token))), "invalid_token"),
            ("without a proof", "DPoP", None, "invalid_token"),
            ("without ath", "DPoP", Some(mine(&json!({}))), "invalid_dpop_proof"),
            ("for another token", "DPoP", Some(mine(&ath("other"))), "invalid_dpop_proof"),
            ("another's key", "DPoP", Some(proof(&server, &thief, at, &ath(&token))), "invalid_token"),
            (
                "another place",
                "DPoP",
                Some(proof(&server, &key, ("GET", "/v1/apis"), &ath(&token))),
                "invalid_dpop_proof",
            ),
        ] {
            let reply = used(&server, (scheme, &token), shown.as_deref());
            let challenge = reply.field("www-authenticate").unwrap_or_default().to_owned();
            assert_eq!(reply.status, 401, "{what}: {}", reply.text());
            assert!(challenge.starts_with("DPoP ") && challenge.contains(&format!("error=\"{error}\"")), "{challenge}");
            assert!(challenge.contains("algs=\"ES256 EdDSA RS256 PS256 ES384\""), "{challenge}");
        }
        let plain = crate::keys::token(&server, "keys:read");
        let reply = used(&server, ("DPoP", &plain), Some(&mine(&ath(&plain))));
        assert_eq!(reply.status, 401, "a token that is bound to nothing is shown as Bearer");
        assert_eq!(used(&server, ("Bearer", &plain), None).status, 200);
    });
}

#[test]
fn c13_r053_an_api_key_is_exchanged_for_a_token_bound_to_a_key_and_may_insist_on_it() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (crate::keys::Keys::at(&server, json!({})), server.machine());
        let (key, other) = (Key::new(), Key::new());
        let exchanged = |made: &Value, shown: Option<&str>| {
            let form = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("subject_token", made["key"].as_str().unwrap()),
                ("subject_token_type", "urn:keywright:token-type:api-key"),
            ];
            let request = Request::new("POST", "/token").form(&encode(&form));
            server.send(&match shown {
                Some(shown) => request.field("DPoP", shown),
                None => request,
            })
        };
        let fresh = |key: &Key| proof(&server, key, ("POST", "/token"), &json!({}));
        let made = keys.key(&server, &app, json!({}));
        let shown = fresh(&key);
        let reply = exchanged(&made, Some(&shown));
        assert_eq!(reply.json()["token_type"], "DPoP", "{}", reply.text());
        let token = reply.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(payload(&token)["cnf"]["jkt"], jkt(&key));
        assert_eq!(keys.docs.introspect(&token)["cnf"]["jkt"], jkt(&key));
        assert_eq!(exchanged(&made, Some(&shown)).refusal(), (400, "invalid_dpop_proof".to_owned()), "replayed");
        let insists = keys.key(&server, &app, json!({"policy": {"v": 1, "binding": {"dpop": "required"}}}));
        assert_eq!(exchanged(&insists, None).refusal(), (400, "invalid_dpop_proof".to_owned()));
        assert_eq!(exchanged(&insists, Some(&fresh(&other))).status, 200);
        let tied = keys.key(&server, &app, json!({"policy": {"v": 1, "binding": {"jkt": jkt(&key)}}}));
        assert_eq!(exchanged(&tied, Some(&fresh(&other))).refusal(), (400, "invalid_dpop_proof".to_owned()));
        assert_eq!(exchanged(&tied, Some(&fresh(&key))).status, 200);
    });
}
