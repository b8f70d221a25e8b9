//! The forms of single words in JSON, for whoever describes them to programs. The words themselves
//! are read by their own types; each of these says what such a type takes.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use std::borrow::Cow;

macro_rules! words {
    ($($(#[doc = $doc:literal])* $name:ident { $($form:tt)* })*) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "description": concat!($($doc),*).trim_start(), $($form)*})
            }
        }
    )*};
}

words! {
    /// An identifier: a prefix that says what it names, and letters and digits. It is public.
    Identifier { "pattern": "^[!#-\\[\\]-~]{1,128}$" }
    /// The identifier of an API key, which is not its text.
    KeyIdentifier { "pattern": "^[!#-\\[\\]-~]{1,128}$", "examples": ["key_00CqSh6xLnM1BXPBKhQe7d"] }
    /// Scope tokens with a space between them (RFC 6749 §3.3); at most 64.
    ScopeText { "pattern": "^[ !#-\\[\\]-~]*$", "maxLength": 1024, "examples": ["docs.read docs.write"] }
    /// An address, or a range of them whose bits beyond the prefix are 0.
    RangeText {
        "anyOf": [
            {"format": "ipv4"},
            {"format": "ipv6"},
            {"pattern": "^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\\.){3}0/24$"},
            {"pattern": "^[0-9a-fA-F:.]{2,45}/[0-9]{1,3}$"},
        ],
        "examples": ["198.51.100.7", "2001:db8::/32"]
    }
    /// The SHA-256 of a key or a certificate, in base64url.
    Thumbprint { "pattern": "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$" }
    /// A moment (RFC 3339).
    Instant { "format": "date-time", "examples": ["2027-01-31T00:00:00Z"] }
}

/// For what is told: each member is always there.
pub fn whole(form: &mut Schema) {
    let members = form.get("properties").and_then(Value::as_object);
    let names: Vec<Value> = members.into_iter().flatten().map(|(name, _)| Value::from(name.as_str())).collect();
    form.insert("required".to_owned(), Value::Array(names));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::ApiKeyId;

    #[test]
    fn an_identifier_is_described_as_it_is_read() {
        let form = serde_json::to_value(schemars::schema_for!(Identifier)).unwrap();
        assert_eq!(form["pattern"], "^[!#-\\[\\]-~]{1,128}$");
        let described = |byte: u8| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
        for byte in 0..=127u8 {
            assert_eq!(ApiKeyId::parse(&char::from(byte).to_string()).is_some(), described(byte), "{byte}");
        }
        assert!(ApiKeyId::parse("").is_none() && ApiKeyId::parse(&"a".repeat(129)).is_none());
    }
}
