//! A person's own account: profile, password, sessions, consents.
//!
//! Fixed paths under the issuer's: `/account`, `/account/profile`, `/account/password`,
//! `/account/sessions`, `/account/consents`; each form posts to its own page's path.
//! "Sign out" leads to `/end_session`, which asks.

use super::{ClientCard, Field, Flash, Shell, When, Who};
use askama::Template;

/// What all account pages share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Who is signed in.
    pub who: Who,
    /// Token against forged forms.
    pub csrf: String,
    /// What came of the last form.
    pub flash: Option<Flash>,
}

/// `/account`.
#[derive(Template)]
#[template(path = "account/overview.html")]
pub struct Overview {
    /// Around the page.
    pub shell: Shell,
    /// Around the account's pages.
    pub account: Account,
    /// Their email address.
    pub email: Option<String>,
    /// When the password was last set.
    pub password_set: Option<When>,
    /// How many sessions are live.
    pub sessions: usize,
    /// How many applications have a consent.
    pub consents: usize,
}

/// `/account/profile`. Posts the fields by their names here, and `csrf`.
#[derive(Template)]
#[template(path = "account/profile.html")]
pub struct Profile {
    /// Around the page.
    pub shell: Shell,
    /// Around the account's pages.
    pub account: Account,
    /// `name`: in full, as they want to be called.
    pub name: Field,
    /// `given_name`.
    pub given_name: Field,
    /// `family_name`.
    pub family_name: Field,
    /// `nickname`.
    pub nickname: Field,
    /// `email`.
    pub email: Field,
    /// Whether the address was proven to be theirs.
    pub email_state: Email,
    /// `website`.
    pub website: Field,
    /// `zoneinfo`: `Europe/Berlin`.
    pub zoneinfo: Field,
    /// `locale`: `de-DE`.
    pub locale: Field,
}

/// What is known of an email address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Email {
    /// There is none.
    Absent,
    /// It was proven to be theirs.
    Verified,
    /// It was only stated.
    Stated,
}

/// `/account/password`. Posts `current_password`, `new_password`, `new_password_again`, `csrf`.
#[derive(Template)]
#[template(path = "account/password.html")]
pub struct Password {
    /// Around the page.
    pub shell: Shell,
    /// Around the account's pages.
    pub account: Account,
    /// Fewest characters that a new one must have.
    pub shortest: usize,
    /// What is wrong with the current password as typed.
    pub current_problem: Option<String>,
    /// What is wrong with the new one.
    pub new_problem: Option<String>,
    /// What is wrong with its repetition.
    pub again_problem: Option<String>,
}

/// `/account/sessions`. A button posts `end`: the handle of a session, or `everywhere`; with `csrf`.
#[derive(Template)]
#[template(path = "account/sessions.html")]
pub struct Sessions {
    /// Around the page.
    pub shell: Shell,
    /// Around the account's pages.
    pub account: Account,
    /// Live sessions, this one first.
    pub sessions: Vec<SessionLine>,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLine {
    /// What `end` is to say; never the word `everywhere`.
    pub handle: String,
    /// Such as `Firefox on Linux`; see [`crate::http::give::device::name`].
    pub device: String,
    /// Network address it was last seen from.
    pub address: String,
    /// When it began.
    pub signed_in: When,
    /// When it was last used.
    pub last_seen: When,
    /// Whether it is the one that asks.
    pub place: SessionPlace,
}

/// Whether a session is the one that looks at the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionPlace {
    /// This browser.
    Here,
    /// Another.
    Elsewhere,
}

/// `/account/consents`. A button posts `withdraw`: the id of a consent; with `csrf`.
#[derive(Template)]
#[template(path = "account/consents.html")]
pub struct Consents {
    /// Around the page.
    pub shell: Shell,
    /// Around the account's pages.
    pub account: Account,
    /// Consents in force, newest first.
    pub consents: Vec<ConsentLine>,
}

/// One consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentLine {
    /// What `withdraw` is to say.
    pub id: String,
    /// To whom.
    pub client: ClientCard,
    /// For what, in words, as on the consent page: `see your email address`.
    pub scopes: Vec<String>,
    /// When it was given.
    pub given: When,
    /// When it ends by itself.
    pub ends: Option<When>,
}
