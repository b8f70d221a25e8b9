//! What JWT libraries got wrong, tried over HTTP at both places that take a JWT from outside: a
//! client's assertion, signed by the client's own good key, and an access token. Each rule by
//! itself is in `src/jose/verify/tests`.

use crate::world::{Key, Server, busy::at_once, each, jwt::base64, payload};
use serde_json::{Value, json};

fn refused(server: &Server, assertion: &str, why: &str) {
    let reply = server.show(assertion);
    assert!(matches!(reply.status, 400 | 401), "{why}: {} {}", reply.status, reply.text());
    assert!(matches!(reply.error().as_str(), "invalid_client" | "invalid_request"), "{why}: {}", reply.text());
}

fn head(key: &Key) -> String {
    json!({"alg": "ES256", "typ": "JWT", "kid": key.kid()}).to_string()
}

/// The text of an object with one more member, which may be there already.
fn and(object: &str, member: &str) -> String {
    format!("{},{member}}}", object.strip_suffix('}').unwrap())
}

#[test]
fn a26_a46_members_twice_and_crit_are_refused_though_the_signature_is_good() {
    each(|database| {
        let server = Server::on(database);
        let (app, key) = server.keyed();
        let claims = || app.assertion_claims().to_string();
        assert_eq!(server.show(&key.sign_raw(&head(&key), &claims())).status, 200, "the raw form is good");
        for (header, claims, why) in [
            (head(&key), and(&claims(), &format!("\"sub\":\"{}\"", app.id)), "sub twice, the same"),
            (head(&key), and(&claims(), "\"exp\":99999999999"), "exp twice"),
            (head(&key), and(&claims(), r#""x":{"a":1,"a":2}"#), "twice, deep inside"),
            (and(&head(&key), "\"alg\":\"ES256\""), claims(), "alg twice"),
            (and(&head(&key), r#""crit":["exp"]"#), claims(), "crit of a known claim"),
            (and(&head(&key), r#""crit":[]"#), claims(), "crit of nothing"),
            (and(&head(&key), r#""critical":["x"],"crit":["x"],"x":1"#), claims(), "crit of an unknown one"),
            (and(&head(&key), r#""b64":false,"crit":["b64"]"#), claims(), "b64"),
            (and(&head(&key), r#""zip":"DEF""#), claims(), "zip"),
        ] {
            refused(&server, &key.sign_raw(&header, &claims), why);
        }
    });
}

#[test]
fn a43_a44_what_is_encrypted_is_no_token_and_is_refused_at_once() {
    each(|database| {
        let server = Server::on(database);
        let (app, _) = server.keyed();
        let machine = server.machine();
        let token = |header: Value| format!("{}.{}.{}.{}.{}", base64(header.to_string()), "AA", "AA", "AA", "AA");
        for header in [
            json!({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2s": "AAAA", "p2c": 1_000_000_000}),
            json!({"alg": "dir", "enc": "A256GCM", "zip": "DEF"}),
            json!({"alg": "RSA1_5", "enc": "A128CBC-HS256"}),
        ] {
            at_once(|| {
                refused(&server, &token(header.clone()), "an assertion");
                assert_eq!(machine.introspect(&token(header.clone())), json!({"active": false}));
                assert_eq!(app.userinfo(&token(header.clone())).status, 401);
            });
        }
    });
}

#[test]
fn a45_a47_a_token_of_a_million_dots_or_a_huge_header_is_refused_before_it_is_split() {
    each(|database| {
        let server = Server::on(database);
        let (app, key) = server.keyed();
        let machine = server.machine();
        let huge = and(&head(&key), &format!("\"x\":\"{}\"", "x".repeat(30_000)));
        let signed = key.sign_raw(&huge, &app.assertion_claims().to_string());
        for token in [".".repeat(60_000), "a.".repeat(30_000), signed] {
            at_once(|| {
                refused(&server, &token, "an assertion");
                assert_eq!(machine.introspect(&token), json!({"active": false}));
                assert_eq!(machine.revoke(&token).status, 200, "what is no token is as good as revoked");
            });
        }
        // In a field there is no room for more than the head may have.
        let reply = app.userinfo(&".".repeat(20_000));
        assert!(matches!(reply.status, 401 | 431), "{}", reply.status);
    });
}

#[test]
fn a48_a50_the_key_comes_from_the_clients_own_set_whatever_header_and_claims_say() {
    each(|database| {
        let server = Server::on(database);
        let (app, key) = server.keyed();
        let (other, others) = server.keyed();
        let thief = Key::new();
        let own = thief.jwks()["keys"][0].clone();
        let claims = || app.assertion_claims().to_string();
        let named = |kid: &str, more: &str| and(&json!({"alg": "ES256", "kid": kid}).to_string(), more);
        for (header, why) in [
            (named(key.kid(), &format!("\"jwk\":{own}")), "a key of its own in the header"),
            (named(key.kid(), r#""jku":"https://thief.example/jwks""#), "an address of keys"),
            (named(key.kid(), r#""x5u":"https://thief.example/x""#), "an address of certificates"),
            (named(key.kid(), r#""x5c":["MIIB"]"#), "a certificate"),
            (named(thief.kid(), "\"typ\":\"JWT\""), "a key that nobody registered"),
        ] {
            refused(&server, &thief.sign_raw(&header, &claims()), why);
        }
        // The key of one client proves no other, whatever the claims say, and none of ours does.
        refused(&server, &others.sign(&app.assertion_claims()), "another client's key");
        let mut mixed = app.assertion_claims();
        mixed["sub"] = json!(other.id);
        refused(&server, &key.sign(&mixed), "issuer and subject differ");
        let kid = server.get("/jwks").json()["keys"][0]["kid"].as_str().unwrap().to_owned();
        refused(&server, &thief.sign_raw(&named(&kid, "\"typ\":\"JWT\""), &claims()), "the server's own kid");
        for kid in ["../../../../etc/passwd", "' OR 1=1 --", "", "\\u0000", &"k".repeat(4000)] {
            refused(&server, &key.sign_raw(&named(kid, "\"typ\":\"JWT\""), &claims()), kid);
        }
        assert_eq!(server.show(&key.sign(&app.assertion_claims())).status, 200);
    });
}

#[test]
fn a49_an_hmac_with_the_public_key_and_a_token_without_signature_are_refused() {
    use openssl::{hash::MessageDigest, pkey::PKey, sign::Signer};
    each(|database| {
        let server = Server::on(database);
        let (app, key) = server.keyed();
        let public = key.jwks()["keys"][0].to_string();
        for secret in [key.public_pem(), public.into_bytes(), Vec::from(*b"x")] {
            let header = json!({"alg": "HS256", "typ": "JWT", "kid": key.kid()}).to_string();
            let signed = format!("{}.{}", base64(header), base64(app.assertion_claims().to_string()));
            let mac = PKey::hmac(&secret).unwrap();
            let mut signer = Signer::new(MessageDigest::sha256(), &mac).unwrap();
            let signature = signer.sign_oneshot_to_vec(signed.as_bytes()).unwrap();
            refused(&server, &format!("{signed}.{}", base64(signature)), "HS256");
        }
        for alg in ["none", "None", "NONE", "nOnE", "", "ES256K", "RS256", "PS256"] {
            let header = json!({"alg": alg, "typ": "JWT", "kid": key.kid()}).to_string();
            let body = base64(app.assertion_claims().to_string());
            refused(&server, &format!("{}.{body}.", base64(&header)), alg);
            refused(&server, &key.sign_raw(&header, &app.assertion_claims().to_string()), alg);
        }
    });
}

#[test]
fn a51_a_signature_of_another_length_or_form_is_refused() {
    each(|database| {
        let server = Server::on(database);
        let (app, key) = server.keyed();
        let token = key.sign(&app.assertion_claims());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let bytes = keywright::base::digest::from_base64url(signature).unwrap();
        assert_eq!(bytes.len(), 64);
        let der = [&[0x30, 0x44, 0x02, 0x20], &bytes[..32], &[0x02, 0x20], &bytes[32..]].concat();
        for wrong in [Vec::new(), vec![0; 64], bytes[..63].to_vec(), [&bytes[..], &[0]].concat(), der, vec![0xff; 4000]]
        {
            refused(&server, &format!("{signed}.{}", base64(&wrong)), &format!("{} bytes", wrong.len()));
        }
        for wrong in [
            format!("{token}="),
            format!("{token}=="),
            token.replace('.', ". "),
            format!("{token}\n"),
            format!(" {token}"),
        ] {
            refused(&server, &wrong, &wrong);
        }
        assert_eq!(server.show(&token).status, 200, "none of them cost it");
    });
}

#[test]
fn a52_claims_of_great_depth_are_refused_and_nothing_falls_over() {
    each(|database| {
        let server = Server::on(database);
        let (app, key) = server.keyed();
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            for n in [17, 200, 900] {
                let deep = format!("\"x\":{}1{}", open.repeat(n), close.repeat(n));
                refused(&server, &key.sign_raw(&head(&key), &and(&app.assertion_claims().to_string(), &deep)), open);
                refused(&server, &key.sign_raw(&and(&head(&key), &deep), &app.assertion_claims().to_string()), open);
            }
        }
        for text in ["", "null", "[]", "7", "\"x\"", "{", "{}", "\u{feff}{}", "{} {}"] {
            refused(&server, &key.sign_raw(&head(&key), text), text);
            refused(&server, &key.sign_raw(text, &app.assertion_claims().to_string()), text);
        }
        assert_eq!(server.show(&key.sign(&app.assertion_claims())).status, 200);
    });
}

#[test]
fn a50_an_access_token_is_looked_up_by_the_servers_own_keys_alone() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app, key) = (server.person("ada"), server.web_app(), Key::new());
        let good = server.browser().tokens(&app, &ada).access;
        let claims = payload(&good).to_string();
        let kid = crate::world::header(&good)["kid"].as_str().unwrap().to_owned();
        for kid in [kid.as_str(), key.kid(), "", "0"] {
            let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": kid, "jwk": key.jwks()["keys"][0]});
            let token = key.sign_raw(&header.to_string(), &claims);
            assert_eq!(app.userinfo(&token).refusal(), (401, "invalid_token".to_owned()), "{kid}");
            assert!(!app.sees_live(&token));
        }
    });
}

#[test]
fn a12_a_replayed_name_with_a_nul_breaks_no_record_of_it() {
    each(|database| {
        let server = Server::on(database);
        let (app, key) = server.keyed();
        for name in ["a\0b", "a\u{1b}[2Jb", &"j".repeat(3000)] {
            let mut claims = app.assertion_claims();
            claims["jti"] = json!(name);
            let first = server.show(&key.sign(&claims));
            assert!(matches!(first.status, 200 | 401), "{}", first.text());
            refused(&server, &key.sign(&claims), name);
        }
        assert_eq!(app.own_token(&[]).status, 200);
        assert!(server.recorded("token.issued"), "the events after it are kept");
    });
}
