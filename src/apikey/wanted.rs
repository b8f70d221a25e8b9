//! A key that somebody wants to have, and whether its API lets it be made.

use super::{
    PolicyText,
    api::Api,
    create::{self, Ending, From, Wish},
    key::Kind,
    policy::{Document, Invalid},
};
use crate::base::{moment::Moment, scope::Scope};
use serde_json::{Map, Value};
use std::fmt;

/// Most characters of a name.
pub const MAX_NAME: usize = 100;

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
    /// What restricts it.
    pub policy: PolicyText,
    /// What its maker wants told with each good verdict.
    pub meta: Map<String, Value>,
    /// From when it is good; at once where nothing is said.
    pub not_before: Option<Moment>,
    /// Until when.
    pub ending: Ending,
    /// From where.
    pub from: From,
}

/// What a key that may be made will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Its environment.
    pub environment: String,
    /// Until when it is good; for ever where that was asked for and is allowed.
    pub expires_at: Option<Moment>,
}

/// Why a key may not be made. Shown, it is a sentence for whoever asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// A member that cannot be, by its name, and why.
    Member(&'static str, String),
    /// Its policy cannot be read.
    Policy(Invalid),
    /// The API is disabled.
    ApiDisabled,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(member, why) => write!(f, "{member} {why}"),
            Self::Policy(invalid) => invalid.fmt(f),
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
    scope(wanted, api)?;
    meta(&wanted.meta)?;
    let first = || api.environments.first().cloned().unwrap_or_default();
    let environment = wanted.environment.clone().unwrap_or_else(first);
    let policy = Document::admit(&wanted.policy).map_err(Unfit::Policy)?;
    let wish = Wish {
        kind: wanted.kind,
        scope: &wanted.scope,
        environment: &environment,
        not_before: wanted.not_before,
        ending: wanted.ending,
        from: wanted.from,
        policies: &[&policy],
    };
    let expires_at = create::terms(&wish, api, now).map_err(|refused| told(refused, api))?;
    Ok(Admitted { environment, expires_at })
}

/// A refusal of the rules, as the member it concerns and a sentence.
fn told(refused: create::Refused, api: &Api) -> Unfit {
    use create::Refused as R;
    let (member, why) = match refused {
        R::Environment => ("environment", format!("must be one of {}", api.environments.join(", "))),
        R::Expiry => (
            "expires_at",
            match api.settings.sensitivity.longest() {
                Some(longest) => {
                    format!("must be within {} days, as this API is critical", longest.as_seconds() / 86_400)
                }
                None => "must be later than now and than not_before".to_owned(),
            },
        ),
        R::Public => ("kind", "public is not offered by this API".to_owned()),
        R::ScopeNotPublic => ("scope", "of a public key must only read: tokens that end in read".to_owned()),
        R::Referrer => ("policy", "of a public key needs referrer: the pages that it is used from".to_owned()),
        R::Address => ("policy", "of a server key needs ip, or anywhere has to be true".to_owned()),
        R::ScopeOfVerifier => ("scope", "must be empty for a verifier".to_owned()),
    };
    Unfit::Member(member, why)
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

/// Whether this can be the data of a key.
///
/// # Errors
/// [`Unfit`] where it is too long, or holds U+0000, which Postgres keeps in no text.
pub fn meta(members: &Map<String, Value>) -> Result<(), Unfit> {
    if serde_json::to_string(members).map_or(usize::MAX, |text| text.len()) > create::MOST_META {
        return unfit("meta", format!("has more than {} bytes", create::MOST_META));
    }
    if members.iter().any(|(name, value)| name.contains('\0') || has_null(value)) {
        return unfit("meta", "has the character U+0000");
    }
    Ok(())
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(all) => all.iter().any(has_null),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || has_null(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn scope(wanted: &Wanted, api: &Api) -> Result<(), Unfit> {
    if wanted.kind == Kind::Verifier {
        return Ok(());
    }
    let beyond = wanted.scope.minus(&api.settings.scopes);
    if beyond.is_empty() { Ok(()) } else { unfit("scope", format!("has what the API does not offer: {beyond}")) }
}

#[cfg(test)]
mod tests;
