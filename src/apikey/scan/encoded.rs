//! Credentials that were encoded once, for a URL or as base64.
//!
//! Whatever stands before a prefix, base64 writes the prefix in one of three ways, for it takes three
//! bytes at a time. So those three are looked for, and only behind a match is anything decoded.

use super::{Encoding, Hit, LONGEST, Prefixes, begins, plain};
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use memchr::{memchr_iter, memmem};

/// Characters of base64 around a break between lines in which a prefix may be broken.
const BROKEN: usize = 24;
/// The fewest characters in a line of broken base64.
const SHORTEST_LINE: usize = 16;
/// The most blanks at the beginning of a line of broken base64.
const INDENT: usize = 32;

/// The most characters of base64 that hold a credential and what stands before it in its group.
const MOST: usize = 224;

/// How base64 writes a prefix that has `offset` bytes before it in its group of three.
#[derive(Clone, Debug)]
pub(super) struct Needle {
    text: String,
    finder: memmem::Finder<'static>,
    offset: usize,
    /// Characters of its group of four that stand before it: their bits are not the prefix' own.
    before: usize,
}

impl Needle {
    pub(super) fn of(head: &str, offset: usize) -> Self {
        let bytes: Vec<u8> = std::iter::repeat_n(0, offset).chain(head.bytes()).collect();
        let written = BASE64_STANDARD_NO_PAD.encode(&bytes);
        let (before, end) = ((8 * offset).div_ceil(6), 8 * bytes.len() / 6);
        let text = written.get(before..end).unwrap_or_default().to_owned();
        Self { finder: memmem::Finder::new(text.as_bytes()).into_owned(), text, offset, before }
    }
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// The values of the characters from here on, breaks between lines left out.
fn forward(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let mut broken = false;
    let within = bytes.iter().take(LONGEST).map_while(move |byte| match byte {
        b'\n' | b'\r' => {
            broken = true;
            Some(None)
        }
        b' ' | b'\t' if broken => Some(None),
        other => {
            broken = false;
            sextet(*other).map(Some)
        }
    });
    within.flatten()
}

/// The values of the last `n` characters before here, in their order; `None` where there are not as many.
fn backward(bytes: &[u8], n: usize) -> Option<Vec<u32>> {
    let near = bytes.iter().rev().take(n + INDENT).filter(|byte| !byte.is_ascii_whitespace());
    let mut found: Vec<u32> = near.take(n).map_while(|byte| sextet(*byte)).collect();
    found.reverse();
    (found.len() == n).then_some(found)
}

fn decoded(sextets: impl Iterator<Item = u32>) -> Vec<u8> {
    let (mut out, mut bits, mut held) = (Vec::new(), 0u32, 0u32);
    for sextet in sextets {
        bits = (bits << 6 | sextet) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.extend(u8::try_from(bits >> held & 0xff));
        }
    }
    out
}

/// Finds what was encoded as base64.
pub(super) fn base64(bytes: &[u8], prefixes: &Prefixes, all: &mut Vec<Hit>) {
    for prefix in &prefixes.0 {
        for needle in &prefix.encoded {
            let read = |at: usize| {
                let (front, rest) = bytes.split_at_checked(at)?;
                let sextets = backward(front, needle.before)?.into_iter().chain(forward(rest)).take(MOST);
                let text = zeroize::Zeroizing::new(decoded(sextets));
                let (what, text) = begins(text.get(needle.offset..)?, &prefix.head)?;
                Some(Hit { at, encoding: Encoding::Base64, what, text })
            };
            let places = needle.finder.find_iter(bytes).chain(broken(bytes, needle));
            all.extend(places.filter_map(read));
        }
    }
}

/// Where a needle begins whose characters stand in two lines.
fn broken<'b>(bytes: &'b [u8], needle: &'b Needle) -> impl Iterator<Item = usize> + 'b {
    memchr_iter(b'\n', bytes).filter_map(move |at| {
        let (front, rest) = bytes.split_at_checked(at)?;
        let front = front.strip_suffix(b"\r").unwrap_or(front);
        let is_one = |byte: &&u8| sextet(**byte).is_some();
        let tail = front.iter().rev().take(BROKEN).take_while(is_one).count();
        if tail < SHORTEST_LINE {
            return None;
        }
        let blank = rest.iter().take(INDENT).take_while(|byte| byte.is_ascii_whitespace()).count();
        let next = rest.iter().skip(blank).take(BROKEN).take_while(is_one);
        let joined: Vec<u8> = front.iter().skip(front.len() - tail).chain(next).copied().collect();
        let len = needle.text.len();
        let crosses = |begin: &usize| *begin < tail && begin + len > tail;
        let found = joined.windows(len).position(|part| part == needle.text.as_bytes());
        // Several in one place would be no prefix of anything: the last is the one that may cross.
        let last = joined.windows(len).rposition(|part| part == needle.text.as_bytes());
        found.into_iter().chain(last).find(crosses).map(|begin| front.len() - tail + begin)
    })
}

/// Finds what was encoded for a URL.
pub(super) fn percent(bytes: &[u8], prefixes: &Prefixes, all: &mut Vec<Hit>) {
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(**byte, b'_' | b'%');
    let mut done = 0;
    for at in memchr_iter(b'%', bytes) {
        let Some((front, rest)) = bytes.split_at_checked(at) else { break };
        if at < done {
            continue;
        }
        let back = front.iter().skip(done).rev().take(LONGEST).take_while(is_part).count();
        let begin = at - back;
        done = at + rest.iter().take_while(is_part).count();
        let (text, places) = unescaped(bytes.get(begin..done).unwrap_or_default());
        let text = zeroize::Zeroizing::new(text);
        plain(&text, prefixes, |inner, what, text| {
            let at = begin + places.get(inner).copied().unwrap_or_default();
            all.push(Hit { at, encoding: Encoding::Percent, what, text });
        });
    }
}

/// The bytes that escapes stand for, and where each of them stood.
fn unescaped(bytes: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (mut text, mut places, mut at) = (Vec::with_capacity(bytes.len()), Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let escaped = hex(bytes.get(at + 1)).zip(hex(bytes.get(at + 2))).filter(|_| *byte == b'%');
        let value = escaped.and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
        text.push(value.unwrap_or(*byte));
        places.push(at);
        at += if value.is_some() { 3 } else { 1 };
    }
    (text, places)
}
