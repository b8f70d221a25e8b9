//! A path in the one form in which it is compared, and patterns over it.
//!
//! Proxies and applications disagree on what odd paths mean, and an attacker lives in the
//! difference. So a path that any of them might read otherwise than we do is not read at all.

use super::glob::Glob;

/// The longest path that is read, and the most segments.
const LONGEST: usize = 4096;
const SEGMENTS: usize = 256;

/// The segments of the path, percent-decoded once; `None` where it does not begin with `/`, or
/// has an empty segment before its end, a `.` or `..`, a slash, backslash, semicolon or control
/// character (encoded or not), a character that is not ASCII and not encoded, or something that
/// a second decoding would change. A query is cut off.
pub(super) fn segments(path: &str) -> Option<Vec<String>> {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let rest = path.strip_prefix('/').filter(|_| path.len() <= LONGEST)?;
    let raw: Vec<&str> = rest.split('/').collect();
    if raw.len() > SEGMENTS {
        return None;
    }
    let last = raw.len() - 1;
    raw.iter().enumerate().map(|(n, text)| segment(text).filter(|text| !text.is_empty() || n == last)).collect()
}

fn segment(raw: &str) -> Option<String> {
    let mut bytes = raw.bytes();
    let mut decoded = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => decoded.push(hex(bytes.next()?)? << 4 | hex(bytes.next()?)?),
            b'!'..=b'~' if byte != b'#' => decoded.push(byte),
            _ => return None,
        }
    }
    let text = String::from_utf8(decoded).ok()?;
    let odd = text.contains(|c: char| matches!(c, '/' | '\\' | ';') || c.is_control());
    (!odd && text != "." && text != ".." && !decodes_again(&text)).then_some(text)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn decodes_again(text: &str) -> bool {
    text.as_bytes().windows(3).any(|w| matches!(w, [b'%', a, b] if hex(*a).is_some() && hex(*b).is_some()))
}

/// A pattern over segments: `*` within one, `**` for any number of whole ones, also none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Any,
    One(Glob),
}

impl Pattern {
    /// Reads a pattern; else says what is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix('/').ok_or("must begin with /")?;
        if text.len() > super::glob::LONGEST {
            return Err("is longer than 256 bytes");
        }
        if text.contains(|c: char| matches!(c, '\\' | ';' | '?' | '#' | '%') || c.is_control()) {
            return Err("has a character that no path is compared by: patterns are written decoded, without a query");
        }
        let parts: Vec<&str> = rest.split('/').collect();
        let last = parts.len() - 1;
        let one = |(n, part): (usize, &&str)| match *part {
            "**" => Ok(Part::Any),
            "." | ".." => Err("has a segment that climbs"),
            "" if n != last => Err("has an empty segment"),
            part if part.contains("**") => Err("has ** within a segment, where * is meant"),
            part => Ok(Part::One(Glob::new(part))),
        };
        parts.iter().enumerate().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// Whether it fits these segments. Goes back only to the last `**`, so its cost is at most
    /// that of comparing every part with every segment once.
    pub(super) fn fits(&self, segments: &[String]) -> bool {
        let (mut at, mut part) = (0, 0);
        let mut resume: Option<(usize, usize)> = None;
        while let Some(segment) = segments.get(at) {
            match self.0.get(part) {
                Some(Part::Any) => {
                    resume = Some((at, part + 1));
                    part += 1;
                    continue;
                }
                // A star alone stands for a segment, and none is empty but the one behind a last slash.
                Some(Part::One(glob)) if glob.fits(segment) && !(segment.is_empty() && glob.is_anything()) => {
                    (at, part) = (at + 1, part + 1);
                    continue;
                }
                Some(Part::One(_)) | None => {}
            }
            let Some((from, then)) = resume else { return false };
            resume = Some((from + 1, then));
            (at, part) = (from + 1, then);
        }
        self.0.get(part..).is_some_and(|rest| rest.iter().all(|part| *part == Part::Any))
    }
}

#[cfg(test)]
mod tests;
