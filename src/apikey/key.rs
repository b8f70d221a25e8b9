//! An API key, as it is remembered: never its text, only a keyed hash of it.

use super::PolicyText;
use crate::base::{
    digest::TokenHash,
    id::{ApiId, ApiKeyId, FamilyId},
    moment::Moment,
    scope::Scope,
};
use serde_json::{Map, Value};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub enum $name { $($(#[$each])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// The word that is stored and told.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
            /// Reads the word; else `None`.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    };
}

words! {
    /// What a key is for.
    Kind {
        /// Held by a server, in secret.
        Server "server",
        /// Held by a page or an application that anyone can read: it may only read, and only from its own origins.
        Public "public",
        /// Held by a resource server or a gateway, to ask about the keys of its one API.
        Verifier "verifier",
    }
}

words! {
    /// Where a key is in its life.
    State {
        /// In use.
        Active "active",
        /// Has a successor, and ends when their overlap does.
        Retiring "retiring",
        /// Switched off by its owner or an administrator; may be switched on again.
        Disabled "disabled",
        /// Switched off by us, for how it was used.
        Suspended "suspended",
        /// Ended, for good.
        Revoked "revoked",
        /// Known to others, and ended for good; its use is an alarm.
        Compromised "compromised",
    }
}

words! {
    /// Who switched a key off: what one of them did the other may not always undo.
    Side {
        /// Its owner, for themselves.
        Owner "owner",
        /// Whoever may act on everybody's keys: only they switch it on again.
        Administrator "administrator",
    }
}

words! {
    /// How a key came to be ours.
    Origin {
        /// Made here: 256 random bits.
        Minted "minted",
        /// Brought from elsewhere, and may be easy to guess: it has a limit of rate of its own, and a short life.
        Imported "imported",
        /// Brought from elsewhere as text that is long and varied enough.
        ImportedText "imported_text",
        /// Brought from elsewhere as its digest, kept under our own keyed hash; whoever brought it vouches for it.
        ImportedHash "imported_hash",
    }
}

/// An API key.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiKey {
    /// Its public handle.
    pub id: ApiKeyId,
    /// The line of rotation it is of.
    pub family: FamilyId,
    /// The API it is for; that of its family.
    pub api: ApiId,
    /// The environment in its text, such as `live`.
    pub environment: String,
    /// The keyed hash of its text.
    pub digest: TokenHash,
    /// The version of the pepper that hashed it.
    pub pepper: i16,
    /// How it came to be ours.
    pub origin: Origin,
    /// What people know it by: the head of its text and a few characters more.
    pub hint: String,
    /// What it is for.
    pub kind: Kind,
    /// Where it is in its life.
    pub state: State,
    /// What it may do.
    pub scope: Scope,
    /// Restricts it.
    pub policy: PolicyText,
    /// What its maker wants told with each good verdict; at most 2 KiB.
    pub meta: Map<String, Value>,
    /// From when it is good.
    pub not_before: Option<Moment>,
    /// Until when it is good.
    pub expires_at: Option<Moment>,
    /// The key that took its place.
    pub successor: Option<ApiKeyId>,
    /// Why it is in this state, where somebody said.
    pub state_reason: Option<String>,
    /// Since when it is in this state.
    pub state_at: Moment,
    /// Who switched it off, while it is.
    pub disabled_by: Option<Side>,
    /// How many reminders of its end were sent.
    pub reminded: u8,
    /// Raised with each change.
    pub version: u32,
    /// When it was made.
    pub created_at: Moment,
}

impl ApiKey {
    /// When its life begins: when it was made, or later where it is good only from then.
    #[must_use]
    pub fn beginning(&self) -> Moment {
        self.not_before.map_or(self.created_at, |from| from.max(self.created_at))
    }
}
