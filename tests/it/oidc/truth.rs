//! Whatever the discovery document promises of OpenID Connect is so: Discovery §3, RFC 8414 §2.
//! (What it promises of OAuth is walked through beside the tests of OAuth.)

use super::id_token::verified;
use crate::world::{JWT_BEARER, Person, Server, each};
use josekit::{
    jwk::{
        Jwk,
        alg::{ec::EcCurve, ed::EdCurve},
    },
    jws::{ES256, ES384, EdDSA, JwsHeader, JwsSigner, PS256, RS256},
};
use keywright::{
    account::Profile,
    audit::Actor,
    base::secret::Secret,
    flow::manage_users::{self, NewUser},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

fn document(server: &Server) -> Value {
    server.get("/.well-known/openid-configuration").json()
}

fn texts(document: &Value, name: &str) -> BTreeSet<String> {
    let list = document[name].as_array().unwrap_or_else(|| panic!("{name}"));
    list.iter().map(|v| v.as_str().unwrap().to_owned()).collect()
}

/// Somebody of whom everything is known.
fn ada(server: &Server) -> Person {
    let profile: Profile = serde_json::from_value(json!({
        "name": "Ada King", "given_name": "Ada", "family_name": "King", "middle_name": "B", "nickname": "A",
        "profile": "https://ada.example/", "picture": "https://ada.example/a.png", "website": "https://ada.example/w",
        "email": "ada@example.org", "email_verified": true, "gender": "female", "birthdate": "1815-12-10",
        "zoneinfo": "Europe/London", "locale": "en-GB", "phone_number": "+44 20 7946 0000",
        "phone_number_verified": true, "address": {"formatted": "12 St James's Square", "country": "UK"},
    }))
    .unwrap();
    let password = Some(Secret::new(crate::world::PASSWORD.to_owned()));
    let new = NewUser { username: "ada".to_owned(), profile, password };
    let user = server.run(manage_users::add(&server.world, new, Actor::System)).unwrap();
    Person { name: "ada".to_owned(), password: crate::world::PASSWORD.to_owned(), id: user.id.to_string() }
}

#[test]
fn every_claim_that_is_advertised_can_be_had_by_its_scope_and_by_its_name() {
    each(|database| {
        let server = Server::on(database);
        let advertised = texts(&document(&server), "claims_supported");
        let ada = ada(&server);
        let every = "openid profile email address phone docs.read";
        let app = server.web_app_with(|m| m["scope"] = json!(every));
        let had = |id: &Value, info: &Value| {
            let both = [id, info].into_iter().flat_map(|claims| claims.as_object().unwrap().keys().cloned());
            both.collect::<BTreeSet<String>>()
        };
        let mut browser = server.browser();
        let tokens = browser.tokens(&app.clone().scope(every), &ada);
        let found = had(&tokens.id_claims(), &app.userinfo(&tokens.access).json());
        assert!(advertised.is_subset(&found), "{:?}", advertised.difference(&found));

        assert_eq!(document(&server)["claims_parameter_supported"], true);
        let wanted: Map<String, Value> = advertised.iter().map(|name| (name.clone(), Value::Null)).collect();
        for place in ["id_token", "userinfo"] {
            let attempt = app.clone().scope("openid").begin().with("claims", &json!({place: wanted}).to_string());
            let callback = browser.approve(&attempt, &ada);
            let tokens = app.redeem(&attempt, callback.code()).tokens();
            let found = had(&tokens.id_claims(), &app.userinfo(&tokens.access).json());
            assert!(advertised.is_subset(&found), "{place}: {:?}", advertised.difference(&found));
        }
    });
}

#[test]
fn every_algorithm_for_proofs_of_clients_is_taken() {
    each(|database| {
        let server = Server::on(database);
        let document = document(&server);
        for endpoint in ["token", "revocation", "introspection"] {
            let algs = texts(&document, &format!("{endpoint}_endpoint_auth_signing_alg_values_supported"));
            assert!(!algs.contains("none") && !algs.iter().any(|alg| alg.starts_with("HS")), "{algs:?}");
            for alg in algs {
                let jwk = match alg.as_str() {
                    "ES256" => Jwk::generate_ec_key(EcCurve::P256),
                    "ES384" => Jwk::generate_ec_key(EcCurve::P384),
                    "EdDSA" | "Ed25519" => Jwk::generate_ed_key(EdCurve::Ed25519),
                    _ => Jwk::generate_rsa_key(2048),
                };
                let jwk = jwk.unwrap();
                let signer: Box<dyn JwsSigner> = match alg.as_str() {
                    "ES256" => Box::new(ES256.signer_from_jwk(&jwk).unwrap()),
                    "ES384" => Box::new(ES384.signer_from_jwk(&jwk).unwrap()),
                    "EdDSA" | "Ed25519" => Box::new(EdDSA.signer_from_jwk(&jwk).unwrap()),
                    "RS256" => Box::new(RS256.signer_from_jwk(&jwk).unwrap()),
                    "PS256" => Box::new(PS256.signer_from_jwk(&jwk).unwrap()),
                    other => panic!("{other}"),
                };
                let mut public = serde_json::to_value(jwk.to_public_key().unwrap().as_ref()).unwrap();
                public["kid"] = json!("k");
                let machine = server.machine_with(|m| {
                    m["token_endpoint_auth_method"] = json!("private_key_jwt");
                    m["jwks"] = json!({"keys": [public]});
                });
                let mut head = JwsHeader::new();
                head.set_key_id("k");
                let claims = machine.assertion_claims().to_string();
                let proof = josekit::jws::serialize_compact(claims.as_bytes(), &head, signer.as_ref()).unwrap();
                let proven = [("client_assertion_type", JWT_BEARER), ("client_assertion", proof.as_str())];
                let (path, own) = match endpoint {
                    "token" => ("/token", ("grant_type", "client_credentials")),
                    "revocation" => ("/revoke", ("token", "x")),
                    _ => ("/introspect", ("token", "x")),
                };
                let reply = server.post(path, &[proven[0], proven[1], own]);
                assert_eq!(reply.status, 200, "{endpoint} {alg}: {}", reply.text());
            }
        }
    });
}

#[test]
fn id_tokens_of_every_advertised_algorithm_verify_under_the_published_keys() {
    each(|database| {
        let server = Server::on(database);
        let person = server.person("ada");
        for alg in texts(&document(&server), "id_token_signing_alg_values_supported") {
            let app = server.web_app_with(|m| m["id_token_signed_response_alg"] = json!(alg));
            let tokens = server.browser().tokens(&app, &person);
            assert_eq!(verified(&server, &tokens.id)["sub"], person.id.as_str(), "{alg}");
        }
    });
}

#[test]
fn subjects_are_public_and_other_kinds_cannot_be_registered() {
    each(|database| {
        let server = Server::on(database);
        assert_eq!(texts(&document(&server), "subject_types_supported"), ["public".to_owned()].into());
        let person = server.person("ada");
        let subject = |server: &Server| {
            let app = server.web_app();
            server.browser().tokens(&app, &person).id_claims()["sub"].clone()
        };
        assert_eq!(subject(&server), subject(&server), "the same at every client");
        let pairwise = json!({"redirect_uris": ["https://app.example/cb"], "subject_type": "pairwise"});
        assert!(server.try_register(&pairwise).is_err());
    });
}

#[test]
fn what_is_said_not_to_be_there_is_not() {
    each(|database| {
        let server = Server::on(database);
        let document = document(&server);
        let app = server.web_app();
        for (member, parameter, error) in [
            ("request_parameter_supported", "request", "request_not_supported"),
            ("request_uri_parameter_supported", "request_uri", "request_uri_not_supported"),
        ] {
            assert_eq!(document[member], false, "{member}");
            let attempt = app.begin().with(parameter, "https://app.example/r");
            assert_eq!(attempt.callback(&server.browser().open(&attempt.url())).error(), error);
        }
        for absent in ["registration_endpoint", "acr_values_supported", "frontchannel_logout_supported"] {
            assert!(document.get(absent).is_none(), "{absent}");
        }
        let prompts = texts(&document, "prompt_values_supported");
        assert!(!prompts.contains("create"));
        for name in ["introspection_endpoint_auth_methods_supported", "token_endpoint_auth_methods_supported"] {
            let methods = texts(&document, name);
            assert!(!methods.contains("client_secret_jwt") && !methods.contains("tls_client_auth"), "{methods:?}");
        }
    });
}

#[test]
fn back_channel_logout_and_iss_are_advertised() {
    each(|database| {
        let server = Server::on(database);
        let document = document(&server);
        // That they work is shown where they are tested: every callback is looked at for its `iss`.
        for member in [
            "backchannel_logout_supported",
            "backchannel_logout_session_supported",
            "authorization_response_iss_parameter_supported",
        ] {
            assert_eq!(document[member], true, "{member}");
        }
        let end_session = document["end_session_endpoint"].as_str().unwrap();
        let page = server.browser().visit(end_session);
        assert_eq!(page.title(), "Signed out");
    });
}
