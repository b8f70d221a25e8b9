//! Floor 4: the edge. Parses requests and serialises replies, and decides nothing.
//!
//! Where to start reading: [`routes`], the one table.

pub mod api_keys;
pub mod assets;
pub mod edge;
pub mod gateway;
pub mod give;
pub mod oauth;
pub mod oidc;
pub mod ops;
pub mod portal;
mod request_log;
pub mod routes;
pub mod site;
pub mod take;
