//! Restriction policies: from the JSON that people write to what is asked of each call.
//!
//! A policy stands at four levels: API, plan, family and key. They are intersected: a call must
//! pass the allow-lists of all, no deny-list of any, and every limit counts. One [`Document`] is
//! shared by all keys it restricts; [`Compiled`] is what restricts one key.
//!
//! A restriction is a file here: what may be written, what is refused as nonsense, and what it
//! finds of a [`Call`].

pub mod address;
pub mod agent;
pub mod binding;
mod compiled;
pub mod country;
mod document;
mod form;
mod glob;
pub mod hours;
mod path;
pub mod quota;
pub mod rate;
pub mod referrer;
pub mod route;

pub use compiled::{Budget, Compiled, Layer, Limit};
pub use document::Document;
pub use form::{Form, PlanForm};

use super::call::Call;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::fmt;

/// A policy that cannot be meant, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    member: String,
    why: String,
}

impl Invalid {
    fn new(member: impl Into<String>, why: impl Into<String>) -> Self {
        Self { member: member.into(), why: why.into() }
    }
    /// The member, such as `ip.allow[3]`; empty for the whole.
    #[must_use]
    pub fn member(&self) -> &str {
        &self.member
    }
    /// What is wrong with it: a clause without a full stop.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.member.is_empty() {
            return write!(f, "the policy {}", self.why);
        }
        write!(f, "policy member {} {}", self.member, self.why)
    }
}
impl std::error::Error for Invalid {}

/// Where a policy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Restricts all keys of an API.
    Api,
    /// Limits all families of a plan.
    Plan,
    /// Restricts the keys of one family.
    Family,
    /// Restricts one key.
    Key,
}

impl Level {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Plan => "plan",
            Self::Family => "family",
            Self::Key => "key",
        }
    }
}

/// A restriction that can refuse a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The client's address.
    Ip,
    /// The country of that address.
    Geo,
    /// The hour of the week.
    Time,
    /// The page that calls.
    Referrer,
    /// The program that calls.
    UserAgent,
    /// Method and path.
    Route,
    /// A limit that is counted for each address, of a call without one.
    Rate,
}

impl Rule {
    /// The restrictions in the order in which they are asked.
    pub const ORDER: &'static [Self] = &[Self::Ip, Self::Geo, Self::Time, Self::Referrer, Self::UserAgent, Self::Route];

    /// The word that is told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Geo => "geo",
            Self::Time => "time",
            Self::Referrer => "referrer",
            Self::UserAgent => "user_agent",
            Self::Route => "route",
            Self::Rate => "rate",
        }
    }
}

/// Why a restriction refused a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It needs something that nobody said.
    Missing,
    /// It needs something that was said in a way that cannot be read with certainty.
    Unreadable,
    /// What was said is not on the allow-list.
    NotAllowed,
    /// What was said is on the deny-list.
    Denied,
}

impl Reason {
    /// The word that is told. What cannot be read counts as not said.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing | Self::Unreadable => "attribute_missing",
            Self::NotAllowed => "not_allowed",
            Self::Denied => "denied",
        }
    }
}

/// What to do with a call of which something is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Otherwise {
    /// Let it pass.
    Allow,
    /// Refuse it.
    #[default]
    Deny,
}

/// Reads a member that is an object into its written form; `name` is where it stands. A list of its values, which
/// serde would take for it, is none.
fn written<T: DeserializeOwned>(name: &str, value: &Value) -> Result<T, Invalid> {
    if !value.is_object() {
        return Err(Invalid::new(name, "must be an object"));
    }
    T::deserialize(value).map_err(|e| Invalid::new(name, format!("cannot be read: {e}")))
}

/// Reads a member that is a list.
fn listed<'v>(name: &str, value: &'v Value) -> Result<&'v [Value], Invalid> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| Invalid::new(name, "must be a list"))
}

/// Refuses a list that is empty or longer than `most`.
fn bounded<T>(name: &str, list: &[T], most: usize) -> Result<(), Invalid> {
    if list.is_empty() {
        return Err(Invalid::new(name, "is empty, which would refuse every call or none: leave it out"));
    }
    if list.len() > most {
        return Err(Invalid::new(name, format!("has {} entries; {most} at most", list.len())));
    }
    Ok(())
}

/// The name of a limit: 1 to 32 of lower-case letters, digits, `_` and `-`.
fn named(member: &str, name: &str) -> Result<(), Invalid> {
    let fits = (1..=32).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
    if fits { Ok(()) } else { Err(Invalid::new(member, "must be 1 to 32 of lower-case letters, digits, _ and -")) }
}

#[cfg(test)]
pub(super) mod sample;
#[cfg(test)]
mod tests;
