//! Identifiers: a prefix that says what it names, and a time-ordered UUID (version 7) in
//! base 62. They are public handles, never secrets (ASVS 11.5.1), and `cli_…` and `usr_…`
//! can never be taken for one another (RFC 9700 §4.15).

use super::{base62, entropy, entropy::Entropy, fault::Fault, moment::Moment};
use std::fmt;

/// A fresh time-ordered 128-bit number: milliseconds in front, 74 random bits behind.
///
/// # Errors
/// As [`Entropy::fill`].
pub fn fresh(now: Moment, dice: &dyn Entropy) -> Result<u128, Fault> {
    let millis = u64::try_from(now.micros().div_euclid(1000)).unwrap_or(0);
    let random: [u8; 10] = entropy::bytes(dice)?;
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().as_u128())
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// What its text begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new one: unique, and ordered by time of making.
            ///
            /// # Errors
            /// As [`Entropy::fill`].
            pub fn mint(now: Moment, dice: &dyn Entropy) -> Result<Self, Fault> {
                Ok(Self::from_u128(fresh(now, dice)?))
            }

            /// The identifier that this number stands for.
            #[must_use]
            pub fn from_u128(n: u128) -> Self {
                Self(format!("{}{}", $prefix, base62::encode(n, base62::U128_WIDTH)))
            }

            /// The number inside; `None` where the text was chosen by an operator.
            #[must_use]
            pub fn to_u128(&self) -> Option<u128> {
                let digits = self.0.strip_prefix($prefix)?;
                (digits.len() == base62::U128_WIDTH).then(|| base62::decode(digits))?
            }

            /// When it was made, to the millisecond, by the clock of whoever made it; `None` where the text
            /// was chosen by an operator.
            #[must_use]
            pub fn made_at(&self) -> Option<Moment> {
                let millis = i64::try_from(self.to_u128()? >> 80).ok()?;
                millis.checked_mul(1000).map(Moment::from_micros)
            }

            /// Takes text for an identifier: 1 to 128 printable ASCII characters without space,
            /// quotation mark or backslash; else `None`. Whether it names anything is for the store to say.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let fits = (1..=128).contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
                fits.then(|| Self(text.to_owned()))
            }

            /// Its text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(from)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom(concat!("not a ", stringify!($name))))
            }
        }
    )*};
}

ids! {
    /// A registered client (RFC 6749 §2.2): made by us as `cli_…`, or named by the operator in
    /// declared configuration.
    ClientId "cli_";
    /// A person: the `sub` of their tokens. Never reused, never an e-mail address.
    UserId "usr_";
    /// What a person or a client granted to a client: one line of refresh tokens.
    GrantId "gr_";
    /// A signed-in browser: the `sid` of OpenID Connect logout.
    SessionId "ses_";
    /// A consent of one person to one client.
    ConsentId "con_";
    /// An audit event.
    EventId "evt_";
    /// A message to be delivered to the outside.
    OutboxId "out_";
    /// A request, as it is logged and shown to people beside our own faults.
    RequestId "req_";
    /// An API that keys are for.
    ApiId "api_";
    /// A plan: rate and quota under a name.
    PlanId "plan_";
    /// The API keys of one line of rotation.
    FamilyId "fam_";
    /// An API key; its public handle, not its text.
    ApiKeyId "key_";
    /// A link with which an API key is made by whoever opens it first.
    ClaimId "clm_";
}

/// The `kid` of a signing key (RFC 7517 §4.5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl KeyId {
    /// Takes text as a key's name; `None` unless 1 to 128 characters of base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        fits.then(|| Self(text.to_owned()))
    }
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    #[test]
    fn later_ones_sort_later_and_come_back_as_numbers() {
        let dice = SeededEntropy::new(1);
        let a = GrantId::mint(Moment::from_unix(1000), &dice).unwrap();
        let b = GrantId::mint(Moment::from_unix(1001), &dice).unwrap();
        assert!(a < b);
        assert_eq!(GrantId::from_u128(a.to_u128().unwrap()), a);
        assert_eq!(GrantId::parse("gr_short").unwrap().to_u128(), None);
    }

    #[test]
    fn they_say_when_they_were_made() {
        let at = Moment::from_micros(1_800_000_000_123_456);
        let id = GrantId::mint(at, &SeededEntropy::new(1)).unwrap();
        assert_eq!(id.made_at(), Some(Moment::from_micros(1_800_000_000_123_000)));
        assert_eq!(GrantId::from_u128(u128::MAX).made_at(), Some(Moment::from_micros(((1 << 48) - 1) * 1000)));
        assert_eq!(GrantId::parse("gr_short").unwrap().made_at(), None);
    }

    #[test]
    fn text_that_could_break_a_header_is_no_identifier() {
        for text in ["", "a b", "a\"b", "a\\b", "a\r\nb", "é", &"x".repeat(129)] {
            assert_eq!(ClientId::parse(text), None, "{text:?}");
        }
    }
}
