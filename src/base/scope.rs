//! Scope: an ordered set of scope tokens and its algebra (RFC 6749 §3.3).

use std::fmt;

/// The most bytes a scope parameter may have, and the most tokens (advisory: very long scopes
/// burn time in servers that do not bound them).
pub const MAX_BYTES: usize = 1024;
/// The most tokens in one scope.
pub const MAX_TOKENS: usize = 64;

/// A set of scope tokens, printed in one stable order. Sorted and each once, in a row and not in a tree: a key in
/// memory has one of its own, mostly of one token, for which a tree takes ten times the room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(Vec<String>);

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
        Self(Vec::new())
    }

    /// Reads a space-delimited list; several spaces count as one, the empty text is the empty scope.
    ///
    /// # Errors
    /// [`BadScope`] where it is too long or has a character that is not allowed.
    pub fn parse(text: &str) -> Result<Self, BadScope> {
        if text.len() > MAX_BYTES {
            return Err(BadScope::TooLong);
        }
        if !text.bytes().all(|b| b == b' ' || allowed(b)) {
            return Err(BadScope::Character);
        }
        let scope = Self::of(text.split(' ').filter(|token| !token.is_empty()).map(str::to_owned).collect());
        if scope.0.len() > MAX_TOKENS {
            return Err(BadScope::TooLong);
        }
        Ok(scope)
    }

    fn of(mut tokens: Vec<String>) -> Self {
        tokens.sort_unstable();
        tokens.dedup();
        tokens.shrink_to_fit();
        Self(tokens)
    }

    /// Whether it has no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Whether `token` is one of its tokens.
    #[must_use]
    pub fn has(&self, token: &str) -> bool {
        self.0.binary_search_by(|one| one.as_str().cmp(token)).is_ok()
    }
    /// Whether every token of this is in `other`: narrower or equal.
    #[must_use]
    pub fn within(&self, other: &Self) -> bool {
        self.tokens().all(|token| other.has(token))
    }
    /// What is in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|token| other.has(token)).cloned().collect())
    }
    /// What is in either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self::of(self.0.iter().chain(&other.0).cloned().collect())
    }
    /// What is in this and not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|token| !other.has(token)).cloned().collect())
    }
    /// Its tokens, in order.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// From tokens that we chose ourselves; text that is no scope token is left out.
impl<'a> FromIterator<&'a str> for Scope {
    fn from_iter<I: IntoIterator<Item = &'a str>>(from: I) -> Self {
        Self::of(from.into_iter().filter(|t| !t.is_empty() && t.bytes().all(allowed)).map(str::to_owned).collect())
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
