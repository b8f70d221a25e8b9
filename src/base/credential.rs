//! The text of what we mint: `kw_<kind>_<body><checksum>`.
//!
//! The body is base 62 of fixed length; the last six characters are the CRC-32 (zlib) of
//! everything before them. The checksum is no security: it turns away truncated, mistyped and
//! invented text before any hash or query, and lets a scanner find ours with certainty. It
//! covers the head too, so that one kind cannot be edited into another.

use super::{
    base62, digest,
    entropy::Entropy,
    fault::Fault,
    id::GrantId,
    secret::{Secret, same},
};

/// What every credential of this installation begins with.
pub const PREFIX: &str = "kw";
/// Random characters in a body: 43 of base 62 are 256.03 bits (R36).
pub const RANDOM: usize = 43;
const CHECKSUM: usize = base62::U32_WIDTH;
/// Characters of the mark in a refresh token: 64 bits in base 62.
const MARK: usize = 11;

/// The kinds of credential, and the word each has in its text. No environment of an API key may
/// be one of these words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An authorization code (RFC 6749 §1.3.1).
    Code,
    /// A client secret (RFC 6749 §2.3.1).
    ClientSecret,
    /// A refresh token (RFC 6749 §1.5); see [`RefreshToken`].
    RefreshToken,
    /// The cookie of a signed-in browser.
    Session,
    /// What a link holds with which an API key is made.
    Claim,
}

impl Kind {
    /// Every one.
    pub const ALL: &'static [Self] = &[Self::Code, Self::ClientSecret, Self::RefreshToken, Self::Session, Self::Claim];

    /// The word in the text.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::ClientSecret => "cs",
            Self::RefreshToken => "rt",
            Self::Session => "ses",
            Self::Claim => "claim",
        }
    }
    const fn body(self) -> usize {
        match self {
            Self::Code | Self::ClientSecret | Self::Session | Self::Claim => RANDOM,
            Self::RefreshToken => base62::U128_WIDTH + base62::U32_WIDTH + MARK + RANDOM,
        }
    }
    /// Characters of the whole text.
    #[must_use]
    pub const fn length(self) -> usize {
        PREFIX.len() + self.word().len() + 2 + self.body() + CHECKSUM
    }
}

/// A fresh credential of this kind, with 256 random bits.
///
/// # Errors
/// As [`Entropy::fill`].
pub fn mint(kind: Kind, dice: &dyn Entropy) -> Result<Secret<String>, Fault> {
    Ok(Secret::new(finish(kind, &base62::random(RANDOM, dice)?)))
}

/// Whether the text has the form of this kind, checksum included. Says nothing of its being
/// valid: only that it is worth a look-up. Total; costs one pass over at most a fixed length.
#[must_use]
pub fn well_formed(kind: Kind, text: &str) -> bool {
    body_of(kind, text).is_some()
}

fn body_of(kind: Kind, text: &str) -> Option<&str> {
    if text.len() != kind.length() || !text.is_ascii() {
        return None;
    }
    let (front, sum) = text.split_at_checked(text.len() - CHECKSUM)?;
    if checksum(front) != sum {
        return None;
    }
    let rest = front.strip_prefix(PREFIX)?.strip_prefix('_')?;
    let body = rest.strip_prefix(kind.word())?.strip_prefix('_')?;
    body.bytes().all(|b| b.is_ascii_alphanumeric()).then_some(body)
}

fn finish(kind: Kind, body: &str) -> String {
    let mut text = format!("{PREFIX}_{}_{body}", kind.word());
    let sum = checksum(&text);
    text.push_str(&sum);
    text
}

/// CRC-32 of the text as six characters of base 62.
#[must_use]
pub fn checksum(text: &str) -> String {
    base62::encode(u128::from(crc32fast::hash(text.as_bytes())), CHECKSUM)
}

/// What refresh tokens are made with: one key for each purpose.
#[derive(Debug)]
pub struct RefreshKeys {
    /// Derives each from the one before.
    pub succession: Secret<[u8; 32]>,
    /// Marks them as ours.
    pub mark: Secret<[u8; 32]>,
}

impl RefreshKeys {
    fn mark_of(&self, grant: &GrantId, generation: u32) -> String {
        let mac = digest::hmac(&self.mark, &[grant.as_str().as_bytes(), &generation.to_be_bytes()]);
        let bits = mac.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        base62::encode(u128::from(bits), MARK)
    }
}

/// A refresh token: it names its grant and its place in the line of rotations, so that one
/// look-up by primary key and one comparison of hashes decide; the secret is 256 bits.
///
/// Grant and place are no secrets, so text that names them proves nothing by itself. A mark, 64
/// bits of a MAC over both under a key of ours, tells text that we minted from text that somebody
/// made up: only the former can be a token used again, for which a whole grant ends (RFC 9700 §4.14.2).
#[derive(Clone, Debug)]
pub struct RefreshToken {
    /// The grant whose row holds the state of this line.
    pub grant: GrantId,
    /// The place in the line, from 1.
    pub generation: u32,
    mark: String,
    text: Secret<String>,
}

impl RefreshToken {
    /// The first token of a grant.
    ///
    /// # Errors
    /// As [`Entropy::fill`]; a [`Fault`] where the grant's id is none of ours.
    pub fn first(grant: &GrantId, keys: &RefreshKeys, dice: &dyn Entropy) -> Result<Self, Fault> {
        Self::compose(grant, 1, keys, &base62::random(RANDOM, dice)?)
    }

    /// The token that follows this one: derived from it under a key of ours and a salt of the
    /// rotation, so that whoever replays the predecessor within the window gets the very same
    /// successor, though it is stored nowhere. Neither the database (which holds salts and
    /// hashes) nor the key alone is enough to compute it.
    ///
    /// # Errors
    /// A [`Fault`] where the grant's id is none of ours.
    pub fn successor(&self, keys: &RefreshKeys, salt: &[u8]) -> Result<Self, Fault> {
        let mut secret = String::with_capacity(RANDOM);
        let mut block = 0u8;
        while secret.len() < RANDOM {
            let bytes = digest::hmac(&keys.succession, &[b"successor", salt, self.text.expose().as_bytes(), &[block]]);
            let wanted = RANDOM - secret.len();
            secret.extend(base62::spread(&bytes).take(wanted));
            block = block.wrapping_add(1);
        }
        let next = self.generation.checked_add(1).ok_or_else(|| Fault::bare("a line of 2^32 refresh tokens"))?;
        Self::compose(&self.grant, next, keys, &secret)
    }

    fn compose(grant: &GrantId, generation: u32, keys: &RefreshKeys, secret: &str) -> Result<Self, Fault> {
        let id = grant.to_u128().ok_or_else(|| Fault::bare("a grant whose id is not ours"))?;
        let body = format!(
            "{}{}{}{secret}",
            base62::encode(id, base62::U128_WIDTH),
            base62::encode(u128::from(generation), base62::U32_WIDTH),
            keys.mark_of(grant, generation)
        );
        let text = Secret::new(finish(Kind::RefreshToken, &body));
        Ok(Self { grant: grant.clone(), generation, mark: keys.mark_of(grant, generation), text })
    }

    /// Reads the text of a refresh token; `None` unless it has exactly its form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let body = body_of(Kind::RefreshToken, text)?;
        let (id, rest) = body.split_at_checked(base62::U128_WIDTH)?;
        let (generation, rest) = rest.split_at_checked(base62::U32_WIDTH)?;
        let (mark, _secret) = rest.split_at_checked(MARK)?;
        Some(Self {
            grant: GrantId::from_u128(base62::decode(id)?),
            generation: base62::decode(generation)?.try_into().ok()?,
            mark: mark.to_owned(),
            text: Secret::new(text.to_owned()),
        })
    }

    /// Whether we minted a token for this grant and place, ever: to be asked of text from outside
    /// before any look-up. Says nothing of the secret, which the stored hash decides. Compared in
    /// constant time.
    #[must_use]
    pub fn authentic(&self, keys: &RefreshKeys) -> bool {
        same(self.mark.as_bytes(), keys.mark_of(&self.grant, self.generation).as_bytes())
    }

    /// The whole text: to hash, or to hand to the client once.
    #[must_use]
    pub const fn text(&self) -> &Secret<String> {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{entropy::SeededEntropy, moment::Moment};
    use proptest::prelude::*;

    const SAMPLE: &str = "kw_cs_AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXCLDj9vj43bsjYX";

    #[test]
    fn the_published_vectors_hold() {
        assert!(well_formed(Kind::ClientSecret, SAMPLE));
        assert_eq!(checksum("123456789"), "3jZRME");
        assert_eq!(checksum(&format!("kw_live_{}", "0".repeat(43))), "0AwA6B");
    }

    #[test]
    fn every_kind_is_in_the_list_that_scanners_go_by() {
        let place = |kind| match kind {
            Kind::Code => 0,
            Kind::ClientSecret => 1,
            Kind::RefreshToken => 2,
            Kind::Session => 3,
            Kind::Claim => 4,
        };
        assert!(Kind::ALL.iter().enumerate().all(|(n, kind)| place(*kind) == n) && Kind::ALL.len() == 5);
    }

    #[test]
    fn any_single_change_truncation_or_extension_is_turned_away() {
        for at in 0..SAMPLE.len() {
            for c in base62::ALPHABET {
                let mut text = SAMPLE.as_bytes().to_vec();
                if text[at] != *c {
                    text[at] = *c;
                    assert!(!well_formed(Kind::ClientSecret, std::str::from_utf8(&text).unwrap()));
                }
            }
        }
        assert!(!well_formed(Kind::ClientSecret, &SAMPLE[1..]));
        assert!(!well_formed(Kind::ClientSecret, &SAMPLE[..SAMPLE.len() - 1]));
        assert!(!well_formed(Kind::ClientSecret, &format!("{SAMPLE}0")));
        assert!(!well_formed(Kind::Session, SAMPLE));
    }

    #[test]
    fn a_successor_is_the_same_each_time_and_differs_by_salt_and_key() {
        let dice = SeededEntropy::new(1);
        let grant = GrantId::mint(Moment::EPOCH, &dice).unwrap();
        let first = RefreshToken::first(&grant, &keys(9), &dice).unwrap();
        let key = keys(9);
        let next = |key: &RefreshKeys, salt: &[u8]| first.successor(key, salt).unwrap();
        assert_eq!(next(&key, b"a").text().expose(), next(&key, b"a").text().expose());
        assert_ne!(next(&key, b"a").text().expose(), next(&key, b"b").text().expose());
        assert_ne!(next(&key, b"a").text().expose(), next(&keys(8), b"a").text().expose());
        let read = RefreshToken::parse(next(&key, b"a").text().expose()).unwrap();
        assert_eq!((read.grant, read.generation), (grant, 2));
    }

    fn keys(byte: u8) -> RefreshKeys {
        RefreshKeys { succession: Secret::new([byte; 32]), mark: Secret::new([byte; 32]) }
    }

    #[test]
    fn text_that_names_a_grant_and_a_place_is_ours_only_with_our_mark() {
        let dice = SeededEntropy::new(2);
        let grant = GrantId::mint(Moment::EPOCH, &dice).unwrap();
        let first = RefreshToken::first(&grant, &keys(9), &dice).unwrap();
        for ours in [first.clone(), first.successor(&keys(9), b"a").unwrap()] {
            let read = RefreshToken::parse(ours.text().expose()).unwrap();
            assert!(ours.authentic(&keys(9)) && read.authentic(&keys(9)));
            assert!(!read.authentic(&keys(8)));
            let moved = RefreshToken { generation: read.generation + 1, ..read.clone() };
            assert!(!moved.authentic(&keys(9)), "the mark of another place");
            let other = RefreshToken { grant: GrantId::from_u128(1), ..read };
            assert!(!other.authentic(&keys(9)), "the mark of another grant");
        }
    }

    proptest! {
        #[test]
        fn the_parser_never_panics(text in ".{0,120}") {
            let _ = RefreshToken::parse(&text);
            prop_assert!(!well_formed(Kind::Code, &text));
        }
    }
}
