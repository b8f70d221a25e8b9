//! API keys: verified, managed, metered.
//!
//! Where to start reading: [`verify`] (whether a key is good for a call: the one function that every
//! way in calls), [`directory`] (how it knows without a query), [`slices`] (how quotas are spent),
//! [`create`] and [`life`] (how keys come and go).

pub mod advise;
pub mod apis;
pub mod ask;
pub mod bulk;
pub mod caller;
pub mod capacity;
pub mod change;
pub mod claim;
pub mod create;
pub mod days;
pub mod directory;
pub mod egress;
pub mod ended;
pub mod exchange;
pub mod grants;
pub mod guesses;
pub mod introspect;
pub mod leak;
pub mod life;
pub mod links;
pub mod mac_keys;
pub mod many;
pub mod patch;
pub mod plans;
pub mod possession;
pub mod refused;
pub mod report;
pub mod rotation;
pub mod series;
pub mod show;
pub mod slices;
pub mod tally;
pub mod told;
pub mod under_peppers;
pub mod unusual;
pub mod upkeep;
pub mod usage;
pub mod verify;

#[cfg(test)]
mod tests;

/// What this node holds of API keys.
#[derive(Debug)]
pub struct Keys {
    /// The keys in memory.
    pub directory: directory::Directory,
    /// Where those wait who want one that is not there.
    pub lines: guesses::Lines,
    /// What they were used for, not written yet.
    pub tally: tally::Tally,
    /// What is in hand of their quotas.
    pub slices: slices::Slices,
    /// What is known of their quotas of bytes.
    pub egress: egress::Egress,
    /// How much of their limits APIs give.
    pub capacity: capacity::Capacity,
    /// How much they usually read.
    pub habits: unusual::Habits,
    /// Random characters in the text of a key.
    pub random_length: usize,
    /// The most live keys of one owner for one API.
    pub per_owner: usize,
    /// Room for those who read of ended keys as they end.
    pub streams: std::sync::Arc<tokio::sync::Semaphore>,
}

/// The most streams of ended keys on one node.
const STREAMS: usize = 100;

impl Keys {
    /// For texts of this length, and so many keys in memory.
    #[must_use]
    pub fn new(random_length: usize, cached: usize) -> Self {
        Self {
            directory: directory::Directory::new(u64::try_from(cached).unwrap_or(u64::MAX)),
            lines: Default::default(),
            tally: Default::default(),
            slices: Default::default(),
            egress: Default::default(),
            capacity: Default::default(),
            habits: Default::default(),
            random_length,
            per_owner: 1000,
            streams: std::sync::Arc::new(tokio::sync::Semaphore::new(STREAMS)),
        }
    }
}

impl Default for Keys {
    /// As an operator gets it who says nothing.
    fn default() -> Self {
        Self::new(crate::apikey::text::RANDOM, 4_000)
    }
}
