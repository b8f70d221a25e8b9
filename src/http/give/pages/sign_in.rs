//! Signing in, and choosing among several signed-in accounts.
//!
//! Spec: OpenID Connect Core §3.1.2.1 (`login_hint`, `prompt=select_account`) and §3.1.2.3.

use super::{ClientCard, Shell, initial};
use askama::Template;

/// The sign-in form. It posts `username`, `password`, `interaction` and `csrf`.
#[derive(Template)]
#[template(path = "portal/sign_in.html")]
pub struct SignIn {
    /// Around the page.
    pub shell: Shell,
    /// The application that asked; `None` where a person comes to their own account page.
    pub client: Option<ClientCard>,
    /// Prefilled: the `login_hint`, or what was typed before.
    pub username: String,
    /// Sealed state of the authorization request; empty where there is none.
    pub interaction: String,
    /// Token against forged forms.
    pub csrf: String,
    /// Why the last try failed, in words that say nothing of which part was wrong.
    pub problem: Option<String>,
    /// Seconds until another try is worth while, where tries are being slowed down.
    pub retry_after: Option<u32>,
    /// Where the form goes.
    pub action: String,
}

/// The choice of an account. Each button posts `choice`: the handle of a session, or `other`
/// for another account; with `interaction` and `csrf`.
#[derive(Template)]
#[template(path = "portal/select_account.html")]
pub struct SelectAccount {
    /// Around the page.
    pub shell: Shell,
    /// The application that asked.
    pub client: Option<ClientCard>,
    /// Accounts with a live session in this browser.
    pub accounts: Vec<AccountChoice>,
    /// Sealed state of the authorization request.
    pub interaction: String,
    /// Token against forged forms.
    pub csrf: String,
    /// Where the form goes.
    pub action: String,
}

/// One account to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountChoice {
    /// What `choice` is to say; never the word `other`.
    pub handle: String,
    /// The name they sign in with.
    pub username: String,
    /// Their name for other people.
    pub name: Option<String>,
}

impl AccountChoice {
    fn initial(&self) -> String {
        initial(self.name.as_deref().unwrap_or(&self.username))
    }
}
