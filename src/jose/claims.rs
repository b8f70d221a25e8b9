//! The claims we know, each with its type, and the claims of a token that was verified (RFC 7519 §4).

use crate::base::moment::Moment;
use serde_json::{Map, Number, Value};
use std::fmt;

/// The type of a claim's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A `NumericDate`: seconds since the epoch, from 0 to the end of the year 9999.
    Date,
    /// A string, or a list of strings that is not empty.
    Names,
    /// A list of strings.
    List,
    /// An object.
    Object,
}

/// A claim that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its name.
    pub name: &'static str,
    kind: Kind,
    pub(super) missing: &'static str,
    pub(super) wrong_type: &'static str,
    pub(super) unequal: &'static str,
    pub(super) forbidden: &'static str,
}

macro_rules! claims {
    ($($constant:ident $name:literal $kind:ident;)*) => {
        $(
            #[doc = concat!("The claim `", $name, "`.")]
            pub const $constant: Claim = Claim {
                name: $name,
                kind: Kind::$kind,
                missing: concat!("the claim `", $name, "` is missing from the token"),
                wrong_type: concat!("the claim `", $name, "` of the token has a wrong type"),
                unequal: concat!("the claim `", $name, "` of the token is not the one expected here"),
                forbidden: concat!("the claim `", $name, "` must not be in a token of this kind"),
            };
        )*
        /// Every claim that we know. One that is present must have its type, whatever the
        /// profile asks for: a date that is a string is not an absent date.
        pub(super) const KNOWN: &[Claim] = &[$($constant),*];
    };
}

claims! {
    ISS "iss" Text;
    SUB "sub" Text;
    AUD "aud" Names;
    EXP "exp" Date;
    NBF "nbf" Date;
    IAT "iat" Date;
    JTI "jti" Text;
    CLIENT_ID "client_id" Text;
    SCOPE "scope" Text;
    NONCE "nonce" Text;
    AZP "azp" Text;
    SID "sid" Text;
    ACR "acr" Text;
    AMR "amr" List;
    AUTH_TIME "auth_time" Date;
    AT_HASH "at_hash" Text;
    GRANT_ID "grant_id" Text;
    EVENTS "events" Object;
    KEY_ID "key_id" Text;
    FAM "fam" Text;
    CNF "cnf" Object;
}

impl Claim {
    /// Whether a value has this claim's type.
    pub(super) fn types(&self, value: &Value) -> bool {
        let texts = |list: &Vec<Value>| list.iter().all(Value::is_string);
        match self.kind {
            Kind::Text => value.is_string(),
            Kind::Date => date(value).is_some(),
            Kind::Names => value.is_string() || value.as_array().is_some_and(|list| !list.is_empty() && texts(list)),
            Kind::List => value.as_array().is_some_and(texts),
            Kind::Object => value.is_object(),
        }
    }
}

/// The last second of the year 9999.
const LAST: i64 = 253_402_300_799;

/// A `NumericDate`. RFC 7519 §2 allows fractions of a second: they are dropped.
pub(super) fn date(value: &Value) -> Option<Moment> {
    let seconds = value.as_number().and_then(whole)?;
    (0..=LAST).contains(&seconds).then(|| Moment::from_unix(seconds))
}

fn whole(number: &Number) -> Option<i64> {
    if let Some(seconds) = number.as_i64() {
        return Some(seconds);
    }
    // There is no conversion from f64 that refuses what does not fit; the text has none of its traps.
    let text = number.to_string();
    text.split_once('.').and_then(|(whole, fraction)| {
        let plain = fraction.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| whole.parse().ok())?
    })
}

/// The claims of a token that passed [`super::verify`].
#[derive(Clone, PartialEq)]
pub struct Verified {
    pub(super) claims: Map<String, Value>,
    pub(super) until: Moment,
}

impl Verified {
    /// A claim that is text.
    #[must_use]
    pub fn str(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// A claim that is a whole number; a date's fraction is dropped.
    #[must_use]
    pub fn num(&self, name: &str) -> Option<i64> {
        self.claims.get(name)?.as_number().and_then(whole)
    }

    /// A claim that is a date.
    #[must_use]
    pub fn moment(&self, name: &str) -> Option<Moment> {
        self.claims.get(name).and_then(date)
    }

    /// A claim that is a list of texts, or one text; empty where it is absent or anything else.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<&str> {
        match self.claims.get(name) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => Vec::new(),
        }
    }

    /// All claims, as the token has them.
    #[must_use]
    pub const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// From when on verifying this token again would find it expired, leeway included; so until
    /// then its `jti` must be remembered by whoever accepts it once only.
    #[must_use]
    pub const fn until(&self) -> Moment {
        self.until
    }
}

/// Names only: the values are about people.
impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.claims.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dates_are_numbers_of_our_era() {
        assert_eq!(date(&json!(1_700_000_000)), Some(Moment::from_unix(1_700_000_000)));
        assert_eq!(date(&json!(1_700_000_000.75)), Some(Moment::from_unix(1_700_000_000)));
        for bad in [json!("999"), json!(null), json!(-1), json!(1e300), json!(u64::MAX), json!([1]), json!(true)] {
            assert_eq!(date(&bad), None, "{bad}");
        }
    }
}
