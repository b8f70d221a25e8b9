//! The parameter `claims` (OpenID Connect Core §5.5): bounded before it is read, unknown members
//! ignored.

use crate::{
    jose::json,
    oauth::{
        code::ErrorCode::InvalidRequest,
        grant::{ClaimRequest, ClaimsRequest},
        refusal::{Refusal, refuse},
    },
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Most bytes of the parameter.
const MAX_BYTES: usize = 4096;
/// Most claims in one member, and most values of one claim.
const MAX_ENTRIES: usize = 64;

/// Reads the parameter.
///
/// # Errors
/// `invalid_request` for what is no JSON object, for one that is too large or too deep, and for
/// members of the wrong type.
pub(super) fn parse(text: &str) -> Result<ClaimsRequest, Refusal> {
    if text.len() > MAX_BYTES {
        return wrong("has more than 4096 bytes");
    }
    let Ok(members) = json::object(text.as_bytes()) else {
        return wrong("is no JSON object, names a member twice, has a NUL, or is nested too deeply");
    };
    Ok(ClaimsRequest { userinfo: member(&members, "userinfo")?, id_token: member(&members, "id_token")? })
}

fn wrong<T>(how: &str) -> Result<T, Refusal> {
    refuse(InvalidRequest, format!("the parameter claims {how}"))
}

fn member(members: &Map<String, Value>, name: &str) -> Result<BTreeMap<String, ClaimRequest>, Refusal> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Object(claims)) if claims.len() <= MAX_ENTRIES => {
            claims.iter().map(|(claim, wanted)| Ok((claim.clone(), request(wanted)?))).collect()
        }
        Some(Value::Object(_)) => wrong("names more than 64 claims in one member"),
        Some(_) => wrong("has a member userinfo or id_token that is no object"),
    }
}

fn request(wanted: &Value) -> Result<ClaimRequest, Refusal> {
    let members = match wanted {
        Value::Null => return Ok(ClaimRequest::default()),
        Value::Object(members) => members,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return wrong("asks for a claim by something else than null or an object");
        }
    };
    let essential = match members.get("essential") {
        None => false,
        Some(Value::Bool(yes)) => *yes,
        Some(_) => return wrong("has an essential that is neither true nor false"),
    };
    let values = match (members.get("value"), members.get("values")) {
        (Some(_), Some(_)) => return wrong("has both value and values for one claim"),
        (Some(value), None) => vec![plain(value)],
        (None, Some(Value::Array(values))) if values.len() <= MAX_ENTRIES => values.iter().map(plain).collect(),
        (None, Some(_)) => return wrong("has values that are no array, or more than 64"),
        (None, None) => Vec::new(),
    };
    Ok(ClaimRequest { essential, values })
}

/// A string as it is, anything else as its JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_openid_connect_core_is_read() {
        let read = parse(
            r#"{"userinfo":{"given_name":{"essential":true},"nickname":null,"email":{"essential":true}},
                "id_token":{"auth_time":{"essential":true},"acr":{"values":["urn:mace:incommon:iap:silver"]}},
                "verified_claims":{"x":1}}"#,
        )
        .unwrap();
        assert!(read.userinfo["given_name"].essential);
        assert!(!read.userinfo["nickname"].essential);
        assert_eq!(read.id_token["acr"].values, ["urn:mace:incommon:iap:silver"]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
        let long = format!(r#"{{"x":"{}"}}"#, "a".repeat(4096));
        for text in [
            "",
            "[]",
            "null",
            "{",
            r#"{"userinfo":{},"userinfo":{}}"#,
            r#"{"userinfo":[]}"#,
            r#"{"userinfo":{"email":true}}"#,
            r#"{"id_token":{"acr":{"essential":"yes"}}}"#,
            r#"{"id_token":{"acr":{"values":"a"}}}"#,
            r#"{"id_token":{"acr":{"value":"a","values":["a"]}}}"#,
            &deep,
            &long,
        ] {
            assert_eq!(parse(text).unwrap_err().code, InvalidRequest, "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_never_panics(text in "[\\[\\]{}\":,a-z\\\\ ]{0,80}") {
            let _ = parse(&text);
        }
    }
}
