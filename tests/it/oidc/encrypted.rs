//! ID tokens and userinfo that are encrypted for the client that asked for it: OpenID Connect Core
//! §10.2 and §5.3.2, Registration §2, RFC 7516, RFC 7519 §11.2.

use super::id_token::verified;
use crate::world::{App, Browser, ISSUER, Server, each, header, payload};
use josekit::{
    jwe::{ECDH_ES, JweDecrypter, RSA_OAEP_256, deserialize_compact},
    jwk::{
        Jwk,
        alg::{ec::EcCurve, rsa::RsaKeyPair},
    },
};
use keywright::{audit::Actor, base::moment::Span, flow::rotate_keys, keyring::Rotation};
use serde_json::{Value, json};

/// A key of the application that it reads by.
struct Reader {
    alg: &'static str,
    pair: Jwk,
}

impl Reader {
    fn rsa() -> Self {
        Self { alg: "RSA-OAEP-256", pair: RsaKeyPair::generate(2048).unwrap().to_jwk_key_pair() }
    }
    fn ec() -> Self {
        Self { alg: "ECDH-ES", pair: Jwk::generate_ec_key(EcCurve::P256).unwrap() }
    }
    fn public(&self) -> Value {
        let mut public = serde_json::to_value(self.pair.to_public_key().unwrap().as_ref()).unwrap();
        public["use"] = json!("enc");
        public["kid"] = json!("to-encrypt");
        public
    }
    /// The signed token inside.
    fn open(&self, token: &str) -> String {
        assert_eq!(token.split('.').count(), 5, "{token}");
        let head = header(token);
        let seen = ["alg", "enc", "cty", "kid"].map(|name| head[name].clone());
        assert_eq!(seen, [json!(self.alg), json!("A256GCM"), json!("JWT"), json!("to-encrypt")]);
        let by: Box<dyn JweDecrypter> = match self.alg {
            "ECDH-ES" => Box::new(ECDH_ES.decrypter_from_jwk(&self.pair).unwrap()),
            _ => Box::new(RSA_OAEP_256.decrypter_from_jwk(&self.pair).unwrap()),
        };
        let (inside, _) = deserialize_compact(token, &*by).unwrap();
        String::from_utf8(inside).unwrap()
    }
    fn metadata(&self, m: &mut Value) {
        m["jwks"] = json!({"keys": [self.public()]});
        for what in ["id_token", "userinfo"] {
            m[format!("{what}_encrypted_response_alg")] = json!(self.alg);
            m[format!("{what}_encrypted_response_enc")] = json!("A256GCM");
        }
        m["userinfo_signed_response_alg"] = json!("ES256");
    }
}

/// Whether the browser, which is signed in, is known by this hint.
fn hints(browser: &mut Browser, app: &App, token: &str) -> bool {
    let attempt = app.begin().with("prompt", "none").with("id_token_hint", token);
    let reply = browser.open(&attempt.url());
    reply.status == 303 && attempt.callback(&reply).get("code").is_some()
}

#[test]
fn an_id_token_is_signed_and_then_encrypted_for_its_client_at_sign_in_and_at_each_refresh() {
    each(|database| {
        let server = Server::on(database);
        let ada = server.person("ada");
        for reader in [Reader::rsa(), Reader::ec()] {
            let app = server.web_app_with(|m| reader.metadata(m)).scope("openid profile offline_access");
            let mut browser = server.browser();
            let tokens = browser.tokens(&app, &ada);
            let inside = reader.open(&tokens.id);
            assert_eq!(verified(&server, &inside)["sub"], ada.id.as_str());
            assert_eq!(payload(&inside)["aud"], app.id.as_str());
            assert_eq!(
                header(&tokens.access)["typ"],
                "at+jwt",
                "an access token is the API's to read, and stays as it is"
            );
            let renewed = app.refresh(&tokens.refresh).tokens();
            assert_eq!(payload(&reader.open(&renewed.id))["sub"], ada.id.as_str());
            assert!(hints(&mut browser, &app, &inside), "what was inside serves as a hint");
            assert!(!hints(&mut browser, &app, &tokens.id), "and what is encrypted for the client does not");
        }
    });
}

#[test]
fn userinfo_is_a_signed_token_or_an_encrypted_one_where_the_client_asked_for_it() {
    each(|database| {
        let server = Server::on(database);
        let ada = server.person("ada");
        let reader = Reader::ec();
        let signed =
            server.web_app_with(|m| m["userinfo_signed_response_alg"] = json!("EdDSA")).scope("openid profile");
        let sealed = server.web_app_with(|m| reader.metadata(m)).scope("openid profile");
        let plain = server.web_app().scope("openid profile");
        let mut browser = server.browser();
        browser.sign_in(&ada);
        let mut asked = |app: &App| {
            let reply = app.userinfo(&browser.tokens(app, &ada).access);
            assert_eq!(reply.status, 200, "{}", reply.text());
            reply
        };
        assert_eq!(asked(&plain).json()["sub"], ada.id.as_str());
        let reply = asked(&signed);
        assert_eq!(reply.field("content-type"), Some("application/jwt"));
        assert_eq!(header(&reply.text())["alg"], "EdDSA");
        let inside = reader.open(&asked(&sealed).text());
        for (token, app) in [(reply.text(), &signed), (inside, &sealed)] {
            let claims = payload(&token);
            assert_eq!([&claims["iss"], &claims["aud"]], [&json!(ISSUER), &json!(app.id)]);
            assert_eq!([&claims["sub"], &claims["preferred_username"]], [&json!(ada.id), &json!("ada")]);
            assert!(!hints(&mut browser, app, &token), "it is no ID token");
            assert_eq!(app.userinfo(&token).status, 401, "and no access token");
            let kid = header(&token)["kid"].clone();
            let keys = server.get("/jwks").json();
            assert!(keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == kid));
        }
    });
}

#[test]
fn without_a_key_to_encrypt_with_nothing_is_told_and_the_code_is_not_spent() {
    each(|database| {
        let server = Server::start(database, |settings| settings.set("outbound.allow", "127.0.0.0/8"));
        let (ada, reader) = (server.person("ada"), Reader::ec());
        let (address, publish) = publisher();
        let app = server.web_app_with(|m| {
            reader.metadata(m);
            m.as_object_mut().unwrap().remove("jwks");
            m["jwks_uri"] = json!(address);
        });
        let attempt = app.begin();
        let callback = server.browser().approve(&attempt, &ada);
        assert_eq!(app.redeem(&attempt, callback.code()).status, 503, "the client's server is away");
        publish(json!({"keys": [reader.public()]}));
        server.advance(Span::seconds(11));
        let tokens = app.redeem(&attempt, callback.code()).tokens();
        assert_eq!(payload(&reader.open(&tokens.id))["sub"], ada.id.as_str());
        // It publishes a key of another kind, and no other.
        publish(json!({"keys": [Reader::rsa().public()]}));
        server.advance(Span::seconds(61));
        let attempt = app.begin();
        let callback = server.browser().approve(&attempt, &ada);
        let refused = app.redeem(&attempt, callback.code());
        assert_eq!(refused.refusal(), (400, "invalid_request".to_owned()));
        assert!(refused.text().contains("ECDH-ES"), "{}", refused.text());
    });
}

#[test]
fn a_client_replaces_its_key_to_encrypt_with_by_publishing_another_and_is_written_to_under_that_one_within_its_max_age()
{
    each(|database| {
        let server = Server::start(database, |settings| settings.set("outbound.allow", "127.0.0.0/8"));
        let ada = server.person("ada");
        for (old, new) in [(Reader::ec(), Reader::ec()), (Reader::rsa(), Reader::rsa())] {
            let (address, publish) = publisher();
            let app = server.web_app_with(|m| {
                old.metadata(m);
                m.as_object_mut().unwrap().remove("jwks");
                m["jwks_uri"] = json!(address);
            });
            publish(json!({"keys": [old.public()]}));
            let mut browser = server.browser();
            let tokens = browser.tokens(&app, &ada);
            assert_eq!(payload(&old.open(&tokens.id))["sub"], ada.id.as_str());
            // The one it no longer wants leaves the set; it reads by both until its copy here is over.
            publish(json!({"keys": [new.public()]}));
            server.advance(Span::seconds(61));
            let next = app.refresh(&tokens.refresh).tokens();
            let signed = new.open(&next.id);
            assert_eq!(payload(&signed)["sub"], ada.id.as_str());
            // The key that signs inside is replaced as any other: the two lives are not tied.
            let kid = header(&signed)["kid"].clone();
            server.run(rotate_keys::run(&server.world, Rotation::Requested, Actor::System)).unwrap();
            server.advance(Span::hours(2));
            server.run(rotate_keys::run(&server.world, Rotation::OnSchedule, Actor::System)).unwrap();
            let tokens = server.browser().tokens(&app, &ada);
            assert_ne!(header(&new.open(&tokens.id))["kid"], kid);
        }
    });
}

/// A server of the client that answers 503 until it is given a set to publish.
fn publisher() -> (String, impl Fn(Value)) {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        sync::{Arc, Mutex},
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/jwks", listener.local_addr().unwrap());
    let answer = Arc::new(Mutex::new("HTTP/1.1 503 Away\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()));
    let own = Arc::clone(&answer);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (mut asked, mut buffer) = (Vec::new(), [0; 4096]);
            while !asked.ends_with(b"\r\n\r\n") {
                let n = stream.read(&mut buffer).unwrap_or(0);
                if n == 0 {
                    break;
                }
                asked.extend_from_slice(&buffer[..n]);
            }
            let text = own.lock().unwrap().clone();
            let _ = stream.write_all(text.as_bytes());
        }
    });
    let publish = move |set: Value| {
        let body = set.to_string();
        let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nConnection: close";
        *answer.lock().unwrap() = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    };
    (address, publish)
}

#[test]
fn registration_says_what_goes_together_and_discovery_what_there_is() {
    each(|database| {
        let server = Server::on(database);
        let (rsa, ec) = (Reader::rsa(), Reader::ec());
        let try_with = |change: &dyn Fn(&mut Value)| {
            let mut m = json!({"client_name": "x", "redirect_uris": ["https://app.example/cb"], "scope": "openid"});
            rsa.metadata(&mut m);
            change(&mut m);
            m.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            server.try_register(&m).err()
        };
        assert_eq!(try_with(&|_| ()), None);
        for (change, member) in [
            (json!({"id_token_encrypted_response_enc": null}), "id_token_encrypted_response_enc"),
            (json!({"id_token_encrypted_response_enc": "A128CBC-HS256"}), "id_token_encrypted_response_enc"),
            (json!({"id_token_encrypted_response_alg": "RSA1_5"}), "id_token_encrypted_response_alg"),
            (json!({"id_token_encrypted_response_alg": "dir"}), "id_token_encrypted_response_alg"),
            (json!({"id_token_encrypted_response_alg": "ECDH-ES"}), "id_token_encrypted_response_alg"),
            (json!({"id_token_encrypted_response_alg": null}), "id_token_encrypted_response_enc"),
            (json!({"userinfo_signed_response_alg": null}), "userinfo_encrypted_response_alg"),
            (json!({"userinfo_signed_response_alg": "none"}), "userinfo_signed_response_alg"),
            (json!({"jwks": null}), "id_token_encrypted_response_alg"),
            (json!({"token_endpoint_auth_method": "private_key_jwt"}), "jwks"),
        ] {
            let told = try_with(&|m| {
                for (name, value) in change.as_object().unwrap() {
                    m[name] = value.clone();
                }
            });
            assert!(told.as_ref().is_some_and(|told| told.contains(&format!("{member:?}"))), "{change}: {told:?}");
        }
        assert_eq!(try_with(&|m| m["jwks"] = json!({"keys": [rsa.public(), ec.public()]})), None);
        let found = server.get("/.well-known/openid-configuration").json();
        for what in ["id_token", "userinfo"] {
            assert_eq!(found[format!("{what}_encryption_alg_values_supported")], json!(["RSA-OAEP-256", "ECDH-ES"]));
            assert_eq!(found[format!("{what}_encryption_enc_values_supported")], json!(["A256GCM"]));
        }
        assert_eq!(found["userinfo_signing_alg_values_supported"], found["id_token_signing_alg_values_supported"]);
    });
}
