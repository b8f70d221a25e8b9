//! Tables over destinations and checks.

use super::{Asked, Destination, check, client_id_of};
use crate::{
    base::{
        moment::{Moment, Span},
        uri::RedirectUri,
    },
    oauth::{
        client::{Client, GrantType},
        code::ErrorCode::{self, *},
        refusal::Refusal,
        sample::{client, request},
    },
};
pub(super) const NOW: Moment = Moment::from_unix(1_800_000_000);

fn asked_by(client: &Client, changes: &[(&str, &str)]) -> Result<Asked, Refusal> {
    let params = request(changes);
    check(&params, client, &Destination::prove(&params, client).unwrap(), NOW)
}

pub(super) fn asked(changes: &[(&str, &str)]) -> Asked {
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
fn a18_what_was_asked_comes_back_unchanged_from_where_it_was_kept() {
    let before =
        asked(&[("nonce", "n"), ("prompt", "login consent"), ("max_age", "0"), ("response_mode", "form_post")]);
    let kept = serde_json::to_string(&before).unwrap();
    assert_eq!(serde_json::from_str::<Asked>(&kept).unwrap(), before);
    let tampered = kept.replace("https://api.example", "relative");
    assert!(serde_json::from_str::<Asked>(&tampered).is_err());
}

#[test]
fn a_request_that_is_too_long_to_be_kept_is_refused_and_no_page_is_shown_for_it() {
    let text = |n: usize| "x".repeat(n);
    let claims = |n: usize| {
        format!(r#"{{"id_token":{{"sub":{{"values":["usr_1","usr_1"]}},"acr":{{"values":["{}"]}}}}}}"#, text(n))
    };
    let (state, hint) = (text(1000), text(1000));
    let long = |n: usize| asked_by(&client(), &[("state", &state), ("login_hint", &hint), ("claims", &claims(n))]);
    let Ok(kept) = long(10) else { panic!("an ordinary request") };
    assert!(serde_json::to_vec(&kept).unwrap().len() < 5000);
    let refused = (100..4000).step_by(100).find_map(|n| long(n).err()).expect("there is a limit");
    assert_eq!(refused.code, InvalidRequest);
    assert!(refused.because.contains("too long"), "{}", refused.because);
}
