//! Floor 1: the rules of OpenID Connect beyond those of the authorization request: what is told
//! of a person ([`claims`]), the ID token ([`id_token`]), who they are to a client ([`subject`]),
//! and signing out ([`logout`]).

pub mod claims;
pub mod id_token;
pub mod logout;
pub mod logout_token;
pub mod subject;
