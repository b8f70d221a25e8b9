//! A sealed file of any length: chunks of AES-256-GCM, each bound to its place and the last to being
//! the last, so that a file that was cut, put together otherwise or changed is noticed where it is.

use super::seal::Sealer;
use crate::base::{entropy::Entropy, fault::Fault, secret::Secret};
use std::io::{self, Read, Write};

/// Bytes of a whole chunk before it is sealed.
const CHUNK: usize = 1 << 20;
/// Bytes that sealing adds: nonce and tag.
const ADDED: usize = 12 + 16;

/// Whether more comes after a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    Inner,
    Last,
}

/// What a chunk is bound to: the head of its file, its place and its rank.
fn aad(head: &[u8], place: u64, rank: Rank) -> Vec<u8> {
    let mut aad = head.to_vec();
    aad.extend_from_slice(&place.to_be_bytes());
    aad.push(u8::from(rank == Rank::Last));
    aad
}

/// Seals what is written to it.
pub struct SealingWriter<'d, W: Write> {
    out: W,
    sealer: Sealer,
    head: Vec<u8>,
    place: u64,
    buffer: Vec<u8>,
    dice: &'d dyn Entropy,
}

impl<W: Write> std::fmt::Debug for SealingWriter<'_, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealingWriter(chunk {})", self.place)
    }
}

impl<'d, W: Write> SealingWriter<'d, W> {
    /// Seals under this key, bound to the head of the file.
    pub fn new(out: W, key: Secret<[u8; 32]>, head: &[u8], dice: &'d dyn Entropy) -> Self {
        Self { out, sealer: Sealer::new(key), head: head.to_vec(), place: 0, buffer: Vec::with_capacity(CHUNK), dice }
    }

    fn put(&mut self, plain: &[u8], rank: Rank) -> io::Result<()> {
        let sealed =
            self.sealer.hide(vec![u8::from(rank == Rank::Last)], &aad(&self.head, self.place, rank), plain, self.dice);
        let sealed = sealed.map_err(|fault: Fault| io::Error::other(fault.to_string()))?;
        let length = u32::try_from(sealed.len()).map_err(io::Error::other)?;
        self.out.write_all(&length.to_be_bytes())?;
        self.out.write_all(&sealed)?;
        self.place += 1;
        Ok(())
    }

    /// Writes what is left, as the last chunk. Without it the file is none.
    ///
    /// # Errors
    /// Where it cannot be sealed or written.
    pub fn finish(mut self) -> io::Result<W> {
        let rest = std::mem::take(&mut self.buffer);
        self.put(&rest, Rank::Last)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Write for SealingWriter<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK - self.buffer.len();
        let (now, _) = bytes.split_at(bytes.len().min(room));
        self.buffer.extend_from_slice(now);
        if self.buffer.len() == CHUNK {
            let whole = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
            self.put(&whole, Rank::Inner)?;
        }
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // A chunk is written when it is whole, or when all of it is finished.
        Ok(())
    }
}

/// Opens what was sealed by [`SealingWriter`]. What it gives was there and is unchanged; that all of it
/// was there is known only when it ends without an error.
pub struct OpeningReader<R: Read> {
    from: R,
    sealer: Sealer,
    head: Vec<u8>,
    place: u64,
    opened: io::Cursor<Vec<u8>>,
    ended: bool,
}

impl<R: Read> std::fmt::Debug for OpeningReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpeningReader(chunk {})", self.place)
    }
}

fn bad(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl<R: Read> OpeningReader<R> {
    /// Opens with this key, bound to the head of the file.
    pub fn new(from: R, key: Secret<[u8; 32]>, head: &[u8]) -> Self {
        let opened = io::Cursor::new(Vec::new());
        Self { from, sealer: Sealer::new(key), head: head.to_vec(), place: 0, opened, ended: false }
    }

    fn next(&mut self) -> io::Result<()> {
        let place = self.place;
        let cut = |e: io::Error| {
            let ended = e.kind() == io::ErrorKind::UnexpectedEof;
            if ended { bad(format!("the file is cut off after {place} whole parts")) } else { e }
        };
        let mut length = [0; 4];
        self.from.read_exact(&mut length).map_err(cut)?;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
        let changed = || bad(format!("the file was changed, or is damaged, in part {}", place + 1));
        if !(1 + ADDED..=1 + ADDED + CHUNK).contains(&length) {
            return Err(changed());
        }
        let mut sealed = vec![0; length];
        self.from.read_exact(&mut sealed).map_err(cut)?;
        let (rank, rest) = sealed.split_first().ok_or_else(changed)?;
        let rank = match rank {
            0 => Rank::Inner,
            1 => Rank::Last,
            _ => return Err(changed()),
        };
        let opened = self.sealer.reveal(&aad(&self.head, place, rank), rest).map_err(|_| changed())?;
        self.opened = io::Cursor::new(opened.expose().clone());
        self.place += 1;
        self.ended = rank == Rank::Last;
        if self.ended && self.from.read(&mut [0; 1])? != 0 {
            return Err(bad("something was added at the end of the file".to_owned()));
        }
        Ok(())
    }
}

impl<R: Read> Read for OpeningReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.opened.read(into)?;
            if n > 0 || self.ended || into.is_empty() {
                return Ok(n);
            }
            self.next()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    fn key() -> Secret<[u8; 32]> {
        Secret::new([3; 32])
    }

    fn sealed(plain: &[u8]) -> Vec<u8> {
        let dice = SeededEntropy::new(1);
        let mut writer = SealingWriter::new(Vec::new(), key(), b"head", &dice);
        writer.write_all(plain).unwrap();
        writer.finish().unwrap()
    }

    fn open(file: &[u8], head: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        OpeningReader::new(file, key(), head).read_to_end(&mut plain).map(|_| plain)
    }

    #[test]
    fn what_was_sealed_opens_whatever_its_length() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let plain: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
            assert_eq!(open(&sealed(&plain), b"head").unwrap(), plain, "{length}");
        }
    }

    #[test]
    fn a_file_that_was_cut_changed_lengthened_or_put_together_otherwise_is_noticed() {
        let file = sealed(&vec![7; 2 * CHUNK + 10]);
        let part = 4 + 1 + ADDED + CHUNK;
        for cut in [0, 3, 4, 100, part, part + 1, 2 * part, file.len() - 1] {
            let told = open(&file[..cut], b"head").unwrap_err().to_string();
            assert!(told.contains("cut off"), "{cut}: {told}");
        }
        for at in [0, 4, 5, 20, part - 1, part + 4, 2 * part + 6, file.len() - 1] {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(open(&changed, b"head").is_err(), "{at}");
        }
        assert!(open(&[&file[..], b"x"].concat(), b"head").unwrap_err().to_string().contains("added"));
        let swapped = [&file[part..2 * part], &file[..part], &file[2 * part..]].concat();
        assert!(open(&swapped, b"head").unwrap_err().to_string().contains("changed"));
        let without = [&file[..part], &file[2 * part..]].concat();
        assert!(open(&without, b"head").unwrap_err().to_string().contains("changed"));
        assert!(open(&file, b"other head").is_err());
    }
}
