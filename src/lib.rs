//! Keywright.
pub mod base;
