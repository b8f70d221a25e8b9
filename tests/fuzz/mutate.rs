//! One input made into another: bytes changed, pieces moved, words planted.

/// Words that confuse parsers of any kind.
const WORDS: &[&str] = &[
    "%00",
    "%",
    "%2",
    "%zz",
    "%0d%0a",
    "%ff",
    "%C3%A9",
    "+",
    "&",
    "=",
    "&&",
    "==",
    "\0",
    "\r\n",
    "\n",
    " ",
    "\t",
    "..",
    "/",
    "\\",
    "@",
    "#",
    "?",
    ":",
    ":0",
    ":443",
    ":65536",
    "[",
    "]",
    "[::1]",
    "127.0.0.1",
    "localhost",
    "0x7f.1",
    ",",
    ";",
    "\"",
    "'",
    "<",
    ">",
    "{",
    "}",
    "{}",
    "[]",
    "null",
    "true",
    "-1",
    "0",
    "1e309",
    "9223372036854775808",
    "1.5",
    "\u{e9}",
    "\u{202e}",
    "\u{1f600}",
    "\u{feff}",
    "\\u0000",
    "\\ud800",
    "*",
    "~",
    "^",
    "`",
    "http://",
    "https://",
    "javascript:",
];

/// How long an input may become.
const LONGEST: usize = 80 * 1024;

/// A small generator (splitmix64), so that a seed gives the same inputs on every machine.
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// Below `n`; 0 where `n` is.
    fn below(&mut self, n: usize) -> usize {
        (self.next() % (n.max(1) as u64)) as usize
    }
    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
    /// A range within a text of so many bytes: mostly short.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let from = self.below(length + 1);
        let most = if self.below(4) == 0 { length - from } else { (length - from).min(12) };
        from..from + self.below(most + 1)
    }
}

/// One of the corpus, changed in one to six ways.
pub fn mutated(corpus: &[Vec<u8>], words: &[&str], dice: &mut Dice) -> Vec<u8> {
    let mut input = corpus[dice.below(corpus.len())].clone();
    for _ in 0..=dice.below(6) {
        change(&mut input, corpus, words, dice);
    }
    input.truncate(LONGEST);
    input
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&str], dice: &mut Dice) {
    let at = dice.below(input.len());
    let range = dice.range(input.len());
    match dice.below(12) {
        0 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << dice.below(8)),
        1 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte = dice.below(256) as u8),
        2 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 0x20),
        3 => drop(input.drain(range)),
        4 => {
            let piece = input[range].to_vec();
            input.splice(at..at, piece);
        }
        5 | 6 => drop(input.splice(at..at, dice.one(WORDS).bytes()).collect::<Vec<_>>()),
        7 if !words.is_empty() => drop(input.splice(at..at, dice.one(words).bytes()).collect::<Vec<_>>()),
        8 if !words.is_empty() => drop(input.splice(range, dice.one(words).bytes()).collect::<Vec<_>>()),
        9 => {
            let other = &corpus[dice.below(corpus.len())];
            let piece = other[dice.range(other.len())].to_vec();
            drop(input.splice(range, piece).collect::<Vec<_>>());
        }
        10 if dice.below(8) == 0 => {
            let piece = input[range].repeat(1 << dice.below(12));
            input.splice(at..at, piece.into_iter().take(LONGEST));
        }
        // What stands between two marks, put in another place: parameters swap, lines move.
        _ => {
            let marks = [b'&', b'\n', b'.', b',', b'/', b' '];
            let mark = marks[dice.below(marks.len())];
            let mut parts: Vec<Vec<u8>> = input.split(|byte| *byte == mark).map(<[u8]>::to_vec).collect();
            let (a, b) = (dice.below(parts.len()), dice.below(parts.len()));
            if dice.below(2) == 0 {
                parts.swap(a, b)
            } else {
                parts[a] = parts[b].clone()
            }
            *input = parts.join(&mark);
        }
    }
}
