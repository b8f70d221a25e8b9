//! What tests stand on: a database, a server in it, browsers and applications before it. A test
//! reads as what they do.

pub mod app;
pub mod browser;
pub mod busy;
pub mod cut;
pub mod database;
pub mod html;
pub mod http;
pub mod jwt;
pub mod ports;
pub mod redis;
pub mod server;
pub mod softhsm;
pub mod transit;
pub mod vault;

pub use app::{App, Attempt, Auth, Callback, JWT_BEARER, Tokens};
pub use browser::Browser;
pub use database::{Database, each};
pub use http::{Reply, Request, encode, get, post};
pub use jwt::{Key, forged, header, payload};
pub use redis::Redis;
pub use server::{DOCS, EPOCH, ISSUER, MAIL, PASSWORD, Person, Server};
pub use softhsm::SoftHsm;
pub use vault::VaultPeer;
