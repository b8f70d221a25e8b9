//! Tests of the judge: every refusal, and that earlier ones hide later ones.

use super::*;
use crate::{
    apikey::{
        PolicyText,
        api::Settings,
        key::Origin,
        policy::{
            Layer,
            sample::{NOW, document},
        },
    },
    base::{
        digest::TokenHash,
        id::{ApiId, ApiKeyId, ClientId, FamilyId, UserId},
        moment::Span,
        scope::Scope,
        uri::Resource,
    },
};
use proptest::prelude::*;
use std::sync::Arc;

struct World {
    key: ApiKey,
    family: Family,
    api: Api,
    owner: Standing,
    policy: Compiled,
}

impl World {
    fn new() -> Self {
        let api_id = ApiId::from_u128(1);
        Self {
            key: key(api_id.clone()),
            family: family(api_id.clone()),
            api: api(api_id),
            owner: Standing::Active,
            policy: Compiled::default(),
        }
    }
    fn restricted(json: &str) -> Self {
        let layer = Layer { level: Level::Key, of: "key_1".into(), document: Arc::new(document(json).unwrap()) };
        Self { policy: Compiled::of(vec![layer]), ..Self::new() }
    }
    fn known(&self) -> Known<'_> {
        Known { key: &self.key, family: &self.family, api: &self.api, owner: self.owner, policy: &self.policy }
    }
    fn call(&self) -> Call<'_> {
        Call::new(&self.api.id, NOW)
    }
    fn code(&self, call: &Call<'_>) -> &'static str {
        judge(&self.known(), call).map_or_else(|denied| denied.told().code, |_| "ok")
    }
}

fn key(api: ApiId) -> ApiKey {
    ApiKey {
        id: ApiKeyId::from_u128(3),
        family: FamilyId::from_u128(2),
        api,
        environment: "live".into(),
        digest: TokenHash::from_slice(&[0; 32]).unwrap(),
        pepper: 1,
        origin: Origin::Minted,
        hint: "kw_live_AwU7…".into(),
        kind: Kind::Server,
        state: State::Active,
        scope: Scope::parse("docs.read").unwrap(),
        policy: PolicyText::new(),
        meta: PolicyText::new(),
        not_before: None,
        expires_at: Some(NOW + Span::days(1)),
        successor: None,
        state_reason: None,
        state_at: NOW,
        disabled_by: None,
        reminded: 0,
        version: 1,
        created_at: NOW,
    }
}

fn family(api: ApiId) -> Family {
    Family {
        id: FamilyId::from_u128(2),
        api,
        owner: Owner::User(UserId::from_u128(4)),
        client: None,
        name: "sync".into(),
        plan: None,
        policy: PolicyText::new(),
        version: 1,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn api(id: ApiId) -> Api {
    Api {
        id,
        name: "docs".into(),
        audience: Resource::parse("https://docs.example").unwrap(),
        prefix: "kw".into(),
        environments: vec!["live".into()],
        plan: None,
        policy: PolicyText::new(),
        settings: Settings::default(),
        version: 1,
        disabled_at: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

#[test]
fn each_state_is_told_by_its_word() {
    use State::{Active, Compromised, Disabled, Retiring, Revoked, Suspended};
    let words = [
        (Active, "ok"),
        (Retiring, "ok"),
        (Disabled, "key_disabled"),
        (Suspended, "key_suspended"),
        (Revoked, "key_revoked"),
        (Compromised, "key_revoked"),
    ];
    for (state, wanted) in words {
        let mut world = World::new();
        world.key.state = state;
        assert_eq!(world.code(&world.call()), wanted, "{state:?}");
    }
    let owner = World { owner: Standing::Inactive, ..World::new() };
    assert_eq!(owner.code(&owner.call()), "key_disabled");
    let mut api = World::new();
    api.api.disabled_at = Some(NOW);
    assert_eq!(api.code(&api.call()), "key_disabled");
}

#[test]
fn a_key_is_good_from_its_beginning_to_before_its_end() {
    let mut world = World::new();
    (world.key.not_before, world.key.expires_at) = (Some(NOW), Some(NOW + Span::seconds(10)));
    let cases = [(-1, "key_not_yet_valid"), (0, "ok"), (9_999_999, "ok"), (10_000_000, "key_expired")];
    for (micros, wanted) in cases {
        assert_eq!(world.code(&Call { at: NOW + Span::micros(micros), ..world.call() }), wanted, "{micros}");
    }
    world.key.expires_at = None;
    assert_eq!(world.code(&Call { at: NOW + Span::days(10_000), ..world.call() }), "ok");
}

#[test]
fn r050_r113_a_key_is_for_one_api_its_environments_and_one_purpose() {
    let mut world = World::new();
    let other = ApiId::from_u128(9);
    assert_eq!(world.code(&Call { api: Some(&other), ..world.call() }), "wrong_audience");
    assert_eq!(world.code(&Call { api: None, ..world.call() }), "wrong_audience", "nobody said which");
    assert_eq!(world.code(&Call { environment: Some("live"), ..world.call() }), "ok");
    assert_eq!(world.code(&Call { environment: Some("test"), ..world.call() }), "wrong_environment");
    // Nobody who serves another API learns even the environment.
    assert_eq!(world.code(&Call { api: Some(&other), environment: Some("test"), ..world.call() }), "wrong_audience");
    assert_eq!(world.code(&Call { purpose: Purpose::Ask, ..world.call() }), "invalid_key");
    world.key.kind = Kind::Verifier;
    assert_eq!(world.code(&world.call()), "invalid_key");
    assert_eq!(world.code(&Call { purpose: Purpose::Ask, ..world.call() }), "ok");
    world = World::new();
    world.key.environment = "test".into();
    assert_eq!(world.code(&world.call()), "wrong_environment", "the API has no such environment any more");
    let named = Call { environment: Some("test"), ..world.call() };
    assert_eq!(world.code(&named), "wrong_environment", "whoever names it");
}

#[test]
fn r003_r054_a_key_may_do_what_its_scope_says_and_nothing_without_one() {
    let world = World::new();
    let wants = |scope: &str| Call { scope: Scope::parse(scope).unwrap(), ..world.call() };
    for (scope, wanted) in [
        ("", "ok"),
        ("docs.read", "ok"),
        ("docs.write", "insufficient_scope"),
        ("docs.read docs.write", "insufficient_scope"),
    ] {
        assert_eq!(world.code(&wants(scope)), wanted, "{scope}");
    }
}

#[test]
fn a_binding_is_asked_before_any_restriction() {
    let world = World::restricted(r#"{"v":1,"binding":{"dpop":"required"},"ip":{"allow":["10.0.0.0/8"]}}"#);
    assert_eq!(world.code(&world.call()), "binding_failed");
    assert_eq!(world.code(&Call { dpop: Possession::Of("x"), ..world.call() }), "restricted");
    assert_eq!(world.code(&Call { dpop: Possession::Of("x"), address: Some("10.0.0.1"), ..world.call() }), "ok");
}

#[test]
fn a_permit_names_what_is_to_be_taken_and_for_whom() {
    let one = |by: &str| format!(r#"{{"v":1,"rate":[{{"name":"a","by":"{by}","limit":1,"per":"1s","burst":5}}]}}"#);
    let (key, family, user, api) =
        (ApiKeyId::from_u128(3), FamilyId::from_u128(2), UserId::from_u128(4), ApiId::from_u128(1));
    let cases = [
        ("key", key.to_string()),
        ("family", family.to_string()),
        ("user", user.to_string()),
        ("client", family.to_string()),
        ("api", api.to_string()),
        ("ip", "203.0.113.9".to_owned()),
    ];
    for (by, whom) in cases {
        let world = World::restricted(&one(by));
        let known = world.known();
        let permit = judge(&known, &Call { cost: 5, address: Some("::ffff:203.0.113.9"), ..world.call() }).unwrap();
        assert_eq!((permit.cost, permit.buckets.len()), (5, 1));
        assert_eq!(permit.buckets[0].name, format!("{family}.key/a/{whom}"));
    }
    let mut world = World::restricted(&one("client"));
    world.family.client = Some(ClientId::parse("sync-app").unwrap());
    assert_eq!(judge(&world.known(), &world.call()).unwrap().buckets[0].name, format!("{family}.key/a/sync-app"));
    let world = World::restricted(&one("ip"));
    let near = |address| {
        judge(&world.known(), &Call { address: Some(address), ..world.call() }).unwrap().buckets[0].name.clone()
    };
    assert_eq!(near("2001:db8::1"), near("2001:db8::ffff:2"), "one network of 64 bits is one caller");
    assert_ne!(near("2001:db8::1"), near("2001:db8:0:1::1"));
    assert_eq!(world.code(&world.call()), "restricted", "a limit for each address needs one");
}

#[test]
fn a_cost_that_could_never_pass_is_a_mistake_of_who_asked() {
    let world = World::restricted(r#"{"v":1,"rate":[{"name":"a","by":"key","limit":9,"per":"1s","burst":5}]}"#);
    let denied = judge(&world.known(), &Call { cost: 6, ..world.call() }).unwrap_err();
    assert_eq!((denied.told().status, denied.violated()), (400, vec!["a"]));
    // It says nothing of a key that is not good anyway.
    let call = Call { cost: 6, scope: Scope::parse("docs.write").unwrap(), ..world.call() };
    assert_eq!(world.code(&call), "insufficient_scope");
}

#[test]
fn an_explanation_names_every_rule_and_spends_nothing() {
    let world = World::restricted(
        r#"{"v":1,"ip":{"allow":["10.0.0.0/8"]},"geo":{"allow":["US"]},"rate":[{"name":"a","by":"key","limit":9,"per":"1s"}]}"#,
    );
    let findings = explain(&world.known(), &Call { address: Some("11.0.0.1"), country: Some("US"), ..world.call() });
    let told: Vec<_> = findings.iter().map(|one| (one.asked, one.level, one.answer.is_ok())).collect();
    let key = Some(Level::Key);
    assert_eq!(
        told,
        [
            ("key", None, true),
            ("state", None, true),
            ("validity", None, true),
            ("binding", None, true),
            ("ip", key, false),
            ("geo", key, true),
            ("scope", None, true),
            ("cost", None, true),
            ("rate", key, true),
        ]
    );
}

/// The reasons in the order of the steps.
const STEPS: [&str; 13] = [
    "wrong_audience",
    "wrong_environment",
    "key_revoked",
    "key_expired",
    "binding_failed",
    "ip",
    "geo",
    "time",
    "referrer",
    "user_agent",
    "route",
    "insufficient_scope",
    "invalid_request",
];

const ALL: &str = r#"{"v":1,"ip":{"allow":["10.0.0.0/8"]},"geo":{"allow":["US"]},"referrer":{"allow":["https://a.example"]},
 "user_agent":{"allow":["a*"]},"time":{"windows":[{"days":"mon-fri","from":"08:00","to":"12:00","tz":"UTC"}]},
 "routes":[{"path":"/a"}],"binding":{"dpop":"required"},"rate":[{"name":"a","by":"key","limit":5,"per":"1s"}]}"#;

proptest! {
    /// Whatever else is wrong, the earliest step decides; and the explanation agrees with the verdict.
    #[test]
    fn earlier_reasons_hide_later_ones(wrong in proptest::collection::vec(any::<bool>(), STEPS.len())) {
        let mut world = World::restricted(ALL);
        let other = ApiId::from_u128(9);
        if wrong[2] { world.key.state = State::Revoked; }
        if wrong[3] { world.key.expires_at = Some(NOW - Span::days(1)); }
        let night = NOW + Span::hours(6);
        let call = Call {
            api: Some(if wrong[0] { &other } else { &world.api.id }),
            environment: Some(if wrong[1] { "test" } else { "live" }),
            dpop: if wrong[4] { Possession::Unproven } else { Possession::Of("x") },
            address: (!wrong[5]).then_some("10.0.0.1"),
            country: Some(if wrong[6] { "RU" } else { "US" }),
            at: if wrong[7] { night } else { NOW },
            origin: (!wrong[8]).then_some("https://a.example"),
            user_agent: Some(if wrong[9] { "b" } else { "a" }),
            path: Some(if wrong[10] { "/b" } else { "/a" }),
            scope: Scope::parse(if wrong[11] { "docs.write" } else { "docs.read" }).unwrap(),
            cost: if wrong[12] { 6 } else { 5 },
            ..world.call()
        };
        let known = world.known();
        let verdict = judge(&known, &call);
        let told = verdict.as_ref().map_or_else(
            |denied| denied.rule().map_or(denied.told().code, |(rule, _)| rule.as_str()),
            |_| "ok",
        );
        let first = wrong.iter().position(|w| *w).map_or("ok", |n| STEPS[n]);
        prop_assert_eq!(told, first);
        let explained = explain(&known, &call).into_iter().find_map(|one| one.answer.err());
        prop_assert_eq!(explained, verdict.err());
    }
}
