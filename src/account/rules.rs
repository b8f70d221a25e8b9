//! Whether a new password is good enough. Length and not being guessable count; there are no
//! composition rules and no expiry (NIST SP 800-63B-4 §3.1.1.2; ASVS 5.0 6.2.1 to 6.2.11).

use super::password::{MAX_BYTES, Password};
use std::fmt;

/// Guesses that an attacker must at least need: where zxcvbn says "safely unguessable" (3 of 4).
const GUESSES: u64 = 100_000_000;
/// Context words shorter than this are too common to forbid as a part of a password.
const SHORTEST_WORD: usize = 4;

/// What an operator decides about new passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Fewest characters.
    pub min_length: usize,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { min_length: 12 }
    }
}

/// Why a new password is refused. Its text tells the person what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// Too few characters.
    TooShort {
        /// Fewest characters.
        min: usize,
    },
    /// More than [`MAX_BYTES`] bytes.
    TooLong,
    /// It has a word in it that everybody knows of this person or service.
    HasWord(String),
    /// It is well known, or made of what is.
    Guessable,
    /// It is the password that is to be replaced.
    Unchanged,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { min } => {
                write!(f, "Use at least {min} characters; four or five words make a good password.")
            }
            Self::TooLong => write!(f, "Use at most {MAX_BYTES} bytes."),
            Self::HasWord(word) => write!(f, "Leave out “{word}”: it is the first thing somebody would try."),
            Self::Guessable => {
                f.write_str("This is easy to guess. Add a few unrelated words, or let a password manager make one.")
            }
            Self::Unchanged => f.write_str("This is your present password. Choose another."),
        }
    }
}

impl std::error::Error for Weakness {}

impl PasswordPolicy {
    /// Judges what was typed as a new password. `context` are words that go with this person and
    /// this service: user name, e-mail address, names, the service's own.
    ///
    /// # Errors
    /// The first [`Weakness`] found.
    pub fn judge(&self, typed: String, context: &[&str]) -> Result<Password, Weakness> {
        let password = Password::parse(typed).ok_or(Weakness::TooLong)?;
        let text = password.expose();
        if text.chars().count() < self.min_length {
            return Err(Weakness::TooShort { min: self.min_length });
        }
        let lower = text.to_lowercase();
        let words = words(context);
        if let Some(word) = words.iter().find(|word| lower.contains(word.as_str())) {
            return Err(Weakness::HasWord(word.clone()));
        }
        let known: Vec<&str> = context.iter().copied().chain(words.iter().map(String::as_str)).collect();
        if zxcvbn::zxcvbn(text, &known).guesses() < GUESSES {
            return Err(Weakness::Guessable);
        }
        Ok(password)
    }
}

/// The words worth forbidding: each context text and its parts, in lower case, longest first.
fn words(context: &[&str]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for text in context {
        let text = text.trim().to_lowercase();
        // A top-level domain or "www" is no word to forbid; the length keeps them out.
        words.extend(text.split(|c: char| !c.is_alphanumeric()).map(str::to_owned));
        words.push(text);
    }
    words.retain(|word| word.chars().count() >= SHORTEST_WORD);
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(typed: &str) -> Result<(), Weakness> {
        PasswordPolicy::default().judge(typed.to_owned(), &["ann.lee", "ann@shop.example", "Keywright"]).map(|_| ())
    }

    #[test]
    fn length_and_guessability_decide() {
        for (typed, wanted) in [
            ("violin tugboat pepper", Ok(())),
            ("9fK2-vq81-zzPw", Ok(())),
            ("пять слов на русском языке", Ok(())),
            ("short one", Err(Weakness::TooShort { min: 12 })),
            ("passwordpassword", Err(Weakness::Guessable)),
            ("Password123456!", Err(Weakness::Guessable)),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", Err(Weakness::Guessable)),
            ("123456789012345", Err(Weakness::Guessable)),
            ("qwertyuiopasdf", Err(Weakness::Guessable)),
            ("my KeyWright secret 77", Err(Weakness::HasWord("keywright".into()))),
            ("ANN@shop.example!", Err(Weakness::HasWord("ann@shop.example".into()))),
            ("shopshopshopshop", Err(Weakness::HasWord("shop".into()))),
        ] {
            assert_eq!(judge(typed), wanted, "{typed}");
        }
        assert_eq!(judge(&"long ".repeat(300)), Err(Weakness::TooLong));
    }

    #[test]
    fn no_character_is_forbidden_or_trimmed() {
        let typed = " violin\ttugboat\u{0}pepper 🎻 ";
        let kept = PasswordPolicy::default().judge(typed.to_owned(), &[]).unwrap();
        assert_eq!(kept.expose(), typed);
    }
}
