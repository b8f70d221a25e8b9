//! Tables over client authentication.

use super::*;
use crate::{
    base::{
        credential,
        digest::base64url,
        entropy::SeededEntropy,
        id::{ClientId, KeyId},
        moment::Span,
        secret::Secret,
    },
    jose::{Alg, SigningKey, Typ, VerifyingKey},
    oauth::{code::ErrorCode, params::Params, sample},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: Moment = Moment::from_unix(1_800_000_000);
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn presented(field: Option<&str>, pairs: &[(&str, &str)]) -> Result<Presented, ErrorCode> {
    Presented::parse(field, &Params::from_pairs(pairs.iter().copied())).map_err(|refusal| refusal.code)
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
}

#[test]
fn basic_is_form_encoded_inside() {
    let read = presented(Some(&basic("my%2Bapp", "a+b%3A%C3%A9:c")), &[]).unwrap();
    assert_eq!(read.client_id().as_str(), "my+app");
    let Presented::Basic { secret, .. } = read else { panic!("not Basic") };
    assert_eq!(secret.expose(), "a b:é:c");
    assert!(presented(Some(&basic("a", "b").replace("Basic", "bAsIc")), &[]).is_ok());
}

#[test]
fn exactly_one_method_is_taken() {
    use ErrorCode::{InvalidClient, InvalidRequest};
    let field = basic("cli_app", "x");
    let jwt = unsigned(&json!({"iss": "cli_app", "sub": "cli_app"}));
    let ok = |field, pairs: &[(&str, &str)]| presented(field, pairs).map(|p| p.method());
    assert_eq!(ok(Some(&field), &[("client_id", "cli_app")]), Ok(AuthMethod::ClientSecretBasic));
    assert_eq!(ok(None, &[("client_id", "cli_app"), ("client_secret", "x")]), Ok(AuthMethod::ClientSecretPost));
    assert_eq!(ok(None, &[("client_id", "cli_app")]), Ok(AuthMethod::None));
    let asserted = [("client_assertion", jwt.as_str()), ("client_assertion_type", TYPE)];
    assert_eq!(ok(None, &asserted), Ok(AuthMethod::PrivateKeyJwt));
    assert_eq!(ok(None, &[&asserted[..], &[("client_id", "cli_app")]].concat()), Ok(AuthMethod::PrivateKeyJwt));
    for (field, pairs, code) in [
        (Some(field.as_str()), &[("client_id", "cli_other")][..], InvalidRequest),
        (Some(&field), &[("client_id", "cli_app"), ("client_secret", "x")], InvalidRequest),
        (Some(&field), &asserted, InvalidRequest),
        (None, &[asserted[0], asserted[1], ("client_secret", "x")], InvalidRequest),
        (None, &[asserted[0], asserted[1], ("client_id", "cli_other")], InvalidRequest),
        (None, &[("client_id", "a"), ("client_id", "b")], InvalidRequest),
        (None, &[("client_secret", "x")], InvalidRequest),
        (None, &[asserted[0]], InvalidRequest),
        (None, &[asserted[1]], InvalidRequest),
        (None, &[asserted[0], ("client_assertion_type", "jwt-bearer")], InvalidRequest),
        (None, &[("client_assertion", "a.b"), asserted[1]], InvalidClient),
        (None, &[], InvalidClient),
        (None, &[("client_id", "a\"b")], InvalidClient),
        (Some("Bearer x"), &[], InvalidClient),
        (Some("Basic"), &[], InvalidClient),
        (Some("Basic !!!"), &[], InvalidClient),
        (Some("Basic Zm9v"), &[], InvalidClient),
        (Some("Basic OmZvbw=="), &[], InvalidClient),
    ] {
        assert_eq!(ok(field, pairs), Err(code), "{field:?} {pairs:?}");
    }
}

struct Bench {
    client: Client,
    secrets: Vec<StoredSecret>,
    keys: Option<KeySet>,
    peppers: Vec<Pepper>,
}

impl Bench {
    fn new(method: AuthMethod) -> Self {
        let peppers = (1..=2u8).map(|n| Pepper::new(i16::from(n), &Secret::new([n; 32]))).collect();
        Self { client: Client { auth_method: method, ..sample::client() }, secrets: Vec::new(), keys: None, peppers }
    }
    fn secret(&mut self, pepper: usize, expires_at: Option<Moment>) -> String {
        let dice = SeededEntropy::new(u64::try_from(self.secrets.len()).unwrap());
        let text = credential::mint(Kind::ClientSecret, &dice).unwrap().expose().clone();
        let pepper = &self.peppers[pepper];
        self.secrets.push(StoredSecret { hash: pepper.hash(&text), pepper: pepper.version(), expires_at });
        text
    }
    fn prove(&self, presented: &Presented) -> Result<Proof<&Client>, Denied> {
        let known = Known { secrets: &self.secrets, keys: self.keys.as_ref() };
        let with = Means { peppers: &self.peppers, issuer: &sample::issuer(), now: NOW };
        prove(presented, Some(&self.client), known, with)
    }
    fn why(&self, presented: &Presented) -> WhyDenied {
        self.prove(presented).unwrap_err().why
    }
}

fn post(secret: &str) -> Presented {
    presented(None, &[("client_id", "cli_app"), ("client_secret", secret)]).unwrap()
}

fn nothing() -> Presented {
    presented(None, &[("client_id", "cli_app")]).unwrap()
}

#[test]
fn a_secret_may_come_in_either_way_and_under_either_pepper() {
    let mut bench = Bench::new(AuthMethod::ClientSecretBasic);
    let (old, new) = (bench.secret(0, Some(NOW + Span::hours(1))), bench.secret(1, None));
    for secret in [&old, &new] {
        assert!(bench.prove(&post(secret)).is_ok());
        assert!(bench.prove(&presented(Some(&basic("cli_app", secret)), &[]).unwrap()).is_ok());
    }
}

#[test]
fn a09_a_secret_that_has_ended_fails_though_its_row_is_there() {
    let mut bench = Bench::new(AuthMethod::ClientSecretPost);
    let secret = bench.secret(0, Some(NOW));
    assert_eq!(bench.why(&post(&secret)), WhyDenied::ExpiredSecret);
}

#[test]
fn a31_every_truncation_extension_and_change_of_a_secret_fails_before_any_hash() {
    let mut bench = Bench::new(AuthMethod::ClientSecretBasic);
    let secret = bench.secret(0, None);
    for n in 0..secret.len() {
        assert!(bench.prove(&post(&secret[..n.max(1)])).is_err());
    }
    assert_eq!(bench.why(&post(&format!("{secret}0"))), WhyDenied::Malformed);
    assert_eq!(bench.why(&post(&secret.replace("kw_cs_", "kw_rt_"))), WhyDenied::Malformed);
    let other = Bench::new(AuthMethod::ClientSecretBasic).secret(0, None);
    bench.secrets.clear();
    assert_eq!(bench.why(&post(&other)), WhyDenied::WrongSecret);
}

#[test]
fn no_client_can_be_proven_by_another_method_than_its_own() {
    use AuthMethod::{ClientSecretBasic, ClientSecretPost, PrivateKeyJwt};
    let mut bench = Bench::new(PrivateKeyJwt);
    let secret = bench.secret(0, None);
    for (method, shown) in [
        (PrivateKeyJwt, post(&secret)),
        (PrivateKeyJwt, nothing()),
        (ClientSecretBasic, nothing()),
        (ClientSecretPost, nothing()),
        (AuthMethod::None, post(&secret)),
    ] {
        bench.client.auth_method = method;
        assert_eq!(bench.why(&shown), WhyDenied::OtherMethod, "{method:?}");
    }
    bench.client.auth_method = AuthMethod::None;
    let Ok(Proof::Done(proven)) = bench.prove(&nothing()) else { panic!("a public client names itself") };
    assert_eq!((proven.method(), proven.client().is_public()), (AuthMethod::None, true));
}

#[test]
fn an_unknown_client_and_a_wrong_secret_are_told_the_same() {
    let bench = Bench::new(AuthMethod::ClientSecretBasic);
    let with = Means { peppers: &[], issuer: &sample::issuer(), now: NOW };
    let unknown = prove::<&Client>(&post("x"), None, Known { secrets: &[], keys: None }, with).unwrap_err();
    assert_eq!(unknown.why, WhyDenied::UnknownClient);
    let wrong = bench.prove(&post("x")).unwrap_err();
    assert_eq!(Refusal::from(unknown), Refusal::from(wrong));
    let stranger = presented(None, &[("client_id", "cli_stranger")]).unwrap();
    assert_eq!(bench.why(&stranger), WhyDenied::UnknownClient);
}

// Assertions.

fn key() -> SigningKey {
    let der = SigningKey::generate(Alg::Es256).unwrap();
    SigningKey::from_private(KeyId::parse("k1").unwrap(), Alg::Es256, &der).unwrap()
}

fn unsigned(claims: &Value) -> String {
    format!("e30.{}.AA", base64url(claims.to_string().as_bytes()))
}

fn good() -> Value {
    json!({
        "iss": "cli_app", "sub": "cli_app", "aud": "https://id.example", "jti": "j1",
        "iat": NOW.unix(), "exp": NOW.unix() + 60,
    })
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = good();
    change(&mut claims);
    claims
}

fn judge(key: &SigningKey, claims: &Value) -> Result<Proof<Client>, Denied> {
    let mut bench = Bench::new(AuthMethod::PrivateKeyJwt);
    bench.keys = Some([VerifyingKey::from_jwk(key.public_jwk()).unwrap()].into_iter().collect());
    let jwt = key.sign(Typ::IdToken, claims).unwrap();
    let shown = Presented::Assertion { id: bench.client.id.clone(), jwt: Secret::new(jwt) };
    let known = Known { secrets: &[], keys: bench.keys.as_ref() };
    prove(&shown, Some(bench.client.clone()), known, Means { peppers: &[], issuer: &sample::issuer(), now: NOW })
}

#[test]
fn c15_a12_an_assertion_proves_its_client_once() {
    let key = key();
    let Ok(Proof::OnceOnly(unused)) = judge(&key, &good()) else { panic!("a good assertion") };
    assert_eq!((unused.jti(), unused.until() > NOW), ("j1", true));
    assert!(unused.until() < NOW + Span::minutes(7), "a20: never remembered for long");
    assert_eq!(unused.clone().judged(Seen::Before).unwrap_err().why, WhyDenied::Replayed);
    assert_eq!(unused.judged(Seen::FirstTime).unwrap().method(), AuthMethod::PrivateKeyJwt);
}

#[test]
fn a20_a28_a29_an_assertion_is_refused_for_each_claim_that_is_missing_or_wrong() {
    let key = key();
    for claim in ["iss", "sub", "aud", "exp", "jti"] {
        for value in [Value::Null, json!(7.5e300), json!("other"), json!("")] {
            let changed = with(|claims| claims[claim] = value.clone());
            if claim == "jti" && value == json!("other") {
                continue;
            }
            assert!(judge(&key, &changed).is_err(), "{claim} {value}");
        }
        let absent = with(|claims| drop(claims.as_object_mut().unwrap().remove(claim)));
        assert!(judge(&key, &absent).is_err(), "{claim} absent");
    }
    for exp in [NOW.unix() - 61, NOW.unix() + 3600] {
        assert!(judge(&key, &with(|claims| claims["exp"] = json!(exp))).is_err(), "{exp}");
    }
    for aud in [json!("https://id.example/token"), json!(["https://id.example", "https://other.example"])] {
        assert!(judge(&key, &with(|claims| claims["aud"] = aud.clone())).is_err(), "{aud}");
    }
    assert!(judge(&key, &with(|claims| claims["jti"] = json!("j".repeat(257)))).is_err());
}

#[test]
fn an_assertion_by_another_key_or_without_keys_is_refused() {
    let jwt = key().sign(Typ::IdToken, &good()).unwrap();
    let mut bench = Bench::new(AuthMethod::PrivateKeyJwt);
    let shown = presented(None, &[("client_assertion", &jwt), ("client_assertion_type", TYPE)]).unwrap();
    assert_eq!(*shown.client_id(), ClientId::parse("cli_app").unwrap());
    assert_eq!(bench.why(&shown), WhyDenied::NoKeys);
    bench.keys = Some([VerifyingKey::from_jwk(key().public_jwk()).unwrap()].into_iter().collect());
    assert_eq!(bench.why(&shown), WhyDenied::Assertion(BadToken::Signature));
}

proptest! {
    #[test]
    fn reading_never_panics(field in "(Basic |basic)?[A-Za-z0-9+/=:% ]{0,60}", id in ".{0,10}", jwt in "[a-zA-Z0-9._-]{0,80}") {
        let pairs = [("client_id", id.as_str()), ("client_assertion", jwt.as_str()), ("client_assertion_type", TYPE)];
        let _ = presented(Some(&field), &[]);
        let _ = presented(None, &pairs);
    }
}
