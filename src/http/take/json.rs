//! JSON bodies, bounded in size, depth and time.

use super::{
    body::{Unread, bytes},
    object::Object,
};
use crate::oauth::{code::ErrorCode::InvalidRequest, refusal::refuse};
use actix_web::{HttpRequest, http::header, web};
use serde::de::DeserializeOwned;

/// The most bytes of a JSON body.
pub const MAX_JSON: usize = 256 * 1024;
/// How deep objects and lists may stand in one another.
const MAX_DEPTH: usize = 16;

/// The document in the body. Members that its type does not know are refused where the type says
/// so, and so is a member that comes twice.
///
/// # Errors
/// [`Unread`]; what is wrong with the document is said with line and column.
pub async fn json<T: DeserializeOwned>(request: &HttpRequest, body: web::Payload, most: usize) -> Result<T, Unread> {
    if !is_json(request) {
        return Err(Unread::MediaType);
    }
    parse(&bytes(request, body, most).await?)
}

/// As [`json`], where the body may be left out: then it is the default.
///
/// # Errors
/// As [`json`].
pub async fn optional<T: DeserializeOwned + Default>(
    request: &HttpRequest,
    body: web::Payload,
    most: usize,
) -> Result<T, Unread> {
    let bytes = bytes(request, body, most).await?;
    if bytes.is_empty() {
        return Ok(T::default());
    }
    if is_json(request) { parse(&bytes) } else { Err(Unread::MediaType) }
}

/// The document in these bytes, whatever it was said to be.
///
/// # Errors
/// [`Unread::Refused`].
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unread> {
    if depth(bytes) > MAX_DEPTH {
        return refuse(InvalidRequest, "the JSON is nested more than 16 deep").map_err(Unread::Refused);
    }
    serde_json::from_slice(bytes)
        .map(|Object(read)| read)
        .or_else(|error| refuse(InvalidRequest, format!("the JSON cannot be read: {error}")).map_err(Unread::Refused))
}

/// The deepest nesting; brackets within texts do not count.
fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut deepest, mut in_text, mut escaped) = (0usize, 0usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                now = now.saturating_add(1);
                deepest = deepest.max(now);
            }
            b'}' | b']' if !in_text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Whether a request says that its body is JSON (RFC 8259, and RFC 6839 §3.1 for `+json`).
fn is_json(request: &HttpRequest) -> bool {
    let Some(Ok(kind)) = request.headers().get(header::CONTENT_TYPE).map(header::HeaderValue::to_str) else {
        return false;
    };
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct One {
        #[expect(dead_code, reason = "only that it is read matters")]
        a: serde_json::Value,
    }

    fn refusal(text: &str) -> Option<String> {
        match parse::<One>(text.as_bytes()) {
            Ok(_) => None,
            Err(Unread::Refused(refusal)) => Some(refusal.because.into_owned()),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn unknown_and_repeated_members_and_broken_text_are_refused_with_their_place() {
        assert_eq!(refusal(r#"{"a": 1}"#), None);
        assert!(refusal(r#"{"a": 1, "b": 2}"#).unwrap().contains("unknown field `b`"));
        assert!(refusal(r#"{"a": 1, "a": 2}"#).unwrap().contains("duplicate field `a`"));
        assert!(refusal(r#"{"a": 1"#).unwrap().contains("line 1 column 7"));
        assert!(refusal("{\"a\": \"\u{0}\"}").unwrap().contains("control character"));
        assert!(refusal("[1]").unwrap().contains("invalid type: sequence"));
        assert!(refusal(r#"{"a": 1} x"#).unwrap().contains("trailing characters"));
    }

    #[test]
    fn what_is_nested_too_deep_is_refused_before_it_is_parsed() {
        let nested = |n: usize| format!(r#"{{"a": {}{}}}"#, "[".repeat(n), "]".repeat(n));
        assert_eq!(refusal(&nested(15)), None);
        assert!(refusal(&nested(16)).unwrap().contains("16 deep"));
        assert!(refusal(&"[".repeat(200_000)).unwrap().contains("16 deep"));
        assert_eq!(refusal(r#"{"a": "[[[[[[[[[[[[[[[[[[[[\"[["}"#), None);
    }
}
