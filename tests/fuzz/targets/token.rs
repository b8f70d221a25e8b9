//! Tokens: as text that strangers send, and as whatever the holder of a key might sign.

use super::{NOW, Target, issuer, lines, text};
use keywright::{
    base::{
        digest::base64url,
        id::KeyId,
        moment::{Moment, Span},
        secret::Secret,
    },
    jose::{Alg, Audience, KeySet, Profile, SigningKey, VerifyingKey, peek_kid, peek_subject, verify},
};
use openssl::{
    pkey::{Id, PKey, Private},
    sign::Signer,
};
use serde_json::Value;
use std::sync::LazyLock;

const ACCESS: &str = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1"}
{"iss":"https://id.example","sub":"usr_ada","aud":["https://api.example","https://id.example"],"exp":1800000300,"iat":1800000000,"jti":"j","client_id":"cli_app","scope":"read"}"#;
const ASSERTION: &str = r#"{"alg":"EdDSA"}
{"iss":"cli_app","sub":"cli_app","aud":"https://id.example","exp":1800000060,"iat":1800000000,"jti":"j"}"#;
const WORDS: &[&str] = &[
    "\"alg\":\"none\"",
    "\"alg\":\"HS256\"",
    "\"alg\":\"ES256\"",
    "\"typ\":\"JWT\"",
    "\"typ\":\"application/AT+jwt\"",
    "\"typ\":\"logout+jwt\"",
    "\"crit\":[\"b64\"]",
    "\"b64\":false",
    "\"kid\":null",
    "\"aud\":\"https://api.example\"",
    "\"exp\":",
    "\"nbf\":1800000061",
    "\"iat\":1800000060.5",
    "\"exp\":1.8e9",
    "null",
    "\"iss\":\"https://evil.example\"",
    "\"events\":{}",
    "\"nonce\":\"n\"",
    "1800000360",
    "\"jti\":\"",
    ",",
    "[]",
];

/// The one key that everything here is signed with; Ed25519, so that a text has one signature.
fn key() -> &'static PKey<Private> {
    static KEY: LazyLock<PKey<Private>> =
        LazyLock::new(|| PKey::private_key_from_raw_bytes(&[7; 32], Id::ED25519).unwrap());
    &KEY
}

/// That key, beside one of another type.
fn keys() -> &'static KeySet {
    static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
        let pem = Secret::new(key().private_key_to_pkcs8().unwrap());
        let first = SigningKey::from_private(KeyId::parse("k1").unwrap(), Alg::EdDsa, &pem).unwrap();
        let other = SigningKey::generate(Alg::Es256).unwrap();
        let other = SigningKey::from_private(KeyId::parse("k2").unwrap(), Alg::Es256, &other).unwrap();
        [&first, &other].into_iter().map(|key| VerifyingKey::from_jwk(key.public_jwk()).unwrap()).collect()
    });
    &KEYS
}

/// Header and claims, one to a line, as a token with a good signature.
fn signed(input: &[u8]) -> String {
    let (header, claims) = lines(input);
    let signed = format!("{}.{}", base64url(header), base64url(claims));
    let signature = Signer::new_without_digest(key()).unwrap().sign_oneshot_to_vec(signed.as_bytes()).unwrap();
    format!("{signed}.{}", base64url(&signature))
}

fn for_the_api() -> Profile {
    Profile::access_token(issuer(), Audience::OneOf(vec!["https://api.example".to_owned()]))
}

/// A text verifies only where it is, to the last character, one that was signed.
pub const TOKEN_TEXT: Target = Target {
    name: "token_text",
    run: |input| {
        let token = text(input);
        let profiles = [
            for_the_api(),
            Profile::id_token_hint(issuer(), Audience::Judged),
            Profile::client_assertion(issuer(), "cli_app"),
            Profile::logout_token("https://id.example", "cli_app"),
        ];
        let endings = profiles.map(|profile| match verify(&profile, keys(), &token, NOW) {
            Ok(_) => {
                assert!(genuine().contains(&token), "a signature was made up");
                "verified".to_owned()
            }
            Err(bad) => bad.to_string(),
        });
        format!("{} {:?} {}", endings[0], peek_subject(&token).map(drop), peek_kid(&token).is_some())
    },
    seeds: || genuine().iter().map(|token| token.clone().into_bytes()).collect(),
    words: &["eyJhbGciOiJub25lIn0", ".", "..", "e30", "=", "AA", "eyJ", "A"],
};

fn genuine() -> &'static [String] {
    static GENUINE: LazyLock<Vec<String>> = LazyLock::new(|| {
        let id_token = ACCESS.replace("at+jwt", "JWT");
        [ACCESS, ASSERTION, &id_token, "{}\n{}"].iter().map(|text| signed(text.as_bytes())).collect()
    });
    &GENUINE
}

/// Whatever is signed, an access token is accepted only where a plain reading of its text finds all that RFC 9068 §4 asks for.
pub const SIGNED_TOKENS: Target = Target {
    name: "signed_tokens",
    run: |input| {
        let token = signed(input);
        let hint = verify(&Profile::id_token_hint(issuer(), Audience::Judged), keys(), &token, NOW);
        let verified = match verify(&for_the_api(), keys(), &token, NOW) {
            Ok(verified) => verified,
            Err(bad) => return format!("{bad}, a hint {}", hint.is_ok()),
        };
        assert!(hint.is_err(), "one text is two kinds of token");
        let (header, claims) = plain(input);
        assert_eq!(header["alg"], "EdDSA");
        let typ = header["typ"].as_str().unwrap().to_ascii_lowercase();
        assert_eq!(typ.strip_prefix("application/").unwrap_or(&typ), "at+jwt");
        assert!(["crit", "b64", "zip"].iter().all(|name| header.get(name).is_none()));
        assert!(header.get("kid").is_none_or(|kid| kid == "k1"));
        assert_eq!(claims["iss"], "https://id.example");
        let audience = &claims["aud"];
        assert!(
            audience == "https://api.example" || audience.as_array().unwrap().contains(&"https://api.example".into())
        );
        assert!(["sub", "client_id", "jti"].iter().all(|name| claims[name].is_string()));
        timely(&claims, 0.0);
        assert_eq!(Some(verified.until()), verified.moment("exp"));
        assert_eq!(verified.claims(), claims.as_object().unwrap());
        format!("accepted, {} claims", verified.claims().len())
    },
    seeds: || vec![ACCESS.into(), ACCESS.replace("at+jwt", "JWT").into(), ASSERTION.into()],
    words: WORDS,
};

/// An assertion proves its client to this server alone, for minutes.
pub const CLIENT_ASSERTIONS: Target = Target {
    name: "client_assertions",
    run: |input| {
        let token = signed(input);
        let verified = match verify(&Profile::client_assertion(issuer(), "cli_app"), keys(), &token, NOW) {
            Ok(verified) => verified,
            Err(bad) => return bad.to_string(),
        };
        let (_, claims) = plain(input);
        assert_eq!(peek_subject(&token).as_deref(), Ok("cli_app"));
        assert_eq!((&claims["iss"], &claims["sub"]), (&"cli_app".into(), &"cli_app".into()));
        assert!(claims["aud"] == "https://id.example" || claims["aud"] == serde_json::json!(["https://id.example"]));
        assert!(claims["jti"].is_string() && claims.get("events").is_none());
        timely(&claims, 60.0);
        assert!(verified.until() <= NOW + Span::minutes(7), "it would have to be remembered for long");
        assert!(verified.until() > NOW && verified.until() < Moment::from_micros(i64::MAX));
        format!("accepted, {} claims", verified.claims().len())
    },
    seeds: || {
        vec![
            ASSERTION.into(),
            ASSERTION.replace("\"https://id.example\"", "[\"https://id.example\"]").into(),
            ACCESS.into(),
        ]
    },
    words: WORDS,
};

fn plain(input: &[u8]) -> (Value, Value) {
    let (header, claims) = lines(input);
    (serde_json::from_slice(header).unwrap(), serde_json::from_slice(claims).unwrap())
}

/// Not expired, for so many seconds of grace, and not from the future.
fn timely(claims: &Value, grace: f64) {
    let now = NOW.unix() as f64;
    assert!(claims["exp"].as_f64().unwrap() + grace >= now);
    for name in ["iat", "nbf"] {
        assert!(claims.get(name).is_none_or(|at| at.as_f64().unwrap() < now + 61.0), "{name}");
    }
}
