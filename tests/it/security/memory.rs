//! What a core of the server would hold: the memory of the running process, read as a debugger reads it (R40, R58).

use std::{
    fs::{self, File},
    io::ErrorKind,
    os::unix::fs::FileExt,
};

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

/// Texts that are looked for, by their first three bytes.
pub struct Wanted {
    texts: Vec<(String, Vec<u8>)>,
    /// Whether a text may begin with these two bytes.
    begins: Vec<bool>,
    longest: usize,
}

impl Wanted {
    pub fn new(texts: Vec<(String, Vec<u8>)>) -> Self {
        let mut begins = vec![false; 1 << 16];
        texts.iter().for_each(|(_, text)| begins[usize::from(text[0]) << 8 | usize::from(text[1])] = true);
        let longest = texts.iter().map(|(_, text)| text.len()).max().unwrap_or(2);
        Self { texts, begins, longest }
    }

    fn look(&self, bytes: &[u8], found: &mut Vec<String>) {
        let mut before = 0;
        for (at, byte) in bytes.iter().enumerate() {
            let two = before << 8 | usize::from(*byte);
            before = usize::from(*byte);
            if at > 0 && self.begins[two] {
                let rest = &bytes[at - 1..];
                let there = self.texts.iter().filter(|(_, text)| rest.starts_with(text));
                found.extend(there.map(|(what, _)| what.clone()));
            }
        }
    }
}

/// Which of these are in the memory of a process: in everything that it can write to, which is all that is not the
/// program itself. None where the kernel lets nobody read it who is not root.
pub fn holds(pid: u32, wanted: &Wanted) -> Option<Vec<String>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"));
    let memory = File::open(format!("/proc/{pid}/mem"));
    let (maps, memory) = match (maps, memory) {
        (Ok(maps), Ok(memory)) => (maps, memory),
        (Err(e), _) | (_, Err(e)) if e.kind() == ErrorKind::PermissionDenied => return None,
        (Err(e), _) | (_, Err(e)) => panic!("{e}"),
    };
    let (mut found, mut read) = (Vec::new(), 0);
    let mut piece = vec![0; PIECE];
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (Some(range), Some(rights)) = (words.next(), words.next()) else { continue };
        if !rights.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let (mut at, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        while at < to {
            let most = usize::try_from(to - at).unwrap().min(PIECE);
            // A region that went away meanwhile, or one that nobody may read.
            let Ok(n) = memory.read_at(&mut piece[..most], at) else { break };
            wanted.look(&piece[..n], &mut found);
            read += n;
            if n == 0 || n < most || at + n as u64 >= to {
                break;
            }
            // What stands across the end of a piece is found in the next.
            at += (n - self::overlap(n, wanted.longest)) as u64;
        }
    }
    assert!(read > 1 << 20, "{read} bytes were read");
    found.sort();
    Some(found)
}

fn overlap(read: usize, longest: usize) -> usize {
    longest.min(read / 2)
}
