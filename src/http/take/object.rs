//! JSON objects that are objects, and numbers that are whole.
//!
//! serde takes a list of values for an object with as many members, in their order. Nobody means
//! that, nothing describes it, and a check by the names of members would miss it.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
};
use std::{borrow::Cow, str::FromStr};

/// What is read from an object alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(OnlyMap(from)).map(Self)
    }
}

impl<T: JsonSchema> JsonSchema for Object<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(forms: &mut SchemaGenerator) -> Schema {
        T::json_schema(forms)
    }
}

/// Reads a struct as a map.
struct OnlyMap<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for OnlyMap<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }
    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct enum identifier ignored_any
    }
}

/// A whole number, also where it is written with a fraction of nothing, as some programs do (`4.0`); null is none.
///
/// # Errors
/// Where it is no whole number, or beyond what is read.
pub fn whole<'de, D: Deserializer<'de>, N: FromStr>(from: D) -> Result<Option<N>, D::Error> {
    Option::<serde_json::Number>::deserialize(from)?.map(|number| read(&number)).transpose()
}

/// As [`whole`], of a member that has to be there.
///
/// # Errors
/// As [`whole`].
pub fn number<'de, D: Deserializer<'de>, N: FromStr>(from: D) -> Result<N, D::Error> {
    read(&serde_json::Number::deserialize(from)?)
}

fn read<N: FromStr, E: Error>(number: &serde_json::Number) -> Result<N, E> {
    let text = number.to_string();
    let digits = text.strip_suffix(".0").unwrap_or(&text);
    digits.parse().map_err(|_| E::invalid_value(Unexpected::Other(&text), &"a whole number within bounds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Two {
        #[serde(default, deserialize_with = "whole")]
        a: Option<u32>,
        b: Option<Object<Inner>>,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        c: String,
    }

    fn told(text: &str) -> Option<(Option<u32>, Option<String>)> {
        let read: Result<Object<Two>, _> = serde_json::from_str(text);
        read.ok().map(|Object(Two { a, b })| (a, b.map(|Object(inner)| inner.c)))
    }

    #[test]
    fn a_list_is_no_object_and_a_fraction_no_whole_number() {
        assert_eq!(told(r#"{"a": 1, "b": {"c": "x"}}"#), Some((Some(1), Some("x".to_owned()))));
        assert_eq!(told(r#"{"a": 4.0}"#), Some((Some(4), None)));
        assert_eq!(told(r#"{"a": null, "b": null}"#), Some((None, None)));
        for bad in [
            "[1, null]",
            r#"{"b": ["x"]}"#,
            r#"{"a": 1.5}"#,
            r#"{"a": -1}"#,
            r#"{"a": 4294967296}"#,
            r#"{"a": 1e300}"#,
            r#"{"a": "1"}"#,
            r#"{"a": 1, "z": 2}"#,
        ] {
            assert_eq!(told(bad), None, "{bad}");
        }
    }
}
