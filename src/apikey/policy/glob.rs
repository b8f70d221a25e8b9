//! Patterns with `*`, matched in time linear in the text: never regular expressions, whose cost a
//! caller could drive up.

/// The longest pattern.
pub(super) const LONGEST: usize = 256;

/// A pattern in which each `*` stands for any characters, also none; all else stands for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob {
    /// What stands between the stars; a pattern without a star is one piece.
    pieces: Vec<String>,
}

impl Glob {
    pub(super) fn new(pattern: &str) -> Self {
        Self { pieces: pattern.split('*').map(str::to_owned).collect() }
    }

    /// Whether it is nothing but stars.
    pub(super) fn is_anything(&self) -> bool {
        self.pieces.len() > 1 && self.pieces.iter().all(String::is_empty)
    }

    /// Whether the whole text fits. Each piece is looked for once, behind the one before: the
    /// first place where it stands leaves most for the pieces after it.
    pub(super) fn fits(&self, text: &str) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else { return text.is_empty() };
        let Some((last, between)) = rest.split_last() else { return text == first };
        let Some(mut left) = text.strip_prefix(first.as_str()) else { return false };
        for piece in between {
            let Some((_, after)) = left.split_once(piece.as_str()) else { return false };
            left = after;
        }
        left.ends_with(last.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the pattern means, by trying everything.
    fn means(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|n| means(rest, &text[n..])),
            Some((c, rest)) => text.first() == Some(c) && means(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn it_fits_what_it_means(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(Glob::new(&pattern).fits(&text), means(pattern.as_bytes(), text.as_bytes()));
        }
    }

    #[test]
    fn a_text_made_to_be_slow_is_not() {
        let glob = Glob::new(&"a*".repeat(120));
        let text = "a".repeat(200_000);
        assert!(glob.fits(&text));
        assert!(!Glob::new(&format!("{}b", "a*".repeat(120))).fits(&text));
    }
}
