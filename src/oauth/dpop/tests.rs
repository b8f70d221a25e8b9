//! Proofs, good and bad, in tables.

use super::*;
use crate::{
    base::id::KeyId,
    jose::{Alg, SigningKey, Typ},
};
use serde_json::{Value, json};

const URI: &str = "https://id.example/token";
const NOW: i64 = 1_800_000_000;

/// A signer whose header is built by hand: no token of ours ever has `jwk` in it.
struct Maker(SigningKey);

impl Maker {
    fn new(alg: Alg) -> Self {
        let private = SigningKey::generate(alg).unwrap();
        Self(SigningKey::from_private(KeyId::parse("k").unwrap(), alg, &private).unwrap())
    }
    fn jwk(&self) -> Value {
        let mut jwk = self.0.public_jwk().clone();
        for name in ["kid", "use", "alg"] {
            jwk.as_object_mut().unwrap().remove(name);
        }
        jwk
    }
    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed =
            format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
        format!("{signed}.{}", base64url(&self.0.signature(signed.as_bytes()).unwrap()))
    }
    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": self.0.alg().name(), "jwk": self.jwk()})
    }
}

fn claims() -> Value {
    json!({"jti": "j1", "htm": "POST", "htu": URI, "iat": NOW})
}

fn with(value: &Value, changed: &Value) -> Value {
    let mut value = value.clone();
    for (name, new) in changed.as_object().unwrap() {
        if new.is_null() {
            value.as_object_mut().unwrap().remove(name);
        } else {
            value[name] = new.clone();
        }
    }
    value
}

fn judged(text: &str, token: Option<&str>) -> Result<Option<Proof>, BadProof> {
    let shown = Shown { field: Field::One(text), method: "POST", uri: URI.to_owned() };
    judge(&shown, token, Moment::from_unix(NOW))
}

#[test]
fn c13_a_good_proof_names_its_key_and_is_remembered_until_it_is_too_old() {
    for alg in Alg::ALL {
        let maker = Maker::new(alg);
        let proof = judged(&maker.sign(&maker.header(), &claims()), None).unwrap().unwrap();
        assert_eq!(Some(proof.jkt), crate::jose::thumbprint(&maker.jwk()), "{alg}");
        assert_eq!((proof.name, proof.until), (sha256(b"j1"), Moment::from_unix(NOW + 60)));
    }
    assert_eq!(judge(&Shown::default(), None, Moment::from_unix(NOW)), Ok(None));
}

#[test]
fn c13_each_claim_of_a_proof_is_judged() {
    let maker = Maker::new(Alg::Es256);
    let long = "j".repeat(257);
    for (changed, wanted) in [
        (json!({}), None),
        (json!({"jti": null}), Some(BadProof::Lacks)),
        (json!({"jti": ""}), Some(BadProof::Lacks)),
        (json!({"jti": long}), Some(BadProof::Lacks)),
        (json!({"htm": null}), Some(BadProof::Lacks)),
        (json!({"htu": null}), Some(BadProof::Lacks)),
        (json!({"iat": null}), Some(BadProof::Lacks)),
        (json!({"htu": 7}), Some(BadProof::Lacks)),
        (json!({"htm": "GET"}), Some(BadProof::Method)),
        (json!({"htm": "post"}), Some(BadProof::Method)),
        (json!({"htu": "https://id.example/token?a=b#c"}), None),
        (json!({"htu": "HTTPS://ID.example:443/x/../token"}), None),
        (json!({"htu": "http://id.example/token"}), Some(BadProof::Uri)),
        (json!({"htu": "https://id.example/token/"}), Some(BadProof::Uri)),
        (json!({"htu": "https://id.example:444/token"}), Some(BadProof::Uri)),
        (json!({"htu": "https://me@id.example/token"}), Some(BadProof::Uri)),
        (json!({"htu": "https://evil.example/token"}), Some(BadProof::Uri)),
        (json!({"htu": "/token"}), Some(BadProof::Uri)),
        (json!({"htu": ""}), Some(BadProof::Uri)),
        (json!({"iat": NOW - 59}), None),
        (json!({"iat": NOW - 60}), Some(BadProof::Time)),
        (json!({"iat": NOW + 30}), None),
        (json!({"iat": NOW + 31}), Some(BadProof::Time)),
        (json!({"exp": NOW}), Some(BadProof::Time)),
        (json!({"nonce": "unasked", "more": [1]}), None),
    ] {
        let text = maker.sign(&maker.header(), &with(&claims(), &changed));
        assert_eq!(judged(&text, None).err(), wanted, "{changed}");
    }
}

#[test]
fn c13_with_an_access_token_its_hash_is_needed() {
    let maker = Maker::new(Alg::EdDsa);
    let of = |ath: Value| judged(&maker.sign(&maker.header(), &with(&claims(), &json!({"ath": ath}))), Some("token"));
    assert!(of(json!(base64url(&sha256(b"token")))).is_ok());
    for ath in [Value::Null, json!("token"), json!(base64url(&sha256(b"other"))), json!(7)] {
        assert_eq!(of(ath.clone()).err(), Some(BadProof::Hash), "{ath}");
    }
}

#[test]
fn c13_a48_the_header_must_hold_a_public_key_of_the_algorithm_and_nothing_else_counts() {
    use crate::jose::BadKey;
    let (maker, other) = (Maker::new(Alg::Es256), Maker::new(Alg::Es256));
    let private = with(&maker.jwk(), &json!({"d": "AAAA"}));
    let costly = json!({"kty": "RSA", "n": base64url(&[0xff; 1024]), "e": "AQAB"});
    for (changed, wanted) in [
        (json!({"typ": null}), BadToken::Typ),
        (json!({"typ": "JWT"}), BadToken::Typ),
        (json!({"typ": "at+jwt"}), BadToken::Typ),
        (json!({"alg": "none"}), BadToken::Algorithm),
        (json!({"alg": "HS256"}), BadToken::Algorithm),
        (json!({"alg": "ES384"}), BadToken::Algorithm),
        (json!({"alg": "EdDSA"}), BadToken::Algorithm),
        (json!({"crit": ["x"]}), BadToken::Critical),
        (json!({"jwk": null}), BadToken::UnknownKey),
        (json!({"jwk": "x"}), BadToken::UnknownKey),
        (json!({"jwk": private}), BadToken::Embedded(BadKey::Private)),
        (json!({"jwk": {"kty": "oct", "k": "AAAA"}}), BadToken::Embedded(BadKey::Symmetric)),
        (json!({"jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}), BadToken::Embedded(BadKey::Malformed)),
        (json!({"alg": "RS256", "jwk": costly}), BadToken::Embedded(BadKey::Costly)),
        (json!({"jwk": other.jwk()}), BadToken::Signature),
        (json!({"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}}), BadToken::Algorithm),
    ] {
        let text = maker.sign(&with(&maker.header(), &changed), &claims());
        assert_eq!(judged(&text, None).err(), Some(BadProof::Token(wanted)), "{changed}");
    }
    let unsigned = maker.sign(&maker.header(), &claims());
    let unsigned = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
    assert_eq!(judged(&unsigned, None).err(), Some(BadProof::Token(BadToken::SignatureLength)));
    assert_eq!(maker.0.sign(Typ::AccessToken, &claims()).map(|t| judged(&t, None).is_err()).ok(), Some(true));
    let two = Shown { field: Field::Unreadable, method: "POST", uri: URI.to_owned() };
    assert_eq!(judge(&two, None, Moment::from_unix(NOW)).err(), Some(BadProof::Unreadable));
    for text in ["", ".", "..", "a.b.c", "{}", "é"] {
        assert!(matches!(judged(text, None), Err(BadProof::Token(_))), "{text:?}");
    }
}
