//! What clients encrypt for us: hints (OpenID Connect Core §3.1.2.1, RP-Initiated Logout 1.0 §2) and client assertions
//! (RFC 7523 §7), nested as RFC 7519 §5.2 has it, under the keys that we publish for it (RFC 7517 §4.2) and replace.

use super::{Scene, scene_at};
use crate::world::{
    App, Browser, Callback, JWT_BEARER, Key, Person, Reply, Server, each, encode, forged, header, jwt, payload, post,
};
use josekit::{
    jwe::{ECDH_ES, JweEncrypter, JweHeader, RSA_OAEP_256, serialize_compact},
    jwk::{
        Jwk,
        alg::{ec::EcCurve, rsa::RsaKeyPair},
    },
};
use keywright::{audit::Actor, base::moment::Span, flow::rotate_keys, keyring::Rotation};
use serde_json::{Value, json};

const WAYS: [&str; 2] = ["RSA-OAEP-256", "ECDH-ES"];

fn open_to_both(database: &crate::world::Database) -> Server {
    Server::start(database, |settings| settings.set("keys.encryption_algorithms", "RSA-OAEP-256,ECDH-ES"))
}

/// The keys of the published set with this use.
fn published(server: &Server, purpose: &str) -> Vec<Value> {
    let set = server.get("/jwks").json();
    set["keys"].as_array().unwrap().iter().filter(|key| key["use"] == purpose).cloned().collect()
}

/// The key that is published to encrypt with in this way.
fn to_encrypt(server: &Server, alg: &str) -> Value {
    let [key] =
        published(server, "enc").into_iter().filter(|key| key["alg"] == alg).collect::<Vec<_>>().try_into().unwrap();
    key
}

/// As a client encrypts, with more in the header.
fn encrypted_with(key: &Value, more: &Value, inside: &str) -> String {
    let mut jwk: Jwk = serde_json::from_value(key.clone()).unwrap();
    // The library would write it into the header where there is none.
    jwk.set_parameter("kid", None).unwrap();
    let by: Box<dyn JweEncrypter> = match key["alg"].as_str().unwrap() {
        "ECDH-ES" => Box::new(ECDH_ES.encrypter_from_jwk(&jwk).unwrap()),
        _ => Box::new(RSA_OAEP_256.encrypter_from_jwk(&jwk).unwrap()),
    };
    let mut head = JweHeader::new();
    head.set_content_type("JWT");
    head.set_content_encryption("A256GCM");
    head.set_key_id(key["kid"].as_str().unwrap());
    for (name, value) in more.as_object().unwrap() {
        head.set_claim(name, Some(value.clone()).filter(|value| !value.is_null())).unwrap();
    }
    serialize_compact(inside.as_bytes(), &head, &*by).unwrap()
}

fn encrypted(key: &Value, inside: &str) -> String {
    encrypted_with(key, &json!({}), inside)
}

/// The same header over what another key of its kind would open.
fn encrypted_for_another(key: &Value, inside: &str) -> String {
    let pair = match key["alg"].as_str().unwrap() {
        "ECDH-ES" => Jwk::generate_ec_key(EcCurve::P256).unwrap(),
        _ => RsaKeyPair::generate(2048).unwrap().to_jwk_key_pair(),
    };
    let mut other = serde_json::to_value(pair.to_public_key().unwrap().as_ref()).unwrap();
    for name in ["kid", "alg", "use"] {
        other[name] = key[name].clone();
    }
    encrypted(&other, inside)
}

/// A request without pages, from a browser that has just signed in.
fn silent(server: &Server, app: &App, person: &Person, hint: &str) -> Callback {
    let mut browser = server.browser();
    browser.sign_in(person);
    let attempt = app.begin().with("prompt", "none").with("id_token_hint", hint);
    attempt.callback(&browser.open(&attempt.url()))
}

fn leave(browser: &mut Browser, hint: &str) -> Reply {
    browser.open(&format!("/end_session?{}", encode(&[("id_token_hint", hint)])))
}

fn rotate(server: &Server, rotation: Rotation) {
    server.run(rotate_keys::run(&server.world, rotation, Actor::System)).unwrap();
}

#[test]
fn an_encrypted_hint_says_who_is_meant_and_signs_out_at_once_as_a_plain_one_does() {
    each(|database| {
        let Scene { app, ada, server, .. } = scene_at(open_to_both(database));
        for alg in WAYS {
            let mut browser = server.browser();
            let tokens = browser.tokens(&app, &ada);
            let key = to_encrypt(&server, alg);
            let hint = encrypted(&key, &tokens.id);
            assert!(silent(&server, &app, &ada, &hint).get("code").is_some(), "{alg}");
            let bob = server.person(&format!("bob-{}", alg.to_lowercase()));
            assert_eq!(silent(&server, &app, &bob, &hint).error(), "login_required", "somebody else is meant");
            assert_eq!(leave(&mut browser, &hint).title(), "Signed out", "{alg}");
            assert_ne!(browser.open("/account").status, 200);
        }
    });
}

#[test]
fn unless_the_settings_want_it_nothing_is_published_to_encrypt_with_and_nothing_encrypted_is_taken() {
    each(|database| {
        let Scene { tokens, app, ada, server, .. } = scene_at(Server::on(database));
        assert_eq!(published(&server, "enc"), Vec::<Value>::new());
        let discovery = server.get("/.well-known/openid-configuration").json();
        let foreign = json!({
            "kty": "EC", "crv": "P-256", "kid": published(&server, "sig")[0]["kid"], "alg": "ECDH-ES", "use": "enc",
            "x": published(&server, "sig")[0]["x"], "y": published(&server, "sig")[0]["y"],
        });
        let hint = encrypted(&foreign, &tokens.id);
        let callback = silent(&server, &app, &ada, &hint);
        assert_eq!(callback.error(), "invalid_request", "no key that signs decrypts as well");
        assert!(callback.get("error_description").unwrap().contains("names no key"), "{callback:?}");
        // There is no registered metadata for what is taken, so what is published is all that tells of it.
        let open = open_to_both(database);
        assert_eq!(open.get("/.well-known/openid-configuration").json(), discovery);
        assert_eq!(published(&open, "enc").len(), 2);
    });
}

#[test]
fn what_is_inside_is_verified_as_if_it_had_come_plain() {
    each(|database| {
        let Scene { mut browser, tokens, app, ada, server } = scene_at(open_to_both(database));
        let other = server.web_app();
        let others = browser.tokens(&other, &ada).id;
        let mut claims = payload(&tokens.id);
        claims["sub"] = json!("usr_somebody");
        let unsigned = {
            let mut head = header(&tokens.id);
            head["alg"] = json!("none");
            forged(&tokens.id, &head, &payload(&tokens.id))
        };
        for alg in WAYS {
            let key = to_encrypt(&server, alg);
            let twice = encrypted(&key, &encrypted(&key, &tokens.id));
            let inside =
                [&others, &forged(&tokens.id, &header(&tokens.id), &claims), &unsigned, &tokens.access, &String::new()];
            for inside in inside {
                let callback = silent(&server, &app, &ada, &encrypted(&key, inside));
                assert_eq!(callback.error(), "invalid_request", "{alg} {inside}");
                let told = callback.get("error_description").unwrap();
                assert!(told.contains("not an ID token that this server issued to this client"), "{told}");
            }
            assert_eq!(silent(&server, &app, &ada, &twice).error(), "invalid_request", "one layer and no more");
            // Whoever is here is asked, as without any hint.
            assert_eq!(leave(&mut browser, &twice).title(), "Sign out?");
        }
    });
}

#[test]
fn whatever_does_not_decrypt_is_told_the_same_and_what_its_header_says_wrong_is_told_before() {
    each(|database| {
        let Scene { mut browser, tokens, app, ada, server } = scene_at(open_to_both(database));
        for alg in WAYS {
            let key = to_encrypt(&server, alg);
            let good = encrypted(&key, &tokens.id);
            let parts: Vec<&str> = good.split('.').collect();
            let with = |n: usize, part: &str| {
                let mut parts = parts.clone();
                parts[n] = part;
                parts.join(".")
            };
            let head = |changes: Value| {
                let mut head = header(&good);
                for (name, value) in changes.as_object().unwrap() {
                    head[name] = value.clone();
                }
                with(0, &jwt::base64(head.to_string()))
            };
            let content = keywright::base::digest::from_base64url(parts[3]).unwrap();
            let dark = "the encrypted token does not decrypt";
            for (hint, told) in [
                (encrypted_for_another(&key, &tokens.id), dark),
                (with(2, &jwt::base64([0; 12])), dark),
                (with(3, &jwt::base64(content.split_last().unwrap().1)), dark),
                (with(4, &jwt::base64([0; 16])), dark),
                (with(4, &parts[4][..16]), dark),
                (with(1, &jwt::base64([1; 256])), dark),
                (head(json!({ "typ": "JWT" })), dark),
                (
                    head(
                        json!({ "epk": { "kty": "EC", "crv": "P-256", "x": jwt::base64([7; 32]), "y": jwt::base64([7; 32]) } }),
                    ),
                    dark,
                ),
                (encrypted_with(&key, &json!({ "zip": "DEF" }), &tokens.id), "crit, b64 or zip"),
                (head(json!({ "crit": ["x"], "x": 1 })), "crit, b64 or zip"),
                (head(json!({ "alg": WAYS.iter().find(|other| **other != alg).unwrap() })), "alg or enc"),
                (head(json!({ "alg": "dir" })), "alg or enc"),
                (head(json!({ "alg": "PBES2-HS512+A256KW", "p2c": 1, "p2s": "AA" })), "alg or enc"),
                (encrypted_with(&key, &json!({ "enc": "A128GCM" }), &tokens.id), "alg or enc"),
                (encrypted_with(&key, &json!({ "kid": null }), &tokens.id), "names no key"),
                (encrypted_with(&key, &json!({ "kid": "other" }), &tokens.id), "names no key"),
                (encrypted_with(&key, &json!({ "kid": header(&tokens.id)["kid"] }), &tokens.id), "names no key"),
                (encrypted_with(&key, &json!({ "cty": null }), &tokens.id), "cty"),
            ] {
                let callback = silent(&server, &app, &ada, &hint);
                assert!(callback.get("code").is_none(), "{alg} {told}: {:?}", header(&hint));
                assert_eq!(callback.error(), "invalid_request", "{alg} {told}");
                let description = callback.get("error_description").unwrap();
                assert!(description.contains(told) && (told != dark || description == dark), "{alg}: {description}");
                assert_eq!(leave(&mut browser, &hint).title(), "Sign out?", "{alg} {told}");
            }
        }
    });
}

#[test]
fn a_key_is_held_by_every_node_before_it_is_published_and_decrypts_until_no_copy_has_it() {
    each(|database| {
        let Scene { tokens, app, ada, server, .. } = scene_at(open_to_both(database));
        let other_node = open_to_both(database);
        let before = to_encrypt(&server, "ECDH-ES");
        assert_eq!(before, to_encrypt(&other_node, "ECDH-ES"));
        let old = encrypted(&before, &tokens.id);
        let knows = |node: &Server, hint: &str| silent(node, &app.moved_to(node), &ada, hint).get("code").is_some();
        server.advance(Span::seconds(1));
        rotate(&server, Rotation::Requested);
        other_node.follow_now();
        assert_eq!(to_encrypt(&server, "ECDH-ES"), before, "its successor is held, and nobody is told of it yet");
        server.advance(Span::hours(1));
        rotate(&server, Rotation::OnSchedule);
        let after = to_encrypt(&server, "ECDH-ES");
        assert_ne!(before, after);
        // The other node has not heard yet, and reads by the new one all the same.
        let new = encrypted(&after, &tokens.id);
        assert!(knows(&server, &old) && knows(&server, &new));
        assert!(knows(&other_node, &old) && knows(&other_node, &new));
        other_node.follow_now();
        assert_eq!(to_encrypt(&other_node, "ECDH-ES"), after);
        // Copies are good for 15 minutes, and what is sent by them for 10 more.
        server.advance(Span::minutes(24));
        rotate(&server, Rotation::OnSchedule);
        assert!(knows(&server, &old));
        server.advance(Span::minutes(2));
        rotate(&server, Rotation::OnSchedule);
        assert_eq!(silent(&server, &app, &ada, &old).error(), "invalid_request");
        assert!(knows(&server, &new));
        assert!(server.recorded("key.deleted"));
    });
}

#[test]
fn a_key_that_leaked_decrypts_nothing_more_on_any_node_and_another_is_published_at_once() {
    each(|database| {
        let Scene { tokens, app, ada, server, .. } = scene_at(open_to_both(database));
        let other_node = open_to_both(database);
        let before = to_encrypt(&server, "ECDH-ES");
        let old = encrypted(&before, &tokens.id);
        let kid = keywright::base::id::KeyId::parse(before["kid"].as_str().unwrap()).unwrap();
        let revoked = server.run(keywright::flow::revoke_key::run(&server.world, &kid, "seen in a log", Actor::System));
        let after = to_encrypt(&server, "ECDH-ES");
        assert_eq!(revoked.ok().and_then(|it| it.successor).map(|kid| json!(kid)), Some(after["kid"].clone()));
        other_node.follow_now();
        for node in [&server, &other_node] {
            let app = app.moved_to(node);
            assert_eq!(silent(node, &app, &ada, &old).error(), "invalid_request");
            assert!(silent(node, &app, &ada, &encrypted(&after, &tokens.id)).get("code").is_some());
        }
    });
}

#[test]
fn a_way_that_is_wanted_no_longer_leaves_the_set_at_the_next_rotation_and_is_read_for_a_while() {
    each(|database| {
        let Scene { tokens, app, ada, server, .. } = scene_at(open_to_both(database));
        let hint = encrypted(&to_encrypt(&server, "RSA-OAEP-256"), &tokens.id);
        // A node that still wants it would publish another, whenever it looks.
        drop(server);
        let only_ec = Server::start(database, |settings| settings.set("keys.encryption_algorithms", "ECDH-ES"));
        assert_eq!(published(&only_ec, "enc").len(), 2, "another node may want it");
        rotate(&only_ec, Rotation::Requested);
        let left: Vec<Value> = published(&only_ec, "enc").into_iter().map(|key| key["alg"].clone()).collect();
        assert_eq!(left, ["ECDH-ES"]);
        assert!(silent(&only_ec, &app.moved_to(&only_ec), &ada, &hint).get("code").is_some());
    });
}

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

#[test]
fn an_encrypted_assertion_proves_its_client_once() {
    each(|database| {
        let server = open_to_both(database);
        let (app, key) = server.keyed();
        for alg in WAYS {
            let to = to_encrypt(&server, alg);
            let signed = key.sign(&app.assertion_claims());
            assert_eq!(server.show(&encrypted(&to, &signed)).status, 200, "{alg}");
            for again in [encrypted(&to, &signed), signed] {
                assert_eq!(server.show(&again).refusal(), (401, "invalid_client".to_owned()), "{alg}: it was used");
            }
            let thief = Key::new();
            for wrong in [
                encrypted(&to, &thief.sign(&app.assertion_claims())),
                encrypted_for_another(&to, &key.sign(&app.assertion_claims())),
                encrypted(&to, &encrypted(&to, &key.sign(&app.assertion_claims()))),
                encrypted(&to, ""),
                encrypted_with(&to, &json!({ "zip": "DEF" }), &key.sign(&app.assertion_claims())),
            ] {
                assert_eq!(server.show(&wrong).refusal(), (401, "invalid_client".to_owned()), "{alg}");
            }
        }
    });
}

#[test]
fn how_often_an_address_may_have_something_decrypted_is_limited_and_plain_tokens_are_not() {
    each(|database| {
        let server = Server::start(database, |settings| {
            settings.set("keys.encryption_algorithms", "ECDH-ES");
            settings.set("server.trusted_proxies", "127.0.0.1/32");
            settings.set("limits.decrypt_per_address", "2/1m");
        });
        let (app, key) = server.keyed();
        let to = to_encrypt(&server, "ECDH-ES");
        let show = |assertion: &str| {
            let form = [GRANT, ("client_assertion_type", JWT_BEARER), ("client_assertion", assertion)];
            post("/token", &form).field("X-Forwarded-For", "192.0.2.1").send(server.address)
        };
        for _ in 0..2 {
            assert_eq!(show(&encrypted(&to, &key.sign(&app.assertion_claims()))).status, 200);
        }
        let held = show(&encrypted(&to, &key.sign(&app.assertion_claims())));
        assert_eq!((held.status, held.field("retry-after")), (429, Some("30")));
        assert!(held.field("ratelimit").unwrap().contains("decrypt"));
        assert_eq!(show(&key.sign(&app.assertion_claims())).status, 200);
        // What names no key of ours costs nothing, and takes nothing from the limit.
        assert_eq!(show(&encrypted_with(&to, &json!({ "kid": "x" }), "")).status, 401);
    });
}
