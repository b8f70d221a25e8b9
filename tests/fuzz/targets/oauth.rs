//! What browsers bring: authorization requests, the parameter `claims`, requests to sign out.

use super::{NOW, Target, client, issuer, seeds, text};
use keywright::{
    base::digest::base64url,
    oauth::{
        authorize::{
            AuthorizationRequest, Delivery, Destination, check,
            checks::Asked,
            client_id_of,
            respond::{error, success},
        },
        params::Params,
    },
    oidc::logout::{Afterwards, LogoutRequest, LogoutVerdict, judge},
};
use url::Url;

/// A request that is accepted.
pub const GOOD: &str = "client_id=cli_app&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&response_type=code&scope=openid+read\
                    &state=xyz&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

/// An answer goes to a registered URI and nowhere else, with `state` as it was sent; what was accepted lies within what the
/// client is registered for, was said once, and comes back the same from where it was sealed.
pub const AUTHORIZATION_REQUESTS: Target = Target {
    name: "authorization_requests",
    run: |input| {
        let Ok(params) = Params::parse(input) else { return "no parameters".to_owned() };
        if let Ok(id) = client_id_of(&params) {
            assert_eq!(params.once("client_id").unwrap(), Some(id.as_str()));
        }
        let destination = match Destination::prove(&params, client()) {
            Ok(destination) => destination,
            Err(dead) => return dead.because.into_owned(),
        };
        assert!(client().redirect_uris.iter().any(|mine| mine.admits(destination.uri())));
        assert!(!destination.was_sent() || params.once("redirect_uri").unwrap() == Some(destination.uri()));
        assert!(destination.state().is_none_or(|state| params.once("state").unwrap() == Some(state)));
        match check(&params, client(), &destination, NOW) {
            Ok(asked) => {
                accepted(&params, &asked);
                arrives(&destination, success(&destination, issuer(), &"kw_code_x".to_owned().into()), "code");
                format!("{:?} {:?} {}", asked.scope, asked.prompt, asked.claims.userinfo.len())
            }
            Err(refusal) => {
                arrives(&destination, error(&destination, issuer(), &refusal), "error");
                refusal.to_string()
            }
        }
    },
    seeds: || {
        let more = [
            "",
            "&nonce=n&prompt=login+consent&max_age=60&login_hint=ada&acr_values=a+b&ui_locales=en+de&display=page",
            "&resource=https%3A%2F%2Fapi.example&resource=https%3A%2F%2Fother.example&response_mode=form_post",
            "&claims=%7B%22userinfo%22%3A%7B%22email%22%3A%7B%22essential%22%3Atrue%7D%7D%7D&prompt=none",
            "&request=x",
            "&state=abc",
        ];
        let native = GOOD.replace("https%3A%2F%2Fapp.example%2Fcb", "http%3A%2F%2F127.0.0.1%3A4711%2Fcb");
        let query = GOOD.replace("%2Fcb", "%2Fcb%3Ftenant%3D1");
        more.iter().map(|more| format!("{GOOD}{more}").into_bytes()).chain([native.into(), query.into()]).collect()
    },
    words: &[
        "&redirect_uri=",
        "&state=",
        "&response_mode=form_post",
        "&prompt=none",
        "&prompt=select_account",
        "&max_age=0",
        "&request_uri=",
        "&claims=%7B%7D",
        "&code_challenge_method=plain",
        "&scope=",
        "&resource=urn:x",
        "%0d%0aLocation:",
        "offline_access",
        "&response_type=token",
    ],
};

/// What is made of a request that is accepted.
pub fn accepted_request(query: &str) -> Asked {
    let params = Params::parse(query.as_bytes()).unwrap();
    check(&params, client(), &Destination::prove(&params, client()).unwrap(), NOW).unwrap()
}

fn accepted(params: &Params, asked: &Asked) {
    let once = |name| params.once(name).unwrap();
    assert_eq!((once("response_type"), once("code_challenge_method")), (Some("code"), Some("S256")));
    assert_eq!(asked.challenge.as_str(), once("code_challenge").unwrap());
    assert_eq!(asked.nonce.as_deref(), once("nonce"));
    assert!(asked.scope.within(&client().scope) && asked.claims_scope.within(&client().scope));
    assert!(asked.resources.iter().all(|resource| client().resources.contains(resource)));
    assert!(!params.has("request") && !params.has("request_uri") && !params.has("registration"));
    let sealed = serde_json::to_vec(asked).unwrap();
    assert_eq!(&serde_json::from_slice::<Asked>(&sealed).unwrap(), asked);
}

/// The answer is at the destination, one header line at most, with what it must say said once.
fn arrives(to: &Destination, answer: Delivery, what: &str) {
    let fields: Vec<(String, String)> = match answer {
        Delivery::Redirect(location) => {
            assert!(location.starts_with(to.uri()) && location.bytes().all(|b| b.is_ascii_graphic()), "{location:?}");
            let (url, mine) = (Url::parse(&location).unwrap(), Url::parse(to.uri()).unwrap());
            assert_eq!((url.origin(), url.path(), url.fragment()), (mine.origin(), mine.path(), None));
            let own = mine.query_pairs().count();
            url.query_pairs().skip(own).map(|(n, v)| (n.into_owned(), v.into_owned())).collect()
        }
        Delivery::FormPost { action, fields } => {
            assert_eq!(action, to.uri());
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        }
    };
    let all = |name: &str| fields.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>();
    assert_eq!(all("iss"), [issuer().as_str()]);
    assert_eq!(all("state"), to.state().into_iter().collect::<Vec<_>>());
    assert_eq!((all(what).len(), all("code").len() + all("error").len()), (1, 1));
}

/// What is read of `claims` is what a plain reader of JSON finds there, and no more of it than may be.
pub const CLAIMS_PARAMETERS: Target = Target {
    name: "claims_parameters",
    run: |input| {
        let claims = text(input);
        let mut params: Vec<(String, String)> =
            url::form_urlencoded::parse(GOOD.as_bytes()).map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
        params.push(("claims".to_owned(), claims.clone()));
        let params = Params::from_pairs(params.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let read = match AuthorizationRequest::parse(&params) {
            Ok(request) => request.claims,
            Err(refusal) => return refusal.to_string(),
        };
        assert!(claims.len() <= 4096);
        let plain: serde_json::Value = serde_json::from_str(&claims).unwrap();
        for (member, found) in [("userinfo", &read.userinfo), ("id_token", &read.id_token)] {
            let expected = plain.get(member).and_then(|value| value.as_object());
            assert_eq!(expected.map_or(0, serde_json::Map::len), found.len());
            for (name, request) in found {
                let of = |what: &str| expected.and_then(|claims| claims[name].get(what));
                assert_eq!(request.essential, of("essential").is_some_and(|yes| yes == true), "{name}");
                let values = of("values").and_then(|list| list.as_array()).map_or(0, Vec::len);
                assert_eq!(request.values.len(), values + usize::from(of("value").is_some()), "{name}");
            }
        }
        format!("{} {}", read.userinfo.len(), read.id_token.len())
    },
    seeds: || {
        seeds(&[
            r#"{"userinfo":{"email":{"essential":true},"nickname":null},"id_token":{"acr":{"values":["a","b"]},"sub":{"value":"x"}}}"#,
            r#"{"id_token":{"auth_time":{"essential":false}},"x":[{}]}"#,
            "{}",
        ])
    },
    words: &[
        "\"userinfo\":",
        "\"id_token\":",
        "\"essential\":true",
        "\"values\":[",
        "\"value\":1",
        "{\"a\":",
        "[[[[",
        "]]]]",
        "null",
    ],
};

/// Nobody is sent anywhere but to a registered address, and nobody is signed out at once without a hint that verified.
pub const SIGN_OUT_REQUESTS: Target = Target {
    name: "sign_out_requests",
    run: |input| {
        let Ok(params) = Params::parse(input) else { return "no parameters".to_owned() };
        let request = match LogoutRequest::parse(&params) {
            Ok(request) => request,
            Err(dead) => return dead.because.into_owned(),
        };
        let named = Some(client()).filter(|client| request.client_id.as_ref() == Some(&client.id));
        let afterwards = match judge(&request, None, named, None) {
            LogoutVerdict::Refuse(dead) => return dead.because.into_owned(),
            LogoutVerdict::SignOutAtOnce(_) => panic!("signed out without a hint"),
            LogoutVerdict::NothingToEnd(afterwards) | LogoutVerdict::Confirm(afterwards) => afterwards,
        };
        if let Afterwards::Redirect(location) = afterwards {
            assert!(location.starts_with("https://app.example/bye"), "{location}");
            let url = Url::parse(&location).unwrap();
            assert_eq!((url.path(), location.bytes().all(|b| b.is_ascii_graphic())), ("/bye", true));
            let state = url.query_pairs().find(|(name, _)| name == "state").map(|(_, value)| value.into_owned());
            assert_eq!(state, request.state);
            return format!("away, state {}", state.is_some());
        }
        "here".to_owned()
    },
    seeds: || {
        let hint = format!("id_token_hint={}.e30.AAAA", base64url(br#"{"alg":"ES256"}"#));
        seeds(&[
            "client_id=cli_app&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fbye&state=s%26t",
            "post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fbye",
            &hint,
            "",
        ])
    },
    words: &[
        "client_id=cli_app",
        "&state=",
        "post_logout_redirect_uri=https://app.example/bye",
        "&ui_locales=",
        "id_token_hint=",
    ],
};
