//! The client on its own account: RFC 6749 §4.4.

use crate::world::{DOCS, ISSUER, MAIL, Server, each, header};
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn a_machine_gets_what_it_registered_for_and_may_ask_for_less() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        let all = machine.own_token(&[]).tokens();
        assert_eq!(all.scope(), "docs.read docs.write");
        let less = machine.own_token(&[("scope", "docs.read")]).tokens();
        assert_eq!(less.scope(), "docs.read");
        assert_eq!(less.access_claims()["scope"], "docs.read");
        assert!(less.body.get("refresh_token").is_none() && less.body.get("id_token").is_none());
    });
}

#[test]
fn a05_r010_what_it_did_not_register_for_it_does_not_get() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        for scope in ["mail.read", "docs.read mail.read", "openid", "profile", "offline_access", "admin", "DOCS.READ"] {
            let reply = machine.own_token(&[("scope", scope)]);
            assert_eq!(reply.refusal(), (400, "invalid_scope".to_owned()), "{scope}: {}", reply.text());
        }
        for resource in [MAIL, "https://docs.example/other", "docs", "https://docs.example/#x"] {
            let reply = machine.own_token(&[("resource", resource)]);
            assert_eq!(reply.refusal(), (400, "invalid_target".to_owned()), "{resource}: {}", reply.text());
        }
    });
}

#[test]
fn r047_rfc9068_the_token_of_a_machine_has_these_claims_and_no_others() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        let tokens = machine.own_token(&[]).tokens();
        let claims = tokens.access_claims();
        let names: BTreeSet<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["aud", "client_id", "exp", "iat", "iss", "jti", "scope", "sub"].into());
        assert_eq!(claims["iss"], ISSUER);
        assert_eq!(claims["aud"], DOCS);
        assert_eq!(claims["sub"], machine.id.as_str());
        assert_eq!(claims["client_id"], machine.id.as_str());
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
        let head = header(&tokens.access);
        assert_eq!(head, json!({"alg": "ES256", "typ": "at+jwt", "kid": head["kid"]}));
    });
}

#[test]
fn its_token_may_live_otherwise_if_it_is_registered_so() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine_with(|m| m["access_token_lifetime"] = json!(60));
        assert_eq!(machine.own_token(&[]).json()["expires_in"], 60);
    });
}

#[test]
fn a10_a_disabled_machine_gets_none() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        server.disable_client(&machine);
        assert_eq!(machine.own_token(&[]).refusal(), (401, "invalid_client".to_owned()));
    });
}

#[test]
fn it_is_written_down_with_the_name_of_the_token() {
    each(|database| {
        let server = Server::on(database);
        let machine = server.machine();
        let tokens = machine.own_token(&[]).tokens();
        let events = server.events_of("token.issued");
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].data["jti"], tokens.access_claims()["jti"]);
        assert_eq!(events[0].client.as_ref().unwrap().as_str(), machine.id);
        assert!(events[0].address.is_some());
    });
}
