//! The authorization endpoint, step by step (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2):
//! [`destination`] proves where an answer may go at all, [`request`] reads the parameters,
//! [`checks`] decides whether this client may ask for this, [`interaction`] says which page is
//! still needed, [`respond`] writes the answer.

#[cfg(test)]
mod answer_tests;
pub mod checks;
mod claims_parameter;
pub mod destination;
pub mod interaction;
#[cfg(test)]
mod interaction_tests;
pub mod request;
pub mod respond;
#[cfg(test)]
mod tests;

pub use checks::{Asked, check};
pub use destination::{Destination, client_id_of};
pub use interaction::{ConsentFacts, Facts, Next, SessionFacts, Why, next};
pub use request::{AuthorizationRequest, Prompt, Prompts, ResponseMode};
pub use respond::Delivery;
