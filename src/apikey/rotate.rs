//! The life of a key: which steps it may take, and what a rotation does to the keys of a family.
//!
//! Nothing here writes. Each answer says what is to be stored, in one transaction, by whoever
//! read the keys under lock.

use super::key::{ApiKey, State};
use crate::base::{
    id::ApiKeyId,
    moment::{Moment, Span},
};

/// How long the old key lives on beside its successor, unless somebody says otherwise.
pub const OVERLAP: Span = Span::hours(24);
/// The longest overlap.
pub const LONGEST_OVERLAP: Span = Span::days(90);
/// A key used within this time is not ended by [`finish`] unless it is forced.
pub const QUIET: Span = Span::hours(1);

/// A step in the life of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Its owner or an administrator switches it off.
    Disable,
    /// We switch it off, for how it was used.
    Suspend,
    /// It is switched on again.
    Enable,
    /// It ends for good.
    Revoke,
    /// It is known to others: it ends for good, and its use is an alarm.
    Compromise,
}

/// Why a step is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The key has ended for good.
    Ended,
    /// It has expired.
    Expired,
    /// It is switched off: it can be switched on or ended, and nothing else.
    Off,
    /// It has a successor already, and only the newest key of a family is rotated.
    Succeeded,
    /// It has no successor whose overlap could end.
    NotRetiring,
    /// It was used within [`QUIET`], at this moment: somebody would be cut off.
    InUse(Moment),
    /// The overlap is negative or longer than [`LONGEST_OVERLAP`].
    Overlap,
    /// It is not a key of the family.
    Unknown,
}

impl Refused {
    /// The word that is told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "key_revoked",
            Self::Expired => "key_expired",
            Self::Off => "key_disabled",
            Self::Succeeded => "already_rotated",
            Self::NotRetiring => "not_rotating",
            Self::InUse(_) => "still_in_use",
            Self::Overlap => "invalid_overlap",
            Self::Unknown => "unknown_key",
        }
    }
}

/// The state in which this step leaves the key. A step into the state that it is in is taken
/// and changes nothing, so that a retry is harmless.
///
/// # Errors
/// [`Refused::Ended`], for nothing leads out of an end; only a key that was revoked can still be
/// found to be [`State::Compromised`].
pub fn step(key: &ApiKey, step: Step) -> Result<State, Refused> {
    match (key.state, step) {
        (State::Compromised, Step::Revoke | Step::Compromise) | (State::Revoked, Step::Compromise) => {
            Ok(State::Compromised)
        }
        (State::Revoked, Step::Revoke) => Ok(State::Revoked),
        (State::Revoked | State::Compromised, Step::Disable | Step::Suspend | Step::Enable) => Err(Refused::Ended),
        (_, Step::Revoke) => Ok(State::Revoked),
        (_, Step::Compromise) => Ok(State::Compromised),
        (_, Step::Disable) => Ok(State::Disabled),
        // What its owner switched off stays theirs to switch on.
        (State::Disabled, Step::Suspend) => Ok(State::Disabled),
        (_, Step::Suspend) => Ok(State::Suspended),
        (_, Step::Enable) if key.successor.is_some() => Ok(State::Retiring),
        (_, Step::Enable) => Ok(State::Active),
    }
}

/// Whether the key is good now or will be: not ended, not expired.
#[must_use]
pub fn is_live(key: &ApiKey, now: Moment) -> bool {
    let expired = key.expires_at.is_some_and(|until| until <= now);
    !expired && !matches!(key.state, State::Revoked | State::Compromised)
}

/// What a rotation does to the keys of a family besides adding the successor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The key that retires.
    pub old: ApiKeyId,
    /// Until when it is good: the end of the overlap, or its own end where that is sooner.
    pub old_expires_at: Moment,
    /// Keys that end at once, so that no more than two are live.
    pub end_now: Vec<ApiKeyId>,
}

/// Rotates a key: a successor with its family, kind, scope and policy is to be minted, and this done to the others.
///
/// # Errors
/// [`Refused`] where the key is not of the family or not [`State::Active`], or the overlap is not
/// allowed.
pub fn rotate(family: &[ApiKey], which: &ApiKeyId, overlap: Span, now: Moment) -> Result<Rotation, Refused> {
    let old = family.iter().find(|key| key.id == *which).ok_or(Refused::Unknown)?;
    match old.state {
        State::Active => {}
        State::Retiring => return Err(Refused::Succeeded),
        State::Disabled | State::Suspended => return Err(Refused::Off),
        State::Revoked | State::Compromised => return Err(Refused::Ended),
    }
    if !is_live(old, now) {
        return Err(Refused::Expired);
    }
    if old.successor.is_some() {
        return Err(Refused::Succeeded);
    }
    if overlap < Span::ZERO || overlap > LONGEST_OVERLAP {
        return Err(Refused::Overlap);
    }
    let end = now + overlap;
    let others = family.iter().filter(|key| key.id != old.id && is_live(key, now));
    Ok(Rotation {
        old: old.id.clone(),
        old_expires_at: old.expires_at.map_or(end, |own| own.min(end)),
        end_now: others.map(|key| key.id.clone()).collect(),
    })
}

/// Whether to cut off a key that is still in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insist {
    /// Not if it was used within [`QUIET`].
    No,
    /// Whatever its use.
    Yes,
}

/// Ends the overlap of a rotation early: the old key is to expire now.
///
/// # Errors
/// [`Refused`] where the key is not retiring, has ended, or was used lately.
pub fn finish(old: &ApiKey, last_used: Option<Moment>, insist: Insist, now: Moment) -> Result<Moment, Refused> {
    match old.state {
        State::Retiring => {}
        State::Revoked | State::Compromised => return Err(Refused::Ended),
        State::Disabled | State::Suspended if old.successor.is_some() => {}
        State::Active | State::Disabled | State::Suspended => return Err(Refused::NotRetiring),
    }
    if !is_live(old, now) {
        return Err(Refused::Expired);
    }
    match last_used {
        Some(at) if insist == Insist::No && now.since(at) < QUIET => Err(Refused::InUse(at)),
        Some(_) | None => Ok(now),
    }
}

#[cfg(test)]
mod tests;
