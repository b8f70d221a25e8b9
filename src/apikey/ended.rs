//! A key that is of no use any more, and why: what readers of the list of ended keys are told.

use super::key::State;
use crate::base::{
    id::{ApiId, ApiKeyId},
    moment::Moment,
};

/// Why a key is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// What became of the key itself.
    State(State),
    /// Its time is over: its own, or that of its overlap with its successor.
    Expired,
    /// Its owner, or the application that uses it, was disabled.
    OwnerDisabled,
    /// Its API was disabled.
    ApiDisabled,
}

impl Ending {
    /// The word that is told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::State(state) => state.as_str(),
            Self::Expired => "expired",
            Self::OwnerDisabled => "owner_disabled",
            Self::ApiDisabled => "api_disabled",
        }
    }
}

/// A key that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Moment,
    /// Which.
    pub id: ApiKeyId,
    /// Of which API.
    pub api: ApiId,
    /// Why.
    pub why: Ending,
}
