//! Tests of new keys: what each kind must be, and when it ends.

use super::*;
use crate::{
    apikey::{PolicyText, api::Settings, policy::sample::document},
    base::{id::ApiId, uri::Resource},
};

const NOW: Moment = Moment::from_unix(1_778_752_800);

fn api(settings: Settings) -> Api {
    Api {
        id: ApiId::from_u128(1),
        name: "docs".into(),
        audience: Resource::parse("https://docs.example").unwrap(),
        prefix: "kw".into(),
        environments: vec!["live".into(), "test".into()],
        plan: None,
        policy: PolicyText::new(),
        settings,
        version: 1,
        disabled_at: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn wish<'a>(kind: Kind, scope: &'a Scope, policies: &'a [&'a Document]) -> Wish<'a> {
    Wish { kind, scope, environment: "live", not_before: None, ending: Ending::Usual, from: From::Listed, policies }
}

#[test]
fn r006_a_server_key_names_its_addresses_or_says_that_it_has_none() {
    let (scope, api) = (Scope::parse("docs.read").unwrap(), api(Settings::default()));
    let listed = document(r#"{"v":1,"ip":{"allow":["10.0.0.0/8"]}}"#).unwrap();
    assert_eq!(terms(&wish(Kind::Server, &scope, &[]), &api, NOW), Err(Refused::Address));
    assert_eq!(terms(&wish(Kind::Server, &scope, &[&listed]), &api, NOW), Ok(Some(NOW + Span::days(365))));
    let anywhere = Wish { from: From::Anywhere, ..wish(Kind::Server, &scope, &[]) };
    assert!(terms(&anywhere, &api, NOW).is_ok());
    let by_api = Api { policy: serde_json::from_str(r#"{"v":1,"ip":{"allow":["10.0.0.0/8"]}}"#).unwrap(), ..api };
    assert!(terms(&wish(Kind::Server, &scope, &[]), &by_api, NOW).is_ok());
}

#[test]
fn r005_a_public_key_only_reads_and_only_from_its_pages() {
    let pages = document(r#"{"v":1,"referrer":{"allow":["https://a.example"]}}"#).unwrap();
    let open = api(Settings { public_keys: true, ..Settings::default() });
    let read = Scope::parse("docs.read maps:read").unwrap();
    let policies = [&pages];
    assert!(terms(&wish(Kind::Public, &read, &policies), &open, NOW).is_ok());
    assert_eq!(terms(&wish(Kind::Public, &read, &[]), &open, NOW), Err(Refused::Referrer));
    assert_eq!(terms(&wish(Kind::Public, &read, &policies), &api(Settings::default()), NOW), Err(Refused::Public));
    for scope in ["docs.write", "docs.read docs.write", "", "readers", "docs.thread"] {
        let scope = Scope::parse(scope).unwrap();
        assert_eq!(terms(&wish(Kind::Public, &scope, &policies), &open, NOW), Err(Refused::ScopeNotPublic), "{scope}");
    }
    assert_eq!(Refused::ScopeNotPublic.as_str(), "scope_not_public");
}

#[test]
fn a_verifier_has_no_scope_and_an_environment_must_be_one_of_the_apis() {
    let (none, some, api) = (Scope::none(), Scope::parse("docs.read").unwrap(), api(Settings::default()));
    assert!(terms(&wish(Kind::Verifier, &none, &[]), &api, NOW).is_ok());
    assert_eq!(terms(&wish(Kind::Verifier, &some, &[]), &api, NOW), Err(Refused::ScopeOfVerifier));
    let elsewhere = Wish { environment: "staging", ..wish(Kind::Verifier, &none, &[]) };
    assert_eq!(terms(&elsewhere, &api, NOW), Err(Refused::Environment));
}

#[test]
fn r080_keys_end_as_the_sensitivity_of_their_api_allows() {
    use Sensitivity::{Critical, Normal};
    let days = |n| NOW + Span::days(n);
    let cases = [
        (Normal, Ending::Usual, Ok(Some(days(365)))),
        (Normal, Ending::At(days(3650)), Ok(Some(days(3650)))),
        (Normal, Ending::Never, Ok(None)),
        (Normal, Ending::At(NOW), Err(())),
        (Normal, Ending::At(days(-1)), Err(())),
        (Critical, Ending::Usual, Ok(Some(days(30)))),
        (Critical, Ending::At(days(30)), Ok(Some(days(30)))),
        (Critical, Ending::At(days(31)), Err(())),
        (Critical, Ending::Never, Err(())),
    ];
    for (sensitivity, ending, wanted) in cases {
        assert_eq!(expiry(sensitivity, NOW, ending), wanted, "{sensitivity:?} {ending:?}");
    }
    let (scope, api) = (Scope::none(), api(Settings { sensitivity: Critical, ..Settings::default() }));
    let later = Wish { not_before: Some(days(10)), ..wish(Kind::Verifier, &scope, &[]) };
    assert_eq!(terms(&later, &api, NOW), Ok(Some(days(40))));
    let past = Wish { not_before: Some(days(-10)), ..later };
    assert_eq!(terms(&past, &api, NOW), Ok(Some(days(30))), "a beginning in the past wins nothing");
}

#[test]
fn the_longest_life_without_a_permission_of_its_own_is_the_usual_one() {
    assert_eq!(LONGEST, Span::days(365));
}

#[test]
fn a_successor_lives_as_long_as_its_predecessor_was_made_to() {
    use Sensitivity::{Critical, Normal};
    let made = NOW - Span::days(80);
    let cases = [
        (Normal, Some(made + Span::days(90)), Some(NOW + Span::days(90))),
        (Normal, None, None),
        (Critical, Some(made + Span::days(90)), Some(NOW + Span::days(30))),
        (Critical, None, Some(NOW + Span::days(30))),
    ];
    for (sensitivity, end, wanted) in cases {
        assert_eq!(succession(sensitivity, (made, end), NOW), wanted, "{sensitivity:?} {end:?}");
    }
}

#[test]
fn r039_three_reminders_are_sent_and_each_only_when_it_is_due() {
    let end = NOW + Span::days(30);
    let cases = [(0, 0), (15, 0), (16, 1), (26, 1), (27, 2), (28, 2), (29, 3), (40, 3)];
    for (days, wanted) in cases {
        assert_eq!(reminders_due(end, NOW + Span::days(days)), wanted, "after {days} days");
    }
    assert_eq!(rotation_reminder(Sensitivity::Normal), Some(Span::days(90)));
    assert_eq!(rotation_reminder(Sensitivity::Critical), None);
}
