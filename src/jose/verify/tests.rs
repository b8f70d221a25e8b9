//! One test for each rule, and one for each published mistake of others (by its row in our list
//! of advisories: `a28` and so on).

use super::*;
use crate::{
    base::{digest::base64url, id::KeyId, moment::Span, secret::Secret, uri::Issuer},
    jose::{Alg, SigningKey, VerifyingKey},
};
use josekit::{
    jwk::KeyPair,
    jws::{ES256, EdDSA, HS256, JwsSigner, PS256, RS256},
};
use proptest::prelude::*;
use serde_json::json;
use std::sync::LazyLock;

mod before_claims;
mod claims_of;

const NOW: i64 = 1_700_000_000;

struct Fixture {
    private: Vec<(Alg, Secret<Vec<u8>>)>,
    keys: KeySet,
    issuer: Issuer,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let private: Vec<_> = Alg::ALL.into_iter().map(|alg| (alg, SigningKey::generate(alg).unwrap())).collect();
    let public = private.iter().map(|(alg, private)| {
        let mut jwk =
            SigningKey::from_private(KeyId::parse(alg.name()).unwrap(), *alg, private).unwrap().public_jwk().clone();
        if *alg == Alg::Rs256 {
            jwk.as_object_mut().unwrap().remove("alg"); // so that it takes PS256 as well
        }
        VerifyingKey::from_jwk(&jwk).unwrap()
    });
    Fixture { keys: public.collect(), issuer: Issuer::parse("https://as.example").unwrap(), private }
});

fn private(alg: Alg) -> &'static [u8] {
    FIXTURE.private.iter().find(|(own, _)| *own == alg).unwrap().1.expose()
}

fn assembled(header: &str, payload: &str, signer: &dyn JwsSigner) -> String {
    let signed = format!("{}.{}", base64url(header.as_bytes()), base64url(payload.as_bytes()));
    format!("{signed}.{}", base64url(&signer.sign(signed.as_bytes()).unwrap()))
}

/// A token with any header and any claims, signed with the right key by ES256.
fn signed(header: &Value, claims: &Value) -> String {
    assembled(&header.to_string(), &claims.to_string(), &ES256.signer_from_der(private(Alg::Es256)).unwrap())
}

fn access_token() -> (Value, Value) {
    (
        json!({"alg": "ES256", "typ": "at+jwt", "kid": "ES256"}),
        json!({"iss": "https://as.example", "sub": "usr_1", "aud": ["https://rs.example"], "client_id": "cli_1",
               "exp": NOW + 300, "iat": NOW, "jti": "j1", "scope": "a b"}),
    )
}

fn assertion() -> (Value, Value) {
    (
        json!({"alg": "ES256", "kid": "ES256"}),
        json!({"iss": "cli_1", "sub": "cli_1", "aud": "https://as.example", "exp": NOW + 60, "jti": "j1"}),
    )
}

fn rs() -> Profile {
    Profile::access_token(&FIXTURE.issuer, Audience::OneOf(vec!["https://rs.example".to_owned()]))
}

fn client() -> Profile {
    Profile::client_assertion(&FIXTURE.issuer, "cli_1")
}

fn judge(profile: &Profile, token: &str) -> Result<Verified, BadToken> {
    verify(profile, &FIXTURE.keys, token, Moment::from_unix(NOW))
}

/// The answer of `profile` to a good token with changes: `(in header?, member, value)`, where
/// `Null` in the place of a value takes the member away.
fn changed(profile: &Profile, (mut header, mut claims): (Value, Value), changes: Value) -> Result<Verified, BadToken> {
    for (name, value) in changes.as_object().unwrap() {
        let (part, name) = name.strip_prefix("h.").map_or((&mut claims, name.as_str()), |name| (&mut header, name));
        let part = part.as_object_mut().unwrap();
        if value == "ABSENT" {
            part.remove(name);
        } else {
            part.insert(name.to_owned(), value.clone());
        }
    }
    judge(profile, &signed(&header, &claims))
}

fn at(changes: Value) -> Result<Verified, BadToken> {
    changed(&rs(), access_token(), changes)
}

fn assertion_with(changes: Value) -> Result<Verified, BadToken> {
    changed(&client(), assertion(), changes)
}

#[test]
fn good_tokens_are_accepted_and_their_claims_read() {
    let verified = at(json!({})).unwrap();
    assert_eq!(verified.str("sub"), Some("usr_1"));
    assert_eq!(verified.num("exp"), Some(NOW + 300));
    assert_eq!(verified.moment("iat"), Some(Moment::from_unix(NOW)));
    assert_eq!(verified.list("aud"), ["https://rs.example"]);
    assert_eq!(verified.list("client_id"), ["cli_1"]);
    assert!(verified.str("exp").is_none() && verified.list("exp").is_empty() && verified.num("none").is_none());
    assert_eq!(verified.until(), Moment::from_unix(NOW + 300));
    assert_eq!(assertion_with(json!({})).unwrap().until(), Moment::from_unix(NOW + 120));
}

#[test]
fn time_at_its_ends_does_not_overflow() {
    let (header, claims) = access_token();
    let token = signed(&header, &claims);
    for now in
        [Moment::from_micros(i64::MIN), Moment::from_micros(i64::MAX), Moment::EPOCH, Moment::EPOCH - Span::days(1)]
    {
        for profile in [rs(), client()] {
            assert!(verify(&profile, &FIXTURE.keys, &token, now).is_err());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2 * ProptestConfig::default().cases))]

    #[test]
    fn no_text_makes_it_panic_or_pass(text in ".{0,200}") {
        prop_assert!(judge(&rs(), &text).is_err());
        prop_assert!(judge(&client(), &text).is_err());
        let _ = peek_subject(&text);
    }

    #[test]
    fn no_three_parts_make_it_panic_or_pass(a in "[A-Za-z0-9_-]{0,80}", b in "[A-Za-z0-9_-]{0,80}", c in "[A-Za-z0-9_-]{0,90}") {
        let header = base64url(br#"{"alg":"ES256","typ":"at+jwt","kid":"ES256"}"#);
        for token in [[a.as_str(), &b, &c].join("."), [header.as_str(), &b, &c].join(".")] {
            prop_assert!(judge(&rs(), &token).is_err());
            let _ = peek_subject(&token);
        }
    }

    #[test]
    fn no_changed_character_passes(at in 0usize..1000, to in "[A-Za-z0-9_.=-]") {
        let (header, claims) = access_token();
        let token = signed(&header, &claims);
        let at = at % token.len();
        let changed = format!("{}{to}{}", &token[..at], &token[at + 1..]);
        prop_assert_eq!(judge(&rs(), &changed).is_ok(), changed == token);
    }
}
