//! Keys that are bound to a key pair, through gateways (RFC 9449 §7).

use super::{GATEWAYS, Gated, question};
use crate::{
    oauth::dpop::{ath, jkt, proof},
    world::{Key, Reply, Request, each},
};
use serde_json::{Value, json};

/// A proof for a call with this key at this place.
pub fn shows(gated: &Gated, holder: &Key, key: &str, (method, place): (&str, &str)) -> String {
    let mut claims = ath(key);
    claims["htu"] = json!(place);
    proof(&gated.server, holder, (method, ""), &claims)
}

/// A key with this binding.
pub fn bound(gated: &Gated, binding: Value) -> String {
    gated.key(json!({"policy": {"v": 1, "binding": binding}}))
}

/// What a gateway asks that says where its client called. Tests send `Host: id.example` themselves.
fn called(gateway: &str, key: &str) -> Request {
    let asked = question(gateway, "GET", "/v1/docs?page=2").field("X-Forwarded-Proto", "https");
    let asked = if gateway == "envoy" { asked } else { asked.field("X-Forwarded-Host", "id.example") };
    asked.field("X-API-Key", key)
}

/// That it is refused for want of a good proof, as the standard says it.
fn refused(reply: &Reply, why: &str) {
    assert_eq!((reply.status, reply.field("x-key-id")), (401, None), "{why}: {}", reply.head());
    assert_eq!(reply.field("www-authenticate"), Some("DPoP error=\"invalid_dpop_proof\""), "{why}");
}

#[test]
fn c13_every_gateway_lets_a_bound_key_pass_with_its_proof_once_and_never_without() {
    each(|database| {
        let gated = Gated::on(database);
        let holder = Key::new();
        let key = bound(&gated, json!({"jkt": jkt(&holder)}));
        let here = ("GET", "https://id.example/v1/docs");
        for (gateway, _) in GATEWAYS {
            let with = |proof: &str| gated.send(&called(gateway, &key).field("DPoP", proof));
            refused(&gated.send(&called(gateway, &key)), "no proof");
            let good = shows(&gated, &holder, &key, here);
            let reply = with(&good);
            assert_eq!(reply.status, 200, "{gateway}: {}", reply.text());
            refused(&with(&good), "replayed");
            refused(&with(&shows(&gated, &Key::new(), &key, here)), "another's");
            refused(&with(&shows(&gated, &holder, "kw_live_another", here)), "for another key");
            refused(&with(&shows(&gated, &holder, &key, ("POST", here.1))), "another method");
            refused(&with(&shows(&gated, &holder, &key, ("GET", "https://id.example/v1/other"))), "another path");
            refused(&with(&shows(&gated, &holder, &key, ("GET", "http://id.example/v1/docs"))), "another scheme");
            refused(&with(&shows(&gated, &holder, &key, ("GET", "https://evil.example/v1/docs"))), "another host");
            let twice = called(gateway, &key).field("DPoP", "a").field("DPoP", "a");
            assert_eq!(gated.send(&twice).field("x-auth-status"), Some("400"), "{gateway}");
        }
    });
}

#[test]
fn c13_the_scheme_that_promises_a_proof_wants_one_whatever_the_key() {
    each(|database| {
        let gated = Gated::on(database);
        let (plain, holder) = (gated.key(json!({})), Key::new());
        let asked = || {
            let asked = question("caddy", "GET", "/v1/docs").field("X-Forwarded-Proto", "https");
            asked.field("X-Forwarded-Host", "id.example").field("Authorization", format!("DPoP {plain}"))
        };
        refused(&gated.send(&asked()), "promised and not shown");
        let good = shows(&gated, &holder, &plain, ("GET", "https://id.example/v1/docs"));
        assert_eq!(gated.send(&asked().field("DPoP", good)).status, 200);
    });
}

#[test]
fn c13_where_the_gateway_does_not_say_where_its_client_called_no_proof_is_good() {
    each(|database| {
        let gated = Gated::on(database);
        let (holder, key) = (Key::new(), bound(&gated, json!({"dpop": "required"})));
        let proof = || shows(&gated, &holder, &key, ("GET", "https://id.example/v1/docs"));
        let asked = || question("nginx", "GET", "/v1/docs").field("X-API-Key", &*key).field("DPoP", proof());
        refused(&gated.send(&asked()), "nothing is said");
        refused(&gated.send(&asked().field("X-Forwarded-Host", "id.example")), "no scheme");
        refused(&gated.send(&asked().field("X-Forwarded-Proto", "https")), "no host");
        for (scheme, host) in
            [("ftp", "id.example"), ("https", "id.example/v1/docs?"), ("https", "ada@id.example"), ("https", "")]
        {
            let asked = asked().field("X-Forwarded-Proto", scheme).field("X-Forwarded-Host", host);
            refused(&gated.send(&asked), &format!("{scheme} {host}"));
        }
        let asked = asked().field("X-Forwarded-Proto", "https").field("X-Forwarded-Host", "ID.example:443");
        assert_eq!(gated.send(&asked).status, 200, "the same place, written otherwise");
    });
}
