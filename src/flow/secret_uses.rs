//! When each secret of a client was good last, and from where: kept in memory, written each few
//! seconds, so that no token costs a write. A crash loses what has not been written, which no
//! decision rests on.

use super::world::{World, only_fault};
use crate::{
    base::{
        digest::TokenHash,
        fault::{Fault, Stop},
        moment::Moment,
    },
    store::{Tx, client_secrets::SecretUse},
};
use std::{
    collections::HashMap,
    convert::Infallible,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The most secrets that wait to be written; the uses of others are passed over until then.
const MOST: usize = 16_384;

type Uses = HashMap<TokenHash, (Moment, Option<IpAddr>)>;

/// The last uses of this node that are not written yet.
#[derive(Debug, Default)]
pub struct SecretUses {
    waiting: Mutex<Uses>,
    /// Held by whoever writes: whoever wants them written waits for what another has taken out.
    writing: tokio::sync::Mutex<()>,
}

impl SecretUses {
    fn waiting(&self) -> MutexGuard<'_, Uses> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a secret was good. Of one second only the first use is noted.
    pub fn used(&self, hash: &TokenHash, now: Moment, address: Option<IpAddr>) {
        let mut waiting = self.waiting();
        match waiting.get(hash) {
            Some((last, _)) if now.unix() <= last.unix() => {}
            None if waiting.len() >= MOST => {}
            Some(_) | None => {
                waiting.insert(*hash, (now, address));
            }
        }
    }

    fn take(&self) -> Uses {
        std::mem::take(&mut *self.waiting())
    }

    /// Puts back what could not be written, as far as there is room and nothing newer came.
    fn put_back(&self, unwritten: Uses) {
        let mut waiting = self.waiting();
        for (hash, last) in unwritten {
            if waiting.len() < MOST {
                waiting.entry(hash).or_insert(last);
            }
        }
    }
}

/// Writes what waits. When it has ended, everything that was noted before is written, also what somebody else was
/// writing meanwhile.
///
/// # Errors
/// A fault of the store; what could not be written waits on.
pub async fn flush(world: &World) -> Result<(), Fault> {
    let _writing = world.secret_uses.writing.lock().await;
    let taken = world.secret_uses.take();
    if taken.is_empty() {
        return Ok(());
    }
    let uses: Vec<SecretUse> =
        taken.iter().map(|(hash, (at, address))| SecretUse { hash: *hash, at: *at, address: *address }).collect();
    let write = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.client_secrets().used(&uses)?);
    let written = world.store.write("client_secret_uses", write).await.map_err(only_fault);
    if written.is_err() {
        world.secret_uses.put_back(taken);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::moment::Span;

    const NOW: Moment = Moment::from_unix(1_800_000_000);

    fn hash(n: u32) -> TokenHash {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        TokenHash::from_slice(&bytes).unwrap()
    }

    #[test]
    fn the_last_use_moves_forward_only_and_what_was_not_written_gives_way_to_what_is_newer() {
        let uses = SecretUses::default();
        let home = Some(IpAddr::from([127, 0, 0, 1]));
        uses.used(&hash(1), NOW + Span::seconds(5), home);
        uses.used(&hash(1), NOW, None);
        let taken = uses.take();
        assert_eq!(taken[&hash(1)], (NOW + Span::seconds(5), home));
        assert!(uses.take().is_empty());
        uses.used(&hash(1), NOW + Span::seconds(9), None);
        uses.put_back(taken);
        assert_eq!(uses.take()[&hash(1)], (NOW + Span::seconds(9), None));
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let uses = SecretUses::default();
        for n in 0..40_000 {
            uses.used(&hash(n), NOW, None);
        }
        let taken = uses.take();
        assert_eq!(taken.len(), MOST);
        for n in 40_000..80_000 {
            uses.used(&hash(n), NOW, None);
        }
        uses.put_back(taken);
        assert_eq!(uses.take().len(), MOST, "nor while nothing can be written");
    }
}
