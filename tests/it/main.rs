//! One binary for everything that needs more than one module: each area is a module here.
#![expect(dead_code, unused_imports, reason = "the harness has what the tests of OpenID Connect will want next")]
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
mod generated;
mod limits;
mod oauth;
mod races;
mod store;
mod world;
