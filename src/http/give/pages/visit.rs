//! The front page, and the page that carries an answer to a client by a form.
//!
//! Spec: OAuth 2.0 Form Post Response Mode §2.

use super::{Shell, Who};
use crate::base::uri::RedirectUri;
use askama::Template;

/// The answer to an authorization request under `response_mode=form_post`. A script file of ours
/// submits it; without JavaScript its button does.
#[derive(Template)]
#[template(path = "portal/form_post.html")]
pub struct FormPost {
    /// Around the page.
    pub shell: Shell,
    /// Name of the application, for the words around the button.
    pub client_name: String,
    /// The proven redirect URI.
    pub action: RedirectUri,
    /// Parameters of the answer, by name.
    pub fields: Vec<(String, String)>,
}

/// The front page.
#[derive(Template)]
#[template(path = "home.html")]
pub struct Home {
    /// Around the page.
    pub shell: Shell,
    /// Who is signed in.
    pub who: Option<Who>,
    /// The issuer identifier, for developers.
    pub issuer: String,
}
