//! Keys, APIs and plans as JSON, the same over HTTP and at the command line.

use crate::{
    apikey::{api::Api, family::Family, key::ApiKey, plan::Plan},
    base::moment::Moment,
};
use serde_json::{Value, json};

fn told(at: Option<Moment>) -> Value {
    at.map_or(Value::Null, |at| json!(at.to_string()))
}

/// A key, as it is shown: never its text.
#[must_use]
pub fn key(key: &ApiKey, family: &Family, last_used: Option<Moment>) -> Value {
    json!({
        "id": key.id,
        "hint": key.hint,
        "name": family.name,
        "api": key.api,
        "family": key.family,
        "owner": {"type": family.owner.kind(), "id": family.owner.id()},
        "client_id": family.client,
        "plan": family.plan,
        "environment": key.environment,
        "kind": key.kind,
        "state": key.state,
        "state_at": key.state_at.to_string(),
        "state_reason": key.state_reason,
        "origin": key.origin,
        "scope": key.scope,
        "policy": key.policy,
        "meta": key.meta,
        "not_before": told(key.not_before),
        "expires_at": told(key.expires_at),
        "successor": key.successor,
        "last_used_at": told(last_used),
        "created_at": key.created_at.to_string(),
        "version": key.version,
    })
}

/// An API, as it is shown.
#[must_use]
pub fn api(api: &Api) -> Value {
    json!({
        "id": api.id,
        "name": api.name,
        "audience": api.audience,
        "prefix": api.prefix,
        "environments": api.environments,
        "plan": api.plan,
        "policy": api.policy,
        "settings": api.settings,
        "disabled_at": told(api.disabled_at),
        "created_at": api.created_at.to_string(),
        "updated_at": api.updated_at.to_string(),
        "version": api.version,
    })
}

/// A plan, as it is shown.
#[must_use]
pub fn plan(plan: &Plan) -> Value {
    json!({
        "id": plan.id,
        "name": plan.name,
        "policy": plan.policy,
        "created_at": plan.created_at.to_string(),
        "updated_at": plan.updated_at.to_string(),
        "version": plan.version,
    })
}
