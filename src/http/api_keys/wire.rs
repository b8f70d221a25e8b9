//! What `/v1` takes, as JSON.

mod changes;

pub(super) use changes::{ApiPatch, GrantBody, ImportBody, Imported, KeyPatch, ManyBody, PlanPatch, UsedBody};

use crate::{
    apikey::{
        api::Settings,
        claim::{Claimant, LONGEST},
        create::{Ending, From},
        family::Owner,
        key::Kind,
        policy,
        wanted::{Unfit, Wanted},
        words::{Identifier, Instant, ScopeText},
    },
    base::{
        id::ClientId,
        moment::{Moment, Span},
        scope::Scope,
        uri::Resource,
    },
    flow::api_keys::{
        apis::{ApiSpec, PlanSpec},
        create::Create,
        links::Link,
    },
    http::take::object::{Object, whole},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// An owner, as JSON names one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnerBody {
    /// `user` or `client`.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["user", "client"]))]
    kind: String,
    /// The identifier of that person or client.
    #[schemars(with = "Identifier")]
    id: String,
}

impl OwnerBody {
    pub(super) fn owner(&self) -> Result<Owner, Unfit> {
        Owner::parse(&self.kind, &self.id)
            .ok_or_else(|| Unfit::Member("owner", "must have a type of user or client, and an id".to_owned()))
    }
}

/// `POST /v1/keys`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBody {
    /// The name or the identifier of the API that it is for.
    api: String,
    /// What its owner will know it by.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// What it is for.
    #[serde(default = "server")]
    kind: Kind,
    /// One of those of its API; the first where nothing is said.
    environment: Option<String>,
    /// What it may do: among what its API offers. Nothing where nothing is said.
    #[serde(default)]
    #[schemars(with = "ScopeText")]
    scope: Scope,
    /// The name or the identifier of its plan; that of its API where nothing is said.
    plan: Option<String>,
    /// Restricts this key.
    #[serde(default)]
    #[schemars(with = "policy::Form")]
    policy: Map<String, Value>,
    /// Restricts this key and those that follow it by rotation.
    #[serde(default)]
    #[schemars(with = "policy::Form")]
    family_policy: Map<String, Value>,
    /// What shall be told with each good verdict; at most 2 KiB.
    #[serde(default)]
    meta: Map<String, Value>,
    /// From when it is good; at once where nothing is said.
    #[schemars(with = "Option<Instant>")]
    not_before: Option<String>,
    /// Until when it is good: a moment, or `never` where the API allows it. As its API says where nothing is said.
    #[schemars(with = "Option<EndingText>")]
    expires_at: Option<String>,
    /// Seconds from now for which it is good, in place of `expires_at`.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(range(max = 4_294_967_295_u32))]
    expires_in: Option<u32>,
    /// For a key of kind `server` whose policy names no addresses: that this is meant.
    #[serde(default)]
    anywhere: bool,
    /// Whose it is; the caller's where nothing is said.
    owner: Option<Object<OwnerBody>>,
    /// The application that uses it.
    #[schemars(with = "Option<Identifier>")]
    client_id: Option<ClientId>,
}

/// A moment, or that there is none.
#[derive(Debug, JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "only its form is of use")]
enum EndingText {
    At(Instant),
    #[schemars(extend("const" = "never"))]
    Never(String),
}

/// `POST /v1/keys/claims`: the key as in `POST /v1/keys`, and the link.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClaimBody {
    /// The key that will be made.
    key: Object<CreateBody>,
    /// Who may claim it.
    #[serde(default = "holder")]
    claimed_by: Claimant,
    /// For how many seconds the link is good; a day where nothing is said, which is also the longest.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(range(min = 60, max = 86400))]
    expires_in: Option<u32>,
}

const fn holder() -> Claimant {
    Claimant::Holder
}

impl ClaimBody {
    /// What it asks for.
    pub(super) fn link(self, now: Moment) -> Result<Link, Unfit> {
        // Counted from when the key is claimed, not from now.
        let after = self.key.0.expires_in.map(|seconds| Span::seconds(i64::from(seconds)));
        Ok(Link {
            create: self.key.0.wish(now, None)?,
            after,
            claimant: self.claimed_by,
            lives: self.expires_in.map_or(LONGEST, |seconds| Span::seconds(i64::from(seconds))),
        })
    }
}

const fn server() -> Kind {
    Kind::Server
}

pub(super) fn moment(member: &'static str, text: &str) -> Result<Moment, Unfit> {
    chrono::DateTime::parse_from_rfc3339(text)
        .map(|at| Moment::from_utc(at.to_utc()))
        .map_err(|_| Unfit::Member(member, "must be a time of RFC 3339, such as 2027-01-31T00:00:00Z".to_owned()))
}

impl CreateBody {
    /// What it asks for.
    pub(super) fn wish(self, now: Moment, idempotency_key: Option<String>) -> Result<Create, Unfit> {
        let ending = match (self.expires_at.as_deref(), self.expires_in) {
            (None, None) => Ending::Usual,
            (Some("never"), None) => Ending::Never,
            (Some(text), None) => Ending::At(moment("expires_at", text)?),
            (None, Some(seconds)) => Ending::At(now + Span::seconds(i64::from(seconds))),
            (Some(_), Some(_)) => {
                return Err(Unfit::Member("expires_in", "cannot stand beside expires_at".to_owned()));
            }
        };
        let owner = self.owner.as_ref().map(|Object(owner)| owner.owner()).transpose()?;
        Ok(Create {
            api: self.api,
            owner,
            client: self.client_id,
            plan: self.plan,
            family_policy: self.family_policy,
            wanted: Wanted {
                name: self.name,
                kind: self.kind,
                environment: self.environment,
                scope: self.scope,
                policy: self.policy,
                meta: self.meta,
                not_before: self.not_before.as_deref().map(|text| moment("not_before", text)).transpose()?,
                ending,
                from: if self.anywhere { From::Anywhere } else { From::Listed },
            },
            idempotency_key,
        })
    }
}

/// `POST /v1/keys/{id}/rotate`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RotateBody {
    /// How long the old key lives on beside the new, as `24h`; as its API says where nothing is said.
    pub(super) overlap: Option<String>,
}

/// `POST /v1/keys/{id}/finish`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FinishBody {
    /// To end it although it was used within the last hour.
    pub(super) force: bool,
}

/// `POST /v1/keys/{id}/revoke` and its like.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ReasonBody {
    /// Why, for whoever looks at the key later.
    #[schemars(length(max = 200))]
    pub(super) reason: Option<String>,
}

/// `POST /v1/apis`, `PUT /v1/apis/{id}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiBody {
    /// What people and gateways call it; unique.
    #[schemars(regex(pattern = "^[a-z][a-z0-9-]{0,39}$"))]
    name: String,
    /// Its resource indicator (RFC 8707): the audience of its keys; unique.
    #[schemars(url)]
    audience: String,
    /// What its keys begin with; it stays where it is left out of a change.
    #[schemars(regex(pattern = "^[a-z][a-z0-9]{1,11}$"))]
    prefix: Option<String>,
    /// The environments that its keys are made for.
    #[serde(default = "environments")]
    #[schemars(length(min = 1, max = 8), inner(regex(pattern = "^[a-z]{2,8}$")))]
    environments: Vec<String>,
    /// The name or the identifier of the plan of families that name none.
    plan: Option<String>,
    /// Restricts all its keys.
    #[serde(default)]
    #[schemars(with = "policy::Form")]
    policy: Map<String, Value>,
    /// Everything else; members that are left out are as by default.
    #[serde(default)]
    #[schemars(with = "Settings")]
    settings: Map<String, Value>,
}

fn environments() -> Vec<String> {
    vec!["live".to_owned(), "test".to_owned()]
}

impl ApiBody {
    pub(super) fn spec(self) -> Result<ApiSpec, Unfit> {
        if let Some(unknown) = Settings::unknown(&self.settings) {
            return Err(Unfit::Member("settings", format!("have no member {unknown:?}")));
        }
        let settings = Settings::deserialize(Value::Object(self.settings))
            .map_err(|e| Unfit::Member("settings", format!("cannot be read: {e}")))?;
        Ok(ApiSpec {
            audience: Resource::parse(&self.audience).map_err(|bad| Unfit::Member("audience", bad.to_string()))?,
            name: self.name,
            prefix: self.prefix,
            environments: self.environments,
            plan: self.plan,
            policy: self.policy,
            settings,
        })
    }
}

/// `POST /v1/plans`, `PUT /v1/plans/{id}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanBody {
    /// What people call it; unique.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// Its rate and quota; no other members have a place in a plan.
    #[schemars(with = "policy::PlanForm")]
    policy: Map<String, Value>,
}

impl PlanBody {
    pub(super) fn spec(self) -> PlanSpec {
        PlanSpec { name: self.name, policy: self.policy }
    }
}
