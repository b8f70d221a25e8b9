//! JSON, key sets and sealed values.

use super::{
    Target,
    oauth::{GOOD, accepted_request},
    seeds, text,
};
use keywright::{
    base::{entropy::SeededEntropy, secret::Secret},
    flow::interaction::{Browser, Interaction},
    jose::{KeySet, Scheme, Sealer, json},
};
use serde_json::Value;
use std::sync::LazyLock;

/// What is accepted is what any reader of JSON reads, whichever of two equal members it believes.
pub const JSON_TEXT: Target = Target {
    name: "json_text",
    run: |input| match json::value(input) {
        Ok(value) => {
            assert_eq!(serde_json::from_slice::<Value>(input).unwrap(), value);
            assert!(depth(&value) <= json::MAX_DEPTH);
            assert_eq!(json::object(input).is_ok(), value.is_object());
            format!("depth {}, object {}", depth(&value), value.is_object())
        }
        Err(because) => because.chars().filter(|c| !c.is_ascii_digit()).collect(),
    },
    seeds: || {
        seeds(&[
            r#"{"a":[1,-2,3.5,"x",null,true,{"b":{}}],"é":"\ud83d\ude00"}"#,
            r#"{"a":1,"a":2}"#,
            "[[[[[[[[1]]]]]]]]",
        ])
    },
    words: &["{\"a\":", "[[[[[[[[", "]]]]]]]]", "\"a\":", "1e999", "\\u0061", "\\ud800", "-0", "0.1", "NaN"],
};

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

const SETS: [&str; 3] = [
    r#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","kid":"a","use":"sig","alg":"ES256"},{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"b","key_ops":["verify"]}]}"#,
    r#"{"keys":[{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","kid":"c"},{"kty":"XX"}]}"#,
    r#"{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"EC","crv":"P-521","d":"AA"}]}"#,
];

/// No private or symmetric key gets in, at most so many keys do, and a name leads to one key or to none.
pub const KEY_SETS: Target = Target {
    name: "key_sets",
    run: |input| {
        let set = match KeySet::parse(input) {
            Ok(set) => set,
            Err(bad) => return bad.to_string(),
        };
        let plain: Value = serde_json::from_slice(input).unwrap();
        let keys = plain["keys"].as_array().unwrap();
        assert!(keys.len() <= 32 && set.len() <= keys.len());
        for key in keys {
            assert!(["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().all(|member| key.get(member).is_none()));
            assert_ne!(key["kty"], "oct");
            if let Some(kid) = key["kid"].as_str() {
                let found = Scheme::ALL.iter().filter_map(|scheme| set.find(Some(kid), *scheme));
                found.for_each(|key| assert_eq!(key.kid(), Some(kid)));
            }
        }
        format!("{} of {}", set.len(), keys.len())
    },
    seeds: || seeds(&SETS),
    words: &[
        "{\"kty\":\"EC\"",
        "\"kty\":\"RSA\"",
        "\"kty\":\"OKP\"",
        "\"d\":\"AA\"",
        "\"crv\":\"P-256\"",
        "\"e\":\"Aw\"",
        "\"use\":\"enc\"",
        "\"key_ops\":[]",
        "\"alg\":\"RS256\"",
        "\"alg\":\"none\"",
        "{\"keys\":[",
        "\"x5c\":[\"AA\"]",
    ],
};

/// Values that we sealed, with the plain text of each.
fn sealed() -> &'static [(String, Vec<u8>)] {
    static SEALED: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
        let dice = SeededEntropy::new(1);
        let plains = [&b""[..], b"x", br#"{"asked":{}}"#, &[0; 300]];
        plains.iter().map(|plain| (sealer().seal_text(b"here", plain, &dice).unwrap(), plain.to_vec())).collect()
    });
    &SEALED
}

fn sealer() -> Sealer {
    Sealer::new(Secret::new([7; 32]))
}

/// Nothing opens but what was sealed, unchanged to the last bit, in its place; and what might be sealed is either read as
/// the state of a sign-in, and then written back the same, or refused.
pub const SEALED_TEXT: Target = Target {
    name: "sealed_text",
    run: |input| {
        let plain = serde_json::from_slice::<Interaction>(input).is_ok_and(|read| {
            let written = serde_json::to_string(&read).unwrap();
            let again: Interaction = serde_json::from_str(&written).unwrap();
            assert_eq!(serde_json::to_string(&again).unwrap(), written);
            true
        });
        let text = text(input);
        assert!(sealer().open_text(b"there", &text).is_err());
        match sealer().open_text(b"here", &text) {
            Ok(opened) => {
                assert!(sealed().iter().any(|(sealed, plain)| *sealed == text && plain == opened.expose()));
                format!("opens to {} bytes", opened.expose().len())
            }
            Err(bad) => format!("{bad}; an interaction {plain}"),
        }
    },
    seeds: || {
        let asked = accepted_request(GOOD);
        let interaction = Interaction::new(asked, &Browser::new(&SeededEntropy::new(1)).unwrap());
        let plain = serde_json::to_vec(&interaction).unwrap();
        sealed().iter().map(|(text, _)| text.clone().into_bytes()).chain([plain]).collect()
    },
    words: &["AQ", "==", "\"asked\":", "\"chosen\":null", "\"browser\":\"\"", "\"scope\":\"openid\""],
};
