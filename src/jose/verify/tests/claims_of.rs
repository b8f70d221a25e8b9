//! Type, claims, parties and time, for each profile.

use super::*;

#[test]
fn rule_8_the_type_is_demanded() {
    for typ in [json!("at+jwt"), json!("application/at+jwt"), json!("AT+JWT"), json!("Application/AT+jwt")] {
        assert!(at(json!({"h.typ": typ})).is_ok(), "{typ}");
    }
    for typ in [json!("JWT"), json!("logout+jwt"), json!(""), json!("ABSENT"), json!(null), json!(7), json!("x/at+jwt")]
    {
        assert_eq!(at(json!({"h.typ": typ})), Err(BadToken::Typ), "{typ}");
    }
    for typ in [json!("ABSENT"), json!("JWT"), json!("client-authentication+jwt")] {
        assert!(assertion_with(json!({"h.typ": typ})).is_ok(), "{typ}");
    }
    for typ in [json!("at+jwt"), json!("logout+jwt"), json!("dpop+jwt")] {
        assert_eq!(assertion_with(json!({"h.typ": typ})), Err(BadToken::Typ), "{typ}");
    }
}

#[test]
fn a29_rule_8_each_required_claim_absent_null_or_of_a_wrong_type_is_refused() {
    for name in ["iss", "aud", "exp", "sub", "client_id", "iat", "jti"] {
        let absent = at(json!({ name: "ABSENT" }));
        assert!(matches!(absent, Err(BadToken::Missing(claim)) if claim.name == name), "{name}: {absent:?}");
        for value in [json!(null), json!(true), json!({}), json!([7]), json!([])] {
            let wrong = at(json!({ name: value }));
            assert!(
                matches!(wrong, Err(BadToken::WrongType(claim)) if claim.name == name),
                "{name} {value}: {wrong:?}"
            );
        }
    }
    for name in ["iss", "aud", "exp", "sub", "jti"] {
        let absent = assertion_with(json!({ name: "ABSENT" }));
        assert!(matches!(absent, Err(BadToken::Missing(claim)) if claim.name == name), "{name}: {absent:?}");
    }
}

#[test]
fn a42_a_claim_of_the_wrong_type_is_refused() {
    for (name, value) in [
        ("nbf", json!("999")),
        ("nbf", json!(null)),
        ("exp", json!("1800000000")),
        ("exp", json!(1e300)),
        ("exp", json!(u64::MAX)),
        ("iat", json!(-1)),
        ("aud", json!(["https://rs.example", 7])),
        ("auth_time", json!("yesterday")),
        ("amr", json!("pwd")),
        ("scope", json!(["a"])),
        ("nonce", json!(7)),
    ] {
        let answer = at(json!({ name: value }));
        assert!(matches!(answer, Err(BadToken::WrongType(claim)) if claim.name == name), "{name}: {answer:?}");
    }
}

#[test]
fn a28_rule_9_a_wrong_issuer_or_audience_is_refused() {
    for issuer in ["https://evil.example", "https://as.example/", "HTTPS://as.example", ""] {
        assert_eq!(at(json!({"iss": issuer})), Err(BadToken::Issuer), "{issuer}");
    }
    for audience in [json!("https://rs2.example"), json!(["https://rs.example/"]), json!(""), json!(["a", "b"])] {
        assert_eq!(at(json!({"aud": audience})), Err(BadToken::Audience), "{audience}");
    }
    for audience in [json!("https://rs.example"), json!(["https://rs2.example", "https://rs.example"])] {
        assert!(at(json!({"aud": audience})).is_ok(), "{audience}");
    }
    // Where the caller judges the audience, there must still be one.
    let judged = Profile::access_token(&FIXTURE.issuer, Audience::Judged);
    assert!(changed(&judged, access_token(), json!({"aud": "anybody"})).is_ok());
    assert!(changed(&judged, access_token(), json!({"aud": "ABSENT"})).is_err());
}

#[test]
fn rule_9_a_client_assertion_is_by_the_client_about_itself_for_us_alone() {
    for (changes, expected) in [
        (json!({"aud": ["https://as.example"]}), Ok(())),
        (json!({"aud": ["https://as.example", "https://other.example"]}), Err(BadToken::SoleAudience)),
        (json!({"aud": ["https://as.example", "https://as.example"]}), Err(BadToken::SoleAudience)),
        (json!({"aud": "https://as.example/token"}), Err(BadToken::SoleAudience)),
        (json!({"iss": "cli_2"}), Err(BadToken::Issuer)),
        (json!({"sub": "cli_2"}), Err(BadToken::Unequal(&claims::SUB))),
        (json!({"events": {}}), Err(BadToken::Forbidden(&claims::EVENTS))),
    ] {
        assert_eq!(assertion_with(changes.clone()).map(|_| ()), expected, "{changes}");
    }
}

#[test]
fn rule_10_an_assertion_has_a_minute_of_leeway_and_our_own_expiry_none() {
    for (exp, expected) in [(NOW + 1, Ok(())), (NOW, Err(BadToken::Expired)), (NOW - 1, Err(BadToken::Expired))] {
        assert_eq!(at(json!({"exp": exp, "iat": NOW - 300})).map(|_| ()), expected, "{exp}");
    }
    for (exp, expected) in [
        (NOW - 59, Ok(())),
        (NOW - 60, Err(BadToken::Expired)),
        (NOW + 300, Ok(())),
        (NOW + 360, Ok(())),
        (NOW + 361, Err(BadToken::TooFarAhead)),
    ] {
        assert_eq!(assertion_with(json!({"exp": exp})).map(|_| ()), expected, "{exp}");
    }
    for name in ["iat", "nbf"] {
        assert!(assertion_with(json!({ name: NOW + 60 })).is_ok());
        assert_eq!(assertion_with(json!({ name: NOW + 61 })), Err(BadToken::NotYet));
        assert_eq!(at(json!({ name: NOW + 61 })), Err(BadToken::NotYet));
    }
}

#[test]
fn a_hint_may_have_expired_but_nothing_else_may_be_wrong() {
    let hint = || {
        let claims = json!({"iss": "https://as.example", "sub": "usr_1", "aud": "cli_1", "exp": NOW - 9_999_999, "iat": NOW - 99_999_999, "sid": "s"});
        (json!({"alg": "ES256", "typ": "JWT", "kid": "ES256"}), claims)
    };
    let any = Profile::id_token_hint(&FIXTURE.issuer, Audience::Judged);
    let verified = changed(&any, hint(), json!({})).unwrap();
    assert_eq!((verified.list("aud"), verified.str("sid")), (vec!["cli_1"], Some("s")));
    let given = Profile::id_token_hint(&FIXTURE.issuer, Audience::OneOf(vec!["cli_2".to_owned()]));
    assert_eq!(changed(&given, hint(), json!({})), Err(BadToken::Audience));
    assert_eq!(changed(&any, hint(), json!({"exp": "ABSENT"})), Err(BadToken::Missing(&claims::EXP)));
    assert_eq!(changed(&any, hint(), json!({"iss": "https://evil.example"})), Err(BadToken::Issuer));
    assert_eq!(changed(&any, hint(), json!({"h.typ": "logout+jwt"})), Err(BadToken::Typ));
    assert_eq!(changed(&any, hint(), json!({"iat": NOW + 61})), Err(BadToken::NotYet));
}

#[test]
fn a_relying_party_demands_its_nonce_and_its_own_name() {
    let profile = Profile::id_token("https://as.example", "cli_1", "n1");
    let token = || {
        let claims = json!({"iss": "https://as.example", "sub": "usr_1", "aud": "cli_1", "exp": NOW + 300, "iat": NOW, "nonce": "n1"});
        (json!({"alg": "ES256", "typ": "JWT", "kid": "ES256"}), claims)
    };
    for (changes, expected) in [
        (json!({}), Ok(())),
        (json!({"azp": "cli_1"}), Ok(())),
        (json!({"azp": "cli_2"}), Err(BadToken::Unequal(&claims::AZP))),
        (json!({"nonce": "n2"}), Err(BadToken::Unequal(&claims::NONCE))),
        (json!({"nonce": "ABSENT"}), Err(BadToken::Missing(&claims::NONCE))),
        (json!({"aud": ["cli_1", "cli_2"]}), Err(BadToken::SoleAudience)),
        (json!({"h.typ": "at+jwt"}), Err(BadToken::Typ)),
    ] {
        assert_eq!(changed(&profile, token(), changes.clone()).map(|_| ()), expected, "{changes}");
    }
}

#[test]
fn a_logout_token_has_events_and_no_nonce() {
    let profile = Profile::logout_token("https://as.example", "cli_1");
    let token = || {
        let claims = json!({"iss": "https://as.example", "sub": "usr_1", "aud": "cli_1", "exp": NOW + 120, "iat": NOW, "jti": "j", "events": {}});
        (json!({"alg": "ES256", "typ": "logout+jwt", "kid": "ES256"}), claims)
    };
    assert!(changed(&profile, token(), json!({})).is_ok());
    assert_eq!(changed(&profile, token(), json!({"nonce": "n"})), Err(BadToken::Forbidden(&claims::NONCE)));
    assert_eq!(changed(&profile, token(), json!({"events": "ABSENT"})), Err(BadToken::Missing(&claims::EVENTS)));
}

#[test]
fn an_unverified_subject_is_read_only_where_issuer_and_subject_agree() {
    let peek = |claims: Value| peek_subject(&signed(&json!({"alg": "ES256"}), &claims));
    assert_eq!(peek(json!({"iss": "cli_1", "sub": "cli_1"})).as_deref(), Ok("cli_1"));
    assert_eq!(peek(json!({"iss": "cli_1", "sub": "cli_2"})), Err(BadToken::Unequal(&claims::SUB)));
    assert_eq!(peek(json!({"iss": "cli_1"})), Err(BadToken::Missing(&claims::SUB)));
    assert_eq!(peek(json!({"iss": 7, "sub": "cli_1"})), Err(BadToken::WrongType(&claims::ISS)));
    assert_eq!(peek_subject("no token"), Err(BadToken::NotCompact));
}
