//! Signing out.
//!
//! Spec: OpenID Connect RP-Initiated Logout 1.0 §2 and §6 (a person confirms where the hint does not).

use super::{Shell, Who};
use crate::base::uri::RedirectUri;
use askama::Template;

/// The question before a sign-out. Its buttons post `decision`: `sign_out` or `stay`; with
/// `state` (sealed) and `csrf`.
#[derive(Template)]
#[template(path = "portal/sign_out.html")]
pub struct SignOut {
    /// Around the page.
    pub shell: Shell,
    /// Name of the application that asked.
    pub client_name: Option<String>,
    /// Who would be signed out; nobody is named whose session is idle.
    pub who: Option<Who>,
    /// Token against forged forms.
    pub csrf: String,
    /// Sealed: where to go afterwards, and with which `state`; may be empty.
    pub state: String,
    /// Where the form goes.
    pub action: String,
}

/// Afterwards, where no application waits for the person's return, or it is theirs to choose.
#[derive(Template)]
#[template(path = "portal/signed_out.html")]
pub struct SignedOut {
    /// Around the page.
    pub shell: Shell,
    /// The way back: name of the application, and its proven post-logout URI.
    pub back: Option<(String, RedirectUri)>,
}
