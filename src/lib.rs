//! Keywright.
pub mod audit;
pub mod base;
pub mod demo;
