//! The promises of the life of a key, over any course of events: sweeps that run to their end or are
//! cut short, clocks that are set back, policies that change, keys that are revoked, verifiers that
//! fetch the set and keep it for as long as they may, encrypt for us by what they have, tokens that are
//! signed and live for as long as they may.
//!
//! There are two times here: the one that passes, by which copies grow old, and the one that our
//! clock shows, which is behind it by as much as somebody has set it back. That it is set ahead is not
//! among what happens: it is the same as if time had passed.

use super::*;
use crate::keyring::past::ON_ITS_WAY;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A token that is out: by which key, and until when by our clock.
struct Token {
    kid: KeyId,
    expires: Moment,
}

/// Something that was encrypted for us: by which key, and when it arrives at the latest, in the time that passes.
struct Letter {
    kid: KeyId,
    arrives: Moment,
}

/// A copy of the set: what it holds, and until when somebody goes by it, in the time that passes.
struct Copy {
    kids: BTreeSet<KeyId>,
    kept_until: Moment,
}

#[derive(Clone, Copy, Debug)]
enum Happening {
    /// Time passes: so many minutes.
    Wait(i64),
    /// The clock is set back by so many minutes.
    Back(i64),
    /// Every active key signs a token.
    Sign,
    /// Somebody fetches the set.
    Fetch,
    /// Everybody who has a copy encrypts something for us.
    Encrypt,
    Sweep(Rotation),
    /// A sweep of which so many steps are done, as if there were no transaction.
    Cut(usize),
    /// An operator revokes one of the keys.
    Revoke(usize),
    /// Another of the policies is in force.
    Policy(usize),
}

fn arbitrary_policy() -> impl Strategy<Value = Policy> {
    (1i64..60, 0i64..60, 0i64..60, 1i64..600, 1i64..300, 0usize..4).prop_map(
        |(age, library, more, period, life, besides)| {
            let besides: &[Purpose] = match besides {
                0 => &[],
                1 => &[Purpose::Signs(Alg::EdDsa)],
                2 => &[Purpose::Decrypts(KeyManagement::EcdhEs)],
                _ => &[Purpose::Decrypts(KeyManagement::EcdhEs), Purpose::Decrypts(KeyManagement::RsaOaep256)],
            };
            let publish = age + library + more;
            let times = Times {
                rotation_period: Span::minutes(publish + period),
                publish_before_use: Span::minutes(publish),
                longest_token_life: Span::minutes(life),
                jwks_max_age: Span::minutes(age),
                library_cache: Span::minutes(library),
            };
            Policy::new(besides.iter().copied().chain([Alg::Es256.into()]), times).unwrap()
        },
    )
}

fn arbitrary_course() -> impl Strategy<Value = Vec<Happening>> {
    let happening = prop_oneof![
        6 => (0i64..90).prop_map(Happening::Wait),
        2 => (0i64..2000).prop_map(Happening::Wait),
        2 => (0i64..300).prop_map(Happening::Back),
        6 => Just(Happening::Sign),
        6 => Just(Happening::Fetch),
        4 => Just(Happening::Encrypt),
        8 => Just(Happening::Sweep(Rotation::OnSchedule)),
        2 => Just(Happening::Sweep(Rotation::Requested)),
        1 => (0usize..4).prop_map(Happening::Cut),
        1 => (0usize..3).prop_map(Happening::Policy),
        1 => (0usize..4).prop_map(Happening::Revoke),
    ];
    prop::collection::vec(happening, 1..120)
}

struct World {
    policies: Vec<Policy>,
    policy: usize,
    /// The time that passes.
    time: Moment,
    behind: Span,
    latest: Option<Moment>,
    past: Past,
    keys: Vec<KeyRecord>,
    /// Keys that signed before everybody could know them because nothing else was there to sign.
    alone: BTreeSet<KeyId>,
    tokens: Vec<Token>,
    copies: Vec<Copy>,
    letters: Vec<Letter>,
    revoked: BTreeSet<KeyId>,
}

impl World {
    fn new(policies: Vec<Policy>) -> Self {
        let mut world = Self {
            policies,
            policy: 0,
            time: at(0),
            behind: Span::ZERO,
            latest: None,
            past: Past::default(),
            keys: Vec::new(),
            alone: BTreeSet::new(),
            tokens: Vec::new(),
            copies: Vec::new(),
            letters: Vec::new(),
            revoked: BTreeSet::new(),
        };
        world.look();
        world
    }
    fn policy(&self) -> &Policy {
        &self.policies[self.policy]
    }
    fn now(&self) -> Moment {
        self.time - self.behind
    }
    /// What a node does when it starts, when its settings are read again, and every minute.
    fn look(&mut self) {
        self.latest = self.latest.max(Some(self.now()));
        self.past = self.past.under(self.policy(), self.latest, self.now());
    }
    fn steps(&self, keys: &[KeyRecord], rotation: Rotation) -> Vec<Step> {
        let (policy, past) = (self.policy(), &self.past);
        sweep(&Facts { keys, policy, past, latest: self.latest, now: self.now(), idle: &BTreeSet::new() }, rotation)
    }
    fn active(&self, alg: Purpose) -> Vec<&KeyRecord> {
        self.keys.iter().filter(|key| key.alg == alg && since(key).is_some()).collect()
    }
    fn apply(&mut self, steps: &[Step]) {
        for step in steps {
            let alone = match step {
                Step::Create { alg, state: State::Active { .. }, epoch, .. } => KeyId::parse(&format!("{alg}-{epoch}")),
                Step::Promote { kid, .. } => {
                    let alg = self.keys.iter().find(|key| &key.kid == kid).unwrap().alg;
                    Some(kid.clone()).filter(|_| self.active(alg).is_empty())
                }
                Step::Create { .. } | Step::Retire { .. } | Step::Delete { .. } | Step::Revoke { .. } => None,
            };
            self.alone.extend(alone);
            apply(&mut self.keys, std::slice::from_ref(step));
        }
    }
    fn swept(&mut self, rotation: Rotation) {
        self.look();
        let steps = self.steps(&self.keys, rotation);
        assert!(steps.iter().all(|step| !step.why().is_empty()));
        let mut reversed = self.keys.clone();
        reversed.reverse();
        assert_eq!(self.steps(&reversed, rotation), steps, "the order of rows does not matter");
        self.apply(&steps);
        assert_eq!(self.steps(&self.keys, rotation), vec![], "twice is once");
        assert_eq!(self.steps(&self.keys, Rotation::OnSchedule), vec![]);
        for alg in Purpose::ALL {
            let (wanted, active) = (self.policy().algs().contains(&alg), self.active(alg).len());
            let one = active == usize::from(wanted) || (!alg.signs() && !wanted && active == 1);
            assert!(one, "exactly one key of {alg} is active, if it is needed: {active}");
        }
    }
    fn revoke(&mut self, n: usize) {
        self.look();
        let Some(key) = self.keys.get(n).cloned() else { return };
        let (policy, past) = (self.policy(), &self.past);
        let facts =
            Facts { keys: &self.keys, policy, past, latest: self.latest, now: self.now(), idle: &BTreeSet::new() };
        let (steps, active) = (revoke(&facts, &key.kid), since(&key).is_some());
        self.apply(&steps);
        self.tokens.retain(|token| token.kid != key.kid);
        self.letters.retain(|letter| letter.kid != key.kid);
        self.revoked.insert(key.kid.clone());
        assert!(self.keys.iter().all(|one| one.kid != key.kid || !one.state.is_held()));
        if active && self.policy().algs().contains(&key.alg) {
            assert_eq!(self.active(key.alg).len(), 1, "a successor takes over at once");
        }
    }
    fn sign(&mut self) {
        let (now, life) = (self.now(), self.policy().longest_token_life());
        for key in self.keys.iter_mut().filter(|key| key.alg.signs() && since(key).is_some()) {
            key.signed_at = key.signed_at.max(Some(now));
            self.tokens.push(Token { kid: key.kid.clone(), expires: now + life });
            let blind = self.copies.iter().filter(|copy| !copy.kids.contains(&key.kid)).count();
            assert!(blind == 0 || self.alone.contains(&key.kid), "{blind} copies lack {}, which signs", key.kid);
        }
    }
    fn fetch(&mut self) {
        let published = self.keys.iter().filter(|key| key.is_published());
        let kids = published.map(|key| key.kid.clone()).collect();
        self.copies.push(Copy { kids, kept_until: self.time + self.policy().cache() });
    }
    fn encrypt(&mut self) {
        let (time, keys, revoked) = (self.time, &self.keys, &self.revoked);
        let decrypts = |kid: &&KeyId| keys.iter().any(|key| &key.kid == *kid && !key.alg.signs());
        let kids = self.copies.iter().flat_map(|copy| &copy.kids).filter(|kid| !revoked.contains(*kid));
        self.letters.extend(kids.filter(decrypts).map(|kid| Letter { kid: kid.clone(), arrives: time + ON_ITS_WAY }));
    }
    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Wait(minutes) => {
                self.time = self.time + Span::minutes(minutes);
                self.latest = self.latest.max(Some(self.now()));
            }
            Happening::Back(minutes) => self.behind = self.behind + Span::minutes(minutes),
            Happening::Sign => self.sign(),
            Happening::Fetch => self.fetch(),
            Happening::Encrypt => self.encrypt(),
            Happening::Sweep(rotation) => self.swept(rotation),
            Happening::Cut(n) => {
                self.look();
                let steps = self.steps(&self.keys, Rotation::OnSchedule);
                self.apply(&steps[..n.min(steps.len())]);
            }
            Happening::Revoke(n) => self.revoke(n),
            Happening::Policy(n) => {
                self.policy = n;
                self.look();
            }
        }
        let (time, now) = (self.time, self.now());
        self.copies.retain(|copy| copy.kept_until > time);
        self.tokens.retain(|token| token.expires > now);
        self.letters.retain(|letter| letter.arrives > time);
        for token in &self.tokens {
            let key = self.keys.iter().find(|key| key.kid == token.kid);
            assert!(key.is_some_and(|key| key.is_published()), "a living token lacks its key {}", token.kid);
        }
        for letter in &self.letters {
            let key = self.keys.iter().find(|key| key.kid == letter.kid);
            assert!(key.is_some_and(|key| key.state.is_held()), "{} can no longer be read", letter.kid);
        }
    }
}

proptest! {
    // More than others get: a course is long, and what goes wrong takes several things in a certain order.
    #![proptest_config(ProptestConfig::with_cases(4 * ProptestConfig::default().cases))]
    #[test]
    fn over_any_course_of_events_the_promises_hold(
        policies in prop::collection::vec(arbitrary_policy(), 3),
        course in arbitrary_course(),
    ) {
        let mut world = World::new(policies);
        for happening in course {
            world.happen(happening);
        }
    }
}
