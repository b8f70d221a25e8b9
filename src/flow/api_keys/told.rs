//! Keys, APIs and plans as JSON, the same over HTTP and at the command line.

use crate::{
    apikey::{
        PolicyText,
        api::{self, Settings},
        family, key as stored, plan as stored_plan, policy,
        words::{Identifier, Instant, KeyIdentifier, ScopeText, whole},
    },
    base::{
        id::{ApiId, ApiKeyId, ClientId, FamilyId, PlanId},
        moment::Moment,
        scope::Scope,
    },
    flow::api_keys::{grants::Standing, unusual},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Whom a key belongs to.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = whole)]
pub struct Owner<'a> {
    /// `user` or `client`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The identifier of that person or client.
    id: &'a str,
}

impl<'a> Owner<'a> {
    /// As it is told.
    #[must_use]
    pub fn of(owner: &'a family::Owner) -> Self {
        Self { kind: owner.kind(), id: owner.id() }
    }
}

/// An API key, as it is shown: never its text.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = whole)]
pub struct Key<'a> {
    /// Its identifier.
    #[schemars(with = "KeyIdentifier")]
    id: &'a ApiKeyId,
    /// The head of its text and a few characters more: what people know it by.
    hint: &'a str,
    /// What its owner calls it.
    name: &'a str,
    /// The API it is for.
    #[schemars(with = "Identifier")]
    api: &'a ApiId,
    /// The line of rotation it is of.
    #[schemars(with = "Identifier")]
    family: &'a FamilyId,
    /// Whose it is.
    owner: Owner<'a>,
    /// The application that uses it, where it is known.
    #[schemars(with = "Option<Identifier>")]
    client_id: Option<&'a ClientId>,
    /// Its plan; that of its API where it names none.
    #[schemars(with = "Option<Identifier>")]
    plan: Option<&'a PlanId>,
    /// The environment in its text.
    environment: &'a str,
    /// What it is for.
    kind: stored::Kind,
    /// Where it is in its life.
    state: stored::State,
    /// Since when.
    #[schemars(with = "Instant")]
    state_at: String,
    /// Why, where somebody said.
    state_reason: Option<&'a str>,
    /// Who switched it off, while it is: an owner does not undo what an administrator did.
    disabled_by: Option<stored::Side>,
    /// How it came to be ours.
    origin: stored::Origin,
    /// `weak` for one that was brought from elsewhere and may be easy to guess; else `normal`.
    strength: &'static str,
    /// What it may do.
    #[schemars(with = "ScopeText")]
    scope: &'a Scope,
    /// Restricts it.
    #[schemars(with = "policy::Form")]
    policy: &'a PolicyText,
    /// What its maker wants told with each good verdict.
    meta: &'a Map<String, Value>,
    /// From when it is good.
    #[schemars(with = "Option<Instant>")]
    not_before: Option<String>,
    /// Until when it is good; null for ever.
    #[schemars(with = "Option<Instant>")]
    expires_at: Option<String>,
    /// The key that took its place.
    #[schemars(with = "Option<KeyIdentifier>")]
    successor: Option<&'a ApiKeyId>,
    /// When it was last used, to some seconds; null also where nobody looked.
    #[schemars(with = "Option<Instant>")]
    last_used_at: Option<String>,
    /// When it was made.
    #[schemars(with = "Instant")]
    created_at: String,
    /// Raised with each change.
    version: u32,
}

/// A key, as it is shown: never its text.
#[must_use]
pub fn key(key: &stored::ApiKey, family: &family::Family, last_used: Option<Moment>) -> Value {
    let at = |at: Moment| at.to_string();
    json!(Key {
        id: &key.id,
        hint: &key.hint,
        name: &family.name,
        api: &key.api,
        family: &key.family,
        owner: Owner::of(&family.owner),
        client_id: family.client.as_ref(),
        plan: family.plan.as_ref(),
        environment: &key.environment,
        kind: key.kind,
        state: key.state,
        state_at: key.state_at.to_string(),
        state_reason: key.state_reason.as_deref(),
        disabled_by: key.disabled_by,
        origin: key.origin,
        strength: if key.origin == stored::Origin::Imported { "weak" } else { "normal" },
        scope: &key.scope,
        policy: &key.policy,
        meta: &key.meta,
        not_before: key.not_before.map(at),
        expires_at: key.expires_at.map(at),
        successor: key.successor.as_ref(),
        last_used_at: last_used.map(at),
        created_at: key.created_at.to_string(),
        version: key.version,
    })
}

/// An API that keys are for.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = whole)]
pub struct Api<'a> {
    /// Its identifier.
    #[schemars(with = "Identifier")]
    id: &'a ApiId,
    /// What people and gateways call it.
    name: &'a str,
    /// Its resource indicator (RFC 8707): the audience of its keys.
    audience: String,
    /// What its keys begin with.
    prefix: &'a str,
    /// The environments that its keys are made for.
    environments: &'a [String],
    /// The plan of families that name none.
    #[schemars(with = "Option<Identifier>")]
    plan: Option<&'a PlanId>,
    /// Restricts all its keys.
    #[schemars(with = "policy::Form")]
    policy: &'a PolicyText,
    /// Everything else.
    settings: &'a Settings,
    /// Since when its keys are refused.
    #[schemars(with = "Option<Instant>")]
    disabled_at: Option<String>,
    /// When it was added.
    #[schemars(with = "Instant")]
    created_at: String,
    /// When it was last changed.
    #[schemars(with = "Instant")]
    updated_at: String,
    /// Raised with each change; its entity tag.
    version: u32,
}

/// An API, as it is shown.
#[must_use]
pub fn api(api: &api::Api) -> Value {
    json!(Api {
        id: &api.id,
        name: &api.name,
        audience: api.audience.to_string(),
        prefix: &api.prefix,
        environments: &api.environments,
        plan: api.plan.as_ref(),
        policy: &api.policy,
        settings: &api.settings,
        disabled_at: api.disabled_at.map(|at| at.to_string()),
        created_at: api.created_at.to_string(),
        updated_at: api.updated_at.to_string(),
        version: api.version,
    })
}

/// Rate and quota under a name.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = whole)]
pub struct Plan<'a> {
    /// Its identifier.
    #[schemars(with = "Identifier")]
    id: &'a PlanId,
    /// What people call it.
    name: &'a str,
    /// Its rate and quota.
    #[schemars(with = "policy::PlanForm")]
    policy: &'a PolicyText,
    /// When it was added.
    #[schemars(with = "Instant")]
    created_at: String,
    /// When it was last changed.
    #[schemars(with = "Instant")]
    updated_at: String,
    /// Raised with each change; its entity tag.
    version: u32,
}

/// A plan, as it is shown.
#[must_use]
pub fn plan(plan: &stored_plan::Plan) -> Value {
    json!(Plan {
        id: &plan.id,
        name: &plan.name,
        policy: &plan.policy,
        created_at: plan.created_at.to_string(),
        updated_at: plan.updated_at.to_string(),
        version: plan.version,
    })
}

/// Something unusual about the use of a key that is not over.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "KeyAlert", transform = whole)]
pub struct Alert<'a> {
    /// What found it: `egress`, bytes of answers.
    detector: &'a str,
    /// When it was found.
    #[schemars(with = "Instant")]
    opened_at: String,
    /// When it was seen last.
    #[schemars(with = "Instant")]
    seen_at: String,
    /// The most bytes of answers in five minutes that were seen.
    bytes: u64,
    /// As many are usual for the key.
    usual: u64,
    /// How many times the usual it is.
    times: u64,
    /// From how many stretches of five minutes the usual was learned.
    stretches: u64,
}

/// An alert, as it is told.
#[must_use]
pub fn alert(alert: &unusual::Alert) -> Value {
    let evidence = &alert.evidence;
    json!(Alert {
        detector: &alert.detector,
        opened_at: alert.opened_at.to_string(),
        seen_at: alert.seen_at.to_string(),
        bytes: evidence.bytes,
        usual: evidence.usual,
        times: evidence.times(),
        stretches: evidence.stretches,
    })
}

/// A quota of a key, in its period.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = whole)]
pub struct Quota<'a> {
    /// Its name in its policy.
    name: &'a str,
    /// Whose policy it is in: `api`, `plan`, `family` or `key`.
    level: &'static str,
    /// What is counted: `requests` or `content-bytes`.
    unit: &'static str,
    /// When it starts anew: `day`, `month`, `month@15` or `once`.
    per: String,
    /// When its period began.
    #[schemars(with = "Instant")]
    period_start: String,
    /// When the next one begins; null for never.
    #[schemars(with = "Option<Instant>")]
    period_end: Option<String>,
    /// Units in the period, before what was granted.
    limit: u64,
    /// Units granted for the period.
    granted: u64,
    /// Units used, with what nodes have in hand.
    used: u64,
    /// Units left.
    remaining: u64,
}

/// A quota, as it stands.
#[must_use]
pub fn quota(quota: &Standing) -> Value {
    json!(Quota {
        name: &quota.name,
        level: quota.level.as_str(),
        unit: quota.unit,
        per: quota.per.to_string(),
        period_start: quota.began.to_string(),
        period_end: quota.ends.map(|at| at.to_string()),
        limit: quota.limit,
        granted: quota.granted,
        used: quota.used,
        remaining: quota.remaining(),
    })
}
