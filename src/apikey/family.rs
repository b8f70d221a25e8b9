//! A family: the keys that follow one another by rotation, and what they share: owner, plan,
//! limits and quota. An overlap of two keys thus never doubles what their owner may use.

use super::PolicyText;
use crate::base::{
    id::{ApiId, ClientId, FamilyId, PlanId, UserId},
    moment::Moment,
};

/// Whom a family belongs to. When they are disabled, its keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A person.
    User(UserId),
    /// A client: a machine or an application.
    Client(ClientId),
}

impl Owner {
    /// The word for its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Client(_) => "client",
        }
    }
    /// Its identifier.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::User(id) => id.as_str(),
            Self::Client(id) => id.as_str(),
        }
    }
    /// Reads what [`Owner::kind`] and [`Owner::id`] wrote; else `None`.
    #[must_use]
    pub fn parse(kind: &str, id: &str) -> Option<Self> {
        match kind {
            "user" => UserId::parse(id).map(Self::User),
            "client" => ClientId::parse(id).map(Self::Client),
            _ => None,
        }
    }
}

/// A family.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Its identifier.
    pub id: FamilyId,
    /// The API that its keys are for.
    pub api: ApiId,
    /// Whose it is.
    pub owner: Owner,
    /// The application that uses the keys, where it is known.
    pub client: Option<ClientId>,
    /// What its owner calls it.
    pub name: String,
    /// Its plan; that of the API where it names none.
    pub plan: Option<PlanId>,
    /// Restricts its keys.
    pub policy: PolicyText,
    /// Raised with each change.
    pub version: u32,
    /// When it was added.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}
