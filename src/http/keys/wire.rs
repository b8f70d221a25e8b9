//! What `/v1` takes, as JSON.

use crate::{
    apikey::{
        api::Settings,
        create::{Ending, From},
        family::Owner,
        key::Kind,
        wanted::{Unfit, Wanted},
    },
    base::{id::ClientId, moment::Moment, moment::Span, scope::Scope, uri::Resource},
    flow::keys::{
        apis::{ApiSpec, PlanSpec},
        create::Create,
    },
};
use serde::Deserialize;
use serde_json::{Map, Value};

/// An owner, as JSON names one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnerBody {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

/// `POST /v1/keys`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBody {
    api: String,
    name: String,
    #[serde(default = "server")]
    kind: Kind,
    environment: Option<String>,
    #[serde(default)]
    scope: Scope,
    plan: Option<String>,
    #[serde(default)]
    policy: Map<String, Value>,
    #[serde(default)]
    family_policy: Map<String, Value>,
    #[serde(default)]
    meta: Map<String, Value>,
    not_before: Option<String>,
    expires_at: Option<String>,
    expires_in: Option<u32>,
    #[serde(default)]
    anywhere: bool,
    owner: Option<OwnerBody>,
    client_id: Option<ClientId>,
}

const fn server() -> Kind {
    Kind::Server
}

fn moment(member: &'static str, text: &str) -> Result<Moment, Unfit> {
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
        let owner =
            match self.owner {
                None => None,
                Some(OwnerBody { kind, id }) => Some(Owner::parse(&kind, &id).ok_or_else(|| {
                    Unfit::Member("owner", "must have a type of user or client, and an id".to_owned())
                })?),
            };
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
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RotateBody {
    /// As `24h`.
    pub(super) overlap: Option<String>,
}

/// `POST /v1/keys/{id}/finish`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FinishBody {
    pub(super) force: bool,
}

/// `POST /v1/keys/{id}/revoke` and its like.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ReasonBody {
    pub(super) reason: Option<String>,
}

/// `POST /v1/apis`, `PUT /v1/apis/{id}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiBody {
    name: String,
    audience: String,
    #[serde(default = "prefix")]
    prefix: String,
    #[serde(default = "environments")]
    environments: Vec<String>,
    plan: Option<String>,
    #[serde(default)]
    policy: Map<String, Value>,
    #[serde(default)]
    settings: Map<String, Value>,
}

fn prefix() -> String {
    crate::apikey::text::DEFAULT_PREFIX.to_owned()
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
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanBody {
    name: String,
    policy: Map<String, Value>,
}

impl PlanBody {
    pub(super) fn spec(self) -> PlanSpec {
        PlanSpec { name: self.name, policy: self.policy }
    }
}
