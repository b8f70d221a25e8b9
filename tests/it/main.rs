//! One binary for everything that needs more than one module: each area is a module here.
#![expect(unreachable_pub, reason = "modules here share with each other, and nobody else")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect has failed"
)]

mod architecture;
mod commands;
mod gateway;
mod generated;
mod keys;
mod leaks;
mod limits;
mod oauth;
mod oidc;
mod portal;
mod process;
mod races;
mod requirements;
mod security;
mod store;
mod world;
