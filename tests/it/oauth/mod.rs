//! OAuth 2, each specification in a module of its own.

mod assertion;
mod authorize;
mod client_credentials;
mod client_keys;
mod client_secrets;
mod code;
mod discovery;
pub mod dpop;
mod golden;
mod introspection;
mod pkce;
mod refresh;
mod resources;
mod revocation;
mod token_endpoint;
