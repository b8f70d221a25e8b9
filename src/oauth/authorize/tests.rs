//! Tables over the whole of the authorization endpoint's rules.

use super::{Asked, ConsentFacts, Destination, Facts, Next, Prompt, SessionFacts, Why, check, client_id_of, next};
use crate::{
    base::{
        id::{SessionId, UserId},
        moment::{Moment, Span},
        scope::Scope,
        uri::RedirectUri,
    },
    oauth::{
        client::{Client, GrantType, Trust},
        code::ErrorCode::{self, *},
        refusal::Refusal,
        sample::{client, request},
    },
};
use proptest::prelude::*;

const NOW: Moment = Moment::from_unix(1_800_000_000);

fn asked_by(client: &Client, changes: &[(&str, &str)]) -> Result<Asked, Refusal> {
    let params = request(changes);
    check(&params, client, &Destination::prove(&params, client).unwrap(), NOW)
}

fn asked(changes: &[(&str, &str)]) -> Asked {
    asked_by(&client(), changes).unwrap()
}

fn refused(changes: &[(&str, &str)]) -> ErrorCode {
    asked_by(&client(), changes).unwrap_err().code
}

#[test]
fn b01_a16_only_a_registered_redirect_uri_is_a_destination() {
    let client = client();
    for bad in [
        "https://app.example/CB",
        "https://app.example/CALLBACK",
        "https://app.example/cb?bar=foo",
        "https://app.example/cb/",
        "https://app.example/cb#",
        "https://app.example.evil/cb",
        "http://app.example/cb",
        "https://app.example/%63b",
        "javascript:alert(1)",
        "//app.example/cb",
        " https://app.example/cb",
    ] {
        assert!(Destination::prove(&request(&[("redirect_uri", bad)]), &client).is_err(), "{bad}");
    }
    assert!(Destination::prove(&request(&[]), &client).unwrap().was_sent());
}

#[test]
fn a04_a_redirect_uri_is_no_pattern_and_a_client_without_one_starts_nothing() {
    let mut client = client();
    client.redirect_uris = vec![RedirectUri::parse("https://foo.example.com/cb").unwrap()];
    assert!(Destination::prove(&request(&[("redirect_uri", "https://fooaexample.com/cb")]), &client).is_err());
    client.redirect_uris.clear();
    assert!(Destination::prove(&request(&[]), &client).is_err());
    assert!(Destination::prove(&request(&[("redirect_uri", ""), ("scope", "read")]), &client).is_err());
}

#[test]
fn a11_a_scheme_that_runs_code_is_refused_at_use_too() {
    for bad in ["javascript:alert(1)//https://app.example/cb", "data:text/html,x", "vbscript:x"] {
        let params = request(&[("redirect_uri", bad), ("response_mode", "form_post")]);
        assert!(Destination::prove(&params, &client()).is_err(), "{bad}");
    }
}

#[test]
fn b02_a26_a_repeated_client_id_or_redirect_uri_redirects_nobody() {
    let twice = request(&[("redirect_uri", "https://app.example/cb"), ("redirect_uri", "https://evil.example/cb")]);
    assert!(Destination::prove(&twice, &client()).is_err());
    assert!(client_id_of(&request(&[("client_id", "a"), ("client_id", "b")])).is_err());
    assert!(client_id_of(&request(&[("client_id", "")])).is_err());
    assert!(client_id_of(&request(&[("client_id", "a\"b")])).is_err());
}

#[test]
fn a_redirect_uri_may_be_left_out_only_where_there_is_no_choice() {
    let leave_out =
        |client: &Client, scope| Destination::prove(&request(&[("redirect_uri", ""), ("scope", scope)]), client).ok();
    let mut client = client();
    let destination = leave_out(&client, "read").unwrap();
    assert_eq!((destination.uri(), destination.was_sent()), ("https://app.example/cb", false));
    assert!(leave_out(&client, "read openid").is_none(), "OpenID Connect demands it");
    client.redirect_uris.push(RedirectUri::parse("https://app.example/cb2").unwrap());
    assert!(leave_out(&client, "read").is_none());
    client.redirect_uris = vec![RedirectUri::parse("http://127.0.0.1/cb").unwrap()];
    assert!(leave_out(&client, "read").is_none(), "its port is not known");
}

#[test]
fn what_cannot_be_read_is_refused_with_its_code() {
    let long = "a".repeat(2049);
    for (changes, code) in [
        (&[("state", "a"), ("state", "b")][..], InvalidRequest),
        (&[("scope", "read"), ("scope", "write")], InvalidRequest),
        (&[("anything", "1"), ("anything", "2")], InvalidRequest),
        (&[("state", &long)], InvalidRequest),
        (&[("state", "a\nb")], InvalidRequest),
        (&[("request", "e30.e30.")], RequestNotSupported),
        (&[("request_uri", "https://app.example/r")], RequestUriNotSupported),
        (&[("registration", "{}")], RegistrationNotSupported),
        (&[("response_type", "")], InvalidRequest),
        (&[("response_type", "token")], UnsupportedResponseType),
        (&[("response_type", "code id_token")], UnsupportedResponseType),
        (&[("response_mode", "fragment")], InvalidRequest),
        (&[("code_challenge", "")], InvalidRequest),
        (&[("code_challenge_method", "plain")], InvalidRequest),
        (&[("code_challenge_method", "")], InvalidRequest),
        (&[("scope", "a\"b")], InvalidScope),
        (&[("scope", "admin")], InvalidScope),
        (&[("resource", "https://unknown.example")], InvalidTarget),
        (&[("resource", "relative")], InvalidTarget),
        (&[("nonce", &long)], InvalidRequest),
        (&[("prompt", "none login")], InvalidRequest),
        (&[("prompt", "create")], InvalidRequest),
        (&[("max_age", "-1")], InvalidRequest),
        (&[("max_age", "+1")], InvalidRequest),
        (&[("max_age", "1e3")], InvalidRequest),
        (&[("max_age", "99999999999")], InvalidRequest),
        (&[("claims", "[]")], InvalidRequest),
        (&[("claims", r#"{"id_token":{"sub":{"values":["usr_a","usr_b"]}}}"#)], InvalidRequest),
    ] {
        assert_eq!(refused(changes), code, "{changes:?}");
    }
}

#[test]
fn what_is_not_known_is_ignored() {
    assert!(asked_by(&client(), &[("display", "touch"), ("audience", "x"), ("ui_locales", "de-CH fr")]).is_ok());
}

#[test]
fn a_client_that_is_not_registered_for_codes_is_unauthorized() {
    let mut client = client();
    client.grant_types.remove(&GrantType::AuthorizationCode);
    assert_eq!(asked_by(&client, &[]).unwrap_err().code, UnauthorizedClient);
}

#[test]
fn offline_access_is_given_only_when_asked_and_only_where_refresh_tokens_are() {
    assert!(asked(&[("scope", "read offline_access")]).scope.has("offline_access"));
    let all = asked(&[("scope", "")]).scope;
    assert!(all.has("write") && !all.has("offline_access"));
    let mut client = client();
    client.grant_types.remove(&GrantType::RefreshToken);
    let granted = asked_by(&client, &[("scope", "read offline_access")]).unwrap().scope;
    assert_eq!(granted.to_string(), "read");
    assert_eq!(asked_by(&client, &[("scope", "offline_access")]).unwrap_err().code, InvalidScope);
}

#[test]
fn b11_without_a_resource_the_first_registered_one_is_granted() {
    let first = asked(&[]).resources;
    assert_eq!(first.iter().map(|r| r.as_str()).collect::<Vec<_>>(), ["https://api.example"]);
}

#[test]
fn defaults_of_the_client_fill_what_the_request_does_not_say() {
    let mut client = client();
    client.defaults.max_age = Some(Span::hours(1));
    client.defaults.acr_values = vec!["urn:strong".to_owned()];
    let silent = asked_by(&client, &[]).unwrap();
    assert_eq!((silent.max_age, silent.acr.voluntary.len()), (Some(Span::hours(1)), 1));
    let spoken = asked_by(&client, &[("max_age", "5"), ("acr_values", "a b")]).unwrap();
    assert_eq!((spoken.max_age, spoken.acr.voluntary.len()), (Some(Span::seconds(5)), 2));
    let essential = r#"{"id_token":{"acr":{"essential":true,"values":["c"]}}}"#;
    assert_eq!(asked_by(&client, &[("claims", essential)]).unwrap().acr.essential, ["c"]);
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
}

#[test]
fn a18_what_was_asked_comes_back_unchanged_from_where_it_was_kept() {
    let before =
        asked(&[("nonce", "n"), ("prompt", "login consent"), ("max_age", "0"), ("response_mode", "form_post")]);
    let kept = serde_json::to_string(&before).unwrap();
    assert_eq!(serde_json::from_str::<Asked>(&kept).unwrap(), before);
    let tampered = kept.replace("https://api.example", "relative");
    assert!(serde_json::from_str::<Asked>(&tampered).is_err());
}

// What comes next.

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
    match next {
        Next::Refuse(refusal) => Some(refusal.code),
        _ => None,
    }
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
        [&[("prompt", "login")], &[("prompt", "select_account")], &[("max_age", "0")], &[("prompt", "consent")]]
    {
        assert_eq!(next(&asked(changes), &fresh, later), Next::Approve, "{changes:?}");
    }
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
        for _ in 0..4 {
            now = now + Span::seconds(slow);
            match next(&asked, &facts, now) {
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
                        scope: asked.scope.clone(), resources: asked.resources.clone(), given_at: now,
                    });
                }
            }
        }
        prop_assert!(false, "still a page after four");
    }
}
