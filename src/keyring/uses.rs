//! What a key in hand is used for, counted where it happens: two numbers that are added to, and
//! nothing that anybody waits for.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// The counts of one key, shared by everybody who holds it.
#[derive(Clone, Debug, Default)]
pub struct Uses {
    /// Signatures it made.
    pub signed: Arc<AtomicU64>,
    /// Tokens by it that were presented to us.
    pub seen: Arc<AtomicU64>,
}

impl Uses {
    /// Takes out what was counted: signatures, and tokens presented.
    #[must_use]
    pub fn take(&self) -> (u64, u64) {
        (self.signed.swap(0, Ordering::Relaxed), self.seen.swap(0, Ordering::Relaxed))
    }

    /// Puts back what could not be written.
    pub fn put_back(&self, (signed, seen): (u64, u64)) {
        self.signed.fetch_add(signed, Ordering::Relaxed);
        self.seen.fetch_add(seen, Ordering::Relaxed);
    }
}
