//! A person: the name they sign in with, and the standard claims of OpenID Connect Core §5.1.

use crate::base::{id::UserId, moment::Moment};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest user name, in bytes: as an e-mail address may be one.
pub const MAX_USERNAME: usize = 254;
/// Longest member of a profile, in bytes.
pub const MAX_MEMBER: usize = 2048;

/// The name a person signs in with. It is kept as it was written; two that differ only in upper
/// and lower case are the same, so the unique column is [`Username::key`].
#[derive(Clone, Debug)]
pub struct Username(String);

impl Username {
    /// Reads one, without the space around it.
    ///
    /// # Errors
    /// What is wrong with it, in words for the operator.
    pub fn parse(text: &str) -> Result<Self, BadUser> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadUser("a user name must not be empty"));
        }
        if text.len() > MAX_USERNAME {
            return Err(BadUser("a user name has at most 254 bytes"));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(BadUser("a user name has no space and no control character in it"));
        }
        Ok(Self(text.to_owned()))
    }
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// In lower case: to look up and to be unique.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl PartialEq for Username {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Username {}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with a user name or a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadUser(&'static str);

impl fmt::Display for BadUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
impl std::error::Error for BadUser {}

/// A postal address (OpenID Connect Core §5.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the members are those of OpenID Connect Core §5.1.1, by its names")]
pub struct PostalAddress {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formatted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub street_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// The standard claims about a person, by their names in OpenID Connect Core §5.1; stored as one
/// JSON object. `sub`, `preferred_username` and `updated_at` come from [`User`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the members are those of OpenID Connect Core §5.1, by its names")]
pub struct Profile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub middle_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    pub email_verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gender: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birthdate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoneinfo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    pub phone_number_verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<PostalAddress>,
}

impl Profile {
    /// Proves that every member is of sane length and free of control characters.
    ///
    /// # Errors
    /// What is wrong with it, in words for the person.
    pub fn check(&self) -> Result<(), BadUser> {
        let texts = [
            &self.name,
            &self.given_name,
            &self.family_name,
            &self.middle_name,
            &self.nickname,
            &self.profile,
            &self.picture,
            &self.website,
            &self.email,
            &self.gender,
            &self.birthdate,
            &self.zoneinfo,
            &self.locale,
            &self.phone_number,
        ];
        for text in texts.into_iter().flatten() {
            if text.len() > MAX_MEMBER {
                return Err(BadUser("a member of a profile has at most 2048 bytes"));
            }
            if text.chars().any(char::is_control) {
                return Err(BadUser("a member of a profile has no control character in it"));
            }
        }
        for link in [&self.profile, &self.picture, &self.website].into_iter().flatten() {
            if !link.starts_with("https://") && !link.starts_with("http://") {
                return Err(BadUser("profile, picture and website are http or https addresses"));
            }
        }
        match &self.email {
            Some(email) if !plausible(email) => Err(BadUser("the e-mail address has a name, an @ and a domain")),
            None if self.email_verified => Err(BadUser("there is no e-mail address that could be verified")),
            Some(_) | None => Ok(()),
        }
    }
}

fn plausible(email: &str) -> bool {
    email.len() <= MAX_USERNAME
        && !email.contains(char::is_whitespace)
        && email.rsplit_once('@').is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty())
}

/// A person, as stored. Their password is a column of its own that listings never load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The `sub` of their tokens.
    pub id: UserId,
    /// What they sign in with.
    pub username: Username,
    /// What is known of them.
    pub profile: Profile,
    /// When they were disabled: then nothing is issued for them.
    pub disabled_at: Option<Moment>,
    /// When they were added.
    pub created_at: Moment,
    /// When their profile last changed: the claim `updated_at`.
    pub updated_at: Moment,
}

impl User {
    /// Whether they may sign in and applications may act for them.
    #[must_use]
    pub const fn enabled(&self) -> bool {
        self.disabled_at.is_none()
    }
    /// How pages address them: by name where known, else by user name.
    #[must_use]
    pub fn display_name(&self) -> &str {
        self.profile.name.as_deref().unwrap_or(self.username.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_case_or_space_around_are_one() {
        assert_eq!(Username::parse(" Ann.Lee ").unwrap(), Username::parse("ann.lee").unwrap());
        assert_eq!(Username::parse(" Ann.Lee ").unwrap().as_str(), "Ann.Lee");
        for bad in ["", "  ", "ann lee", "ann\u{0}", "ann\u{202f}lee", &"x".repeat(255)] {
            assert!(Username::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_profile_links_only_to_the_web_and_has_a_plausible_address() {
        let with = |change: fn(&mut Profile)| {
            let mut profile = Profile::default();
            change(&mut profile);
            profile.check()
        };
        assert!(with(|p| p.picture = Some("https://img.example/a.png".into())).is_ok());
        assert!(with(|p| p.picture = Some("javascript:alert(1)".into())).is_err());
        assert!(with(|p| p.email = Some("ann@shop.example".into())).is_ok());
        assert!(with(|p| p.email = Some("ann".into())).is_err());
        assert!(with(|p| p.email_verified = true).is_err());
        assert!(with(|p| p.name = Some("a\nb".into())).is_err());
    }

    #[test]
    fn a_profile_is_an_object_of_standard_claims() {
        let profile = Profile { name: Some("Ann".into()), ..Profile::default() };
        let json = serde_json::to_string(&profile).unwrap();
        assert_eq!(json, r#"{"name":"Ann","email_verified":false,"phone_number_verified":false}"#);
        assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), profile);
        assert_eq!(serde_json::from_str::<Profile>("{}").unwrap(), Profile::default());
    }
}
