//! An API: an audience that keys are for, and what its operator decides for all of them.

use super::{PolicyText, words};
use crate::base::{
    id::{ApiId, PlanId},
    moment::{Moment, Span},
    scope::Scope,
    uri::Resource,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An API.
#[derive(Clone, Debug, PartialEq)]
pub struct Api {
    /// Its identifier.
    pub id: ApiId,
    /// What people call it; unique, and part of the address that gateways ask: lower-case letters,
    /// digits and hyphens.
    pub name: String,
    /// Its resource indicator (RFC 8707): the audience of its keys and. Unique.
    pub audience: Resource,
    /// What its keys begin with.
    pub prefix: String,
    /// The environments that its keys are made for, such as `live` and `test`; at least one.
    pub environments: Vec<String>,
    /// The plan of families that name none.
    pub plan: Option<PlanId>,
    /// Restricts all its keys.
    pub policy: PolicyText,
    /// Everything else.
    pub settings: Settings,
    /// Raised with each change, so that two who change it at once do not undo one another.
    pub version: u32,
    /// Since when its keys are refused.
    pub disabled_at: Option<Moment>,
    /// When it was added.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}

/// How much harm a stolen key of an API does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// Keys live for a year unless they are given less, and people are told to rotate each 90 days.
    #[default]
    Normal,
    /// Keys live for at most 30 days.
    Critical,
}

impl Sensitivity {
    /// How long a key lives that is given no end.
    #[must_use]
    pub const fn lifetime(self) -> Span {
        match self {
            Self::Normal => Span::days(365),
            Self::Critical => Span::days(30),
        }
    }
    /// How long a key may live at most; `None` where the operator may choose.
    #[must_use]
    pub const fn longest(self) -> Option<Span> {
        match self {
            Self::Normal => None,
            Self::Critical => Some(Span::days(30)),
        }
    }
}

/// Which keys may be exchanged for a token. A resource server that verifies tokens by itself counts
/// no calls, so what a key is limited to is not counted for as long as a token of it lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Exchange {
    /// Those without a quota.
    #[default]
    Unmetered,
    /// Also those with a quota: an exchange costs [`Settings::exchange_cost`].
    Metered,
    /// None.
    Never,
}

/// What an operator decides of an API besides its policy. Members that are not named are as the default says;
/// those that are not known are left alone, for a newer release may run beside this one and have
/// stored them: what people write is asked about with [`Settings::unknown`] first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Settings {
    /// How much harm a stolen key does.
    pub sensitivity: Sensitivity,
    /// Whether keys of kind `public` may be made.
    pub public_keys: bool,
    /// Whether a refused caller is told which restriction refused it.
    pub expose_reason: bool,
    /// Whether the country that a resource server names is believed over the database of addresses.
    pub trust_country: bool,
    /// Seconds for which a resource server may keep a good verdict for the same question, at most 5; of keys only that no
    /// policy limits, meters, binds or keeps to hours. A verdict says it in `cache.max_age`; less where the key ends
    /// sooner.
    #[schemars(range(max = 5))]
    pub verdict_max_age: u8,
    /// The scope tokens that its keys may have.
    #[schemars(with = "words::ScopeText")]
    pub scopes: Scope,
    /// The query parameter in which gateways find a key; none is looked at unless one is named.
    pub query_parameter: Option<String>,
    /// Which keys may be exchanged for a token (RFC 8693).
    pub exchange: Exchange,
    /// What one exchange costs, of every limit and every quota of calls; at least 1.
    pub exchange_cost: u32,
    /// Whether its limits give less while its servers report that they have no room.
    pub adaptive: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sensitivity: Sensitivity::Normal,
            public_keys: false,
            expose_reason: false,
            trust_country: false,
            verdict_max_age: 0,
            scopes: Scope::default(),
            query_parameter: None,
            exchange: Exchange::Unmetered,
            exchange_cost: 1,
            adaptive: true,
        }
    }
}

impl Settings {
    /// The first member of what somebody wrote that is none of ours.
    #[must_use]
    pub fn unknown(written: &serde_json::Map<String, serde_json::Value>) -> Option<&str> {
        let known = serde_json::to_value(Self::default()).unwrap_or_default();
        written.keys().map(String::as_str).find(|name| known.get(name).is_none())
    }
}
