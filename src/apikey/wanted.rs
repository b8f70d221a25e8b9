//! A key that somebody wants to have, and whether its API lets it be made.

use super::{
    PolicyText,
    api::{Api, Sensitivity},
    key::Kind,
};
use crate::base::{
    moment::{Moment, Span},
    scope::Scope,
};
use serde_json::{Map, Value};
use std::fmt;

/// Most characters of a name.
pub const MAX_NAME: usize = 100;
/// Most bytes of `meta`, as JSON.
pub const MAX_META: usize = 2048;

/// A key that somebody wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// What its owner calls it.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// Its environment; the first of its API where none is named.
    pub environment: Option<String>,
    /// What it may do.
    pub scope: Scope,
    /// What restricts it, found valid before.
    pub policy: PolicyText,
    /// What its maker wants told with each good verdict.
    pub meta: Map<String, Value>,
    /// From when it is good; at once where nothing is said.
    pub not_before: Option<Moment>,
    /// Until when; as its API says where nothing is said.
    pub expires_at: Option<Moment>,
}

/// What a key that may be made will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Its environment.
    pub environment: String,
    /// Until when it is good.
    pub expires_at: Moment,
}

/// Why a key may not be made. Shown, it is a sentence for whoever asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// A member that cannot be, by its name, and why.
    Member(&'static str, String),
    /// The API is disabled.
    ApiDisabled,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(member, why) => write!(f, "{member} {why}"),
            Self::ApiDisabled => f.write_str("the API is disabled"),
        }
    }
}

impl std::error::Error for Unfit {}

fn unfit<T>(member: &'static str, why: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit::Member(member, why.into()))
}

/// Whether an API lets this key be made, and what it will be.
///
/// # Errors
/// [`Unfit`]: the first member that cannot be.
pub fn admit(wanted: &Wanted, api: &Api, now: Moment) -> Result<Admitted, Unfit> {
    if api.disabled_at.is_some() {
        return Err(Unfit::ApiDisabled);
    }
    name(&wanted.name)?;
    let environment = environment(wanted, api)?;
    scope(wanted, api)?;
    kind(wanted, api)?;
    let meta = serde_json::to_string(&wanted.meta).map_or(usize::MAX, |text| text.len());
    if meta > MAX_META {
        return unfit("meta", format!("has more than {MAX_META} bytes"));
    }
    Ok(Admitted { environment, expires_at: expiry(wanted, api.settings.sensitivity, now)? })
}

/// Whether this can be a name of a family, or of anything that people name.
///
/// # Errors
/// [`Unfit`].
pub fn name(text: &str) -> Result<(), Unfit> {
    if text.trim().is_empty() || text.chars().count() > MAX_NAME || text.chars().any(char::is_control) {
        return unfit("name", format!("must have 1 to {MAX_NAME} characters, none of them a control character"));
    }
    Ok(())
}

fn environment(wanted: &Wanted, api: &Api) -> Result<String, Unfit> {
    let Some(named) = &wanted.environment else {
        return api.environments.first().cloned().map_or_else(|| unfit("environment", "is not known"), Ok);
    };
    if api.environments.contains(named) {
        return Ok(named.clone());
    }
    unfit("environment", format!("must be one of {}", api.environments.join(", ")))
}

fn scope(wanted: &Wanted, api: &Api) -> Result<(), Unfit> {
    if wanted.kind == Kind::Verifier {
        return if wanted.scope.is_empty() { Ok(()) } else { unfit("scope", "must be empty for a verifier") };
    }
    let beyond = wanted.scope.minus(&api.settings.scopes);
    if beyond.is_empty() { Ok(()) } else { unfit("scope", format!("has what the API does not offer: {beyond}")) }
}

fn kind(wanted: &Wanted, api: &Api) -> Result<(), Unfit> {
    if wanted.kind != Kind::Public {
        return Ok(());
    }
    if !api.settings.public_keys {
        return unfit("kind", "public is not offered by this API");
    }
    let beyond = wanted.scope.minus(&api.settings.public_scopes);
    if !beyond.is_empty() {
        return unfit("scope", format!("has what a public key may not do: {beyond}"));
    }
    // Anyone can read a public key: its own pages are all that it may be used from.
    let bound = |policy: &PolicyText| policy.get("referrer").and_then(|r| r.get("allow")).is_some();
    if bound(&wanted.policy) || bound(&api.policy) {
        Ok(())
    } else {
        unfit("policy", "of a public key needs referrer.allow")
    }
}

fn expiry(wanted: &Wanted, sensitivity: Sensitivity, now: Moment) -> Result<Moment, Unfit> {
    let from = wanted.not_before.map_or(now, |at| at.max(now));
    let until = wanted.expires_at.unwrap_or(from + sensitivity.lifetime());
    if until.since(from) <= Span::ZERO {
        return unfit("expires_at", "must be later than now and than not_before");
    }
    match sensitivity.longest() {
        Some(longest) if until.since(from) > longest => unfit(
            "expires_at",
            format!("must be within {} days, as this API is critical", longest.as_seconds() / 86_400),
        ),
        Some(_) | None => Ok(until),
    }
}

#[cfg(test)]
mod tests;
