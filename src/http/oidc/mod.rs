//! The endpoints of OpenID Connect beside those of OAuth 2.

pub mod end_session;
pub mod userinfo;
