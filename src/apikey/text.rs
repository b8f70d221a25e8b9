//! The text of an API key: `<prefix>_<environment>_<random><checksum>`, in the same family of
//! formats as every other credential of this server ([`crate::base::credential`]).
//!
//! The prefix says whose key it is and the environment what it is for, so that people and scanners
//! know one when they see it; neither says anything of its owner. The checksum covers all before
//! it, so that no key of `test` can be edited into one of `live`.

use crate::base::{base62, credential::checksum, entropy::Entropy, fault::Fault, secret::Secret};
use std::ops::RangeInclusive;

/// Random characters of a key unless the operator says otherwise: 256.03 bits.
pub const RANDOM: usize = crate::base::credential::RANDOM;
/// The fewest random characters that may be configured: 130.99 bits.
pub const LEAST_RANDOM: usize = 22;
/// The most random characters that may be configured.
pub const MOST_RANDOM: usize = 128;
/// What keys begin with unless their API says otherwise.
pub const DEFAULT_PREFIX: &str = crate::base::credential::PREFIX;
/// Words that stand where an environment would in other credentials, so that none may be called so.
pub const RESERVED: &[&str] = &["rt", "at", "cs", "pat", "claim", "reg", "whsec", "code", "ses"];

const CHECKSUM: usize = base62::U32_WIDTH;
const PREFIX_LENGTH: RangeInclusive<usize> = 2..=12;
const ENVIRONMENT_LENGTH: RangeInclusive<usize> = 2..=8;
/// Random characters that a hint shows.
const SHOWN: usize = 4;
/// Characters of base 62 that hide at least 128 bits: 130.99.
const HIDING: usize = 22;

/// The text of an API key: a secret, with a head that is none.
#[derive(Clone, Debug)]
pub struct KeyText {
    prefix: String,
    environment: String,
    hint: String,
    text: Secret<String>,
}

impl KeyText {
    /// Reads the text of a key with this many random characters; `None` unless it has exactly the
    /// form, checksum included. Total; costs one pass over a bounded length. Says nothing of the
    /// key's being known.
    #[must_use]
    pub fn parse(text: &str, random_length: usize) -> Option<Self> {
        let Parts { prefix, environment, random } = parts(text, random_length)?;
        Some(Self {
            prefix: prefix.to_owned(),
            environment: environment.to_owned(),
            hint: hint(prefix, environment, random),
            text: Secret::new(text.to_owned()),
        })
    }

    /// A fresh key.
    ///
    /// # Errors
    /// As [`Entropy::fill`]; a [`Fault`] where prefix, environment or length are not allowed, which
    /// whoever stored them must have asked [`is_prefix`], [`is_environment`] and the bounds of the
    /// length about.
    pub fn mint(prefix: &str, environment: &str, random_length: usize, dice: &dyn Entropy) -> Result<Self, Fault> {
        let mut text = Secret::new(format!("{prefix}_{environment}_{}", base62::random(random_length, dice)?));
        let sum = checksum(text.expose());
        text = Secret::new(format!("{}{sum}", text.expose()));
        Self::parse(text.expose(), random_length)
            .ok_or_else(|| Fault::bare("minting a key of a form that is not allowed"))
    }

    /// What it begins with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
    /// The environment it is for, such as `live`.
    #[must_use]
    pub fn environment(&self) -> &str {
        &self.environment
    }
    /// Prefix and environment: what keys of one API and environment have in common, and no secret.
    #[must_use]
    pub fn head(&self) -> String {
        format!("{}_{}", self.prefix, self.environment)
    }
    /// What people may know it by: its head, and four random characters where at least 128 bits
    /// stay hidden behind them.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.hint
    }
    /// The whole text: to hash, or to hand to its owner once.
    #[must_use]
    pub const fn text(&self) -> &Secret<String> {
        &self.text
    }
}

/// Whether this is the text of a key with this many random characters, as [`KeyText::parse`] reads
/// it: for those who only want to look it up, since it keeps nothing.
#[must_use]
pub fn well_formed(text: &str, random_length: usize) -> bool {
    parts(text, random_length).is_some()
}

struct Parts<'t> {
    prefix: &'t str,
    environment: &'t str,
    random: &'t str,
}

fn parts(text: &str, random_length: usize) -> Option<Parts<'_>> {
    let ends = |head: usize| head + 2 + random_length.saturating_add(CHECKSUM);
    let shortest = ends(PREFIX_LENGTH.start() + ENVIRONMENT_LENGTH.start());
    let longest = ends(PREFIX_LENGTH.end() + ENVIRONMENT_LENGTH.end());
    if !is_length(random_length) || !(shortest..=longest).contains(&text.len()) || !text.is_ascii() {
        return None;
    }
    let (front, sum) = text.split_at_checked(text.len() - CHECKSUM)?;
    if checksum(front) != sum {
        return None;
    }
    let (prefix, rest) = front.split_once('_')?;
    let (environment, random) = rest.split_once('_')?;
    let fits = is_prefix(prefix)
        && is_environment(environment)
        && random.len() == random_length
        && random.bytes().all(|b| b.is_ascii_alphanumeric());
    fits.then_some(Parts { prefix, environment, random })
}

fn hint(prefix: &str, environment: &str, random: &str) -> String {
    let shown = if random.len() >= HIDING + SHOWN { random.get(..SHOWN).unwrap_or_default() } else { "" };
    format!("{prefix}_{environment}_{shown}…")
}

/// Whether keys may begin with this: a lower-case letter, then 1 to 11 of lower-case letters and digits.
#[must_use]
pub fn is_prefix(word: &str) -> bool {
    PREFIX_LENGTH.contains(&word.len())
        && word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// Whether an environment may be called this: 2 to 8 lower-case letters, and not [`RESERVED`].
#[must_use]
pub fn is_environment(word: &str) -> bool {
    ENVIRONMENT_LENGTH.contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_lowercase())
        && !RESERVED.contains(&word)
}

/// Whether keys may have this many random characters.
#[must_use]
pub fn is_length(random_length: usize) -> bool {
    (LEAST_RANDOM..=MOST_RANDOM).contains(&random_length)
}

/// Bits of entropy in this many random characters.
#[must_use]
pub fn bits(random_length: usize) -> f64 {
    f64::from(u32::try_from(random_length).unwrap_or(u32::MAX)) * 62f64.log2()
}

#[cfg(test)]
mod tests;
