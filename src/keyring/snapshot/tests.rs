//! Tests of the published keys and of which one signs.

use super::*;
use crate::{
    base::{moment::Moment, uri::Issuer},
    jose::{Audience, KeyManagement, Profile, Scheme, Typ, verify},
    keyring::Times,
};
use serde_json::Value;

fn policy() -> Policy {
    let (day, hour) = (Span::hours(24), Span::hours(1));
    let times = Times {
        rotation_period: Span::days(90),
        publish_before_use: day,
        longest_token_life: hour,
        jwks_max_age: hour,
        library_cache: Span::ZERO,
    };
    Policy::new([Alg::Es256], times).unwrap()
}

const NOW: Moment = Moment::from_unix(1_700_000_000);

/// The same private keys for each ring of a test, by number.
struct Keys(Vec<crate::base::secret::Secret<Vec<u8>>>);

impl Keys {
    fn new(n: usize) -> Self {
        Self((0..n).map(|_| SigningKey::generate(Alg::Es256).unwrap()).collect())
    }
    fn held(&self, n: usize, state: State) -> HeldKey {
        let kid = SigningKey::name_of(Alg::Es256, &self.0[n]).unwrap();
        let key = SigningKey::from_private(kid.clone(), Alg::Es256, &self.0[n]).unwrap();
        let epoch = i32::try_from(n).unwrap() + 1;
        HeldKey {
            record: KeyRecord {
                kid,
                alg: Alg::Es256.into(),
                epoch,
                created_at: NOW,
                known_at: NOW,
                signed_at: None,
                state,
            },
            key: Arc::new(key.into()),
            uses: Uses::default(),
        }
    }
}

const ACTIVE: State = State::Active { since: NOW };
const RETIRING: State = State::Retiring { until: NOW };

fn published(ring: &Keyring) -> Vec<String> {
    let set: Value = serde_json::from_str(ring.jwks()).unwrap();
    set["keys"].as_array().unwrap().iter().map(|jwk| jwk["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn pending_active_and_retiring_keys_are_published_and_the_active_one_signs() {
    let keys = Keys::new(4);
    let ring = [keys.held(3, State::Pending), keys.held(0, State::Gone), keys.held(2, ACTIVE), keys.held(1, RETIRING)];
    let names: Vec<String> = ring.iter().map(|held| held.record.kid.to_string()).collect();
    let ring = Keyring::new(ring, [], &policy()).unwrap();
    assert_eq!(published(&ring), [&names[3][..], &names[2], &names[0]], "by age, without the one that is gone");
    assert_eq!(ring.signer(Alg::Es256).unwrap().kid().as_str(), names[2]);
    assert!(ring.signer(Alg::Rs256).is_none());
    assert_eq!((ring.algs(), ring.keys().len(), ring.records().count()), (vec![Alg::Es256], 3, 3));
    for name in [0, 2, 3] {
        assert!(ring.keys().find(Some(&names[name]), Scheme::Es256).is_some());
    }
    assert_eq!(ring.jwks_max_age(), Span::hours(1));
}

#[test]
fn a_token_by_a_key_that_retired_is_still_verified() {
    let keys = Keys::new(2);
    let issuer = Issuer::parse("https://as.example").unwrap();
    let before = Keyring::new([keys.held(0, ACTIVE), keys.held(1, State::Pending)], [], &policy()).unwrap();
    let claims =
        json!({"iss": "https://as.example", "sub": "u", "aud": "c", "exp": NOW.unix() + 60, "iat": NOW.unix()});
    let token = before.signer(Alg::Es256).unwrap().sign(Typ::IdToken, &claims).unwrap();
    let after = Keyring::new([keys.held(0, RETIRING), keys.held(1, ACTIVE)], [], &policy()).unwrap();
    let profile = Profile::id_token_hint(&issuer, Audience::Judged);
    assert!(verify(&profile, after.keys(), &token, NOW).is_ok());
    let later = Keyring::new([keys.held(0, State::Gone), keys.held(1, ACTIVE)], [], &policy()).unwrap();
    assert!(verify(&profile, later.keys(), &token, NOW).is_err());
}

#[test]
fn the_entity_tag_changes_with_the_set_and_with_nothing_else() {
    let keys = Keys::new(2);
    let first = Keyring::new([keys.held(0, ACTIVE), keys.held(1, State::Pending)], [], &policy()).unwrap();
    let promoted = Keyring::new([keys.held(1, ACTIVE), keys.held(0, RETIRING)], [], &policy()).unwrap();
    let ended = Keyring::new([keys.held(1, ACTIVE)], [], &policy()).unwrap();
    assert_eq!((first.jwks(), first.etag()), (promoted.jwks(), promoted.etag()));
    assert_ne!(first.etag(), ended.etag());
    assert!(first.etag().starts_with('"') && first.etag().ends_with('"') && first.etag().len() == 45);
}

#[test]
fn of_keys_to_encrypt_with_the_active_one_is_published_and_each_decrypts() {
    let held = |n: i32, state| {
        let purpose = Purpose::Decrypts(KeyManagement::EcdhEs);
        let private = InHand::generate(purpose, 2048).unwrap();
        let kid = InHand::name_of(purpose, &private).unwrap();
        let key = InHand::from_private(kid.clone(), purpose, &private).unwrap();
        let (created_at, known_at) = (NOW, NOW);
        let record = KeyRecord { kid, alg: purpose, epoch: n, created_at, known_at, signed_at: None, state };
        HeldKey { record, key: Arc::new(key), uses: Uses::default() }
    };
    let keys = Keys::new(1);
    let ring =
        [held(3, State::Pending), held(2, ACTIVE), keys.held(0, ACTIVE), held(1, RETIRING), held(0, State::Gone)];
    let names: Vec<String> = ring.iter().map(|held| held.record.kid.to_string()).collect();
    let ring = Keyring::new(ring, [], &policy()).unwrap();
    assert_eq!(published(&ring), [&names[2][..], &names[1]], "those that sign come first");
    let set: Value = serde_json::from_str(ring.jwks()).unwrap();
    let seen = ["kty", "crv", "alg", "use"].map(|name| set["keys"][1][name].as_str().unwrap().to_owned());
    assert_eq!(seen, ["EC", "P-256", "ECDH-ES", "enc"]);
    for (n, opens) in [(0, true), (1, true), (2, false), (3, true), (4, false)] {
        assert_eq!(ring.opener(&names[n]).is_some(), opens, "{n}");
    }
    assert_eq!((ring.keys().len(), ring.records().count()), (1, 4), "nothing is verified by them");
    assert!(Keyring::new([held(1, ACTIVE), held(2, ACTIVE)], [], &policy()).is_err());
}

#[test]
fn a_record_of_another_key_or_two_active_keys_are_a_fault() {
    let keys = Keys::new(2);
    let mixed = HeldKey { record: keys.held(0, ACTIVE).record, key: keys.held(1, ACTIVE).key, uses: Uses::default() };
    assert!(Keyring::new([mixed], [], &policy()).is_err());
    assert!(Keyring::new([keys.held(0, ACTIVE), keys.held(1, ACTIVE)], [], &policy()).is_err());
}
