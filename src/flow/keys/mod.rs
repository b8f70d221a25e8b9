//! API keys: verified, managed, metered.
//!
//! Where to start reading: [`verify`] (whether a key is good for a call: the one function that every
//! way in calls), [`directory`] (how it knows without a query), [`slices`] (how quotas are spent).

pub mod apis;
pub mod directory;
pub mod refused;
pub mod slices;
pub mod tally;
pub mod verify;
