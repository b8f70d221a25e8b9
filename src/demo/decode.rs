//! A signed token taken apart for showing (RFC 7515 §3, RFC 7519 §4). This proves nothing:
//! whether the signature holds is for [`super::proof`].

use super::meaning;
use crate::base::{digest::from_base64url, moment::Moment};
use serde_json::{Map, Value};

/// A token's header and claims, as they stand in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    /// Which token it is, for people.
    pub(super) name: &'static str,
    pub(super) header: Vec<Claim>,
    pub(super) claims: Vec<Claim>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) name: String,
    pub(super) value: String,
    /// The moment that it names, where it names one.
    moment: Option<Moment>,
}

impl Claim {
    /// How far its moment is from now, in words; empty where it names none.
    pub(super) fn relative(&self, now: Moment) -> String {
        self.moment.map(|at| relative(at, now)).unwrap_or_default()
    }
    /// What it says.
    pub(super) fn meaning(&self) -> &'static str {
        meaning::of_claim(&self.name)
    }
}

/// Takes a compact token apart; `None` where it is not three parts of base64url with JSON
/// objects in the first two, such as for an opaque token.
pub(super) fn decode(name: &'static str, token: &str) -> Option<Decoded> {
    let mut parts = token.split('.');
    let (header, claims) = (object(parts.next()?)?, object(parts.next()?)?);
    parts.next()?;
    if parts.next().is_some() {
        return None;
    }
    Some(Decoded { name, header: rows(&header), claims: rows(&claims) })
}

fn object(part: &str) -> Option<Map<String, Value>> {
    match serde_json::from_slice(&from_base64url(part)?).ok()? {
        Value::Object(map) => Some(map),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    }
}

fn rows(of: &Map<String, Value>) -> Vec<Claim> {
    let row = |(name, value): (&String, &Value)| Claim {
        name: name.clone(),
        value: text(value),
        moment: value
            .as_i64()
            .filter(|_| matches!(name.as_str(), "exp" | "iat" | "nbf" | "auth_time" | "updated_at"))
            .map(Moment::from_unix),
    };
    of.iter().map(row).collect()
}

/// A JSON value for people: text without its quotation marks.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Such as `in 4 min 58 s`, `2 h ago`, `now`.
pub(super) fn relative(at: Moment, now: Moment) -> String {
    let seconds = at.unix().saturating_sub(now.unix());
    let n = seconds.unsigned_abs();
    let length = match n {
        0 => return "now".into(),
        1..60 => format!("{n} s"),
        60..3600 if n.is_multiple_of(60) => format!("{} min", n / 60),
        60..600 => format!("{} min {} s", n / 60, n % 60),
        600..3600 => format!("{} min", n / 60),
        3600..86_400 if (n / 60).is_multiple_of(60) => format!("{} h", n / 3600),
        3600..86_400 => format!("{} h {} min", n / 3600, (n / 60) % 60),
        _ => format!("{} days", n / 86_400),
    };
    if seconds > 0 { format!("in {length}") } else { format!("{length} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::base64url;

    fn token(header: &str, claims: &str) -> String {
        format!("{}.{}.c2ln", base64url(header.as_bytes()), base64url(claims.as_bytes()))
    }

    #[test]
    fn a_token_is_taken_apart_with_times_beside_their_numbers() {
        let shown = decode("t", &token(r#"{"alg":"ES256"}"#, r#"{"exp":1300,"sub":"usr_1","aud":["a","b"]}"#)).unwrap();
        assert_eq!(shown.header[0].value, "ES256");
        let exp = shown.claims.iter().find(|c| c.name == "exp").unwrap();
        assert_eq!((exp.value.as_str(), exp.relative(Moment::from_unix(1000)).as_str()), ("1300", "in 5 min"));
        let aud = shown.claims.iter().find(|c| c.name == "aud").unwrap();
        assert_eq!((aud.value.as_str(), aud.relative(Moment::EPOCH).as_str()), (r#"["a","b"]"#, ""));
    }

    #[test]
    fn what_is_no_signed_token_is_not_shown_as_one() {
        for text in ["", "kwr_opaque", "a.b", "a.b.c", "e30.e30", "e30.e30.x.y", "W10.W10.x", "e30.e30=.x"] {
            assert_eq!(decode("t", text), None, "{text}");
        }
        assert!(decode("t", "e30.e30.x").is_some());
    }

    #[test]
    fn times_read_well_on_both_sides_of_now() {
        for (at, text) in [
            (0, "now"),
            (59, "in 59 s"),
            (-61, "1 min 1 s ago"),
            (3600, "in 1 h"),
            (-7260, "2 h 1 min ago"),
            (86_400 * 3, "in 3 days"),
        ] {
            assert_eq!(relative(Moment::from_unix(at), Moment::EPOCH), text);
        }
    }
}
