//! What a new key may be: its kind, its scope, its end, and what it must be restricted by.

use super::{
    api::{Api, Sensitivity},
    key::{Kind, Origin},
    policy::Document,
};
use crate::base::{
    moment::{Moment, Span},
    scope::Scope,
};

/// The most bytes of a key's own data, as compact JSON.
pub const MOST_META: usize = 2048;
/// How long a key lives at most that was brought from elsewhere and may be easy to guess.
pub const WEAK_LIFETIME: Span = Span::days(30);
/// How long a key lives at most that is made by whoever may make none without an end: as long as one
/// does that is given no end. Else somebody who may not say "never" says "in the year 9999".
pub const LONGEST: Span = Sensitivity::Normal.lifetime();
/// How long before its end people are reminded, and how often.
pub const REMINDERS: [Span; 3] = [Span::days(14), Span::days(3), Span::days(1)];

/// When a key is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As its API's sensitivity says.
    Usual,
    /// Then.
    At(Moment),
    /// Never, which needs a permission of its own.
    Never,
}

/// Which calls a server key is to be good for, by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Those that its policy names.
    Listed,
    /// All, as somebody said in so many words.
    Anywhere,
}

/// What is wished for.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// What the key is for.
    pub kind: Kind,
    /// What it may do.
    pub scope: &'a Scope,
    /// The environment.
    pub environment: &'a str,
    /// From when it is good.
    pub not_before: Option<Moment>,
    /// Until when.
    pub ending: Ending,
    /// From where.
    pub from: From,
    /// Its own policy and that of its family.
    pub policies: &'a [&'a Document],
}

/// Why there is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The API has no such environment.
    Environment,
    /// Its end is past, before its beginning, or later than the API's sensitivity allows.
    Expiry,
    /// The API has no public keys.
    Public,
    /// A public key may only read.
    ScopeNotPublic,
    /// A public key names the pages it is used from.
    Referrer,
    /// A server key names the addresses it is used from, or that it may be used from all.
    Address,
    /// A key that asks about other keys has no scope: it calls nothing.
    ScopeOfVerifier,
}

impl Refused {
    /// The word that is told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "unknown_environment",
            Self::Expiry => "invalid_expiry",
            Self::Public => "public_keys_not_allowed",
            Self::ScopeNotPublic => "scope_not_public",
            Self::Referrer => "referrer_required",
            Self::Address => "ip_required",
            Self::ScopeOfVerifier => "scope_not_allowed",
        }
    }
}

/// When the key that is wished for ends; `None` for never.
///
/// # Errors
/// [`Refused`], where there can be no such key.
pub fn terms(wish: &Wish<'_>, api: &Api, now: Moment) -> Result<Option<Moment>, Refused> {
    if !api.environments.iter().any(|one| one == wish.environment) {
        return Err(Refused::Environment);
    }
    match wish.kind {
        Kind::Server => {
            let listed = restricted(wish, api, Document::restricts_addresses);
            if wish.from == From::Listed && !listed {
                return Err(Refused::Address);
            }
        }
        Kind::Public => public(wish, api)?,
        Kind::Verifier if !wish.scope.is_empty() => return Err(Refused::ScopeOfVerifier),
        Kind::Verifier => {}
    }
    let end = expiry(api.settings.sensitivity, wish.not_before.map_or(now, |from| from.max(now)), wish.ending);
    end.map_err(|()| Refused::Expiry)
}

/// The policy of the API, if it can be read, counts too: it was read before it was stored.
fn restricted(wish: &Wish<'_>, api: &Api, by: fn(&Document) -> bool) -> bool {
    wish.policies.iter().any(|one| by(one)) || Document::read(&api.policy).is_ok_and(|one| by(&one))
}

fn public(wish: &Wish<'_>, api: &Api) -> Result<(), Refused> {
    if !api.settings.public_keys {
        return Err(Refused::Public);
    }
    if wish.scope.is_empty() || !wish.scope.tokens().all(reads) {
        return Err(Refused::ScopeNotPublic);
    }
    if restricted(wish, api, Document::restricts_referrers) { Ok(()) } else { Err(Refused::Referrer) }
}

/// Whether a scope token only reads: its last word, after `.`, `:` or `/`, is `read`.
fn reads(token: &str) -> bool {
    token.rsplit(['.', ':', '/']).next() == Some("read")
}

/// When a key ends that is good from `from`; `Err` where that may not be.
fn expiry(sensitivity: Sensitivity, from: Moment, ending: Ending) -> Result<Option<Moment>, ()> {
    let latest = sensitivity.longest().map(|longest| from + longest);
    match ending {
        Ending::Usual => Ok(Some(from + sensitivity.lifetime())),
        Ending::At(end) if end > from && latest.is_none_or(|latest| end <= latest) => Ok(Some(end)),
        Ending::Never if latest.is_none() => Ok(None),
        Ending::At(_) | Ending::Never => Err(()),
    }
}

/// How long a key may live at most that came to be ours like this; `None` where the operator may choose.
#[must_use]
pub fn longest(sensitivity: Sensitivity, origin: Origin) -> Option<Span> {
    match (sensitivity.longest(), origin) {
        (longest, Origin::Imported) => Some(longest.map_or(WEAK_LIFETIME, |longest| longest.min(WEAK_LIFETIME))),
        (longest, Origin::Minted | Origin::ImportedText | Origin::ImportedHash) => longest,
    }
}

/// When a successor ends whose life begins at `from`: it lives as long as its predecessor was made to, whose beginning
/// and end these are, within what the API allows now.
#[must_use]
pub fn succession(sensitivity: Sensitivity, old: (Moment, Option<Moment>), from: Moment) -> Option<Moment> {
    let (began, end) = old;
    match (end, sensitivity.longest()) {
        (None, None) => None,
        (None, Some(longest)) => Some(from + longest),
        (Some(end), longest) => {
            let length = end.since(began);
            Some(from + longest.map_or(length, |longest| length.min(longest)))
        }
    }
}

/// The age at which people are told to rotate a key (R80); `None` where its end comes first.
#[must_use]
pub const fn rotation_reminder(sensitivity: Sensitivity) -> Option<Span> {
    match sensitivity {
        Sensitivity::Normal => Some(Span::days(90)),
        Sensitivity::Critical => None,
    }
}

/// How many reminders of its end are due by now for a key that ends then.
#[must_use]
pub fn reminders_due(expires_at: Moment, now: Moment) -> u8 {
    let due = REMINDERS.iter().filter(|before| expires_at - **before <= now).count();
    u8::try_from(due).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests;
