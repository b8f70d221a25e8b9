//! Keywright.
pub mod account;
pub mod audit;
pub mod base;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod demo;
pub mod hashing;
pub mod http;
pub mod jose;
pub mod keyring;
pub mod limit;
pub mod oauth;
pub mod oidc;
pub mod remote;
pub mod store;
pub mod telemetry;
