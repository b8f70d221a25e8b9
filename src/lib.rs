//! Keywright.
pub mod account;
pub mod audit;
pub mod base;
pub mod demo;
