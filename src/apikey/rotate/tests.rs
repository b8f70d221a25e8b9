//! Tests of the life of a key: every step from every state, and rotations in a row.

use super::*;
use crate::{
    apikey::{
        PolicyText,
        key::{Kind, Origin},
    },
    base::{
        digest::TokenHash,
        id::{ApiId, FamilyId},
        scope::Scope,
    },
};
use proptest::prelude::*;

const NOW: Moment = Moment::from_unix(1_778_752_800);

fn key(n: u128, state: State) -> ApiKey {
    ApiKey {
        id: ApiKeyId::from_u128(n),
        family: FamilyId::from_u128(2),
        api: ApiId::from_u128(1),
        environment: "live".into(),
        digest: TokenHash::from_slice(&[0; 32]).unwrap(),
        pepper: 1,
        origin: Origin::Minted,
        hint: "kw_live_AwU7…".into(),
        kind: Kind::Server,
        state,
        scope: Scope::none(),
        policy: PolicyText::new(),
        meta: PolicyText::new(),
        not_before: None,
        expires_at: Some(NOW + Span::days(365)),
        successor: None,
        state_reason: None,
        state_at: NOW,
        disabled_by: None,
        reminded: 0,
        version: 1,
        created_at: NOW,
    }
}

#[test]
fn every_step_from_every_state_is_as_the_table_says() {
    use State::{Active, Compromised, Disabled, Retiring, Revoked, Suspended};
    let steps = [Step::Disable, Step::Suspend, Step::Enable, Step::Revoke, Step::Compromise];
    let ended = Err(Refused::Ended);
    let table = [
        (Active, [Ok(Disabled), Ok(Suspended), Ok(Active), Ok(Revoked), Ok(Compromised)]),
        (Retiring, [Ok(Disabled), Ok(Suspended), Ok(Active), Ok(Revoked), Ok(Compromised)]),
        (Disabled, [Ok(Disabled), Ok(Disabled), Ok(Active), Ok(Revoked), Ok(Compromised)]),
        (Suspended, [Ok(Disabled), Ok(Suspended), Ok(Active), Ok(Revoked), Ok(Compromised)]),
        (Revoked, [ended, ended, ended, Ok(Revoked), Ok(Compromised)]),
        (Compromised, [ended, ended, ended, Ok(Compromised), Ok(Compromised)]),
    ];
    for (state, row) in table {
        for (what, wanted) in steps.into_iter().zip(row) {
            assert_eq!(step(&key(1, state), what), wanted, "{what:?} of {state:?}");
        }
    }
    let succeeded = ApiKey { successor: Some(ApiKeyId::from_u128(9)), ..key(1, Disabled) };
    assert_eq!(step(&succeeded, Step::Enable), Ok(Retiring));
}

#[test]
fn a_rotation_leaves_the_old_key_its_overlap_but_never_a_longer_life() {
    let old = key(1, State::Active);
    let soon = ApiKey { expires_at: Some(NOW + Span::hours(1)), ..old.clone() };
    let never = ApiKey { expires_at: None, ..old.clone() };
    for (old, wanted) in [(old, OVERLAP), (soon, Span::hours(1)), (never, OVERLAP)] {
        let rotation = rotate(std::slice::from_ref(&old), &old.id, OVERLAP, NOW).unwrap();
        assert_eq!(rotation, Rotation { old: old.id, old_expires_at: NOW + wanted, end_now: Vec::new() });
    }
}

#[test]
fn a_further_rotation_ends_the_oldest_at_once() {
    let mut oldest = key(1, State::Retiring);
    oldest.successor = Some(ApiKeyId::from_u128(2));
    let gone = ApiKey { expires_at: Some(NOW), ..key(3, State::Retiring) };
    let family = [oldest, key(2, State::Active), gone, key(4, State::Revoked)];
    let rotation = rotate(&family, &family[1].id, Span::ZERO, NOW).unwrap();
    assert_eq!((rotation.old_expires_at, rotation.end_now), (NOW, vec![ApiKeyId::from_u128(1)]));
}

#[test]
fn what_cannot_be_rotated_is_refused_with_its_reason() {
    let refused = |key: ApiKey, overlap| rotate(std::slice::from_ref(&key), &key.id, overlap, NOW).unwrap_err();
    let expired = ApiKey { expires_at: Some(NOW), ..key(1, State::Active) };
    let cases = [
        (key(1, State::Retiring), OVERLAP, Refused::Succeeded),
        (key(1, State::Disabled), OVERLAP, Refused::Off),
        (key(1, State::Suspended), OVERLAP, Refused::Off),
        (key(1, State::Revoked), OVERLAP, Refused::Ended),
        (key(1, State::Compromised), OVERLAP, Refused::Ended),
        (expired, OVERLAP, Refused::Expired),
        (key(1, State::Active), Span::seconds(-1), Refused::Overlap),
        (key(1, State::Active), Span::days(91), Refused::Overlap),
    ];
    for (key, overlap, wanted) in cases {
        assert_eq!(refused(key.clone(), overlap), wanted, "{:?}", key.state);
    }
    assert_eq!(rotate(&[], &ApiKeyId::from_u128(1), OVERLAP, NOW), Err(Refused::Unknown));
}

#[test]
fn an_overlap_is_not_ended_while_the_old_key_is_in_use_unless_somebody_insists() {
    let old = key(1, State::Retiring);
    let used = |minutes| Some(NOW - Span::minutes(minutes));
    assert_eq!(finish(&old, None, Insist::No, NOW), Ok(NOW));
    assert_eq!(finish(&old, used(60), Insist::No, NOW), Ok(NOW));
    assert_eq!(finish(&old, used(59), Insist::No, NOW), Err(Refused::InUse(NOW - Span::minutes(59))));
    assert_eq!(finish(&old, used(59), Insist::Yes, NOW), Ok(NOW));
    assert_eq!(finish(&key(1, State::Active), None, Insist::Yes, NOW), Err(Refused::NotRetiring));
    assert_eq!(finish(&key(1, State::Revoked), None, Insist::Yes, NOW), Err(Refused::Ended));
    let over = ApiKey { expires_at: Some(NOW), ..old };
    assert_eq!(finish(&over, None, Insist::Yes, NOW), Err(Refused::Expired));
}

proptest! {
    /// Whatever is rotated, and however often: never more than two keys of a family are live, and
    /// no key lives longer than it was given.
    #[test]
    fn never_more_than_two_keys_of_a_family_are_live(
        rotations in proptest::collection::vec((0i64..200, 0i64..100), 1..20),
    ) {
        let mut family = vec![key(1, State::Active)];
        let mut now = NOW;
        for (n, (wait, overlap)) in (2u128..).zip(rotations) {
            now = now + Span::hours(wait);
            let newest = family.last().unwrap().id.clone();
            let ends: Vec<_> = family.iter().map(|key| key.expires_at).collect();
            let rotation = rotate(&family, &newest, Span::hours(overlap), now).unwrap();
            for key in &mut family {
                if key.id == rotation.old {
                    key.state = State::Retiring;
                    key.expires_at = Some(rotation.old_expires_at);
                } else if rotation.end_now.contains(&key.id) {
                    key.expires_at = Some(now);
                }
            }
            for (key, before) in family.iter().zip(ends) {
                prop_assert!(key.expires_at <= before);
            }
            family.push(ApiKey { expires_at: Some(now + Span::days(365)), ..key(n, State::Active) });
            prop_assert!(family.iter().filter(|key| is_live(key, now)).count() <= 2);
        }
    }
}
