//! Finds credentials of this server in whatever they were left in: by what they begin with, then by
//! their length and checksum, asking nobody. What is found is one, but for an accident of one in 2^32.
//!
//! It reads a stream a block at a time, so that neither a huge file nor a huge line needs memory. What
//! was encoded once, as base64 or for a URL, is found too (see [`encoded`]): that hides nothing.

mod encoded;
pub mod patch;

use super::text::{self, KeyText};
use crate::base::{
    base62,
    credential::{self, Kind},
    secret::Secret,
};
use encoded::Needle;
use memchr::{memchr, memchr_iter, memmem, memrchr};
use zeroize::Zeroizing;

/// Bytes that are looked at together.
const BLOCK: usize = 64 * 1024;
/// How much of a block is looked at again with the next: more than the longest credential has,
/// encoded and broken into lines.
const OVERLAP: usize = 2048;
/// What stands before a finding and is needed to read it.
const MARGIN: usize = 64;
/// The most bytes of a credential, encoded.
const LONGEST: usize = OVERLAP - MARGIN;
/// A line in which this stands holds what may be known, such as an example.
pub const ALLOWED: &str = "keywright:allow";
/// How far from a finding [`ALLOWED`] is looked for.
const NEAR: usize = 1024;
/// The most characters of the word between prefix and random part.
const LONGEST_WORD: usize = 8;
/// Random characters that a hint shows: the others hide 232 bits.
const SHOWN: usize = 4;

/// Endings of files that hold pictures, sound, fonts, or what was compressed: no credential can be seen in them.
const OPAQUE: &[&str] = &[
    "7z", "avif", "br", "bz2", "eot", "flac", "gif", "gz", "heic", "ico", "jpeg", "jpg", "lz4", "mkv", "mov", "mp3",
    "mp4", "ogg", "otf", "png", "rar", "tgz", "tif", "tiff", "ttf", "wav", "webm", "webp", "woff", "woff2", "xz",
    "zip", "zst",
];

/// Whether the name of a file says that no text can be seen in it.
#[must_use]
pub fn is_opaque(path: &str) -> bool {
    let ending = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
    ending.is_some_and(|ending| OPAQUE.iter().any(|opaque| ending.eq_ignore_ascii_case(opaque)))
}

/// What credentials begin with, made ready to be looked for.
#[derive(Clone, Debug)]
pub struct Prefixes(Vec<Prefix>);

#[derive(Clone, Debug)]
struct Prefix {
    /// With the `_` behind it.
    head: String,
    plain: memmem::Finder<'static>,
    encoded: [Needle; 3],
}

impl Prefix {
    fn of(prefix: &str) -> Self {
        let head = format!("{prefix}_");
        let plain = memmem::Finder::new(head.as_bytes()).into_owned();
        Self { plain, encoded: [0, 1, 2].map(|offset| Needle::of(&head, offset)), head }
    }
}

impl Prefixes {
    /// The prefix of this server, and those of APIs that have their own; `None` where one of them
    /// cannot be a prefix ([`text::is_prefix`]).
    #[must_use]
    pub fn with(more: &[String]) -> Option<Self> {
        let mut all = vec![credential::PREFIX.to_owned()];
        for prefix in more {
            if !text::is_prefix(prefix) {
                return None;
            }
            if !all.contains(prefix) {
                all.push(prefix.clone());
            }
        }
        Some(Self(all.iter().map(|prefix| Prefix::of(prefix)).collect()))
    }
}

/// What kind of credential it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// An API key.
    ApiKey,
    /// Another one.
    Credential(Kind),
}

impl What {
    /// The word for it: `api_key`, or the one in its text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Credential(kind) => kind.word(),
        }
    }
}

/// How it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// For a URL (RFC 3986 §2.1).
    Percent,
    /// As base64 or base64url (RFC 4648), maybe broken into lines.
    Base64,
}

impl Encoding {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Percent => "percent",
            Self::Base64 => "base64",
        }
    }
}

/// A credential that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// What it is.
    pub what: What,
    /// What people may know it by.
    pub hint: String,
    /// How it was written.
    pub encoding: Encoding,
    /// In which line it begins, from 1.
    pub line: u64,
    /// At which character of the line, from 1.
    pub column: u64,
    /// Whether [`ALLOWED`] stands in its line.
    pub allowed: bool,
    /// The whole text.
    pub text: Secret<String>,
}

/// A text that was found, and where in a block.
struct Hit {
    at: usize,
    encoding: Encoding,
    what: What,
    text: Secret<String>,
}

/// The credential that these bytes begin with. `head` is its prefix with the `_` behind it.
fn begins(bytes: &[u8], head: &str) -> Option<(What, Secret<String>)> {
    let rest = bytes.get(head.len()..)?;
    let at = rest.iter().take(LONGEST_WORD + 1).position(|byte| *byte == b'_')?;
    let word = std::str::from_utf8(rest.get(..at)?).ok()?;
    let front = head.len() + at + 1;
    let up_to = |n: usize| std::str::from_utf8(bytes.get(..n)?).ok();
    if let Some(kind) = Kind::ALL.iter().copied().find(|kind| kind.word() == word) {
        let text = up_to(kind.length()).filter(|text| credential::well_formed(kind, text))?;
        return Some((What::Credential(kind), Secret::new(text.to_owned())));
    }
    let most = text::MOST_RANDOM + base62::U32_WIDTH + 1;
    let run = bytes.get(front..)?.iter().take(most).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    // As long as the letters go on; and as long as keys are as a rule, where others follow at once.
    let lengths = [run.checked_sub(base62::U32_WIDTH), Some(text::RANDOM)];
    let key = lengths
        .into_iter()
        .flatten()
        .find_map(|random| up_to(front + random + base62::U32_WIDTH).filter(|text| text::well_formed(text, random)))?;
    Some((What::ApiKey, Secret::new(key.to_owned())))
}

/// What people may know it by. Of the random part of a refresh token the first characters are its grant's identifier.
fn hint(what: What, text: &str) -> String {
    let lengths = text::LEAST_RANDOM..=text::MOST_RANDOM;
    let key = (what == What::ApiKey).then(|| lengths.into_iter().find_map(|n| KeyText::parse(text, n))).flatten();
    match key {
        Some(key) => key.hint().to_owned(),
        None => {
            let head = text.rfind('_').map_or(0, |at| at + 1);
            format!("{}…", text.get(..head + SHOWN).unwrap_or_default())
        }
    }
}

fn plain(bytes: &[u8], prefixes: &Prefixes, mut found: impl FnMut(usize, What, Secret<String>)) {
    for prefix in &prefixes.0 {
        for at in prefix.plain.find_iter(bytes) {
            if let Some((what, text)) = begins(bytes.get(at..).unwrap_or_default(), &prefix.head) {
                found(at, what, text);
            }
        }
    }
}

/// All in a block, each once, in order.
fn hits(bytes: &[u8], prefixes: &Prefixes) -> Vec<Hit> {
    let mut all = Vec::new();
    plain(bytes, prefixes, |at, what, text| all.push(Hit { at, encoding: Encoding::Plain, what, text }));
    encoded::percent(bytes, prefixes, &mut all);
    encoded::base64(bytes, prefixes, &mut all);
    all.sort_by_key(|hit| (hit.at, hit.encoding));
    all.dedup_by_key(|hit| hit.at);
    all
}

/// Looks for credentials in a stream.
#[derive(Debug)]
pub struct Scanner<'p> {
    prefixes: &'p Prefixes,
    held: Zeroizing<Vec<u8>>,
    /// Where in what is held those begin that were not found with the block before.
    fresh: usize,
    /// Of the first byte that is held.
    place: (u64, u64),
    found: Vec<Found>,
}

impl<'p> Scanner<'p> {
    /// Of a stream whose first line has this number.
    #[must_use]
    pub fn at_line(prefixes: &'p Prefixes, line: u64) -> Self {
        Self { prefixes, held: Zeroizing::default(), fresh: 0, place: (line, 1), found: Vec::new() }
    }

    /// Looks at what comes next.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = BLOCK.saturating_sub(self.held.len());
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.held.extend_from_slice(now);
            bytes = later;
            if self.held.len() >= BLOCK {
                let done = BLOCK - OVERLAP;
                self.look(done + MARGIN);
                self.place = step(self.place, self.held.get(..done).unwrap_or_default());
                self.held.drain(..done);
                self.fresh = MARGIN;
            }
        }
    }

    /// What was found since it was last asked.
    #[must_use]
    pub fn take(&mut self) -> Vec<Found> {
        std::mem::take(&mut self.found)
    }

    /// The stream ends: what was found since it was last asked.
    #[must_use]
    pub fn finish(mut self) -> Vec<Found> {
        self.look(usize::MAX);
        self.found
    }

    /// Finds those that begin before this place and were not found before.
    fn look(&mut self, before: usize) {
        let (mut place, mut from) = (self.place, 0);
        for hit in hits(&self.held, self.prefixes) {
            if !(self.fresh..before).contains(&hit.at) {
                continue;
            }
            place = step(place, self.held.get(from..hit.at).unwrap_or_default());
            from = hit.at;
            self.found.push(Found {
                what: hit.what,
                hint: hint(hit.what, hit.text.expose()),
                encoding: hit.encoding,
                line: place.0,
                column: place.1,
                allowed: is_allowed(&self.held, hit.at),
                text: hit.text,
            });
        }
    }
}

/// Line and column behind these bytes. Characters are counted; what is no UTF-8 counts somehow.
fn step((line, column): (u64, u64), bytes: &[u8]) -> (u64, u64) {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let characters = |bytes: &[u8]| count(bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count());
    match memrchr(b'\n', bytes) {
        None => (line, column.saturating_add(characters(bytes))),
        Some(last) => {
            let lines = count(memchr_iter(b'\n', bytes).count());
            (line.saturating_add(lines), 1 + characters(bytes.get(last + 1..).unwrap_or_default()))
        }
    }
}

fn is_allowed(bytes: &[u8], at: usize) -> bool {
    let (before, after) = bytes.split_at_checked(at).unwrap_or((bytes, &[]));
    let before = before.get(before.len().saturating_sub(NEAR)..).unwrap_or_default();
    let after = after.get(..NEAR.min(after.len())).unwrap_or_default();
    let before = memrchr(b'\n', before).and_then(|end| before.get(end + 1..)).unwrap_or(before);
    let after = memchr(b'\n', after).and_then(|end| after.get(..end)).unwrap_or(after);
    [before, after].iter().any(|part| memmem::find(part, ALLOWED.as_bytes()).is_some())
}

#[cfg(test)]
mod tests;
