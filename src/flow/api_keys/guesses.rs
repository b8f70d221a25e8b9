//! Keys that are not in memory are looked for in the store: for each address a few at once, the others after them, and
//! once some sixty were not there none for a while. Whoever shows keys that are there waits for their turn, and is never
//! refused because many come at once.

use super::{
    directory,
    verify::{Found, network},
};
use crate::{
    base::{digest::TokenHash, fault::Fault, moment::Span},
    flow::world::World,
    limit::Rule,
    oauth::refusal::Exceeded,
};
use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    time::Duration,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// Look-ups that find nothing, for each address: enough for somebody who made a mistake, too few
/// for somebody who guesses.
const GUESSES: (Span, u32) = (Span::millis(500), 60);
/// The same for all resource servers of this node that do not say whom they ask for: they are
/// trusted, and one attacker must not use up what their other clients need.
const GUESSES_FROM_NOWHERE: (Span, u32) = (Span::millis(2), 2000);
/// Look-ups at once for each address: what is found costs no guess, so by so many at most somebody guesses more often.
const AT_ONCE: usize = 8;
/// The same for all who do not say for whom.
const AT_ONCE_FROM_NOWHERE: usize = 64;
/// Lines in which addresses wait, by chance some in one, so that there is always room for another.
const LINES: usize = 256;
/// How long somebody waits for a turn; then the store is slow, and they are told to come again.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where those wait who want a key looked for.
#[derive(Debug)]
pub struct Lines {
    lines: Vec<Semaphore>,
    nowhere: Semaphore,
    // Keyed at random, so that nobody can choose in whose line they stand.
    hasher: RandomState,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            lines: (0..LINES).map(|_| Semaphore::new(AT_ONCE)).collect(),
            nowhere: Semaphore::new(AT_ONCE_FROM_NOWHERE),
            hasher: RandomState::new(),
        }
    }
}

impl Lines {
    fn of(&self, address: Option<IpAddr>, bucket: &str) -> &Semaphore {
        let lines = u64::try_from(self.lines.len()).unwrap_or(1).max(1);
        let at = usize::try_from(self.hasher.hash_one(bucket) % lines).unwrap_or_default();
        self.lines.get(at).filter(|_| address.is_some()).unwrap_or(&self.nowhere)
    }

    async fn turn(&self, address: Option<IpAddr>, bucket: &str) -> Result<SemaphorePermit<'_>, Fault> {
        let turn = timeout(PATIENCE, self.of(address, bucket).acquire()).await;
        turn.ok().and_then(Result::ok).ok_or_else(|| Fault::bare("too many API keys wait to be looked for").passing())
    }
}

/// The key of one of these digests, which are of one text: from memory, else from the store, which those who guess
/// soon are not asked for.
///
/// # Errors
/// A fault where the store cannot be asked, or is too slow for all who want something of it.
pub(super) async fn looked_up(world: &World, digests: Vec<TokenHash>, address: Option<IpAddr>) -> Result<Found, Fault> {
    let unsure = match remembered(world, digests) {
        Memory::Knows(found) => return Ok(found),
        Memory::Unsure(digests) => digests,
    };
    let bucket = format!("key guesses/{}", network(address));
    let _turn = world.api_keys.lines.turn(address, &bucket).await?;
    // Whoever was before may have found it.
    let unsure = match remembered(world, unsure) {
        Memory::Knows(found) => return Ok(found),
        Memory::Unsure(digests) => digests,
    };
    let rule = rule(address);
    let left = world.counters.peek_here(&bucket, rule, world.now());
    if !left.allowed {
        return Ok(Found::Unasked(left.retry_after));
    }
    let found = directory::find(world, unsure).await?;
    if found.is_none() {
        world.counters.take_here(&bucket, rule, world.now());
    }
    Ok(found.map_or(Found::Nothing, Found::Key))
}

/// What is told to somebody for whom nobody looked.
pub(super) fn exceeded(wait: Span) -> Exceeded {
    let (every, quota) = GUESSES;
    Exceeded { policy: "guesses", quota, window: Rule::every(every, quota).full_after(), wait }
}

fn rule(address: Option<IpAddr>) -> Rule {
    let (every, burst) = if address.is_some() { GUESSES } else { GUESSES_FROM_NOWHERE };
    Rule::every(every, burst)
}

/// What memory has of some digests.
enum Memory {
    /// The key of one of them, or that there is none of any.
    Knows(Found),
    /// Of these nothing.
    Unsure(Vec<TokenHash>),
}

fn remembered(world: &World, digests: Vec<TokenHash>) -> Memory {
    let mut unsure = Vec::with_capacity(digests.len());
    for digest in digests {
        match directory::in_memory(world, &digest) {
            Some(Some(known)) => return Memory::Knows(Found::Key(known)),
            Some(None) => {}
            None => unsure.push(digest),
        }
    }
    if unsure.is_empty() { Memory::Knows(Found::Nothing) } else { Memory::Unsure(unsure) }
}
