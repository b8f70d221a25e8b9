//! Base 62: digits, upper case, lower case, in that order, most significant digit first.
//! Fixed width, so that a pattern can find what we mint (see `credential`).

use super::{entropy::Entropy, fault::Fault};

/// The alphabet, in order of value.
pub const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Digits that hold any `u128`.
pub const U128_WIDTH: usize = 22;
/// Digits that hold any `u32`.
pub const U32_WIDTH: usize = 6;

/// The number in exactly `width` digits, zero-padded; digits that do not fit are lost, so
/// callers give a width that holds their type.
#[must_use]
pub fn encode(mut n: u128, width: usize) -> String {
    let mut digits = vec![b'0'; width];
    // A division of 128 bits is slow: one of them for each ten digits, the rest in 64 bits.
    for ten in digits.rchunks_mut(TEN) {
        let mut low = u64::try_from(n % SIXTY_TWO_TO_THE_TEN).unwrap_or_default();
        n /= SIXTY_TWO_TO_THE_TEN;
        for place in ten.iter_mut().rev() {
            let digit = usize::try_from(low % 62).unwrap_or_default();
            *place = ALPHABET.get(digit).copied().unwrap_or(b'0');
            low /= 62;
        }
    }
    digits.into_iter().map(char::from).collect()
}

const TEN: usize = 10;
const SIXTY_TWO_TO_THE_TEN: u128 = 62u128.pow(10);

/// The number that these digits spell; `None` for a foreign character or more than a `u128`.
#[must_use]
pub fn decode(digits: &str) -> Option<u128> {
    digits.bytes().try_fold(0u128, |n, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return None,
        };
        n.checked_mul(62)?.checked_add(u128::from(digit))
    })
}

/// `n` independent, uniformly distributed characters: bytes of 248 and more are drawn again,
/// because 248 is the largest multiple of 62 in a byte.
///
/// # Errors
/// As [`Entropy::fill`].
pub fn random(n: usize, from: &dyn Entropy) -> Result<String, Fault> {
    let mut out = String::with_capacity(n);
    let mut block = [0u8; 64];
    while out.len() < n {
        from.fill(&mut block)?;
        let wanted = n - out.len();
        out.extend(spread(&block).take(wanted));
    }
    Ok(out)
}

/// The characters that uniformly distributed bytes stand for; bytes of 248 and more are skipped.
pub fn spread(bytes: &[u8]) -> impl Iterator<Item = char> + '_ {
    bytes.iter().filter(|b| **b < 248).filter_map(|b| ALPHABET.get(usize::from(b % 62)).copied().map(char::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    #[test]
    fn numbers_come_back() {
        for n in [0, 1, 61, 62, u128::from(u32::MAX), u128::MAX] {
            assert_eq!(decode(&encode(n, U128_WIDTH)), Some(n));
        }
        assert_eq!(encode(u128::from(u32::MAX), U32_WIDTH).len(), 6);
        assert_eq!(decode("zzzzzzzzzzzzzzzzzzzzzzz"), None, "more than a u128");
        assert_eq!(decode("a-b"), None);
    }

    #[test]
    fn r035_random_characters_are_even() {
        let text = random(62_000, &SeededEntropy::new(1)).unwrap();
        let chi: f64 = ALPHABET
            .iter()
            .map(|c| {
                let seen = text.bytes().filter(|b| b == c).count();
                let off = f64::from(u32::try_from(seen).unwrap()) - 1000.0;
                off * off / 1000.0
            })
            .sum();
        assert!(chi < 120.0, "chi-square {chi} of 61 degrees of freedom");
    }
}
