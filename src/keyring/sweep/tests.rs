//! Tests of the life of a key, over any sequence of sweeps.

use super::*;
use crate::base::moment::Span;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn policy() -> Policy {
    Policy::new([Alg::Es256, Alg::Rs256], Span::days(90), Span::hours(24), Span::hours(1), Span::hours(1)).unwrap()
}

fn at(hours: i64) -> Moment {
    Moment::from_unix(1_700_000_000) + Span::hours(hours)
}

/// Does what a sweep says, as the flow does.
fn apply(keys: &mut Vec<KeyRecord>, steps: &[Step], now: Moment) {
    let set = |keys: &mut Vec<KeyRecord>, kid: &KeyId, state| {
        keys.iter_mut().find(|key| &key.kid == kid).unwrap().state = state
    };
    for step in steps {
        match step {
            Step::Create { alg, epoch, state, .. } => {
                let kid = KeyId::parse(&format!("{alg}-{epoch}")).unwrap();
                assert!(keys.iter().all(|key| key.kid != kid), "algorithm and epoch are unique");
                keys.push(KeyRecord { kid, alg: *alg, epoch: *epoch, created_at: now, state: *state });
            }
            Step::Promote { kid, .. } => set(keys, kid, State::Active { since: now }),
            Step::Retire { kid, until, .. } => set(keys, kid, State::Retiring { until: *until }),
            Step::Delete { kid, .. } => set(keys, kid, State::Gone),
        }
    }
}

fn swept(keys: &mut Vec<KeyRecord>, policy: &Policy, rotation: Rotation, now: Moment) -> Vec<String> {
    let steps = sweep(keys, policy, rotation, now);
    apply(keys, &steps, now);
    let short = |step: &Step| match step {
        Step::Create { alg, epoch, state, .. } => format!("create {alg}-{epoch} {}", state.name()),
        Step::Promote { kid, .. } => format!("promote {kid}"),
        Step::Retire { kid, .. } => format!("retire {kid}"),
        Step::Delete { kid, .. } => format!("delete {kid}"),
    };
    steps.iter().map(short).collect()
}

#[test]
fn the_life_of_a_key_from_first_to_last() {
    let policy = Policy::new([Alg::Es256], Span::days(90), Span::hours(24), Span::hours(1), Span::hours(1)).unwrap();
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
    let policy = Policy::new([Alg::Es256], Span::days(90), Span::hours(24), Span::hours(1), Span::hours(1)).unwrap();
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
    let one = Policy::new([Alg::Es256], Span::days(90), Span::hours(24), Span::hours(1), Span::hours(1)).unwrap();
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

/// A token that is out: by which key, and until when.
struct Token {
    kid: KeyId,
    expires: Moment,
}

fn active(keys: &[KeyRecord], alg: Alg) -> Vec<&KeyRecord> {
    keys.iter().filter(|key| key.alg == alg && since(key).is_some()).collect()
}

fn arbitrary_policy() -> impl Strategy<Value = (Policy, Span)> {
    (1i64..60, 0i64..60, 1i64..600, 1i64..300).prop_map(|(max_age, more, period, life)| {
        let publish = max_age + more;
        let policy = Policy::new(
            [Alg::Es256, Alg::EdDsa],
            Span::minutes(publish + period),
            Span::minutes(publish),
            Span::minutes(life),
            Span::minutes(max_age),
        );
        (policy.unwrap(), Span::minutes(life))
    })
}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// Time passes: so many minutes.
    Wait(i64),
    /// Every active key signs a token.
    Sign,
    Sweep(Rotation),
}

fn arbitrary_events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (0i64..90).prop_map(Event::Wait),
        1 => (0i64..2000).prop_map(Event::Wait),
        3 => Just(Event::Sign),
        4 => Just(Event::Sweep(Rotation::OnSchedule)),
        1 => Just(Event::Sweep(Rotation::Requested)),
    ];
    prop::collection::vec(event, 1..120)
}

proptest! {
    #[test]
    fn over_any_course_of_events_the_promises_hold((policy, life) in arbitrary_policy(), events in arbitrary_events()) {
        let mut now = at(0);
        let mut keys: Vec<KeyRecord> = Vec::new();
        let mut tokens: Vec<Token> = Vec::new();
        let mut published: BTreeMap<KeyId, Moment> = BTreeMap::new();
        for event in events {
            match event {
                Event::Wait(minutes) => now = now + Span::minutes(minutes),
                Event::Sign => tokens.extend(
                    keys.iter().filter(|key| since(key).is_some()).map(|key| Token { kid: key.kid.clone(), expires: now + life }),
                ),
                Event::Sweep(rotation) => {
                    let steps = sweep(&keys, &policy, rotation, now);
                    prop_assert!(steps.iter().all(|step| !step.why().is_empty()));
                    let mut reversed = keys.clone();
                    reversed.reverse();
                    prop_assert_eq!(&sweep(&reversed, &policy, rotation, now), &steps, "the order of rows does not matter");
                    apply(&mut keys, &steps, now);
                    prop_assert_eq!(sweep(&keys, &policy, rotation, now), vec![], "twice is once");
                    prop_assert_eq!(sweep(&keys, &policy, Rotation::OnSchedule, now), vec![]);
                    for alg in policy.algs() {
                        prop_assert_eq!(active(&keys, *alg).len(), 1, "exactly one key of {} signs", alg);
                    }
                }
            }
            for key in keys.iter().filter(|key| key.state.is_published()) {
                published.entry(key.kid.clone()).or_insert(now);
            }
            for key in keys.iter().filter(|key| since(key).is_some() && key.epoch > 1) {
                prop_assert!(now >= published[&key.kid] + policy.publish_before_use(), "{} signs too early", key.kid);
            }
            tokens.retain(|token| token.expires > now);
            for token in &tokens {
                let key = keys.iter().find(|key| key.kid == token.kid);
                prop_assert!(key.is_some_and(|key| key.state.is_published()), "a living token lacks its key {}", token.kid);
            }
        }
    }
}
