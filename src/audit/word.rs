//! The words that events are made of beside identifiers: who, why, how.

use crate::base::{
    digest::base64url,
    id::{ClientId, UserId},
};
use serde::{Serialize, Serializer};
use std::fmt;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person, signed in.
    User(UserId),
    /// A client, authenticated.
    Client(ClientId),
    /// Somebody at the command line or the author of a declared configuration, by the name the
    /// system gives them.
    Operator(String),
    /// The server itself: a timer, a rule.
    System,
}

impl Actor {
    /// Reads what [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some(("user", id)) => UserId::parse(id).map(Self::User),
            Some(("client", id)) => ClientId::parse(id).map(Self::Client),
            Some(("operator", name)) => Some(Self::Operator(name.to_owned())),
            Some(_) => None,
            None => (text == "system").then_some(Self::System),
        }
    }
}

/// As `user:usr_…`, `client:cli_…`, `operator:NAME` or `system`.
impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Client(id) => write!(f, "client:{id}"),
            Self::Operator(name) => write!(f, "operator:{name}"),
            Self::System => f.write_str("system"),
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// The user name that somebody typed. Of one that somebody has, the text, cut to 64 characters and
/// without what could disturb a terminal. People type passwords there by accident: so of one that
/// nobody has, or that was not looked up, only a keyed hash, by which the same text is known again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Attempted(String);

impl Attempted {
    /// Most characters kept.
    pub const MAX_CHARS: usize = 64;

    /// What is kept of this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let kept = text.chars().take(Self::MAX_CHARS);
        Self(kept.map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect())
    }
    /// In place of a text that may be a password: its keyed hash.
    #[must_use]
    pub fn hidden(hash: &[u8; 32]) -> Self {
        // Half of it tells texts apart, and is short enough to read.
        let half: Vec<u8> = hash.iter().copied().take(16).collect();
        Self(format!("#{}", base64url(&half)))
    }
    /// The text kept.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a sign-in failed. People at the page are never told which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignInFailure {
    /// Nobody has this user name.
    UnknownUser,
    /// The password is another.
    WrongPassword,
    /// The person is disabled.
    Disabled,
    /// The person has no password, so none can match.
    NoPassword,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignOutKind {
    /// At our own pages.
    Page,
    /// At the end-session endpoint, asked by a client (RP-Initiated Logout 1.0).
    Client,
    /// Ended from the list of sessions in the account pages.
    Account,
    /// Somebody else signed in, in the same browser.
    Replaced,
    /// All of a person's sessions were ended at once.
    Everywhere,
    /// A signing key was revoked, and everybody is to sign in again.
    KeyRevoked,
}

/// Why a grant ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantEnd {
    /// Its code came a second time (RFC 6749 §4.1.2).
    CodeReplayed,
    /// One of its spent refresh tokens came again (RFC 9700 §4.14.2).
    RefreshReused,
    /// Its client asked (RFC 7009).
    Client,
    /// The person withdrew their consent.
    ConsentWithdrawn,
    /// The person's password was changed.
    PasswordChanged,
    /// The session it belongs to ended.
    SignedOut,
    /// The person signed out everywhere.
    SignedOutEverywhere,
    /// The person was disabled.
    UserDisabled,
    /// The client was disabled.
    ClientDisabled,
    /// An operator asked.
    Operator,
}

impl GrantEnd {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::CodeReplayed,
        Self::RefreshReused,
        Self::Client,
        Self::ConsentWithdrawn,
        Self::PasswordChanged,
        Self::SignedOut,
        Self::SignedOutEverywhere,
        Self::UserDisabled,
        Self::ClientDisabled,
        Self::Operator,
    ];

    /// The word that is stored and shown; the same as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CodeReplayed => "code_replayed",
            Self::RefreshReused => "refresh_reused",
            Self::Client => "client",
            Self::ConsentWithdrawn => "consent_withdrawn",
            Self::PasswordChanged => "password_changed",
            Self::SignedOut => "signed_out",
            Self::SignedOutEverywhere => "signed_out_everywhere",
            Self::UserDisabled => "user_disabled",
            Self::ClientDisabled => "client_disabled",
            Self::Operator => "operator",
        }
    }

    /// Reads the word; `None` for any other.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|end| end.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_name_is_cut_and_cannot_move_a_cursor() {
        let typed = Attempted::new(&format!("\u{1b}[2J{}", "é".repeat(100)));
        assert_eq!(typed.as_str().chars().count(), 64);
        assert!(typed.as_str().starts_with("\u{fffd}[2J"));
    }

    #[test]
    fn the_word_of_an_end_is_the_word_in_json() {
        for end in GrantEnd::ALL {
            assert_eq!(serde_json::to_string(&end).unwrap(), format!("{:?}", end.as_str()));
            assert_eq!(GrantEnd::parse(end.as_str()), Some(end));
        }
    }
}
