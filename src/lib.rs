//! Keywright.
pub mod audit;
pub mod base;
