//! Pages for people, as types: one struct per page, plain typed fields, no decision.
//!
//! A handler fills a struct and gives it to [`super::page::page`]. Every text is escaped by
//! askama; addresses are of types that cannot hold a scheme which runs code. Fixed names that
//! the forms post are listed at each page.

mod account;
mod badge;
mod chart;
mod claim;
mod consent;
mod key_rotation;
mod keys;
mod problem;
mod sign_in;
mod sign_out;
mod snippets;
mod visit;

#[cfg(test)]
mod key_samples;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

pub use account::{
    Account, ConsentLine, Consents, Email, Overview, Password, Profile, SessionLine, SessionPlace, Sessions,
};
pub use badge::{Badge, Tone};
pub use chart::{Bar, Chart};
pub use claim::{Claim, ClaimMade, ClaimOffer, ClaimOver};
pub use consent::{ClientCard, Consent, Place, ScopeLine};
pub use key_rotation::{PlaceLine, Rotating, RotatingKey};
pub use keys::{
    Answer, ApiCard, Check, Choice, EventLine, Key, KeyFor, KeyHead, KeyLine, KeyMade, KeyNew, KeyRevoke, KeyRotate,
    Keys, Offer, Purpose, QuotaBar, Step, Tick,
};
pub use problem::{Busy, Dead, Failed, NotFound, Pressure, Stuck, WrongMethod};
pub use sign_in::{AccountChoice, SelectAccount, SignIn};
pub use sign_out::{SignOut, SignedOut};
pub use snippets::{Snippet, snippets, variable};
pub use visit::{FormPost, Home};

use crate::base::{moment::Moment, uri::Issuer};

/// What stands around every page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shell {
    /// Name of the service, as its operator chose it.
    pub service_name: String,
    /// Host (and port) of the issuer: what a person should see in the address bar.
    pub host: String,
    /// Path of the issuer, empty or such as `/id`: stands before our own paths.
    pub base: String,
}

impl Shell {
    /// The frame for an issuer.
    #[must_use]
    pub fn new(issuer: &Issuer, service_name: &str) -> Self {
        let origin = issuer.origin();
        Self {
            service_name: service_name.to_owned(),
            host: origin.split_once("://").map_or("", |(_, host)| host).to_owned(),
            base: issuer.path().to_owned(),
        }
    }
}

/// Someone who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The name they sign in with.
    pub username: String,
    /// Their name for other people, if they gave one.
    pub name: Option<String>,
}

impl Who {
    fn initial(&self) -> String {
        initial(self.name.as_deref().unwrap_or(&self.username))
    }
}

/// A moment, for machines and for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    /// RFC 3339, for the attribute `datetime`.
    pub iso: String,
    /// Such as `3 November 2026, 14:05 UTC`.
    pub text: String,
}

impl From<Moment> for When {
    fn from(moment: Moment) -> Self {
        let iso = moment.to_string();
        let text = moment.to_utc().map_or_else(|| iso.clone(), |at| at.format("%-d %B %Y, %H:%M UTC").to_string());
        Self { iso, text }
    }
}

/// What came of the form that was just sent, above the page that shows it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flash {
    /// It was done, said politely (`role=status`).
    Saved(String),
    /// It was not done, why, and what to do (`role=alert`).
    Problem(String),
}

/// A text field of a form: its value, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// What stands in it.
    pub value: String,
    /// What is wrong with it and how to mend it.
    pub problem: Option<String>,
}

impl Field {
    /// A field with nothing wrong.
    #[must_use]
    pub fn of(value: impl Into<String>) -> Self {
        Self { value: value.into(), problem: None }
    }
}

/// A length of time in words, rounded up: `45 seconds`, `2 minutes`, `3 hours`.
/// By reference, as templates hand their fields.
pub(crate) fn wait_in_words(seconds: &u32) -> String {
    let seconds = *seconds;
    let (n, unit) = match seconds {
        0..=90 => (seconds.max(1), "second"),
        91..=5400 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3600), "hour"),
    };
    if n == 1 { format!("1 {unit}") } else { format!("{n} {unit}s") }
}

/// The first letter of a name, as the mark that stands for it; we fetch no logo from elsewhere.
pub(crate) fn initial(name: &str) -> String {
    name.chars().find(|c| c.is_alphanumeric()).map_or_else(|| "•".to_owned(), |c| c.to_uppercase().collect())
}
