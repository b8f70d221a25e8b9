//! Tests of the life of a key, over any sequence of sweeps.

use super::*;
use crate::{
    base::moment::Span,
    jose::{Alg, KeyManagement},
    keyring::Times,
};

mod course;

fn with(algs: &[Alg], hours: [i64; 4]) -> Policy {
    let [rotation_period, publish_before_use, longest_token_life, jwks_max_age] = hours.map(Span::hours);
    let library_cache = Span::ZERO;
    let times = Times { rotation_period, publish_before_use, longest_token_life, jwks_max_age, library_cache };
    Policy::new(algs.iter().copied(), times).unwrap()
}

fn policy() -> Policy {
    with(&[Alg::Es256, Alg::Rs256], [90 * 24, 24, 1, 1])
}

fn only_es256() -> Policy {
    with(&[Alg::Es256], [90 * 24, 24, 1, 1])
}

fn at(hours: i64) -> Moment {
    Moment::from_unix(1_700_000_000) + Span::hours(hours)
}

/// Does what a sweep says, as the flow does.
fn apply(keys: &mut Vec<KeyRecord>, steps: &[Step]) {
    let set = |keys: &mut Vec<KeyRecord>, kid: &KeyId, state| {
        keys.iter_mut().find(|key| &key.kid == kid).unwrap().state = state
    };
    for step in steps {
        match step {
            Step::Create { alg, epoch, state, at, known_at, .. } => {
                let kid = KeyId::parse(&format!("{alg}-{epoch}")).unwrap();
                assert!(keys.iter().all(|key| key.kid != kid), "algorithm and epoch are unique");
                let (created_at, known_at) = (*at, *known_at);
                let (alg, epoch, state) = (*alg, *epoch, *state);
                keys.push(KeyRecord { kid, alg, epoch, created_at, known_at, signed_at: None, state });
            }
            Step::Promote { kid, since, .. } => set(keys, kid, State::Active { since: *since }),
            Step::Retire { kid, until, .. } => set(keys, kid, State::Retiring { until: *until }),
            Step::Delete { kid, .. } | Step::Revoke { kid } => set(keys, kid, State::Gone),
        }
    }
}

fn swept(keys: &mut Vec<KeyRecord>, policy: &Policy, rotation: Rotation, now: Moment) -> Vec<String> {
    let past = Past::default().under(policy, None, now);
    let steps = sweep(&Facts { keys, policy, past: &past, latest: None, now, idle: &BTreeSet::new() }, rotation);
    apply(keys, &steps);
    let short = |step: &Step| match step {
        Step::Create { alg, epoch, state, .. } => format!("create {alg}-{epoch} {}", state.name()),
        Step::Promote { kid, .. } => format!("promote {kid}"),
        Step::Retire { kid, .. } => format!("retire {kid}"),
        Step::Delete { kid, .. } => format!("delete {kid}"),
        Step::Revoke { kid } => format!("revoke {kid}"),
    };
    steps.iter().map(short).collect()
}

#[test]
fn the_life_of_a_key_from_first_to_last() {
    let policy = only_es256();
    let mut keys = Vec::new();
    let mut sweep_at = |hours: i64| swept(&mut keys, &policy, Rotation::OnSchedule, at(hours));
    assert_eq!(sweep_at(0), ["create ES256-1 active"]);
    assert_eq!(sweep_at(89 * 24 - 1), [""; 0]);
    assert_eq!(sweep_at(89 * 24), ["create ES256-2 pending"]);
    assert_eq!(sweep_at(90 * 24 - 1), [""; 0]);
    assert_eq!(sweep_at(90 * 24), ["promote ES256-2", "retire ES256-1"]);
    assert_eq!(sweep_at(90 * 24 + 1), [""; 0]);
    assert_eq!(sweep_at(90 * 24 + 2), ["delete ES256-1"]);
    assert_eq!(sweep_at(90 * 24 + 3), [""; 0]);
}

#[test]
fn a_sweep_after_a_long_sleep_still_publishes_before_use() {
    let policy = only_es256();
    let mut keys = Vec::new();
    let mut sweep_at = |hours: i64| swept(&mut keys, &policy, Rotation::OnSchedule, at(hours));
    sweep_at(0);
    assert_eq!(sweep_at(10_000), ["create ES256-2 pending"]);
    assert_eq!(sweep_at(10_023), [""; 0]);
    assert_eq!(sweep_at(20_000), ["promote ES256-2", "retire ES256-1"]);
    assert_eq!(sweep_at(30_000), ["create ES256-3 pending", "delete ES256-1"]);
}

#[test]
fn a_requested_rotation_publishes_a_successor_now_and_only_one() {
    let mut keys = Vec::new();
    swept(&mut keys, &policy(), Rotation::OnSchedule, at(0));
    let asked = swept(&mut keys, &policy(), Rotation::Requested, at(1));
    assert_eq!(asked, ["create ES256-2 pending", "create RS256-2 pending"]);
    assert_eq!(swept(&mut keys, &policy(), Rotation::Requested, at(2)), [""; 0]);
    assert_eq!(swept(&mut keys, &policy(), Rotation::OnSchedule, at(25)).len(), 4);
}

#[test]
fn an_algorithm_that_is_needed_no_longer_retires_its_keys() {
    let mut keys = Vec::new();
    swept(&mut keys, &policy(), Rotation::OnSchedule, at(0));
    swept(&mut keys, &policy(), Rotation::Requested, at(1));
    let one = only_es256();
    assert_eq!(swept(&mut keys, &one, Rotation::OnSchedule, at(2)), ["retire RS256-1", "delete RS256-2"]);
    assert_eq!(swept(&mut keys, &one, Rotation::OnSchedule, at(4)), ["delete RS256-1"]);
    let again = swept(&mut keys, &policy(), Rotation::OnSchedule, at(5));
    assert_eq!(again, ["create RS256-3 active"], "and it is as if new when it is needed again");
}

#[test]
fn a_key_lost_by_hand_is_replaced_and_a_key_too_many_retired() {
    let mut keys = Vec::new();
    swept(&mut keys, &policy(), Rotation::OnSchedule, at(0));
    swept(&mut keys, &policy(), Rotation::Requested, at(1));
    keys.retain(|key| key.kid.as_str() != "ES256-1");
    assert_eq!(swept(&mut keys, &policy(), Rotation::OnSchedule, at(2)), ["promote ES256-2"]);
    keys.iter_mut().find(|key| key.kid.as_str() == "RS256-2").unwrap().state = State::Active { since: at(2) };
    assert_eq!(swept(&mut keys, &policy(), Rotation::OnSchedule, at(3)), ["retire RS256-1"]);
    let double = KeyRecord { kid: KeyId::parse("x").unwrap(), epoch: 9, state: State::Pending, ..keys[0].clone() };
    keys.extend([KeyRecord { kid: KeyId::parse("w").unwrap(), epoch: 8, ..double.clone() }, double]);
    assert_eq!(swept(&mut keys, &policy(), Rotation::OnSchedule, at(3)), ["delete w"]);
}

#[test]
fn a_key_too_many_is_retired_of_an_algorithm_that_is_needed_no_longer_too() {
    let mut keys = Vec::new();
    swept(&mut keys, &with_encryption(), Rotation::OnSchedule, at(0));
    swept(&mut keys, &with_encryption(), Rotation::Requested, at(1));
    keys.iter_mut().find(|key| key.kid.as_str() == "ECDH-ES-2").unwrap().state = State::Active { since: at(2) };
    let pending = keys.iter().find(|key| key.kid.as_str() == "ECDH-ES-2").unwrap();
    let double = KeyRecord { kid: KeyId::parse("y").unwrap(), epoch: 9, state: State::Pending, ..pending.clone() };
    keys.extend([KeyRecord { kid: KeyId::parse("x").unwrap(), epoch: 8, ..double.clone() }, double]);
    let mut sweep = || swept(&mut keys, &only_es256(), Rotation::OnSchedule, at(2));
    assert_eq!(sweep(), ["delete x", "retire ECDH-ES-1"]);
    assert_eq!(sweep(), [""; 0], "the youngest stays until somebody asks for a rotation");
}

fn with_encryption() -> Policy {
    let hour = Span::hours(1);
    let times = Times {
        rotation_period: Span::days(90),
        publish_before_use: hour,
        longest_token_life: hour,
        jwks_max_age: Span::minutes(5),
        library_cache: Span::minutes(10),
    };
    Policy::new([Purpose::Signs(Alg::Es256), Purpose::Decrypts(KeyManagement::EcdhEs)], times).unwrap()
}

#[test]
fn a_key_that_others_encrypt_for_is_held_first_published_then_and_held_until_no_copy_has_it() {
    let policy = with_encryption();
    let mut keys = Vec::new();
    let minutes = |n: i64| at(0) + Span::minutes(n);
    let set = |keys: &[KeyRecord], published: bool| {
        let of_it = keys.iter().filter(|key| !key.alg.signs() && key.state.is_held());
        of_it.filter(|key| !published || key.is_published()).map(|key| key.kid.to_string()).collect::<Vec<_>>()
    };
    swept(&mut keys, &policy, Rotation::OnSchedule, minutes(0));
    assert_eq!((set(&keys, false), set(&keys, true)), (vec!["ECDH-ES-1".to_owned()], vec!["ECDH-ES-1".to_owned()]));
    let asked = swept(&mut keys, &policy, Rotation::Requested, minutes(1));
    assert_eq!(asked, ["create ES256-2 pending", "create ECDH-ES-2 pending"]);
    assert_eq!((set(&keys, false).len(), set(&keys, true)), (2, vec!["ECDH-ES-1".to_owned()]));
    assert_eq!(swept(&mut keys, &policy, Rotation::OnSchedule, minutes(60)), [""; 0]);
    let took_over = swept(&mut keys, &policy, Rotation::OnSchedule, minutes(61));
    assert_eq!(took_over[2..], ["promote ECDH-ES-2", "retire ECDH-ES-1"]);
    assert_eq!((set(&keys, false).len(), set(&keys, true)), (2, vec!["ECDH-ES-2".to_owned()]));
    // Copies are kept for a quarter of an hour, and what is sent by them is ten minutes on its way.
    assert_eq!(swept(&mut keys, &policy, Rotation::OnSchedule, minutes(85)), [""; 0]);
    assert_eq!(swept(&mut keys, &policy, Rotation::OnSchedule, minutes(86)), ["delete ECDH-ES-1"]);
    // No longer wanted: out of the set when somebody asks for a rotation, and gone when no copy is left.
    assert_eq!(swept(&mut keys, &only_es256(), Rotation::OnSchedule, minutes(90)), [""; 0]);
    let asked = swept(&mut keys, &only_es256(), Rotation::Requested, minutes(90));
    assert_eq!(asked, ["create ES256-3 pending", "retire ECDH-ES-2"]);
    assert_eq!((set(&keys, false).len(), set(&keys, true).len()), (1, 0));
}

#[test]
fn nodes_whose_settings_differ_do_not_make_and_end_keys_in_turn() {
    let (wants, does_not) = (with_encryption(), with(&[Alg::Es256], [90 * 24, 1, 1, 1]));
    let (mut keys, mut made) = (Vec::new(), 0);
    for hour in 0..400 * 24 {
        for policy in [&wants, &does_not] {
            let steps = swept(&mut keys, policy, Rotation::OnSchedule, at(hour));
            made += steps.iter().filter(|step| step.starts_with("create ECDH-ES")).count();
        }
    }
    assert_eq!(made, 5, "the first, and one every 90 days");
    // And where nobody wants it any more it goes when it would have been replaced.
    let last = |keys: &[KeyRecord]| keys.iter().filter(|key| !key.alg.signs() && since(key).is_some()).count();
    assert_eq!(last(&keys), 1);
    swept(&mut keys, &does_not, Rotation::OnSchedule, at(450 * 24 + 2));
    assert_eq!(last(&keys), 0);
}

#[test]
fn what_comes_next_is_told_of_each_use_as_it_is() {
    let policy = with_encryption();
    let mut keys = Vec::new();
    let told = |keys: &[KeyRecord]| -> Vec<(&'static str, i64)> {
        let hours = |next: crate::keyring::Next| (next.step(), next.at().since(at(0)).as_seconds() / 3600);
        keys.iter().filter_map(|key| crate::keyring::next(key, keys, &policy)).map(hours).collect()
    };
    swept(&mut keys, &policy, Rotation::OnSchedule, at(0));
    assert_eq!(told(&keys), [("publish_successor", 90 * 24 - 1), ("publish_successor", 90 * 24)]);
    swept(&mut keys, &policy, Rotation::Requested, at(1));
    assert_eq!(told(&keys), [("retire", 2), ("retire", 2), ("sign", 2), ("publish", 2)]);
}

#[test]
fn a_policy_that_is_shortened_waits_for_the_copies_and_the_tokens_of_the_one_before() {
    let long = with(&[Alg::Es256], [90 * 24, 48, 20, 24]);
    let short = with(&[Alg::Es256], [90 * 24, 2, 1, 1]);
    let mut keys = Vec::new();
    let mut past = Past::default();
    let mut sweep_at = |hours: i64, policy: &Policy, rotation| {
        past = past.under(policy, None, at(hours));
        let steps = sweep(
            &Facts { keys: &keys, policy, past: &past, latest: None, now: at(hours), idle: &BTreeSet::new() },
            rotation,
        );
        apply(&mut keys, &steps);
        steps.len()
    };
    assert_eq!(sweep_at(0, &long, Rotation::OnSchedule), 1);
    // A copy that was fetched a moment ago may be kept until hour 34.
    assert_eq!(sweep_at(10, &short, Rotation::Requested), 1);
    assert_eq!(sweep_at(33, &short, Rotation::OnSchedule), 0);
    assert_eq!(sweep_at(34, &short, Rotation::OnSchedule), 2);
    // And the next rotation is as short as the policy says; but a token of hour 9 was good until hour 29.
    assert_eq!(keys[0].state, State::Retiring { until: at(36) });
}

#[test]
fn a_clock_that_was_far_ahead_stops_nothing_once_it_is_right() {
    let policy = only_es256();
    let mut keys = Vec::new();
    let year = 365 * 24;
    swept(&mut keys, &policy, Rotation::OnSchedule, at(year));
    assert_eq!(swept(&mut keys, &policy, Rotation::OnSchedule, at(0)), ["create ES256-2 pending"]);
    assert_eq!(swept(&mut keys, &policy, Rotation::OnSchedule, at(24)), ["promote ES256-2", "retire ES256-1"]);
    swept(&mut keys, &policy, Rotation::Requested, at(year));
    let again = swept(&mut keys, &policy, Rotation::OnSchedule, at(25));
    assert_eq!(again, ["delete ES256-3", "create ES256-4 pending"]);
    assert_eq!(swept(&mut keys, &policy, Rotation::OnSchedule, at(25)), [""; 0]);
}
