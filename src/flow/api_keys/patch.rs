//! Changes as people write them: JSON Merge Patch (RFC 7396) over what an API, a plan or a key is now.

use super::apis::{ApiSpec, PlanSpec};
use crate::{
    apikey::{PolicyText, api::Api, api::Settings, plan::Plan, wanted::Unfit},
    base::{moment::Moment, uri::Resource},
    store::key_facts::KeyFacts,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

/// A merge patch: the members that change; `null` takes one away.
pub type Patch = Map<String, Value>;

/// What a key is to be, of all that may be changed.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyTerms {
    /// What its owner calls it: the name of its family.
    pub name: String,
    /// The name or identifier of its family's plan.
    pub plan: Option<String>,
    /// What restricts it.
    pub policy: PolicyText,
    /// What is told with each good verdict.
    pub meta: Map<String, Value>,
    /// Until when it is good; for ever where nothing is said.
    pub expires_at: Option<Moment>,
}

#[derive(Deserialize)]
struct KeyBody {
    name: String,
    plan: Option<String>,
    #[serde(default)]
    policy: PolicyText,
    #[serde(default)]
    meta: Map<String, Value>,
    expires_at: Option<String>,
}

#[derive(Deserialize)]
struct ApiBody {
    name: String,
    audience: String,
    prefix: String,
    environments: Vec<String>,
    plan: Option<String>,
    #[serde(default)]
    policy: PolicyText,
    #[serde(default)]
    settings: Map<String, Value>,
}

#[derive(Deserialize)]
struct PlanBody {
    name: String,
    #[serde(default)]
    policy: PolicyText,
}

/// Puts a patch over an object (RFC 7396 §2).
fn merge(into: &mut Patch, patch: &Patch) {
    for (member, value) in patch {
        match value {
            Value::Null => {
                into.remove(member);
            }
            Value::Object(inner) => {
                let mut before = match into.remove(member) {
                    Some(Value::Object(before)) => before,
                    Some(_) | None => Map::new(),
                };
                merge(&mut before, inner);
                into.insert(member.clone(), Value::Object(before));
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                into.insert(member.clone(), value.clone());
            }
        }
    }
}

/// What comes of a patch over the members that may be changed; a member beside them is refused.
fn patched<T: DeserializeOwned>(now: Value, patch: &Patch) -> Result<T, Unfit> {
    let unfit = |why: String| Unfit::Member("patch", why);
    let Value::Object(mut members) = now else { return Err(unfit("is for an object".to_owned())) };
    if let Some(other) = patch.keys().find(|name| !members.contains_key(*name)) {
        let known: Vec<&str> = members.keys().map(String::as_str).collect();
        return Err(unfit(format!("has {other:?}, which cannot be changed: only {} can", known.join(", "))));
    }
    merge(&mut members, patch);
    T::deserialize(Value::Object(members)).map_err(|e| unfit(format!("makes what cannot be read: {e}")))
}

/// What an API is after a patch.
///
/// # Errors
/// [`Unfit`] where it has members that are unknown or of another type.
pub fn api(api: &Api, patch: &Patch) -> Result<ApiSpec, Unfit> {
    let now = json!({
        "name": api.name, "audience": api.audience, "prefix": api.prefix, "environments": api.environments,
        "plan": api.plan, "policy": api.policy, "settings": api.settings,
    });
    let body: ApiBody = patched(now, patch)?;
    if let Some(unknown) = Settings::unknown(&body.settings) {
        return Err(Unfit::Member("settings", format!("have no member {unknown:?}")));
    }
    let settings = Settings::deserialize(Value::Object(body.settings))
        .map_err(|e| Unfit::Member("settings", format!("cannot be read: {e}")))?;
    Ok(ApiSpec {
        audience: Resource::parse(&body.audience).map_err(|bad| Unfit::Member("audience", bad.to_string()))?,
        name: body.name,
        prefix: Some(body.prefix),
        environments: body.environments,
        plan: body.plan,
        policy: body.policy,
        settings,
    })
}

/// What a plan is after a patch.
///
/// # Errors
/// As [`api`].
pub fn plan(plan: &Plan, patch: &Patch) -> Result<PlanSpec, Unfit> {
    let body: PlanBody = patched(json!({"name": plan.name, "policy": plan.policy}), patch)?;
    Ok(PlanSpec { name: body.name, policy: body.policy })
}

/// What a key is after a patch.
///
/// # Errors
/// As [`api`].
pub fn key(facts: &KeyFacts, patch: &Patch) -> Result<KeyTerms, Unfit> {
    let (key, family) = (&facts.key, &facts.family);
    let now = json!({
        "name": family.name, "plan": family.plan, "policy": key.policy, "meta": key.meta,
        "expires_at": key.expires_at.map(|at| at.to_string()),
    });
    let body: KeyBody = patched(now, patch)?;
    // What is not said stays to the microsecond, which text may not carry.
    let expires_at = match (patch.get("expires_at"), body.expires_at.as_deref()) {
        (None, _) => key.expires_at,
        (Some(_), None | Some("never")) => None,
        (Some(_), Some(text)) => Some(moment(text)?),
    };
    Ok(KeyTerms { name: body.name, plan: body.plan, policy: body.policy, meta: body.meta, expires_at })
}

fn moment(text: &str) -> Result<Moment, Unfit> {
    let read = chrono::DateTime::parse_from_rfc3339(text).map(|at| Moment::from_utc(at.to_utc()));
    read.map_err(|_| Unfit::Member("expires_at", "must be a time of RFC 3339, such as 2027-01-31T00:00:00Z".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(target: Value, patch: Value) -> Value {
        let (Value::Object(mut target), Value::Object(patch)) = (target, patch) else { unreachable!() };
        merge(&mut target, &patch);
        Value::Object(target)
    }

    /// Those of RFC 7396, appendix A, that are objects.
    #[test]
    fn a_patch_does_what_the_examples_of_rfc_7396_say() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            assert_eq!(merged(target.clone(), patch.clone()), result, "{target} {patch}");
        }
    }

    #[test]
    fn what_may_not_be_changed_is_refused_by_its_name() {
        let refused = patched::<PlanBody>(json!({"name": "a", "policy": {}}), json!({"id": 1}).as_object().unwrap());
        assert!(refused.err().unwrap().to_string().contains("\"id\""));
        let no_name =
            patched::<PlanBody>(json!({"name": "a", "policy": {}}), json!({"name": null}).as_object().unwrap());
        assert!(no_name.err().unwrap().to_string().contains("name"));
    }
}
