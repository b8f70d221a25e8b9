//! What options of a command change, as a merge patch (RFC 7396): its name, its plan, its policy.

use super::{Failure, json_file};
use crate::flow::api_keys::patch::Patch;
use serde_json::{Map, Value, json};
use std::path::Path;

/// The patch of these; a plan of `none` takes it away, a policy stands in place of the one before.
///
/// # Errors
/// [`Failure`] where the file of the policy cannot be read.
pub(super) fn of(
    name: Option<&str>,
    plan: Option<&str>,
    (policy, before): (Option<&Path>, &Map<String, Value>),
) -> Result<Patch, Failure> {
    let mut patch = Patch::new();
    if let Some(name) = name {
        patch.insert("name".to_owned(), json!(name));
    }
    if let Some(plan) = plan {
        patch.insert("plan".to_owned(), if plan == "none" { Value::Null } else { json!(plan) });
    }
    if let Some(file) = policy {
        patch.insert("policy".to_owned(), replaced(before, json_file::read("--policy", file)?));
    }
    Ok(patch)
}

/// A member that is replaced, not merged.
fn replaced(before: &Map<String, Value>, after: Map<String, Value>) -> Value {
    let gone = before.keys().filter(|name| !after.contains_key(*name)).map(|name| (name.clone(), Value::Null));
    let mut all: Map<String, Value> = gone.collect();
    for (name, value) in after {
        let value = match (before.get(&name), value) {
            (Some(Value::Object(before)), Value::Object(after)) => replaced(before, after),
            (_, value) => value,
        };
        all.insert(name, value);
    }
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_is_replaced_keeps_nothing_of_the_one_before() {
        let map = |value: Value| value.as_object().unwrap().clone();
        let before = map(json!({"v": 1, "ip": {"allow": ["10.0.0.0/8"], "deny": ["10.1.1.1"]}, "rate": []}));
        let after = map(json!({"v": 1, "ip": {"allow": ["192.0.2.1"]}}));
        let patch = replaced(&before, after);
        assert_eq!(patch, json!({"v": 1, "ip": {"allow": ["192.0.2.1"], "deny": null}, "rate": null}));
    }
}
