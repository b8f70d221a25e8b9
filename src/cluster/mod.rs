//! Counters of limits: in the memory of this node, or shared by all nodes in Redis or Valkey.
//!
//! A limit never vanishes. Where the nodes cannot count together, each counts alone against its
//! share, the limit divided by the number of live nodes. Nothing that security rests on (codes,
//! refresh tokens, replayed assertions, sessions) is kept here.
//!
//! In memory a take is done at the first poll and allocates nothing for a key that is known: what
//! is `async` here waits for nothing but Redis.

mod memory;
mod redis;
mod shared;

use self::{memory::Memory, shared::Shared};
use crate::{
    base::{
        fault::Fault,
        moment::{Moment, Span},
        secret::Secret,
    },
    limit::{self, Outcome, Rule},
};
use std::{
    fmt,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Counters under keys. They decide races: of many takes at once, on all nodes together, exactly
/// as many pass as the rule allows.
pub struct Counters {
    here: Memory,
    shared: Option<Box<Shared>>,
    nodes: AtomicU32,
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.shared.is_some() { "Counters, shared" } else { "Counters of this node" })
    }
}

/// Units that somebody wants of one counter.
#[derive(Clone, Copy, Debug)]
pub struct Take<'a> {
    /// The counter's key.
    pub key: &'a str,
    /// What it allows.
    pub rule: Rule,
    /// How many units.
    pub cost: u32,
    /// What became of it: `None` until it was asked for.
    pub outcome: Option<Outcome>,
}

impl<'a> Take<'a> {
    /// One unit.
    #[must_use]
    pub const fn one(key: &'a str, rule: Rule) -> Self {
        Self { key, rule, cost: 1, outcome: None }
    }
}

/// A take that was refused, of several that were asked for together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// Which of them, counted from 0.
    pub index: usize,
    /// When to try again.
    pub retry_after: Span,
}

impl Counters {
    /// Counters of this node alone, at most about `most` of them, some 150 bytes each.
    #[must_use]
    pub fn local(most: usize) -> Self {
        Self { here: Memory::new(most), shared: None, nodes: AtomicU32::new(1) }
    }

    /// Counters in the Redis or Valkey at this address. Where it is away, now or later, or does not
    /// answer within `deadline`, this node counts alone; it is looked for once a second.
    ///
    /// # Errors
    /// A fault for what is no address of Redis, and where no thread can be started.
    pub fn shared(most: usize, url: &Secret<String>, deadline: Duration) -> Result<Self, Fault> {
        Ok(Self { shared: Some(Box::new(Shared::start(most, url, deadline)?)), ..Self::local(most) })
    }

    /// Forgets what was counted here and is as good as never seen, so that it takes no memory.
    pub fn tidy(&self, now: Moment) {
        self.here.tidy(now);
    }

    /// Says how many nodes are alive, this one among them.
    pub fn nodes_alive(&self, nodes: u32) {
        self.nodes.store(nodes.max(1), Ordering::Relaxed);
    }

    /// How many nodes share a limit when each counts alone.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        self.nodes.load(Ordering::Relaxed)
    }

    /// Whether this node counts alone though it should not.
    #[must_use]
    pub fn degraded(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.is_down())
    }

    /// Takes one unit from this node's share of a limit, in memory, whatever is configured: for
    /// what every request has to pass.
    pub fn take_here(&self, key: &str, rule: Rule, now: Moment) -> Outcome {
        self.here.take(key, None, rule.share(self.nodes()), (now, 1))
    }

    /// What [`Counters::take_here`] would come to now; nothing is taken.
    #[must_use]
    pub fn peek_here(&self, key: &str, rule: Rule, now: Moment) -> Outcome {
        limit::take(self.here.state(key).map(|state| state.tat), rule.share(self.nodes()), now, 1)
    }

    /// Takes `cost` units from the counter of this key.
    pub async fn take(&self, key: &str, rule: Rule, now: Moment, cost: u32) -> Outcome {
        let nodes = self.nodes();
        let Some(shared) = &self.shared else { return self.here.take(key, None, rule.share(nodes), (now, cost)) };
        let mut wanted = [Take { key, rule, cost, outcome: None }];
        // On the heap, so that the future is small for those who count in memory.
        let _ = Box::pin(shared.take_all(&mut wanted, now, nodes)).await;
        let [Take { outcome, .. }] = wanted;
        outcome.unwrap_or_else(|| limit::take(None, rule, now, cost))
    }

    /// Takes from each of these counters, or from none. What became of each is in its `outcome`;
    /// in memory those behind the first that is used up are not asked.
    ///
    /// # Errors
    /// The first that is [`Exhausted`].
    pub async fn take_all(&self, wanted: &mut [Take<'_>], now: Moment) -> Result<(), Exhausted> {
        match &self.shared {
            None => self.here.take_all(wanted, now, self.nodes()),
            Some(shared) => Box::pin(shared.take_all(wanted, now, self.nodes())).await,
        }
    }

    /// Gives back what was taken, because it should not count after all.
    pub async fn give_back_all(&self, taken: &[Take<'_>], now: Moment) {
        match &self.shared {
            None => self.here.give_back_all(taken, now, self.nodes()),
            Some(shared) => Box::pin(shared.give_back_all(taken, now, self.nodes())).await,
        }
    }
}
