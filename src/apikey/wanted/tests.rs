//! What may be made and what may not.

use super::*;
use crate::{
    apikey::api::{Sensitivity, Settings},
    base::{id::ApiId, moment::Span, uri::Resource},
};
use serde_json::json;

const NOW: Moment = Moment::from_unix(1_800_000_000);

fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

fn api() -> Api {
    Api {
        id: ApiId::from_u128(1),
        name: "weather".to_owned(),
        audience: Resource::parse("https://weather.example").unwrap(),
        prefix: "kw".to_owned(),
        environments: vec!["live".to_owned(), "test".to_owned()],
        plan: None,
        policy: Map::new(),
        settings: Settings { public_keys: true, scopes: scope("read write"), ..Settings::default() },
        version: 1,
        disabled_at: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn wanted() -> Wanted {
    Wanted {
        name: "nightly job".to_owned(),
        kind: Kind::Server,
        environment: None,
        scope: scope("read"),
        policy: Map::new(),
        meta: Map::new(),
        not_before: None,
        ending: Ending::Usual,
        from: From::Anywhere,
    }
}

fn member(outcome: Result<Admitted, Unfit>) -> &'static str {
    match outcome {
        Ok(_) => "",
        Err(Unfit::Member(member, _)) => member,
        Err(Unfit::Policy(_)) => "policy",
        Err(Unfit::ApiDisabled) => "api",
    }
}

#[test]
fn a_key_that_says_nothing_lives_for_a_year_in_the_first_environment() {
    let expected = Admitted { environment: "live".to_owned(), expires_at: Some(NOW + Span::days(365)) };
    assert_eq!(admit(&wanted(), &api(), NOW), Ok(expected));
}

#[test]
fn each_member_that_cannot_be_is_named() {
    type Spoil = fn(&mut Wanted);
    let cases: [(&str, Spoil); 11] = [
        ("policy", |w| w.from = From::Listed),
        ("policy", |w| w.policy = json!({"v": 2}).as_object().unwrap().clone()),
        ("name", |w| w.name = "  ".to_owned()),
        ("name", |w| w.name = "a\nb".to_owned()),
        ("name", |w| w.name = "x".repeat(101)),
        ("environment", |w| w.environment = Some("prod".to_owned())),
        ("scope", |w| w.scope = scope("read admin")),
        ("scope", |w| w.kind = Kind::Verifier),
        ("meta", |w| w.meta = json!({"a": "b".repeat(2048)}).as_object().unwrap().clone()),
        ("expires_at", |w| w.ending = Ending::At(NOW)),
        ("expires_at", |w| (w.not_before, w.ending) = (Some(NOW + Span::days(2)), Ending::At(NOW + Span::days(1)))),
    ];
    for (expected, spoil) in cases {
        let mut bad = wanted();
        spoil(&mut bad);
        assert_eq!(member(admit(&bad, &api(), NOW)), expected, "{bad:?}");
    }
    let disabled = Api { disabled_at: Some(NOW), ..api() };
    assert_eq!(admit(&wanted(), &disabled, NOW), Err(Unfit::ApiDisabled));
}

#[test]
fn a_public_key_only_reads_and_only_from_its_own_origins() {
    let referrer = json!({"v": 1, "referrer": {"allow": ["https://app.example"]}}).as_object().unwrap().clone();
    let public = |change: fn(&mut Wanted)| {
        let mut key = Wanted { kind: Kind::Public, policy: referrer.clone(), ..wanted() };
        change(&mut key);
        key
    };
    assert_eq!(member(admit(&public(|_| {}), &api(), NOW)), "");
    assert_eq!(member(admit(&public(|w| w.scope = scope("write")), &api(), NOW)), "scope");
    assert_eq!(member(admit(&public(|w| w.policy.clear()), &api(), NOW)), "policy");
    let mut closed = api();
    closed.settings.public_keys = false;
    assert_eq!(member(admit(&public(|_| {}), &closed, NOW)), "kind");
}

#[test]
fn a_key_of_a_critical_api_lives_for_thirty_days_at_most() {
    let mut critical = api();
    critical.settings.sensitivity = Sensitivity::Critical;
    assert_eq!(admit(&wanted(), &critical, NOW).unwrap().expires_at, Some(NOW + Span::days(30)));
    let long = Wanted { ending: Ending::At(NOW + Span::days(31)), ..wanted() };
    assert_eq!(member(admit(&long, &critical, NOW)), "expires_at");
    let later = Wanted { not_before: Some(NOW + Span::days(10)), ending: Ending::At(NOW + Span::days(40)), ..wanted() };
    assert_eq!(member(admit(&later, &critical, NOW)), "");
}
