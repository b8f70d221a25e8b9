//! Keywright: an OAuth 2 and OpenID Connect authorization server, as a library with a thin binary.
//!
//! The house has six floors. A module imports from floors below its own, never from above and
//! seldom from beside; `tests/it/architecture.rs` holds the table of who may name whom (and which
//! external crate may be named where), and fails where it is broken. `docs/ARCHITECTURE.md` says
//! why.
//!
//! # Where to start reading
//!
//! - A token request, from the wire to the database and back: [`http::routes`], then
//!   [`flow::token`], then the rules that it asks: [`oauth::grant`] in the order of
//!   [`oauth::engine`].
//! - A sign-in through the browser: [`flow::authorize`], and [`oauth::authorize::interaction`],
//!   the one place that says what is still needed.
//! - How "no" and "broken" are told apart everywhere: [`base::fault`].
//! - What a running server has in hand: [`flow::world`], built by [`app`].
//!
//! # The floors
//!
//! **0, words.**
//! - [`base`]: the types that every floor speaks in, and the two traits at the world's edge (time, randomness).
//!
//! **1, rules.** Pure: the time and the randomness are arguments, and nothing is read or written.
//! - [`jose`]: signs, verifies and seals with a key in hand.
//! - [`account`]: people, their passwords, how often somebody may try one, how long a sign-in lasts.
//! - [`limit`]: the arithmetic of rate limits.
//! - [`audit`]: what is worth recording, as typed events.
//! - [`keyring`]: the life of a signing key, from pending to gone.
//! - [`oauth`]: the rules of OAuth 2.
//! - [`oidc`]: what OpenID Connect adds: claims, the ID token, signing out.
//! - [`apikey`]: API keys: their life, what restricts them, whether one is good for a call.
//! - [`config`]: what an operator may set.
//!
//! **2, adapters.** Each has one big dependency or one part of the outside for itself.
//! - [`store`]: remembers, in SQLite or Postgres, and holds the law of transactions.
//! - [`cluster`]: counts what several requests, and several nodes, share.
//! - [`remote`]: calls other servers, guarded.
//! - [`geo`]: in which country an address is.
//! - [`hashing`]: hashes passwords on threads of its own.
//! - [`telemetry`]: writes logs and metrics.
//!
//! **3, use cases.**
//! - [`flow`]: loads facts, asks a rule, saves its outcome.
//!
//! **4, the edge.**
//! - [`http`]: parses requests and writes replies, and decides nothing.
//!
//! **5, the whole.**
//! - [`app`]: builds the world from the settings and runs the server in it.
//! - [`cli`]: the commands.
//! - [`demo`]: a relying application that shows each of its steps; it knows of the server what any client knows.

pub mod account;
pub mod apikey;
pub mod app;
pub mod audit;
pub mod base;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod demo;
pub mod flow;
pub mod geo;
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
