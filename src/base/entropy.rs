//! Randomness, from one door: the operating system in service, a seed in tests.
//!
//! Requirement R35: a cryptographically secure generator, one function for all secrets.

use super::fault::Fault;
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicU64, Ordering};

/// Where random bytes come from. Implementations are shared between threads.
pub trait Entropy: Send + Sync {
    /// Fills the whole buffer.
    ///
    /// # Errors
    /// A [`Fault`] when the source fails; nothing may be minted then.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Fault>;
}

/// `N` random bytes.
///
/// # Errors
/// As [`Entropy::fill`].
pub fn bytes<const N: usize>(from: &dyn Entropy) -> Result<[u8; N], Fault> {
    let mut out = [0; N];
    from.fill(&mut out)?;
    Ok(out)
}

/// The operating system's generator (getrandom).
#[derive(Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Fault> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that rolls dice")]
        getrandom::fill(buffer).map_err(|e| Fault::new("reading the system's random generator", e))
    }
}

/// A reproducible stream from a seed: SHA-256 over seed and a counter. For tests only; the
/// binary never builds one.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    drawn: AtomicU64,
}

impl SeededEntropy {
    /// A stream that depends on `seed` alone.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Fault> {
        for chunk in buffer.chunks_mut(32) {
            let n = self.drawn.fetch_add(1, Ordering::SeqCst);
            let mut hash = Sha256::new();
            hash.update(self.seed.to_be_bytes());
            hash.update(n.to_be_bytes());
            for (to, from) in chunk.iter_mut().zip(hash.finalize()) {
                *to = from;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_stream_and_never_repeats_a_block() {
        let (a, b) = (SeededEntropy::new(7), SeededEntropy::new(7));
        let first: [u8; 64] = bytes(&a).unwrap();
        assert_eq!(first, bytes(&b).unwrap());
        assert_ne!(first[..32], first[32..]);
        assert_ne!(first, bytes(&a).unwrap());
    }
}
