//! JSON read strictly: no member twice at any depth, no more than 16 levels, no NUL in a text,
//! nothing behind the value.
//!
//! RFC 7515 §4 and RFC 7519 §4 let a parser refuse duplicates or take the last; two parsers that
//! differ here are how a signature over one meaning is read with another. A NUL has no meaning in
//! any protocol of ours, and PostgreSQL stores no text that has one.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// How many objects and arrays may lie within one another.
pub const MAX_DEPTH: usize = 16;

/// Reads one JSON object.
///
/// # Errors
/// A text for developers where it is no JSON, no object, holds a member twice or a NUL, or is too deep.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    match value(bytes)? {
        Value::Object(map) => Ok(map),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err("it is not a JSON object".to_owned())
        }
    }
}

/// Reads one JSON value.
///
/// # Errors
/// As [`object`].
pub fn value(bytes: &[u8]) -> Result<Value, String> {
    let mut from = serde_json::Deserializer::from_slice(bytes);
    let read = Strict { depth: 0 }.deserialize(&mut from).map_err(|e| e.to_string())?;
    from.end().map_err(|e| e.to_string())?;
    Ok(read)
}

fn text<E: Error>(text: String) -> Result<String, E> {
    if text.contains('\0') { Err(E::custom("a text has a NUL")) } else { Ok(text) }
}

/// One value, at a depth.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.saturating_add(1);
        if depth > MAX_DEPTH { Err(E::custom("it is nested too deeply")) } else { Ok(Self { depth }) }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E: Error>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }
    fn visit_i64<E: Error>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_u64<E: Error>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_f64<E: Error>(self, v: f64) -> Result<Value, E> {
        Number::from_f64(v).map(Value::Number).ok_or_else(|| E::custom("a number is out of range"))
    }
    fn visit_str<E: Error>(self, v: &str) -> Result<Value, E> {
        text(v.to_owned()).map(Value::String)
    }
    fn visit_string<E: Error>(self, v: String) -> Result<Value, E> {
        text(v).map(Value::String)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = from.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(name) = from.next_key::<String>()? {
            let name = text(name)?;
            if map.contains_key(&name) {
                return Err(A::Error::custom("a member is there twice"));
            }
            let value = from.next_value_seed(inner)?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_json_reads_as_serde_json_reads_it() {
        let text = r#"{"a":[1,-2,3.5,"x",null,true,{"b":{}}],"é":"\ud83d\ude00"}"#;
        assert_eq!(value(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn a_member_twice_at_any_depth_is_refused() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":[{"b":{"c":1,"c":2}}]}"#, r#"{"a":1,"\u0061":2}"#] {
            assert!(object(text.as_bytes()).unwrap_err().contains("twice"), "{text}");
        }
    }

    #[test]
    fn a_nul_in_a_name_or_a_text_is_refused_however_it_is_spelt() {
        for text in [r#"{"\u0000":1}"#, r#"{"a":["x\u0000"]}"#, r#"{"a":{"b\u0000c":{}}}"#, "{\"a\":\"\0\"}"] {
            assert!(object(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn sixteen_levels_and_no_more() {
        let nested = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(value(nested(16).as_bytes()).is_ok());
        assert!(value(nested(17).as_bytes()).is_err());
        assert!(value(nested(100_000).as_bytes()).is_err());
    }

    #[test]
    fn something_behind_or_no_object_or_bad_text_is_refused() {
        for text in [&b"{} {}"[..], b"{}x", b"[]", b"\"a\"", b"", b"{\"a\":\"\xff\"}", b"{\"a\":NaN}", b"{'a':1}"] {
            assert!(object(text).is_err(), "{text:?}");
        }
    }
}
