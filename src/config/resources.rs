//! `[[resources]]`: the APIs that access tokens are for.

use super::{
    problem::nearest,
    section::section,
    setting::{Setting, echo, quoted, wrong_kind},
};
use crate::base::{scope::Scope, uri::Resource};
use toml::Value;

/// A scope that an API knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedScope {
    /// The scope token (RFC 6749 §3.3).
    pub name: String,
    /// What it lets an application do, for the consent page.
    pub description: String,
}

impl OfferedScope {
    fn checked(name: &str, description: &str) -> Result<Self, String> {
        match Scope::parse(name) {
            Ok(scope) if scope.has(name) => {
                Ok(Self { name: name.into(), description: String::from_text(description)? })
            }
            Ok(_) | Err(_) => Err(format!("{} is not one scope token", echo(name))),
        }
    }
}

impl Setting for OfferedScope {
    const WHAT: &'static str = "{ name = \"read\", description = \"Read your documents\" }";
    fn from_text(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some((name, description)) => Self::checked(name.trim(), description.trim()),
            None => Err(format!("{} has no description", echo(text))),
        }
    }
    fn from_toml(value: &Value) -> Result<Self, String> {
        const KNOWN: [&str; 2] = ["name", "description"];
        let table = value.as_table().ok_or_else(|| wrong_kind(value))?;
        if let Some(unknown) = table.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            let near = nearest(unknown, KNOWN).unwrap_or_default();
            return Err(format!("has the unknown member {}; the nearest known one is {near:?}", echo(unknown)));
        }
        let text = |key| table.get(key).and_then(Value::as_str).ok_or_else(|| format!("has no text {key:?}"));
        Self::checked(text("name")?, text("description")?)
    }
    fn to_toml(&self) -> Option<String> {
        Some(format!("{{ name = {}, description = {} }}", quoted(&self.name), quoted(&self.description)))
    }
}

section! {
    /// An API that access tokens are for: one `[[resources]]` table for each. Not settable from the environment.
    ProtectedResource = "resources" {
        /// Its resource indicator (RFC 8707 §2), which becomes the `aud` of its tokens.
        identifier: Resource, Live;
        /// Its name, as the consent page shows it.
        name: String, Live;
        /// The scopes it knows.
        scopes: Vec<OfferedScope>, Live;
    }
}
