//! Pages for when something went wrong: what happened, and what to do next.
//!
//! Spec: RFC 6749 §4.1.2.1 and RFC 9700 §4.11.2 (no redirect to an address that was not proven).

use super::Shell;
use askama::Template;

/// What cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// A sign-in from which nobody can be sent back to the client.
    SignIn,
    /// A sign-in that is open no longer.
    Closed,
    /// A sign-out that a client asked for, from which nobody can be sent back.
    SignOut,
    /// A form, or another request of a person's own.
    Request,
}

impl Stuck {
    const fn title(self) -> &'static str {
        match self {
            Self::SignIn | Self::Closed => "This sign-in cannot go on",
            Self::SignOut => "You were not signed out",
            Self::Request => "This request was not accepted",
        }
    }
    /// Whether a client waits for an answer that cannot be sent.
    const fn is_waited_for(self) -> bool {
        matches!(self, Self::SignIn | Self::SignOut)
    }
    /// Whether the person is offered to sign out here.
    const fn offers_sign_out(self) -> bool {
        matches!(self, Self::SignOut)
    }
}

/// A request that is answered with nothing but this page. Status 400, and of what was sent to us 403, 408,
/// 413 and 415 too.
#[derive(Template)]
#[template(path = "problem/dead.html")]
pub struct Dead {
    /// Around the page.
    pub shell: Shell,
    /// What cannot go on.
    pub stuck: Stuck,
    /// What happened, in one plain sentence: `The application that sent you here is not known to us.`
    pub happened: String,
    /// What the person can do next.
    pub next: String,
    /// Error code for the developer: `invalid_request`.
    pub error: String,
    /// Description for the developer.
    pub description: String,
}

/// A fault of ours. Status 500.
#[derive(Template)]
#[template(path = "problem/failed.html")]
pub struct Failed {
    /// Around the page.
    pub shell: Shell,
    /// What to tell the people who run the service; the log has the same.
    pub reference: String,
}

/// No such page. Status 404.
#[derive(Template)]
#[template(path = "problem/not_found.html")]
pub struct NotFound {
    /// Around the page.
    pub shell: Shell,
}

/// A page that exists, asked in a way that it does not answer. Status 405.
#[derive(Template)]
#[template(path = "problem/wrong_method.html")]
pub struct WrongMethod {
    /// Around the page.
    pub shell: Shell,
    /// The methods that it answers, as in `Allow`.
    pub allow: String,
}

/// Not now. Status 429 or 503, with `Retry-After`.
#[derive(Template)]
#[template(path = "problem/busy.html")]
pub struct Busy {
    /// Around the page.
    pub shell: Shell,
    /// Why not.
    pub pressure: Pressure,
    /// Seconds after which another try is worth while, as in `Retry-After`.
    pub retry_after: u32,
}

/// Why a request is turned away for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// Too many requests from this address or for this account: 429.
    TooMany,
    /// The service is overloaded or a part of it is away: 503.
    Unavailable,
}
