//! Values that must never print.

use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Something secret. It has no `Display`, no `Serialize`, no `Deref` and no `PartialEq`; its
/// `Debug` says `[secret]`; its memory is wiped when dropped. To look inside, say
/// [`Secret::expose`], which a reviewer can search for.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes the value in.
    pub const fn new(value: T) -> Self {
        Self(value)
    }
    /// Shows the value to the code that needs it: to hash, to seal, or to hand it to its owner once.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize + AsRef<[u8]>> Secret<T> {
    /// Compares in time that depends on the lengths alone.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        same(self.0.as_ref(), other)
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

/// Whether two byte strings are equal, in time that depends on their lengths alone.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && openssl::memcmp::eq(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_prints() {
        let secret = Secret::new(String::from("hunter2"));
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert!(secret.matches(b"hunter2"));
        assert!(!secret.matches(b"hunter"));
    }
}
