//! What a patch adds, scanned: the output of `git log -p` (with messages, which can hold a key as well
//! as any file) and of `git diff`.
//!
//! Read line by line, whatever their length: of each the beginning says what it is. Lines that were
//! taken away are those of commits before.

use super::{Found, Prefixes, Scanner, is_opaque};

/// How `git log` has to print a commit: a NUL, which no message contains, before its name and after its message.
pub const FORMAT: &str = "--format=tformat:%x00%H%n%B%x00";
/// The most bytes of a line that are looked at to say what it is.
const BEGINNING: usize = 4096;
/// The file that a finding in a message is in.
const MESSAGE: &str = "(message)";

/// A credential that was found, and where.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The commit that adds it, where commits are told.
    pub commit: Option<String>,
    /// The file; `(message)` for the commit's message.
    pub path: String,
    /// What was found.
    pub found: Found,
}

/// What the rest of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Not known yet: it has just begun.
    New,
    /// To be scanned.
    Added,
    /// Of no interest.
    Other,
}

/// How many lines of a hunk are still to come.
#[derive(Clone, Copy, Debug, Default)]
struct Hunk {
    removed: u64,
    added: u64,
}

/// Reads a patch.
#[derive(Debug)]
pub struct Patch<'p> {
    prefixes: &'p Prefixes,
    commit: Option<String>,
    path: String,
    in_message: bool,
    hunk: Hunk,
    line: Line,
    /// The beginning of a line, while it is not known what it is.
    start: zeroize::Zeroizing<Vec<u8>>,
    /// The number that the next added line has in its file.
    number: u64,
    scanner: Option<Scanner<'p>>,
    found: Vec<Placed>,
    skipped: usize,
}

impl<'p> Patch<'p> {
    /// Before its first line.
    #[must_use]
    pub fn new(prefixes: &'p Prefixes) -> Self {
        Self {
            prefixes,
            commit: None,
            path: String::new(),
            in_message: false,
            hunk: Hunk::default(),
            line: Line::New,
            start: zeroize::Zeroizing::default(),
            number: 1,
            scanner: None,
            found: Vec::new(),
            skipped: 0,
        }
    }

    /// Reads what comes next.
    pub fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let ends = piece.ends_with(b"\n");
            match self.line {
                Line::New => {
                    self.start.extend_from_slice(piece);
                    if ends || self.start.len() >= BEGINNING {
                        self.begin();
                    }
                }
                Line::Added => self.scan(piece),
                Line::Other => {}
            }
            if ends {
                self.line = Line::New;
            }
        }
        self.settle();
    }

    /// What was found since it was last asked.
    #[must_use]
    pub fn take(&mut self) -> Vec<Placed> {
        std::mem::take(&mut self.found)
    }

    /// It ends: what was found since it was last asked, and how many files could not be looked into.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Placed>, usize) {
        if self.line == Line::New && !self.start.is_empty() {
            self.begin();
        }
        self.close();
        (self.found, self.skipped)
    }

    /// A line has begun: says what it is.
    fn begin(&mut self) {
        let start = std::mem::take(&mut self.start);
        self.line = Line::Other;
        if self.in_message || self.hunk.added > 0 || self.hunk.removed > 0 {
            self.inside(&start);
        } else {
            self.outside(&start);
        }
    }

    /// A line of a message or of a hunk.
    fn inside(&mut self, start: &[u8]) {
        match start.split_first() {
            Some((0, _)) if self.in_message => {
                self.close();
                self.in_message = false;
            }
            _ if self.in_message => self.added(start),
            Some((b'+', rest)) => {
                self.hunk.added = self.hunk.added.saturating_sub(1);
                self.added(rest);
            }
            Some((b'-', _)) => self.hunk.removed = self.hunk.removed.saturating_sub(1),
            Some((b' ', _)) => {
                self.close();
                self.number = self.number.saturating_add(1);
                self.hunk =
                    Hunk { removed: self.hunk.removed.saturating_sub(1), added: self.hunk.added.saturating_sub(1) };
            }
            Some(_) | None => {}
        }
    }

    fn outside(&mut self, start: &[u8]) {
        let text = String::from_utf8_lossy(start);
        let text = text.trim_end_matches(['\n', '\r', '\t']);
        if let Some(hash) = text.strip_prefix('\0').filter(|hash| !hash.is_empty()) {
            self.close();
            self.commit = Some(hash.to_owned());
            MESSAGE.clone_into(&mut self.path);
            (self.in_message, self.number) = (true, 1);
        } else if let Some(path) = text.strip_prefix("+++ ") {
            self.close();
            let path = path.trim_matches('"');
            path.strip_prefix("b/").unwrap_or(path).clone_into(&mut self.path);
            self.skipped = self.skipped.saturating_add(usize::from(is_opaque(&self.path)));
        } else if let Some((hunk, number)) = text.strip_prefix("@@ ").and_then(hunk) {
            self.close();
            (self.hunk, self.number) = (hunk, number);
        }
    }

    /// The first bytes of a line that is scanned.
    fn added(&mut self, rest: &[u8]) {
        self.line = Line::Added;
        if self.scanner.is_none() {
            self.scanner = Some(Scanner::at_line(self.prefixes, self.number));
        }
        self.number = self.number.saturating_add(1);
        self.scan(rest);
    }

    fn scan(&mut self, bytes: &[u8]) {
        if let Some(scanner) = self.scanner.as_mut().filter(|_| !is_opaque(&self.path)) {
            scanner.feed(bytes);
        }
    }

    fn settle(&mut self) {
        let found = self.scanner.as_mut().map(Scanner::take).unwrap_or_default();
        self.place(found);
    }

    /// What was added in one piece ends here.
    fn close(&mut self) {
        let found = self.scanner.take().map(Scanner::finish).unwrap_or_default();
        self.place(found);
    }

    fn place(&mut self, found: Vec<Found>) {
        let placed = |found| Placed { commit: self.commit.clone(), path: self.path.clone(), found };
        let placed: Vec<Placed> = found.into_iter().map(placed).collect();
        self.found.extend(placed);
    }
}

/// Reads `-a,b +c,d @@`: how many lines were taken away and added, and the number of the first that was added.
fn hunk(text: &str) -> Option<(Hunk, u64)> {
    let (ranges, _) = text.split_once(" @@")?;
    let (removed, added) = ranges.split_once(' ')?;
    let range = |text: &str, sign| -> Option<(u64, u64)> {
        let text = text.strip_prefix(sign)?;
        let (from, n) = text.split_once(',').unwrap_or((text, "1"));
        Some((from.parse().ok()?, n.parse().ok()?))
    };
    let ((_, removed), (from, added)) = (range(removed, '-')?, range(added, '+')?);
    Some((Hunk { removed, added }, from))
}
