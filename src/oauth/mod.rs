//! Floor 1: the rules of OAuth 2, as total functions over typed requests. No clock, no
//! randomness of its own, no database, no HTTP.
//!
//! Where to start reading: [`params`] (what arrives), [`client`] (who asks), [`proof`] (how they
//! prove it), [`authorize`] (RFC 6749 §4.1.1, step by step), [`grant`] (what may be exchanged
//! for tokens), [`engine`] (the order of RFC 6749's questions), [`issue`] (what is minted).

pub mod authorize;
pub mod bearer;
pub mod client;
pub mod code;
pub mod dpop;
pub mod engine;
pub mod grant;
pub mod introspect;
pub mod issue;
pub mod metadata;
pub mod params;
pub mod pkce;
pub mod proof;
pub mod refusal;
pub mod register;
pub mod resource;
pub mod secret;
pub mod standard_claims;

#[cfg(test)]
pub(crate) mod sample;
