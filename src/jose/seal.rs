//! Sealed values: readable and changeable by nobody but us (AES-256-GCM, NIST SP 800-38D).
//!
//! For private keys in the database, and for state that travels through the browser. A sealed
//! value is a version byte, a random 96-bit nonce, the ciphertext and a 128-bit tag. One key
//! may seal 2^32 values (SP 800-38D §8.3), so derive one for each purpose.

use crate::base::{
    digest::{base64url, from_base64url},
    entropy::{self, Entropy},
    fault::Fault,
    secret::Secret,
};
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use std::fmt;

const VERSION: u8 = 1;
const NONCE: usize = 12;
const TAG: usize = 16;

/// The value was sealed under another key or for another place, or it was changed, or it was
/// never sealed at all. Nobody is told which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSeal;

impl fmt::Display for BadSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sealed value does not open")
    }
}

impl std::error::Error for BadSeal {}

/// Seals and opens with one key.
#[derive(Clone, Debug)]
pub struct Sealer(Secret<[u8; 32]>);

impl Sealer {
    /// With a key that was derived for one purpose.
    #[must_use]
    pub const fn new(key: Secret<[u8; 32]>) -> Self {
        Self(key)
    }

    /// Seals a value. `aad` says what it is and where it belongs (a row's key, say): it is not
    /// part of the sealed value, and the value opens only for the same `aad`.
    ///
    /// # Errors
    /// A [`Fault`] when randomness or OpenSSL fails.
    pub fn seal(&self, aad: &[u8], plain: &[u8], dice: &dyn Entropy) -> Result<Vec<u8>, Fault> {
        self.hide(vec![VERSION], aad, plain, dice)
    }

    /// Opens a sealed value.
    ///
    /// # Errors
    /// [`BadSeal`] unless it was sealed with this key and this `aad`, and is whole.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Secret<Vec<u8>>, BadSeal> {
        let (version, rest) = sealed.split_first().ok_or(BadSeal)?;
        if *version == VERSION { self.reveal(aad, rest) } else { Err(BadSeal) }
    }

    /// A head that stays legible, the nonce, the ciphertext and the tag.
    pub(super) fn hide(&self, head: Vec<u8>, aad: &[u8], plain: &[u8], dice: &dyn Entropy) -> Result<Vec<u8>, Fault> {
        let nonce: [u8; NONCE] = entropy::bytes(dice)?;
        let mut tag = [0u8; TAG];
        let hidden = encrypt_aead(Cipher::aes_256_gcm(), self.0.expose(), Some(&nonce), aad, plain, &mut tag)
            .map_err(|e| Fault::new("sealing a value", e))?;
        let mut sealed = head;
        sealed.reserve_exact(NONCE + hidden.len() + TAG);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&hidden);
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// What [`Sealer::hide`] hid, given without its head.
    pub(super) fn reveal(&self, aad: &[u8], sealed: &[u8]) -> Result<Secret<Vec<u8>>, BadSeal> {
        let (nonce, rest) = sealed.split_at_checked(NONCE).ok_or(BadSeal)?;
        let (hidden, tag) = rest.len().checked_sub(TAG).and_then(|at| rest.split_at_checked(at)).ok_or(BadSeal)?;
        decrypt_aead(Cipher::aes_256_gcm(), self.0.expose(), Some(nonce), aad, hidden, tag)
            .map(Secret::new)
            .map_err(|_| BadSeal)
    }

    /// As [`Sealer::seal`], in base64url: for URLs and form fields.
    ///
    /// # Errors
    /// As [`Sealer::seal`].
    pub fn seal_text(&self, aad: &[u8], plain: &[u8], dice: &dyn Entropy) -> Result<String, Fault> {
        self.seal(aad, plain, dice).map(|sealed| base64url(&sealed))
    }

    /// As [`Sealer::open`], from base64url.
    ///
    /// # Errors
    /// As [`Sealer::open`].
    pub fn open_text(&self, aad: &[u8], sealed: &str) -> Result<Secret<Vec<u8>>, BadSeal> {
        self.open(aad, &from_base64url(sealed).ok_or(BadSeal)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(Secret::new([byte; 32]))
    }

    #[test]
    fn what_was_sealed_opens_and_never_looks_the_same_twice() {
        let (dice, sealer) = (SeededEntropy::new(1), sealer(7));
        for plain in [&b""[..], b"x", &[9; 5000]] {
            let sealed = sealer.seal_text(b"here", plain, &dice).unwrap();
            assert_eq!(sealer.open_text(b"here", &sealed).unwrap().expose(), plain);
            assert_ne!(sealed, sealer.seal_text(b"here", plain, &dice).unwrap());
        }
    }

    #[test]
    fn another_key_or_another_place_does_not_open_it() {
        let dice = SeededEntropy::new(1);
        let sealed = sealer(7).seal(b"row 1", b"private", &dice).unwrap();
        assert_eq!(sealer(8).open(b"row 1", &sealed).unwrap_err(), BadSeal);
        assert_eq!(sealer(7).open(b"row 2", &sealed).unwrap_err(), BadSeal);
        assert_eq!(sealer(7).open(b"", &sealed).unwrap_err(), BadSeal);
    }

    #[test]
    fn every_truncation_every_extension_and_every_changed_byte_is_noticed() {
        let dice = SeededEntropy::new(1);
        let sealed = sealer(7).seal(b"a", b"private", &dice).unwrap();
        for length in 0..sealed.len() {
            assert!(sealer(7).open(b"a", &sealed[..length]).is_err(), "{length}");
        }
        let mut longer = sealed.clone();
        longer.push(0);
        assert!(sealer(7).open(b"a", &longer).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer(7).open(b"a", &changed).is_err(), "{at}");
        }
    }

    #[test]
    fn the_key_does_not_print() {
        assert_eq!(format!("{:?}", sealer(7)), "Sealer([secret])");
    }

    #[test]
    fn the_test_vector_of_nist_opens() {
        // The last AES-256 case of the GCM specification's test vectors without odd lengths (case 14).
        let sealed: Vec<u8> =
            [&[1u8][..], &[0; 12], &hex("cea7403d4d606b6e074ec5d3baf39d18"), &hex("d0d1c8a799996bf0265b98b5d48ab919")]
                .concat();
        assert_eq!(sealer(0).open(b"", &sealed).unwrap().expose(), &[0; 16]);
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
    }
}
