//! Floor 3: the use cases, a file for each: load facts, ask a rule, save its outcome.
//!
//! Where to start reading: [`world`] (what they act in), [`authorize`] (the browser's way),
//! [`token`] (the client's way), [`end`] (how anything that was granted ends).

pub mod account;
pub mod authenticate;
pub mod authorize;
pub mod bearer;
pub mod challenges;
pub mod clients;
pub mod consent;
pub mod end;
pub mod interaction;
pub mod introspect;
pub mod journal;
pub mod log_out;
pub mod revocations;
pub mod revoke;
pub mod sign_in;
pub mod token;
pub mod userinfo;
pub mod visit;
pub mod world;
