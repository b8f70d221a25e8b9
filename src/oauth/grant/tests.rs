//! Tables over the grants.

use super::{
    authorization_code::{self, CodeVerdict, Usage, judge_code},
    client_credentials, refresh_token,
    refresh_token::{Line, RefreshVerdict, Shown, decide_refresh, narrow},
    *,
};
use crate::{
    base::{
        credential::{self, Kind, RefreshKeys, RefreshToken},
        digest::{Pepper, TokenHash},
        entropy::SeededEntropy,
        moment::Span,
        secret::Secret,
    },
    oauth::{
        client::{AuthMethod, GrantType},
        code::ErrorCode::{self, *},
        params::Params,
        refusal::Refusal,
        sample::client,
    },
};
use proptest::prelude::*;

const NOW: Moment = Moment::from_unix(1_800_000_000);
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "https://app.example/cb";

fn text_of_code() -> String {
    credential::mint(Kind::Code, &SeededEntropy::new(1)).unwrap().expose().clone()
}

fn read(pairs: &[(&str, &str)]) -> Result<TokenRequest, ErrorCode> {
    TokenRequest::parse(&Params::from_pairs(pairs.iter().copied())).map_err(|refusal| refusal.code)
}

fn resource(text: &str) -> Resource {
    Resource::parse(text).unwrap()
}

fn granted() -> Granted {
    Granted {
        client: client().id,
        user: UserId::parse("usr_ada").unwrap(),
        session: SessionId::parse("ses_1").unwrap(),
        scope: Scope::parse("openid read offline_access").unwrap(),
        resources: [resource("https://api.example"), resource("https://other.example")].into(),
        claims: ClaimsRequest::default(),
        authentication: Authentication { at: NOW, amr: vec!["pwd".to_owned()], acr: None },
        nonce: None,
    }
}

fn code() -> Code {
    Code {
        granted: granted(),
        redirect_uri: CALLBACK.to_owned(),
        redirect_uri_was_sent: true,
        challenge: CHALLENGE.to_owned(),
        expires_at: NOW + Span::seconds(60),
    }
}

fn redemption(changes: &[(&str, &str)]) -> authorization_code::Request {
    let text = text_of_code();
    let good = [("code", text.as_str()), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
    let kept = good.into_iter().filter(|(name, _)| !changes.iter().any(|(n, _)| n == name));
    let added = changes.iter().copied().filter(|(_, value)| !value.is_empty());
    let pairs: Vec<_> = kept.chain(added).chain([("grant_type", "authorization_code")]).collect();
    let TokenRequest::AuthorizationCode(request) = read(&pairs).unwrap() else { panic!("not a code") };
    request
}

fn refused(code: &Code, changes: &[(&str, &str)]) -> ErrorCode {
    Refusal::from(judge_code(code, Usage::Unused, &client().id, &redemption(changes), NOW).unwrap_err()).code
}

#[test]
fn a_request_is_read_by_its_grant_type() {
    let code = text_of_code();
    for (pairs, error) in [
        (&[][..], InvalidRequest),
        (&[("grant_type", "password"), ("username", "a"), ("password", "b")], UnsupportedGrantType),
        (&[("grant_type", "implicit")], UnsupportedGrantType),
        (&[("grant_type", "client_credentials"), ("grant_type", "client_credentials")], InvalidRequest),
        (&[("grant_type", "client_credentials"), ("x", "1"), ("x", "2")], InvalidRequest),
        (&[("grant_type", "client_credentials"), ("scope", "a\\")], InvalidScope),
        (&[("grant_type", "client_credentials"), ("resource", "x")], InvalidTarget),
        (&[("grant_type", "authorization_code")], InvalidRequest),
        (&[("grant_type", "authorization_code"), ("code", "nonsense")], InvalidGrant),
        (&[("grant_type", "authorization_code"), ("code", code.split_at(20).0)], InvalidGrant),
        (&[("grant_type", "refresh_token")], InvalidRequest),
        (&[("grant_type", "refresh_token"), ("refresh_token", "nonsense")], InvalidGrant),
        (&[("grant_type", "refresh_token"), ("refresh_token", &code)], InvalidGrant),
    ] {
        assert_eq!(read(pairs).unwrap_err(), error, "{pairs:?}");
    }
    assert_eq!(read(&[("grant_type", "client_credentials")]).unwrap().grant_type(), GrantType::ClientCredentials);
}

#[test]
fn b08_there_is_no_password_grant() {
    assert_eq!(read(&[("grant_type", "password")]).unwrap_err(), UnsupportedGrantType);
}

#[test]
fn c01_a_code_is_redeemed_by_its_client_with_its_uri_and_verifier() {
    let all = judge_code(&code(), Usage::Unused, &client().id, &redemption(&[]), NOW).unwrap();
    assert_eq!(all.len(), 2);
    let one = redemption(&[("resource", "https://other.example")]);
    assert_eq!(judge_code(&code(), Usage::Unused, &client().id, &one, NOW).unwrap().len(), 1);
}

#[test]
fn a01_b03_b04_whatever_does_not_match_the_code_is_refused() {
    for (changes, error) in [
        (&[("code_verifier", "")][..], InvalidGrant),
        (&[("code_verifier", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")], InvalidGrant),
        (&[("redirect_uri", "")], InvalidGrant),
        (&[("redirect_uri", "https://app.example/CB")], InvalidGrant),
        (&[("resource", "https://unknown.example")], InvalidTarget),
    ] {
        assert_eq!(refused(&code(), changes), error, "{changes:?}");
    }
    let bare = Code { challenge: String::new(), ..code() };
    assert_eq!(refused(&bare, &[]), InvalidGrant, "a verifier without a challenge");
}

#[test]
fn a_redirect_uri_that_was_not_sent_need_not_be_repeated() {
    let implied = Code { redirect_uri_was_sent: false, ..code() };
    let client = client().id;
    for (uri, good) in [("", true), (CALLBACK, true), ("https://evil.example/cb", false)] {
        let request = redemption(&[("redirect_uri", uri)]);
        assert_eq!(judge_code(&implied, Usage::Unused, &client, &request, NOW).is_ok(), good, "{uri}");
    }
}

#[test]
fn b06_a_used_code_is_a_replay_however_late_and_whatever_else_is_wrong() {
    let late = NOW + Span::days(1);
    let verdict = judge_code(&code(), Usage::Used, &client().id, &redemption(&[("code_verifier", "")]), late);
    assert_eq!(verdict, Err(CodeVerdict::Replayed));
}

#[test]
fn another_client_gets_nothing_and_revokes_nothing() {
    let other = ClientId::parse("cli_other").unwrap();
    for usage in [Usage::Unused, Usage::Used] {
        let verdict = judge_code(&code(), usage, &other, &redemption(&[]), NOW).unwrap_err();
        assert_eq!(verdict, CodeVerdict::Refused(authorization_code::not_good()));
    }
}

#[test]
fn a09_a_code_ends_by_its_own_date() {
    let client = client().id;
    let at = |now| judge_code(&code(), Usage::Unused, &client, &redemption(&[]), now).is_ok();
    assert!(at(NOW + Span::millis(59_999)));
    assert!(!at(NOW + Span::seconds(60)));
}

// Refresh.

fn hash(text: &str) -> TokenHash {
    Pepper::new(1, &Secret::new([1; 32])).hash(text)
}

fn line() -> Line {
    Line {
        client: client().id,
        generation: 3,
        current: hash("three"),
        previous: Some(hash("two")),
        rotated_at: NOW,
        revoked_at: None,
        expires_at: NOW + Span::days(90),
        idle_expires_at: NOW + Span::days(30),
    }
}

const GRACE: Span = Span::seconds(30);

fn decide(generation: u32, text: &str, line: &Line, after: Span) -> RefreshVerdict {
    decide_refresh(Shown { client: &client().id, generation, hash: hash(text) }, line, GRACE, NOW + after)
}

#[test]
fn b10_rotation_replay_and_reuse() {
    let refused = RefreshVerdict::Refused(refresh_token::not_good());
    for (generation, text, after, expected) in [
        (3, "three", Span::ZERO, RefreshVerdict::Rotate),
        (3, "three", Span::days(29), RefreshVerdict::Rotate),
        (3, "three", Span::days(30), refused.clone()),
        (2, "two", Span::ZERO, RefreshVerdict::Replay),
        (2, "two", Span::millis(29_999), RefreshVerdict::Replay),
        (2, "two", Span::seconds(30), RefreshVerdict::Reused),
        (2, "two", Span::days(40), RefreshVerdict::Reused),
        (1, "one", Span::ZERO, RefreshVerdict::Reused),
        (3, "forged", Span::ZERO, refused.clone()),
        (2, "forged", Span::days(1), refused.clone()),
        (4, "four", Span::ZERO, refused.clone()),
        (3, "three", Span::days(90), refused.clone()),
        (1, "one", Span::days(90), refused.clone()),
    ] {
        assert_eq!(decide(generation, text, &line(), after), expected, "{generation} {text} {after:?}");
    }
}

#[test]
fn no_grace_at_all_turns_every_replay_into_reuse() {
    let shown = Shown { client: &client().id, generation: 2, hash: hash("two") };
    assert_eq!(decide_refresh(shown, &line(), Span::ZERO, NOW), RefreshVerdict::Reused);
}

#[test]
fn a_line_that_was_ended_or_is_another_clients_gives_nothing() {
    let refused = RefreshVerdict::Refused(refresh_token::not_good());
    let ended = Line { revoked_at: Some(NOW), ..line() };
    let others = Line { client: ClientId::parse("cli_other").unwrap(), ..line() };
    for (generation, text) in [(3, "three"), (2, "two"), (1, "one")] {
        assert_eq!(decide(generation, text, &ended, Span::ZERO), refused);
        assert_eq!(decide(generation, text, &others, Span::ZERO), refused);
    }
}

#[test]
fn a_client_is_told_no_claim_whose_scope_it_was_deprived_of() {
    let asked = || ["email", "name", "acr"].map(|claim| (claim.to_owned(), ClaimRequest::default())).into();
    let claims = ClaimsRequest { userinfo: asked(), id_token: asked() };
    let kept = claims.within(&Scope::parse("openid profile").unwrap());
    for kept in [&kept.userinfo, &kept.id_token] {
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["acr", "name"]);
    }
    assert_eq!(claims.within(&Scope::parse("openid profile email").unwrap()), claims);
}

#[test]
fn c03_what_is_refreshed_is_narrower_and_never_wider() {
    let none = BTreeSet::new();
    let scope = |text| Some(Scope::parse(text).unwrap());
    let (whole, all) = narrow(&granted(), &client(), None, &none).unwrap();
    assert_eq!((whole, all.len()), (granted().scope, 2));
    let (part, one) =
        narrow(&granted(), &client(), scope("read").as_ref(), &[resource("https://api.example")].into()).unwrap();
    assert_eq!((part.to_string().as_str(), one.len()), ("read", 1));
    let wider = narrow(&granted(), &client(), scope("read write").as_ref(), &none);
    assert_eq!(wider.unwrap_err().code, InvalidScope, "the client has write, the grant has not");
    let foreign = narrow(&granted(), &client(), None, &[resource("https://unknown.example")].into());
    assert_eq!(foreign.unwrap_err().code, InvalidTarget);
}

#[test]
fn what_a_client_lost_since_is_not_refreshed() {
    let mut client = client();
    client.scope = Scope::parse("openid").unwrap();
    client.resources = vec![resource("https://api.example")];
    let (scope, resources) = narrow(&granted(), &client, None, &BTreeSet::new()).unwrap();
    assert_eq!((scope.to_string().as_str(), resources.len()), ("openid", 1));
    client.resources.clear();
    assert_eq!(narrow(&granted(), &client, None, &BTreeSet::new()).unwrap_err().code, InvalidTarget);
}

#[test]
fn a_request_carries_its_refresh_token_in_parts() {
    let dice = SeededEntropy::new(2);
    let grant = GrantId::mint(NOW, &dice).unwrap();
    let keys = RefreshKeys { succession: Secret::new([1; 32]), mark: Secret::new([2; 32]) };
    let token = RefreshToken::first(&grant, &keys, &dice).unwrap();
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", token.text().expose().as_str())];
    let Ok(TokenRequest::RefreshToken(request)) = read(&pairs) else { panic!("not read") };
    assert_eq!((request.token.grant, request.token.generation), (grant, 1));
}

// On its own account.

fn own(
    client: &crate::oauth::client::Client,
    pairs: &[(&str, &str)],
) -> Result<(Scope, BTreeSet<Resource>), ErrorCode> {
    let pairs = [pairs, &[("grant_type", "client_credentials")]].concat();
    let Ok(TokenRequest::ClientCredentials(request)) = read(&pairs) else { panic!("not read") };
    client_credentials::judge(client, &request).map_err(|refusal| refusal.code)
}

#[test]
fn a05_c02_a_client_alone_gets_only_what_it_is_registered_for() {
    let mut client = client();
    let (scope, resources) = own(&client, &[]).unwrap();
    assert_eq!((scope.to_string().as_str(), resources.len()), ("read write", 1));
    for (pairs, error) in [
        ([("scope", "admin")], InvalidScope),
        ([("scope", "openid read")], InvalidScope),
        ([("scope", "offline_access")], InvalidScope),
        ([("resource", "https://unknown.example")], InvalidTarget),
    ] {
        assert_eq!(own(&client, &pairs).unwrap_err(), error, "{pairs:?}");
    }
    client.auth_method = AuthMethod::None;
    assert_eq!(own(&client, &[]).unwrap_err(), UnauthorizedClient);
    client.auth_method = AuthMethod::PrivateKeyJwt;
    client.grant_types.remove(&GrantType::ClientCredentials);
    assert_eq!(own(&client, &[]).unwrap_err(), UnauthorizedClient);
}

proptest! {
    #[test]
    fn a_line_is_never_moved_by_a_token_it_did_not_issue(generation in 0u32..6, text in "[a-z]{1,6}", after in 0i64..10_000_000) {
        let verdict = decide(generation, &text, &line(), Span::seconds(after));
        prop_assume!(text != "two" && text != "three");
        prop_assert!(!matches!(verdict, RefreshVerdict::Rotate | RefreshVerdict::Replay));
    }

    #[test]
    fn no_narrowing_widens(scope in proptest::option::of("[a-z ]{0,12}"), resource in proptest::option::of("https://(api|other|x)[.]example")) {
        let scope = scope.map(|text| Scope::parse(&text).unwrap());
        let resources = resource.map(|text| Resource::parse(&text).unwrap()).into_iter().collect();
        if let Ok((scope, resources)) = narrow(&granted(), &client(), scope.as_ref(), &resources) {
            prop_assert!(scope.within(&granted().scope));
            prop_assert!(resources.is_subset(&granted().resources));
        }
    }
}
