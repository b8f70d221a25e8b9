//! Counters that several nodes share: for now, the memory of one node.
//!
//! A limit kept in memory is a limit for each node. With *n* nodes a caller gets at most *n*
//! times as much; nothing that security rests on (codes, refresh tokens, replayed assertions) is
//! kept here.

mod memory;

pub use memory::Memory;

use crate::{
    base::moment::{Moment, Span},
    limit::{Outcome, Rule},
};

/// Counters under keys. Implementations decide races: of many takes at once exactly as many
/// pass as the rule allows.
pub trait Counters: Send + Sync {
    /// Takes `cost` units from the counter of this key.
    fn take(&self, key: &str, rule: Rule, now: Moment, cost: u32) -> Outcome;
    /// Gives back what a take took.
    fn give_back(&self, key: &str, rule: Rule, now: Moment, cost: u32);
}

/// A take that was refused, of several that were asked for together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// Which of them, counted from 0.
    pub index: usize,
    /// When to try again.
    pub retry_after: Span,
}

/// Takes one unit from each of these counters, in this order, or from none.
///
/// # Errors
/// The first that is [`Exhausted`]; what was taken from those before it is given back.
pub fn take_all(counters: &dyn Counters, wanted: &[(&str, Rule)], now: Moment) -> Result<(), Exhausted> {
    for (index, (key, rule)) in wanted.iter().enumerate() {
        let got = counters.take(key, *rule, now, 1);
        if !got.allowed {
            give_back_all(counters, wanted.get(..index).unwrap_or_default(), now);
            return Err(Exhausted { index, retry_after: got.retry_after });
        }
    }
    Ok(())
}

/// Gives one unit back to each of these counters.
pub fn give_back_all(counters: &dyn Counters, taken: &[(&str, Rule)], now: Moment) {
    for (key, rule) in taken {
        counters.give_back(key, *rule, now, 1);
    }
}
