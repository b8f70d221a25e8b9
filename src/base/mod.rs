//! Floor 0: the words every other floor speaks. No input or output of its own, no
//! imports from the rest of the crate.
//!
//! Two traits stand at the world's edge and are only *defined* here: [`moment::Clock`]
//! and [`entropy::Entropy`]. Everything else takes `now` and randomness as arguments.

pub mod base62;
pub mod credential;
pub mod digest;
pub mod entropy;
pub mod fault;
pub mod id;
pub mod moment;
pub mod scope;
pub mod secret;
pub mod uri;
