//! The smallest pieces: forms, addresses, scopes, URIs, encodings.

use super::{Target, lines, seeds, text};
use keywright::{
    base::{
        base62,
        digest::{base64url, from_base64url},
        scope::Scope,
        uri::{Issuer, RedirectUri, Resource, WebUri, is_loopback_literal},
    },
    http::take::peer,
    oauth::{
        params::Params,
        resource::{resources_of, scope_of},
    },
};
use std::{collections::BTreeSet, net::IpAddr};
use url::Url;

/// What is read is what any other reader of forms reads, and printed it reads the same again.
pub const FORM_PARAMETERS: Target = Target {
    name: "form_parameters",
    run: |input| {
        let params = match Params::parse(input) {
            Ok(params) => params,
            Err(refusal) => return refusal.to_string(),
        };
        let others: Vec<(String, String)> = url::form_urlencoded::parse(input)
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let again = Params::parse(params.to_query().as_bytes());
        for name in others.iter().map(|(name, _)| name).collect::<BTreeSet<_>>() {
            let theirs: Vec<&str> = others.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect();
            assert_eq!(params.all(name).collect::<Vec<_>>(), theirs, "{name}");
            assert_eq!(params.once(name).is_err(), theirs.len() > 1);
            // A query of ours has no more parameters than were read, so that it can be read again.
            assert_eq!(again.as_ref().unwrap().all(name).collect::<Vec<_>>(), theirs, "{name}, printed");
        }
        params.refuse_repeats().map_or_else(|refusal| refusal.code.to_string(), |()| format!("{} names", others.len()))
    },
    seeds: || seeds(&["a=1&b=%20+&c=&d&=e&resource=x:y&resource=z:y", "a=1&a=2", "a=%C3%A9", "a=%"]),
    words: &["a=", "&a=1", "resource=urn:x", "client_id=", "%26", "%3D"],
};

/// No client decides where it comes from: what the trusted proxy itself appends is the address, whatever stands before it;
/// and whoever is no trusted proxy is believed nothing.
pub const CLIENT_ADDRESSES: Target = Target {
    name: "client_addresses",
    run: |input| {
        let (input, trusted) = (text(input), ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let fields: Vec<&str> = input.split('\n').collect();
        let (proxy, stranger): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "203.0.113.9".parse().unwrap());
        assert_eq!(peer::address(Some(stranger), &fields, &trusted), Ok(Some(stranger)));
        assert_eq!(peer::address(Some(proxy), &fields, &[]), Ok(Some(proxy)));
        assert_eq!(peer::address(None, &fields, &trusted), Ok(None));
        let appended = [fields.as_slice(), &["203.0.113.9, 10.1.2.3"]].concat();
        assert_eq!(peer::address(Some(proxy), &appended, &trusted), Ok(Some(stranger)));
        let same_field = format!("{},203.0.113.9", fields.join(","));
        assert_eq!(peer::address(Some(proxy), &[&same_field], &trusted), Ok(Some(stranger)));
        match peer::address(Some(proxy), &fields, &trusted) {
            Ok(Some(address)) => {
                format!("v4 {}, a proxy {}", address.is_ipv4(), trusted.iter().any(|n| n.contains(&address)))
            }
            other => format!("{other:?}"),
        }
    },
    seeds: || {
        seeds(&["198.51.100.1", "1.1.1.1, 198.51.100.1:80\n10.0.0.2", "[2001:db8::1]:4711, ::ffff:10.0.0.2", "unknown"])
    },
    words: &[
        "198.51.100.1",
        "10.0.0.2",
        "[2001:db8::1]:80",
        "::ffff:10.0.0.1",
        "fe80::1%25eth0",
        "unknown",
        "_hidden",
        "for=",
    ],
};

/// A scope or a resource printed reads the same again, and the bounds hold.
pub const SCOPES_AND_RESOURCES: Target = Target {
    name: "scopes_and_resources",
    run: |input| {
        let input = text(input);
        let (scope, resource) = input.split_once('\n').unwrap_or((&input, &input));
        let params =
            Params::from_pairs([("scope", scope)].into_iter().chain(resource.split('\n').map(|r| ("resource", r))));
        let scope = scope_of(&params).map(|scope| {
            let scope = scope.unwrap_or_default();
            assert_eq!(Scope::parse(&scope.to_string()).unwrap(), scope);
            assert!(
                scope.tokens().count() <= 64
                    && scope.tokens().all(|token| !token.is_empty() && !token.contains(['"', '\\']))
            );
            assert!(scope.within(&scope.or(&scope)) && scope.minus(&scope).is_empty());
        });
        let resources = resources_of(&params).map(|resources| {
            assert!(resources.len() <= 16);
            for resource in &resources {
                assert!(
                    Resource::parse(resource.as_str()).as_ref() == Ok(resource) && !resource.as_str().contains('#')
                );
            }
        });
        format!("{scope:?} {resources:?}")
    },
    seeds: || {
        seeds(&["openid  read write\nhttps://api.example\nurn:x:y", "a\"b\nhttps://a.example#f", "\ncom.example:/x"])
    },
    words: &["openid", "offline_access", "urn:", "https://api.example/", "javascript:alert(1)", "#"],
};

/// A requested redirection URI is admitted only where it is the registered one byte for byte, or differs in nothing but
/// the port on a loopback literal; and then every reader of URLs finds the same scheme, host, path and query in both.
pub const REDIRECT_URIS: Target = Target {
    name: "redirect_uris",
    run: |input| {
        let (registered, asked) = lines(input);
        let (registered, asked) = (text(registered), text(asked));
        for one in [&registered, &asked] {
            shapes(one);
        }
        let mine = match RedirectUri::parse_lenient(&registered) {
            Ok(mine) => mine,
            Err(bad) => return bad.to_string(),
        };
        if !mine.admits(&asked) {
            return "another".to_owned();
        }
        if registered == asked {
            return "the very same".to_owned();
        }
        let (a, b) = (Url::parse(&registered).unwrap(), Url::parse(&asked).unwrap());
        assert!(
            is_loopback_literal(&a) && a.scheme() == "http" && ["127.0.0.1", "[::1]"].contains(&a.host_str().unwrap())
        );
        assert_eq!((a.scheme(), a.host_str(), a.path(), a.query()), (b.scheme(), b.host_str(), b.path(), b.query()));
        assert!(b.username().is_empty() && b.password().is_none() && b.fragment().is_none());
        "another port".to_owned()
    },
    seeds: || {
        let pairs = [
            ("https://app.example/cb", "https://app.example/cb"),
            ("http://127.0.0.1/cb?x=1", "http://127.0.0.1:4711/cb?x=1"),
            ("http://[::1]:1/cb", "http://[::1]:65535/cb"),
            ("com.example.app:/cb", "com.example.app:/cb2"),
            ("http://localhost:3000/cb", "http://localhost:3001/cb"),
            ("https://app.example/cb", "https://app.example.evil.example/cb"),
        ];
        pairs.iter().map(|(a, b)| format!("{a}\n{b}").into_bytes()).collect()
    },
    words: &[
        "http://127.0.0.1",
        "http://[::1]",
        "https://app.example",
        "/cb",
        "@evil.example",
        ".evil.example",
        "%2e%2e",
        "data:",
        "\u{ff0f}",
    ],
};

/// What a text that was taken for a URI may not be, whichever kind it was taken for.
fn shapes(one: &str) {
    let issuer = Issuer::parse(one).map(|issuer| issuer.as_str().to_owned());
    let strict = RedirectUri::parse(one).map(|uri| uri.as_str().to_owned());
    let lenient = RedirectUri::parse_lenient(one).map(|uri| uri.as_str().to_owned());
    let web = WebUri::parse(one).map(|uri| uri.as_str().to_owned());
    let resource = Resource::parse(one).map(|uri| uri.as_str().to_owned());
    assert!(strict.is_err() || lenient.is_ok(), "strict is stricter");
    for taken in [&issuer, &strict, &lenient, &web, &resource].into_iter().flatten() {
        assert_eq!(taken, one, "kept byte for byte");
        let url = Url::parse(one).unwrap();
        assert!(one.bytes().all(|b| b.is_ascii_graphic()) && url.fragment().is_none() && one.len() <= 2048);
        assert!(!["javascript", "data", "file", "vbscript", "blob", "about"].contains(&url.scheme()));
    }
    for taken in [&issuer, &strict, &web].into_iter().flatten() {
        let url = Url::parse(taken).unwrap();
        assert!(url.username().is_empty() && url.password().is_none());
        let local = is_loopback_literal(&url) || url.host_str() == Some("localhost");
        assert!(url.scheme() != "http" || local, "plain http stays on this machine");
    }
}

/// There is one spelling of every value: what decodes encodes to the same text.
pub const ENCODINGS: Target = Target {
    name: "encodings",
    run: |input| {
        assert_eq!(from_base64url(&base64url(input)).unwrap(), input);
        let input = text(input);
        let bytes = from_base64url(&input).inspect(|bytes| assert_eq!(base64url(bytes), input));
        let number = base62::decode(&input).inspect(|number| {
            assert_eq!(base62::decode(&base62::encode(*number, base62::U128_WIDTH)), Some(*number));
        });
        format!("{} {}", bytes.is_some(), number.is_some())
    },
    seeds: || seeds(&["AQAB", "_-8", "AB", "zzzzzzzzzzzzzzzzzzzzzz", "0", "Zm9v="]),
    words: &["==", "-", "_", "+", "zz"],
};
