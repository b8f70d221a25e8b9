//! What survives: servers that are killed at random moments, databases that go away, disks that fill up, crowds.
//!
//! These tests know Keywright as its clients do. They start the built program on ports of their own, speak HTTP to it,
//! keep a ledger of every answer, and hold the server to the answers it gave before it died.
//!
//! `TEST_KILLS` says how often a server is killed (15 times unless set), `TEST_QUOTA_KILLS` how often one of four that
//! spend one quota (12), `TEST_REVOCATIONS` how many keys are revoked on one node and looked for on another (20), and
//! `TEST_POSTGRES` names the Postgres server.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::too_many_arguments,
    reason = "a test that meets what it does not expect has failed"
)]

mod api_keys;
mod browser;
#[expect(dead_code, unreachable_pub, reason = "other tests use more of it")]
#[path = "../it/world/busy.rs"]
mod busy;
mod check;
mod crowd;
mod http;
mod key_limits;
mod key_quotas;
mod key_revocations;
mod key_storm;
mod kills;
mod ledger;
mod load;
mod node;
mod nodes;
mod outage;
#[expect(unreachable_pub, reason = "other tests use it too")]
#[path = "../it/world/ports.rs"]
mod ports;
#[expect(dead_code, unreachable_pub, reason = "other tests use more of it")]
#[path = "../it/world/redis.rs"]
mod redis_server;
mod signing_keys;
