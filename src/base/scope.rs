//! Scope: an ordered set of scope tokens and its algebra (RFC 6749 §3.3).

use std::{collections::BTreeSet, fmt};

/// The most bytes a scope parameter may have, and the most tokens (advisory: very long scopes
/// burn time in servers that do not bound them).
pub const MAX_BYTES: usize = 1024;
/// The most tokens in one scope.
pub const MAX_TOKENS: usize = 64;

/// A set of scope tokens, printed in one stable order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(BTreeSet<String>);

/// Why a text is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadScope {
    /// More than [`MAX_BYTES`] or [`MAX_TOKENS`].
    TooLong,
    /// A character outside `%x21 / %x23-5B / %x5D-7E`.
    Character,
}

impl fmt::Display for BadScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "scope has more than 1024 bytes or 64 tokens",
            Self::Character => "scope has a character that RFC 6749 section 3.3 does not allow",
        })
    }
}
impl std::error::Error for BadScope {}

impl Scope {
    /// No scope token.
    #[must_use]
    pub const fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// Reads a space-delimited list; several spaces count as one, the empty text is the empty scope.
    ///
    /// # Errors
    /// [`BadScope`] where it is too long or has a character that is not allowed.
    pub fn parse(text: &str) -> Result<Self, BadScope> {
        if text.len() > MAX_BYTES {
            return Err(BadScope::TooLong);
        }
        let mut tokens = BTreeSet::new();
        for token in text.split(' ').filter(|t| !t.is_empty()) {
            if !token.bytes().all(allowed) {
                return Err(BadScope::Character);
            }
            tokens.insert(token.to_owned());
        }
        if tokens.len() > MAX_TOKENS {
            return Err(BadScope::TooLong);
        }
        Ok(Self(tokens))
    }

    /// Whether it has no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Whether `token` is one of its tokens.
    #[must_use]
    pub fn has(&self, token: &str) -> bool {
        self.0.contains(token)
    }
    /// Whether every token of this is in `other`: narrower or equal.
    #[must_use]
    pub fn within(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }
    /// What is in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }
    /// What is in either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }
    /// What is in this and not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }
    /// Its tokens, in order.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// From tokens that we chose ourselves; text that is no scope token is left out.
impl<'a> FromIterator<&'a str> for Scope {
    fn from_iter<I: IntoIterator<Item = &'a str>>(from: I) -> Self {
        Self(from.into_iter().filter(|t| !t.is_empty() && t.bytes().all(allowed)).map(str::to_owned).collect())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, token) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token)?;
        }
        Ok(())
    }
}

const fn allowed(b: u8) -> bool {
    matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

impl TryFrom<String> for Scope {
    type Error = BadScope;
    fn try_from(text: String) -> Result<Self, BadScope> {
        Self::parse(&text)
    }
}
impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_prints_in_one_order() {
        let scope = Scope::parse("write  read openid").unwrap();
        assert_eq!(scope.to_string(), "openid read write");
    }

    #[test]
    fn what_rfc_6749_does_not_allow_is_refused() {
        for text in ["a\"b", "a\\b", "a\tb", "é", "a\nb", "a\u{7f}b"] {
            assert_eq!(Scope::parse(text), Err(BadScope::Character), "{text:?}");
        }
        assert_eq!(Scope::parse(&"a".repeat(1025)), Err(BadScope::TooLong));
        let many: Vec<String> = (0..65).map(|n| n.to_string()).collect();
        assert_eq!(Scope::parse(&many.join(" ")), Err(BadScope::TooLong));
    }

    proptest! {
        #[test]
        fn the_algebra_of_sets_holds(a in "[a-d ]{0,12}", b in "[a-d ]{0,12}") {
            let (a, b) = (Scope::parse(&a).unwrap(), Scope::parse(&b).unwrap());
            prop_assert!(a.and(&b).within(&a) && a.and(&b).within(&b));
            prop_assert!(a.within(&a.or(&b)) && b.within(&a.or(&b)));
            prop_assert_eq!(a.minus(&b).or(&a.and(&b)), a.clone());
            prop_assert_eq!(Scope::parse(&a.to_string()).unwrap(), a);
        }
    }
}
