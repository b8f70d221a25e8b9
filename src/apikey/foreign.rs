//! Keys that were made elsewhere: how hard they are to guess, and what people know them by.

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
    let head: String = hash.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{head}…")
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
}
