//! Tables over the answer of the authorization endpoint.

use super::{Delivery, Destination, ResponseMode, respond};
use crate::{
    base::secret::Secret,
    oauth::{
        code::ErrorCode::{AccessDenied, InvalidRequest, InvalidToken},
        refusal::Refusal,
        sample::{client, issuer, request},
    },
};
use proptest::prelude::*;

fn to(changes: &[(&str, &str)]) -> Destination {
    Destination::prove(&request(changes), &client()).unwrap()
}

#[test]
fn b14_c19_the_answer_names_its_issuer_on_success_and_on_error() {
    let code = Secret::new("kw_code_x".to_owned());
    assert_eq!(
        respond::success(&to(&[]), &issuer(), &code),
        Delivery::Redirect("https://app.example/cb?code=kw_code_x&state=xyz&iss=https%3A%2F%2Fid.example".to_owned())
    );
    assert_eq!(
        respond::error(&to(&[("state", "")]), &issuer(), &Refusal::new(AccessDenied, "no")),
        Delivery::Redirect(
            "https://app.example/cb?error=access_denied&error_description=no&iss=https%3A%2F%2Fid.example".to_owned()
        )
    );
}

#[test]
fn a_form_post_carries_the_same_fields() {
    let to = to(&[("response_mode", "form_post"), ("state", "a&b\"<é>")]);
    assert_eq!(to.mode(), ResponseMode::FormPost);
    let Delivery::FormPost { action, fields } = respond::success(&to, &issuer(), &Secret::new("c".to_owned())) else {
        panic!("not a form")
    };
    assert_eq!(action, "https://app.example/cb");
    let expected = [("code", "c"), ("state", "a&b\"<é>"), ("iss", "https://id.example")];
    assert_eq!(fields, expected.map(|(name, value)| (name, value.to_owned())));
}

#[test]
fn parameters_go_behind_those_that_the_uri_has() {
    for (uri, expected) in [
        ("https://a.example", "https://a.example?x=a+b%26"),
        ("https://a.example/?", "https://a.example/?x=a+b%26"),
        ("https://a.example/?y=1", "https://a.example/?y=1&x=a+b%26"),
        ("https://a.example/?y=1&", "https://a.example/?y=1&x=a+b%26"),
        ("com.example.app:/cb", "com.example.app:/cb?x=a+b%26"),
    ] {
        assert_eq!(respond::with_query(uri, [("x", "a b&")]), expected);
    }
}

#[test]
fn a_refusal_of_the_state_itself_does_not_echo_it() {
    for state in ["a\r\nLocation: x", &"s".repeat(2049)] {
        let Delivery::Redirect(location) =
            respond::error(&to(&[("state", state)]), &issuer(), &Refusal::new(InvalidRequest, "state"))
        else {
            panic!("not a redirect")
        };
        assert!(!location.contains("state="), "{location}");
    }
}

#[test]
fn a_description_has_only_the_characters_that_it_may_have() {
    let Delivery::FormPost { fields, .. } = respond::error(
        &to(&[("response_mode", "form_post")]),
        &issuer(),
        &Refusal::new(InvalidToken, "\"quoted\" §4 \\ \n"),
    ) else {
        panic!("not a form")
    };
    assert_eq!(fields[0].1, "server_error", "a code of the back channel never travels through the browser");
    assert_eq!(fields[1].1, "?quoted? ?4 ? ?");
}

proptest! {
    #[test]
    fn a34_whatever_is_asked_the_answer_goes_to_the_registered_place(uri in "\\PC{0,40}", state in "\\PC{0,40}") {
        let params = request(&[("redirect_uri", &uri), ("state", &state), ("scope", "read")]);
        if let Ok(to) = Destination::prove(&params, &client()) {
            let Delivery::Redirect(location) = respond::success(&to, &issuer(), &Secret::new("c".to_owned())) else {
                panic!("not a redirect")
            };
            prop_assert!(location.starts_with("https://app.example/cb?code=c&"));
            prop_assert!(location.bytes().all(|b| b.is_ascii_graphic()));
        }
    }
}
