//! What is read, and what is refused unread.

use super::*;
use crate::http::gateway::profile::{self, PROFILES};
use actix_web::test::TestRequest;

const PEER: &str = "10.0.0.0/8";

fn request(path: &str, fields: &[(&'static str, &str)]) -> HttpRequest {
    let request = TestRequest::default().uri(path);
    fields.iter().fold(request, |request, field| request.append_header(*field)).to_http_request()
}

/// What is made of a question of this gateway.
fn asked<T>(path: &str, fields: &[(&'static str, &str)], look: impl FnOnce(Result<Question<'_>, Bad>) -> T) -> T {
    let request = request(path, fields);
    let (profile, _, rest) = profile::of(request.uri().path()).unwrap();
    look(question(profile, (&request, rest), &[PEER.parse().unwrap()]))
}

fn is_bad(path: &str, fields: &[(&'static str, &str)]) -> bool {
    asked(path, fields, |question| question.is_err())
}

fn credential(fields: &[(&'static str, &str)]) -> Result<Option<String>, Bad> {
    asked("/auth/caddy/docs", fields, |question| {
        question.unwrap().credential(Some("key")).map(|credential| match credential {
            Credential::Key(text) => Some(text.into_owned()),
            Credential::Bound(text) => Some(format!("bound {text}")),
            Credential::None => None,
        })
    })
}

#[test]
fn each_gateway_says_method_and_path_where_the_table_says() {
    for profile in &PROFILES {
        let path = format!("/auth/{}/docs/v1/a", profile.name);
        let fields = [
            ("x-original-method", "PUT"),
            ("x-original-uri", "/nginx?a=b"),
            ("x-forwarded-method", "POST"),
            ("x-forwarded-uri", "/forwarded?a=b"),
        ];
        let wanted = match profile.name {
            "nginx" => ("PUT", "/nginx"),
            "envoy" => ("GET", "/v1/a"),
            _ => ("POST", "/forwarded"),
        };
        asked(&path, &fields, |question| {
            let question = question.unwrap();
            assert_eq!((question.method.unwrap(), question.path().unwrap()), wanted, "{}", profile.name);
        });
    }
    asked("/auth/envoy/docs//x/%2e%2e?a=b", &[], |question| {
        assert_eq!(question.unwrap().path(), Some("//x/%2e%2e"));
    });
    asked("/auth/caddy/docs", &[], |question| {
        let question = question.unwrap();
        assert_eq!((question.method, question.path(), question.address), (None, None, None));
    });
}

#[test]
fn a38_a_field_that_is_there_twice_or_under_an_alias_is_refused() {
    for name in READ {
        assert!(is_bad("/auth/nginx/docs", &[(name, "203.0.113.9"), (name, "203.0.113.9")]), "{name}");
    }
    for alias in ["x_forwarded_for", "x_forwarded-uri", "x-forwarded_for", "x_key_owner", "x_api_key", "user_agent"] {
        assert!(is_bad("/auth/nginx/docs", &[(alias, "203.0.113.9")]), "{alias}");
    }
    assert!(!is_bad("/auth/nginx/docs", &[("x-forwarded-for", "203.0.113.9, 10.0.0.7"), ("some_field", "a")]));
}

#[test]
fn the_client_is_the_last_address_that_is_no_gateway() {
    let address = |field: &str| {
        asked("/auth/nginx/docs", &[("x-forwarded-for", field)], |q| q.map(|q| q.address.unwrap().to_string()))
    };
    for (field, wanted) in [
        ("203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("garbage, 203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("10.0.0.7, 10.0.0.8", "10.0.0.7"),
    ] {
        assert_eq!(address(field).unwrap(), wanted, "{field}");
    }
    for field in ["", "unknown", "203.0.113.9, garbage", "203.0.113.9,,10.0.0.7", "203.0.113.999", "_hidden"] {
        assert!(address(field).is_err(), "{field:?}");
    }
}

#[test]
fn a_key_is_in_one_place_only() {
    let uri = "/v1?a=b&key=three";
    let one = |key: &str| Ok(Some(key.to_owned()));
    assert_eq!(credential(&[("authorization", "bearer  one ")]), one("one"));
    assert_eq!(credential(&[("x-api-key", "two")]), one("two"));
    assert_eq!(credential(&[("x-forwarded-uri", uri)]), one("three"));
    assert_eq!(credential(&[("authorization", "DPoP one")]), one("bound one"));
    assert_eq!(credential(&[("authorization", "Basic YTpi")]), Ok(None));
    assert_eq!(credential(&[("authorization", "Basic YTpi"), ("x-api-key", "two")]), one("two"));
    assert_eq!(credential(&[("x-api-key", " ")]), Ok(None));
    for two in [
        [("authorization", "Bearer one"), ("x-api-key", "two")],
        [("authorization", "DPoP one"), ("x-api-key", "two")],
        [("x-api-key", "two"), ("x-forwarded-uri", uri)],
        [("accept", "*/*"), ("x-forwarded-uri", "/?key=one&key=two")],
    ] {
        assert!(credential(&two).is_err(), "{two:?}");
    }
    // Only the parameter that the API allows, and only in the client's own address.
    asked("/auth/caddy/docs?key=three", &[("x-forwarded-uri", uri)], |question| {
        assert_eq!(question.unwrap().credential(None), Ok(Credential::None));
    });
    asked("/auth/caddy/docs?key=three", &[], |question| {
        assert_eq!(question.unwrap().credential(Some("key")), Ok(Credential::None));
    });
}

#[test]
fn what_the_operator_wants_stands_in_the_query_but_never_in_a_clients() {
    let wanted = |path: &str| asked(path, &[], |question| question.map(|q| (q.environment, q.scope.to_string())));
    let live = Some("live".to_owned());
    assert_eq!(wanted("/auth/nginx/docs?env=live&scope=read%20write").unwrap(), (live, "read write".to_owned()));
    assert_eq!(wanted("/auth/caddy/docs?a=b").unwrap(), (None, String::new()));
    assert_eq!(wanted("/auth/envoy/docs/v1?env=live&scope=x").unwrap(), (None, String::new()));
    for bad in ["?evn=live", "?env=live&env=test", "?scope=%22"] {
        assert!(wanted(&format!("/auth/nginx/docs{bad}")).is_err(), "{bad}");
    }
}
