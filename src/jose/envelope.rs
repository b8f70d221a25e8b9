//! Data keys by version: what rests in a database is sealed under one of them and says which, so
//! that several are good at once and the oldest can be replaced while everything goes on.
//!
//! A value is the byte 2, the version of its data key in four bytes, and what [`Sealer`] makes:
//! nonce, ciphertext and tag (AES-256-GCM, NIST SP 800-38D). Authenticated with it is where it
//! rests (table, column and row) and the version, so a ciphertext that somebody moves to another
//! row does not open there.

use super::seal::{BadSeal, Sealer};
use crate::base::{entropy::Entropy, fault::Fault, secret::Secret};
use std::collections::BTreeMap;

/// What such a value begins with; the form before this one begins with 1.
const MARK: u8 = 2;
/// Bytes of a version.
const VERSION: usize = 4;
/// Bytes from which the version can be told.
pub const HEAD: usize = 1 + VERSION;
/// The most values that may be sealed under one key with nonces by chance (SP 800-38D §8.3).
pub const MOST_USES: i64 = 1 << 32;

/// Where a sealed value rests.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The key of the row.
    pub row: &'p str,
}

impl Place<'_> {
    /// All of it, each part after its length, so that no two places give the same bytes.
    fn aad(&self, version: i32) -> Vec<u8> {
        let mut aad = b"keywright sealed value 2".to_vec();
        for part in [self.table, self.column, self.row] {
            aad.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            aad.extend_from_slice(part.as_bytes());
        }
        aad.extend_from_slice(&version.to_be_bytes());
        aad
    }
}

/// The first bytes of every value under the data key of this version.
#[must_use]
pub fn head(version: i32) -> [u8; HEAD] {
    let [a, b, c, d] = version.to_be_bytes();
    [MARK, a, b, c, d]
}

/// The version of the data key that a value is sealed under; `None` where it has the form before
/// there were any, or none of ours. Its first [`HEAD`] bytes are enough.
#[must_use]
pub fn sealed_under(sealed: &[u8]) -> Option<i32> {
    let (mark, rest) = sealed.split_first()?;
    let version = rest.first_chunk::<VERSION>()?;
    (*mark == MARK).then(|| i32::from_be_bytes(*version))
}

/// Data keys in hand.
#[derive(Clone, Debug, Default)]
pub struct Ring(BTreeMap<i32, Sealer>);

impl Ring {
    /// Takes a data key in hand.
    pub fn add(&mut self, version: i32, key: Secret<[u8; 32]>) {
        self.0.insert(version, Sealer::new(key));
    }

    /// Whether the data key of this version is in hand.
    #[must_use]
    pub fn holds(&self, version: i32) -> bool {
        self.0.contains_key(&version)
    }

    /// Seals a value for its place.
    ///
    /// # Errors
    /// A [`Fault`] where that data key is not in hand, or randomness or OpenSSL fails.
    pub fn seal(&self, version: i32, place: Place<'_>, plain: &[u8], dice: &dyn Entropy) -> Result<Vec<u8>, Fault> {
        let key = self.0.get(&version);
        let key = key.ok_or_else(|| Fault::bare(format!("data key {version} is not in hand")))?;
        key.hide(head(version).to_vec(), &place.aad(version), plain, dice)
    }

    /// Opens a value in its place.
    ///
    /// # Errors
    /// [`BadSeal`] unless it was sealed for this place under a data key in hand, and is whole.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Secret<Vec<u8>>, BadSeal> {
        let version = sealed_under(sealed).ok_or(BadSeal)?;
        let (_, rest) = sealed.split_at_checked(HEAD).ok_or(BadSeal)?;
        self.0.get(&version).ok_or(BadSeal)?.reveal(&place.aad(version), rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    fn place(row: &str) -> Place<'_> {
        Place { table: "signing_keys", column: "sealed", row }
    }

    fn ring() -> Ring {
        let mut ring = Ring::default();
        ring.add(1, Secret::new([1; 32]));
        ring.add(2, Secret::new([2; 32]));
        ring
    }

    #[test]
    fn a_ciphertext_moved_to_another_row_column_or_table_does_not_open() {
        let (ring, dice) = (ring(), SeededEntropy::new(1));
        let sealed = ring.seal(1, place("a"), b"private", &dice).unwrap();
        assert_eq!(ring.open(place("a"), &sealed).unwrap().expose(), b"private");
        for elsewhere in [
            place("b"),
            place(""),
            Place { column: "public", ..place("a") },
            Place { table: "clients", ..place("a") },
            Place { table: "signing_keyss", column: "ealed", row: "a" },
        ] {
            assert_eq!(ring.open(elsewhere, &sealed).unwrap_err(), BadSeal, "{elsewhere:?}");
        }
    }

    #[test]
    fn several_versions_open_at_once_and_none_for_another() {
        let (ring, dice) = (ring(), SeededEntropy::new(1));
        for version in [1, 2] {
            let sealed = ring.seal(version, place("a"), b"private", &dice).unwrap();
            assert_eq!(sealed_under(&sealed), Some(version));
            assert!(sealed.starts_with(&head(version)));
            assert_eq!(ring.open(place("a"), &sealed).unwrap().expose(), b"private");
            let other = [&head(3 - version)[..], &sealed[HEAD..]].concat();
            assert!(ring.open(place("a"), &other).is_err(), "its version was changed");
        }
        assert!(ring.seal(3, place("a"), b"private", &dice).is_err());
        let old = Sealer::new(Secret::new([1; 32])).seal(b"", b"private", &dice).unwrap();
        assert_eq!(sealed_under(&old), None);
    }

    #[test]
    fn every_truncation_and_every_changed_byte_is_noticed() {
        let (ring, dice) = (ring(), SeededEntropy::new(1));
        let sealed = ring.seal(2, place("a"), b"private", &dice).unwrap();
        for at in 0..sealed.len() {
            assert!(ring.open(place("a"), &sealed[..at]).is_err(), "{at}");
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(ring.open(place("a"), &changed).is_err(), "{at}");
        }
    }
}
