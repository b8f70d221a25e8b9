//! API keys: what they are, what restricts them, and whether one is good for a call.
//!
//! A key is one more credential of this server. It has an owner, scopes, an audience and limits
//! as a grant has, and whatever asks whether it is good (the verify endpoint, introspection, a
//! gateway) asks the same rule.
//!
//! Where to start reading: [`key`] (the record), [`family`] (what the keys of one line of rotation
//! share), [`api`] and [`plan`] (what an operator decides for many keys at once); then [`policy`] (what
//! restricts it) and [`judge`] (whether it is good).

pub mod access;
pub mod advice;
pub mod api;
pub mod call;
pub mod capacity;
pub mod claim;
pub mod create;
pub mod ended;
pub mod family;
pub mod foreign;
pub mod judge;
pub mod key;
pub mod latency;
pub mod plan;
pub mod policy;
pub mod quota;
pub mod report;
pub mod rotate;
pub mod scan;
pub mod text;
pub mod unusual;
pub mod verdict;
pub mod wanted;
pub mod words;

/// A restriction policy as it was written: a JSON object that has been found valid before it was stored.
pub type PolicyText = serde_json::Map<String, serde_json::Value>;
