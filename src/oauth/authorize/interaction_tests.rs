//! Tables over what comes next.

use super::{
    Asked, ConsentFacts, Facts, Next, Prompt, SessionFacts, Why, next,
    tests::{NOW, asked},
};
use crate::{
    base::{
        id::{SessionId, UserId},
        moment::{Moment, Span},
        scope::Scope,
    },
    oauth::{
        client::Trust,
        code::ErrorCode::{self, ConsentRequired, InvalidRequest, LoginRequired, UnmetAuthenticationRequirements},
    },
};
use proptest::prelude::*;

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn signed_in(at: Moment) -> SessionFacts {
    SessionFacts {
        user: user("usr_ada"),
        session: SessionId::parse("ses_1").unwrap(),
        auth_time: at,
        acr: None,
        amr: vec!["pwd".to_owned()],
        chosen_at: None,
    }
}

fn consented(scope: &str, at: Moment) -> ConsentFacts {
    ConsentFacts { scope: Scope::parse(scope).unwrap(), resources: asked(&[]).resources, given_at: at }
}

fn facts(session: Option<SessionFacts>, consent: Option<ConsentFacts>) -> Facts {
    Facts { session, consent, trust: Trust::ThirdParty, reachable_acr: vec!["urn:password".to_owned()] }
}

fn code_of(next: &Next) -> Option<ErrorCode> {
    if let Next::Refuse(refusal) = next { Some(refusal.code) } else { None }
}

#[test]
fn a_person_who_is_signed_in_and_consented_sees_no_page() {
    let hour_ago = NOW - Span::hours(1);
    let facts = facts(Some(signed_in(hour_ago)), Some(consented("openid read", hour_ago)));
    assert_eq!(next(&asked(&[]), &facts, NOW), Next::Approve);
    assert_eq!(next(&asked(&[("prompt", "none")]), &facts, NOW), Next::Approve);
    assert_eq!(next(&asked(&[("max_age", "3600")]), &facts, NOW), Next::Approve);
}

#[test]
fn each_page_is_asked_for_by_its_reason() {
    let hour_ago = NOW - Span::hours(1);
    let known = facts(Some(signed_in(hour_ago)), Some(consented("openid read", hour_ago)));
    let nobody = facts(None, None);
    let step_up = r#"{"id_token":{"acr":{"essential":true,"value":"urn:password"}}}"#;
    let other = r#"{"id_token":{"sub":{"value":"usr_bob"}}}"#;
    for (changes, facts, page) in [
        (&[][..], &nobody, Next::SignIn(Why::NobodySignedIn)),
        (&[("prompt", "select_account")], &nobody, Next::SignIn(Why::NobodySignedIn)),
        (&[("prompt", "login")], &known, Next::SignIn(Why::Asked)),
        (&[("prompt", "select_account")], &known, Next::SelectAccount),
        (&[("max_age", "3599")], &known, Next::SignIn(Why::TooOld)),
        (&[("max_age", "0")], &known, Next::SignIn(Why::TooOld)),
        (&[("claims", step_up)], &known, Next::SignIn(Why::StepUp)),
        (&[("claims", other)], &known, Next::SignIn(Why::OtherPerson)),
    ] {
        assert_eq!(next(&asked(changes), facts, NOW), page, "{changes:?}");
    }
}

#[test]
fn c32_prompt_none_turns_each_page_into_its_error() {
    let hour_ago = NOW - Span::hours(1);
    let known = facts(Some(signed_in(hour_ago)), Some(consented("openid read", hour_ago)));
    let nobody = facts(None, None);
    let no_consent = facts(Some(signed_in(hour_ago)), None);
    let other = r#"{"id_token":{"sub":{"value":"usr_bob"}}}"#;
    for (changes, facts, code) in [
        (&[][..], &nobody, LoginRequired),
        (&[], &no_consent, ConsentRequired),
        (&[("scope", "openid write")], &known, ConsentRequired),
        (&[("max_age", "1")], &known, LoginRequired),
        (&[("claims", other)], &known, LoginRequired),
    ] {
        let changes = [changes, &[("prompt", "none")]].concat();
        assert_eq!(code_of(&next(&asked(&changes), facts, NOW)), Some(code), "{changes:?}");
    }
}

#[test]
fn a_sign_in_made_for_the_request_satisfies_it_once_and_for_all() {
    let fresh = facts(Some(signed_in(NOW)), Some(consented("openid read", NOW)));
    let later = NOW + Span::minutes(10);
    for changes in
        [&[("prompt", "login")], &[("prompt", "select_account")], &[("max_age", "600")], &[("prompt", "consent")]]
    {
        assert_eq!(next(&asked(changes), &fresh, later), Next::Approve, "{changes:?}");
    }
}

#[test]
fn max_age_is_judged_when_the_code_would_be_issued() {
    let fresh = facts(Some(signed_in(NOW)), Some(consented("openid read", NOW)));
    let asked = |age: &str| asked(&[("max_age", age)]);
    for (age, open_for, expected) in [
        ("0", 60, Next::Approve),
        ("0", 61, Next::SignIn(Why::TooOld)),
        ("30", 61, Next::SignIn(Why::TooOld)),
        ("300", 300, Next::Approve),
        ("300", 301, Next::SignIn(Why::TooOld)),
        ("300", 3600, Next::SignIn(Why::TooOld)),
    ] {
        assert_eq!(next(&asked(age), &fresh, NOW + Span::seconds(open_for)), expected, "{age} after {open_for}");
    }
    let again = facts(Some(signed_in(NOW + Span::seconds(3600))), Some(consented("openid read", NOW)));
    assert_eq!(next(&asked("0"), &again, NOW + Span::seconds(3601)), Next::Approve, "a second sign-in is enough");
}

#[test]
fn c33_an_essential_acr_that_nobody_can_reach_fails_before_any_page() {
    let claims = r#"{"id_token":{"acr":{"essential":true,"values":["urn:iris-scan"]}}}"#;
    let answer = next(&asked(&[("claims", claims)]), &facts(None, None), NOW);
    assert_eq!(code_of(&answer), Some(UnmetAuthenticationRequirements));
    let mut strong = signed_in(NOW - Span::hours(1));
    strong.acr = Some("urn:iris-scan".to_owned());
    let facts = facts(Some(strong), Some(consented("openid read", NOW)));
    assert_eq!(next(&asked(&[("claims", claims)]), &facts, NOW), Next::Approve);
}

#[test]
fn consent_is_asked_for_exactly_what_is_new() {
    let session = || Some(signed_in(NOW - Span::hours(1)));
    let before = || consented("openid read", NOW - Span::days(1));
    let Next::Consent { new_scope, new_resources } =
        next(&asked(&[("scope", "openid read offline_access")]), &facts(session(), Some(before())), NOW)
    else {
        panic!("offline_access was not consented to")
    };
    assert_eq!((new_scope.to_string().as_str(), new_resources.len()), ("offline_access", 0));
    let other = asked(&[("resource", "https://other.example")]);
    assert!(matches!(next(&other, &facts(session(), Some(before())), NOW), Next::Consent { .. }));
    let again = asked(&[("prompt", "consent")]);
    assert!(matches!(next(&again, &facts(session(), Some(before())), NOW), Next::Consent { .. }));
}

#[test]
fn a_first_party_is_trusted_unless_it_asks_for_consent_itself() {
    let mut facts = facts(Some(signed_in(NOW - Span::hours(1))), None);
    facts.trust = Trust::FirstParty;
    assert_eq!(next(&asked(&[("scope", "openid offline_access")]), &facts, NOW), Next::Approve);
    assert!(matches!(next(&asked(&[("prompt", "consent")]), &facts, NOW), Next::Consent { .. }));
}

#[test]
fn a_hint_and_a_sub_must_mean_the_same_person() {
    let with_sub = asked(&[("claims", r#"{"id_token":{"sub":{"value":"usr_bob"}}}"#)]);
    assert!(with_sub.clone().for_subject(user("usr_bob")).is_ok());
    assert_eq!(with_sub.for_subject(user("usr_ada")).unwrap_err().code, InvalidRequest);
}

prop_compose! {
    fn any_asked()(
        prompts in proptest::sample::subsequence(vec![Prompt::Login, Prompt::Consent, Prompt::SelectAccount], 0..=3),
        silent in any::<bool>(),
        max_age in proptest::option::of(0i64..10_000),
        essential in proptest::option::of(prop_oneof![Just("urn:password"), Just("urn:iris-scan")]),
        subject in proptest::option::of(prop_oneof![Just("usr_ada"), Just("usr_bob")]),
        scope in prop_oneof![Just("openid"), Just("openid read offline_access"), Just("write")],
    ) -> Asked {
        let mut it = asked(&[("scope", scope)]);
        it.prompt = if silent { [Prompt::None].into_iter().collect() } else { prompts.into_iter().collect() };
        it.max_age = max_age.map(Span::seconds);
        it.acr.essential = essential.iter().map(|acr| (*acr).to_owned()).collect();
        it.subject = subject.map(user);
        it
    }
}

prop_compose! {
    fn any_facts()(
        session in proptest::option::of((-10_000i64..0, any::<bool>(), proptest::option::of(-10_000i64..0))),
        consent in proptest::option::of((-10_000i64..0, prop_oneof![Just("openid"), Just("openid read write")])),
        first_party in any::<bool>(),
    ) -> Facts {
        let session = session.map(|(age, strong, chosen)| SessionFacts {
            acr: strong.then(|| "urn:password".to_owned()),
            chosen_at: chosen.map(|age| NOW + Span::seconds(age)),
            ..signed_in(NOW + Span::seconds(age))
        });
        let consent = consent.map(|(age, scope)| consented(scope, NOW + Span::seconds(age)));
        let trust = if first_party { Trust::FirstParty } else { Trust::ThirdParty };
        Facts { trust, ..facts(session, consent) }
    }
}

proptest! {
    #[test]
    fn with_prompt_none_no_page_is_ever_shown(asked in any_asked(), facts in any_facts(), late in 0i64..100_000) {
        if asked.prompt.has(Prompt::None) {
            let answer = next(&asked, &facts, NOW + Span::seconds(late));
            prop_assert!(matches!(answer, Next::Approve | Next::Refuse(_)), "{answer:?}");
        }
    }

    #[test]
    fn it_ends_when_every_page_is_answered(
        asked in any_asked(), mut facts in any_facts(), slow in 0i64..1000, reaches in any::<bool>(),
    ) {
        let mut now = NOW;
        for _ in 0..6 {
            let shown = next(&asked, &facts, now + Span::seconds(1));
            // A page lies open for a while; once it is answered, the question is asked again at once.
            now = now + Span::seconds(slow);
            match shown {
                Next::Approve | Next::Refuse(_) => return Ok(()),
                Next::SignIn(_) => {
                    let acr = reaches.then(|| "urn:password".to_owned());
                    facts.session = Some(SessionFacts { acr, ..signed_in(now) });
                }
                Next::SelectAccount => {
                    let before = facts.session.take().unwrap();
                    facts.session = Some(SessionFacts { chosen_at: Some(now), ..before });
                }
                Next::Consent { .. } => {
                    facts.consent = Some(ConsentFacts {
                        scope: asked.to_consent(), resources: asked.resources.clone(), given_at: now,
                    });
                }
            }
        }
        prop_assert!(false, "still a page after five");
    }
}

#[test]
fn a_claim_asked_for_by_name_is_no_way_around_the_registration_or_the_person() {
    let claims = r#"{"userinfo":{"email":{"essential":true},"phone_number":null,"is_admin":null},"id_token":{"auth_time":null}}"#;
    let it = asked(&[("claims", claims)]);
    assert_eq!(it.claims.userinfo.keys().collect::<Vec<_>>(), ["email"], "phone is not registered, is_admin is none");
    assert_eq!(
        (it.scope.to_string().as_str(), it.to_consent().to_string().as_str()),
        ("openid read", "email openid read")
    );
    let day_ago = NOW - Span::days(1);
    let known = facts(Some(signed_in(day_ago)), Some(consented("openid read", day_ago)));
    assert!(matches!(next(&it, &known, NOW), Next::Consent { new_scope, .. } if new_scope.to_string() == "email"));
    let known = facts(Some(signed_in(day_ago)), Some(consented("openid read email", day_ago)));
    assert_eq!(next(&it, &known, NOW), Next::Approve);
    // Given since this request was first seen, but on the page of another one that showed less.
    let known = facts(Some(signed_in(day_ago)), Some(consented("openid read", NOW)));
    assert!(matches!(next(&it, &known, NOW), Next::Consent { new_scope, .. } if new_scope.to_string() == "email"));
}
