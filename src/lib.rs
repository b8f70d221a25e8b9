//! Keywright.
pub mod account;
pub mod audit;
pub mod base;
pub mod cluster;
pub mod demo;
pub mod hashing;
pub mod limit;
pub mod http;
pub mod config;
pub mod jose;
pub mod keyring;
