//! What arrives: parsed once, into types that the flows take.

pub mod body;
pub mod chunks;
pub mod cookies;
pub mod dpop;
pub mod json;
pub mod object;
pub mod peer;
