//! Floor 3: the use cases, a file for each: load facts, ask a rule, save its outcome.
//!
//! Where to start reading: [`world`] (what they act in), [`authorize`] (the browser's way),
//! [`token`] (the client's way), [`end`] (how anything that was granted ends).

pub mod account;
pub mod api_keys;
pub mod authenticate;
pub mod authorize;
pub mod bearer;
pub mod challenges;
pub mod client_secrets;
pub mod clients;
pub mod consent;
pub mod declared_clients;
pub mod decrypt;
pub mod deliver;
pub mod dpop;
pub mod encrypt;
pub mod end;
pub mod end_session;
pub mod erase_user;
pub mod follow;
pub mod guard;
pub mod import_key;
pub mod interaction;
pub mod introspect;
pub mod journal;
pub mod kept;
pub mod key_tally;
pub mod keys_elsewhere;
pub mod list_keys;
pub mod log_out;
pub mod manage_clients;
pub mod manage_users;
pub mod nodes;
pub mod pace;
pub mod person;
pub mod presence;
pub mod revocations;
pub mod revoke;
pub mod revoke_key;
pub mod rotate_keys;
#[cfg(test)]
pub(crate) mod sample;
pub mod secret_uses;
pub mod secrets;
pub mod sign_in;
pub mod signing;
pub mod sweep;
pub mod token;
pub mod touched;
pub mod unrecorded;
pub mod userinfo;
pub mod visit;
pub mod world;
