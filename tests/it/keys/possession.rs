//! Keys that are bound to a key pair: a call must prove that whoever sends it holds it (RFC 9449 §7).

use super::{Keys, call};
use crate::{
    oauth::dpop::{ath, jkt, proof},
    world::{Key, Server, each},
};
use keywright::base::moment::Span;
use serde_json::{Value, json};

const CALLED: &str = "https://api.example/v1/docs/7";

/// The text of a key with this binding.
fn bound(server: &Server, keys: &Keys, binding: Value) -> String {
    let made = keys.key(server, &server.machine(), json!({"policy": {"v": 1, "binding": binding}}));
    made["key"].as_str().unwrap().to_owned()
}

/// A proof of this holder for a call with this key, with these claims otherwise.
fn shows(server: &Server, holder: &Key, key: &str, more: Value) -> String {
    let mut claims = ath(key);
    claims["htu"] = json!(CALLED);
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    proof(server, holder, ("GET", ""), &claims)
}

/// What is told of a call with this key and this proof.
fn told(server: &Server, keys: &Keys, key: &str, proof: Option<&str>) -> String {
    said(server, keys, key, json!({"method": "GET", "url": CALLED, "dpop": proof}))
}

fn said(server: &Server, keys: &Keys, key: &str, request: Value) -> String {
    keys.ask(server, key, json!({"request": request}))["code"].as_str().unwrap().to_owned()
}

#[test]
fn c13_a_key_that_needs_a_proof_is_refused_without_one_and_good_with_it() {
    each(|database| {
        let server = Server::on(database);
        let (keys, holder) = (Keys::at(&server, json!({})), Key::new());
        let key = bound(&server, &keys, json!({"dpop": "required"}));
        assert_eq!(told(&server, &keys, &key, None), "binding_failed", "the text alone is of no use");
        assert_eq!(keys.ask(&server, &key, json!({}))["code"], "binding_failed", "nor where nothing is said");
        assert_eq!(told(&server, &keys, &key, Some(&shows(&server, &holder, &key, json!({})))), "ok");
        let query = shows(&server, &holder, &key, json!({}));
        let request = json!({"method": "GET", "url": format!("{CALLED}?page=2"), "dpop": query});
        assert_eq!(said(&server, &keys, &key, request), "ok", "a query is not part of what a proof is for");
    });
}

#[test]
fn c13_a_proof_is_for_this_key_this_method_and_this_place_and_of_now() {
    each(|database| {
        let server = Server::on(database);
        let (keys, holder) = (Keys::at(&server, json!({})), Key::new());
        let key = bound(&server, &keys, json!({"dpop": "required"}));
        let with = |more: Value| shows(&server, &holder, &key, more);
        let now = server.now().unix();
        for (what, bad) in [
            ("another method", with(json!({"htm": "POST"}))),
            ("another place", with(json!({"htu": "https://api.example/v1/docs/8"}))),
            ("another host", with(json!({"htu": "https://evil.example/v1/docs/7"}))),
            ("another key", with(ath("kw_live_another"))),
            ("no hash of the key", with(json!({"ath": null}))),
            ("old", with(json!({"iat": now - 61}))),
            ("of tomorrow", with(json!({"iat": now + 86_400}))),
            ("no name", with(json!({"jti": ""}))),
            ("nonsense", "x".to_owned()),
            ("nothing", String::new()),
        ] {
            assert_eq!(told(&server, &keys, &key, Some(&bad)), "binding_failed", "{what}");
        }
        // What it is for must be said, for else it is for anything.
        for request in [json!({"url": CALLED}), json!({"method": "GET"}), json!({"method": "GET", "url": "docs"})] {
            let mut request = request;
            request["dpop"] = json!(with(json!({})));
            assert_eq!(said(&server, &keys, &key, request.clone()), "binding_failed", "{request}");
        }
        let blank = with(json!({"htm": "", "htu": ""}));
        assert_eq!(said(&server, &keys, &key, json!({"dpop": blank, "method": "", "url": ""})), "binding_failed");
    });
}

#[test]
fn c13_a_proof_is_good_once_on_all_nodes_together_and_a_call_that_is_refused_uses_none_up() {
    each(|database| {
        let (server, second) = (Server::on(database), Server::on(database));
        let (keys, holder) = (Keys::at(&server, json!({})), Key::new());
        second.follow_now();
        let key = bound(&server, &keys, json!({"dpop": "required"}));
        second.follow_now();
        let one = shows(&server, &holder, &key, json!({}));
        let narrow = json!({"scopes": ["docs.write"], "request": {"method": "GET", "url": CALLED, "dpop": one}});
        assert_eq!(keys.ask(&server, &key, narrow)["code"], "insufficient_scope");
        let tried = json!({"dry_run": true, "request": {"method": "GET", "url": CALLED, "dpop": one}});
        assert_eq!(keys.ask(&server, &key, tried)["code"], "ok", "what is only tried spends nothing");
        assert_eq!(told(&server, &keys, &key, Some(&one)), "ok");
        assert_eq!(told(&server, &keys, &key, Some(&one)), "binding_failed", "replayed");
        assert_eq!(told(&second, &keys, &key, Some(&one)), "binding_failed", "replayed elsewhere");
        server.advance(Span::seconds(61));
        server.sweep_now();
        assert_eq!(told(&server, &keys, &key, Some(&one)), "binding_failed", "also when it is forgotten");
    });
}

#[test]
fn c13_a_key_is_bound_to_one_key_pair_when_it_is_made_or_changed() {
    each(|database| {
        let server = Server::on(database);
        let (keys, holder, thief) = (Keys::at(&server, json!({})), Key::new(), Key::new());
        let key = bound(&server, &keys, json!({"jkt": jkt(&holder)}));
        let by = |whose: &Key, key: &str| told(&server, &keys, key, Some(&shows(&server, whose, key, json!({}))));
        assert_eq!(told(&server, &keys, &key, None), "binding_failed");
        assert_eq!((by(&thief, &key), by(&holder, &key)), ("binding_failed".to_owned(), "ok".to_owned()));
        // Changed: from now on it is the other's.
        let manager = super::token(&server, "keys:any keys:read keys:change");
        let listed = call(&server, "GET", "/v1/keys", &manager, None).json();
        let at = format!("/v1/keys/{}", listed["keys"][0]["id"].as_str().unwrap());
        let seen = call(&server, "GET", &at, &manager, None);
        let body = json!({"policy": {"v": 1, "binding": {"jkt": jkt(&thief)}}});
        let change = crate::world::Request::new("PATCH", &at).bearer(&manager);
        let change = change.field("If-Match", seen.field("etag").unwrap());
        let changed = server.send(&change.body("application/json", body.to_string()));
        assert_eq!(changed.status, 200, "{}", changed.text());
        server.follow_now();
        assert_eq!((by(&holder, &key), by(&thief, &key)), ("binding_failed".to_owned(), "ok".to_owned()));
    });
}

#[test]
fn c13_a_proof_that_is_shown_must_be_good_also_where_none_is_needed() {
    each(|database| {
        let server = Server::on(database);
        let (keys, holder) = (Keys::at(&server, json!({})), Key::new());
        let plain = keys.key(&server, &server.machine(), json!({}))["key"].as_str().unwrap().to_owned();
        for key in [bound(&server, &keys, json!({"dpop": "optional"})), plain] {
            assert_eq!(told(&server, &keys, &key, None), "ok");
            let good = shows(&server, &holder, &key, json!({}));
            assert_eq!(told(&server, &keys, &key, Some(&good)), "ok");
            assert_eq!(told(&server, &keys, &key, Some(&good)), "binding_failed", "replayed");
            let bad = shows(&server, &holder, &key, json!({"htm": "POST"}));
            assert_eq!(told(&server, &keys, &key, Some(&bad)), "binding_failed");
        }
    });
}
