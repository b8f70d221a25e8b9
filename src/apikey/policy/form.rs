//! A policy as it is written, for whoever describes it to programs: never read into, only described.

use super::{address, agent, binding, country, hours, quota, rate, referrer, route};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// Restricts calls. Members that are not there restrict nothing; the empty object restricts nothing at all, and
/// any other names its version. API, plan, family and key may each have one: a call must pass all.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Policy", deny_unknown_fields, transform = never_null)]
#[expect(
    dead_code,
    reason = "only its form is of use: policies are read member by member, so that faults have a place"
)]
pub struct Form {
    /// The version of the form. There is one: 1.
    #[schemars(range(min = 1, max = 1))]
    v: Option<u8>,
    /// Addresses.
    ip: Option<address::Written>,
    /// Countries.
    geo: Option<country::Written>,
    /// Hours of the week.
    time: Option<hours::Written>,
    /// Pages that call.
    referrer: Option<referrer::Written>,
    /// Programs that call.
    user_agent: Option<agent::Written>,
    /// Methods and paths.
    #[schemars(length(min = 1, max = 64))]
    routes: Option<Vec<route::Written>>,
    /// Limits that refill evenly.
    #[schemars(length(min = 1, max = 16))]
    rate: Option<Vec<rate::Written>>,
    /// Amounts for a period.
    #[schemars(length(min = 1, max = 8))]
    quota: Option<Vec<quota::Written>>,
    /// Proof of possession.
    binding: Option<binding::Written>,
    /// In a plan, and nowhere else: it has all of its limits, whatever trouble its API has.
    guaranteed: Option<bool>,
}

/// A member that restricts nothing is left out: null is none of them.
fn never_null(form: &mut Schema) {
    let members = form.get_mut("properties").and_then(Value::as_object_mut);
    for member in members.into_iter().flat_map(|members| members.values_mut()).filter_map(Value::as_object_mut) {
        if let Some(Value::Array(kinds)) = member.get_mut("type") {
            kinds.retain(|kind| kind != "null");
        }
        if let Some(Value::Array(forms)) = member.get_mut("anyOf") {
            forms.retain(|form| form.get("type").is_none_or(|kind| kind != "null"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apikey::policy::Document;
    use serde_json::json;

    #[test]
    fn it_has_the_members_that_are_read() {
        let form = schemars::schema_for!(Form);
        let members: Vec<&String> = form.get("properties").and_then(Value::as_object).unwrap().keys().collect();
        assert_eq!(members.len(), 11);
        for member in members.into_iter().filter(|name| !["v", "guaranteed"].contains(&name.as_str())) {
            let policy = json!({"v": 1, member: 7});
            let why = Document::read(policy.as_object().unwrap()).unwrap_err();
            assert_ne!(why.why(), "is not a member of policies", "{member}");
        }
    }
}
