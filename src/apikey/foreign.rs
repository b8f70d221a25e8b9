//! Keys that were made elsewhere: how hard they are to guess, and what people know them by,
//! and how digests and keys of HMAC are written.

use crate::base::{
    digest::{from_base64url, from_hex, hex},
    secret::Secret,
};

/// What is said of keys that are brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// They are as hard to guess as ours, at least: of text that is looked at, of digests whoever
    /// brings them vouches for it.
    Vouched,
    /// They may be easier to guess: they are limited for it, and do not live long.
    Weak,
}

impl Strength {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vouched => "normal",
            Self::Weak => "weak",
        }
    }
}

/// The bits that a text must have room for.
const BITS: f64 = 128.0;
/// The fewest different characters of a text that looks random.
const DIFFERENT: usize = 10;
/// Characters that a hint shows.
const SHOWN: usize = 4;

/// Bits that a text has room for, by its length and the kinds of its characters.
fn room(text: &str) -> f64 {
    let has = |of: fn(&u8) -> bool| text.bytes().any(|byte| of(&byte));
    let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && !(has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase));
    // What stands between them is a sign as a rule, and says nothing.
    let kinds: [(bool, f64); 3] =
        [(has(u8::is_ascii_digit), 10.0), (has(u8::is_ascii_lowercase), 26.0), (has(u8::is_ascii_uppercase), 26.0)];
    let of: f64 = if hex { 16.0 } else { kinds.iter().filter(|(has, _)| *has).map(|(_, n)| n).sum() };
    let counted = text.bytes().filter(u8::is_ascii_alphanumeric).count();
    f64::from(u32::try_from(counted).unwrap_or(u32::MAX)) * of.max(1.0).log2()
}

/// Whether this is a UUID as text (RFC 9562 §4): at most 122 bits of it are random, and often fewer.
fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12] && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether a text can be as hard to guess as it should be. That it is, nobody can see of it.
#[must_use]
pub fn is_strong(text: &str) -> bool {
    let different: std::collections::BTreeSet<u8> = text.bytes().collect();
    !is_uuid(text) && different.len() >= DIFFERENT && room(text) >= BITS
}

/// What people know a text by: its first characters where enough stays hidden.
#[must_use]
pub fn hint(text: &str) -> String {
    let hidden = is_strong(text) && text.get(SHOWN..).is_some_and(is_strong);
    format!("{}…", text.get(..SHOWN).filter(|_| hidden).unwrap_or_default())
}

/// What people know a key by of which only the SHA-256 was brought.
#[must_use]
pub fn hint_of_hash(hash: &[u8; 32]) -> String {
    format!("sha256:{}…", head(hash))
}

/// What people know a key by of which only the HMAC was brought.
#[must_use]
pub fn hint_of_mac(mac: &[u8; 32]) -> String {
    format!("hmac:{}…", head(mac))
}

fn head(digest: &[u8; 32]) -> String {
    hex(digest.get(..SHOWN).unwrap_or(digest))
}

/// Reads a digest of 256 bits from 64 hexadecimal digits; else `None`.
#[must_use]
pub fn digest_of_hex(text: &str) -> Option<[u8; 32]> {
    from_hex(text)?.try_into().ok()
}

/// Reads a digest of 256 bits from hexadecimal digits or base64 of either alphabet, with or without its sign at the end;
/// else `None`.
#[must_use]
pub fn digest_of_text(text: &str) -> Option<[u8; 32]> {
    digest_of_hex(text).or_else(|| bytes_of_base64(text)?.try_into().ok())
}

fn bytes_of_base64(text: &str) -> Option<Vec<u8>> {
    let bare = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    let mut url: String = bare
        .chars()
        .map(|c| {
            if c == '+' {
                '-'
            } else if c == '/' {
                '_'
            } else {
                c
            }
        })
        .collect();
    let bytes = from_base64url(&url);
    zeroize::Zeroize::zeroize(&mut url);
    bytes
}

/// The most bytes of a key of HMAC that was made elsewhere.
const MAC_KEY: usize = 1024;

/// How a key of HMAC is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Written {
    /// Its bytes, as they are.
    #[default]
    Plain,
    /// In hexadecimal digits.
    Hex,
    /// In base64 of either alphabet.
    Base64,
}

/// Reads a key of HMAC, of 1 to 1024 bytes; else `None`.
#[must_use]
pub fn mac_key(written: Written, text: &Secret<Vec<u8>>) -> Option<Secret<Vec<u8>>> {
    let text = text.expose();
    let key = match written {
        Written::Plain => Some(text.clone()),
        Written::Hex => std::str::from_utf8(text).ok().and_then(from_hex),
        Written::Base64 => std::str::from_utf8(text).ok().and_then(bytes_of_base64),
    };
    key.map(Secret::new).filter(|key| (1..=MAC_KEY).contains(&key.expose().len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r052_a_uuid_and_what_is_short_or_monotonous_is_not_strong() {
        for (text, strong) in [
            ("018f4c1e-7b2a-7c3d-9e4f-0a1b2c3d4e5f", false),
            ("018f4c1e7b2a7c3d9e4f0a1b2c3d4e5f", true),
            ("hunter2hunter2hunter2", false),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("AwU75gCiOZHroBVVsv7oWD2xu4QZMllV", true),
            ("sk_test_AwU75gCiOZHroB", false),
            ("", false),
        ] {
            assert_eq!(is_strong(text), strong, "{text}");
        }
    }

    #[test]
    fn a_hint_shows_nothing_of_what_is_easy_to_guess() {
        assert_eq!(hint("AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXC"), "AwU7…");
        assert_eq!(hint("018f4c1e-7b2a-7c3d-9e4f-0a1b2c3d4e5f"), "…");
        assert_eq!(hint("é"), "…");
        assert_eq!(hint_of_hash(&[0xab; 32]), "sha256:abababab…");
    }

    #[test]
    fn digests_and_keys_of_hmac_are_read_in_every_form_that_others_write() {
        let digest = [0xfb; 32];
        let hex = "fb".repeat(32);
        let base64 = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=";
        let url = "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s";
        for text in [hex.as_str(), &hex.to_uppercase(), base64, url] {
            assert_eq!(digest_of_text(text), Some(digest), "{text}");
        }
        assert_eq!(digest_of_hex(&hex), Some(digest));
        for text in ["", "fb", &hex[2..], "+/v7+/v7", "é", &format!("{hex}=")] {
            assert_eq!(digest_of_text(text), None, "{text}");
        }
        let read = |written, text: &str| {
            mac_key(written, &Secret::new(text.as_bytes().to_vec())).map(|key| key.expose().clone())
        };
        assert_eq!(read(Written::Plain, " ab\n"), Some(b" ab\n".to_vec()));
        assert_eq!(read(Written::Hex, "00ff"), Some(vec![0, 255]));
        assert_eq!(read(Written::Base64, "AP8="), Some(vec![0, 255]));
        for (written, text) in [(Written::Plain, ""), (Written::Hex, "0g"), (Written::Hex, "0"), (Written::Base64, "A")]
        {
            assert_eq!(read(written, text), None, "{text}");
        }
        assert_eq!(read(Written::Plain, &"x".repeat(1025)), None);
    }
}
