//! A policy as it is written, for whoever describes it to programs: never read into, only described.

use super::{address, agent, binding, country, hours, quota, rate, referrer, route};
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

/// Restricts calls. Members that are not there restrict nothing; the empty object restricts nothing at all, and
/// any other names its version. API, plan, family and key may each have one: a call must pass all.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Policy", deny_unknown_fields, transform = never_null, transform = versioned)]
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
}

/// What a plan gives the families that have it: limits and amounts, and nothing that restricts otherwise.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "PlanPolicy", deny_unknown_fields, transform = never_null, transform = plain)]
#[expect(dead_code, reason = "only its form is of use, as above")]
pub struct PlanForm {
    /// The version of the form. There is one: 1.
    #[schemars(range(min = 1, max = 1))]
    v: Option<u8>,
    /// Limits that refill evenly.
    #[schemars(length(min = 1, max = 16))]
    rate: Option<Vec<rate::Written>>,
    /// Amounts for a period.
    #[schemars(length(min = 1, max = 8))]
    quota: Option<Vec<quota::Written>>,
    /// It has all of its limits, whatever trouble its API has.
    guaranteed: Option<bool>,
}

/// Whatever says anything names its version.
fn versioned(form: &mut Schema) {
    form.insert("anyOf".to_owned(), json!([{"required": ["v"]}, {"maxProperties": 0}]));
}

/// The same of a plan, where that alone may be said that it is guaranteed.
fn plain(form: &mut Schema) {
    let alone = json!({"properties": {"guaranteed": true}, "additionalProperties": false});
    form.insert("anyOf".to_owned(), json!([{"required": ["v"]}, alone]));
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
    use proptest::{
        strategy::{Strategy, ValueTree},
        string::string_regex,
        test_runner::TestRunner,
    };

    #[test]
    fn it_has_the_members_that_are_read() {
        let form = schemars::schema_for!(Form);
        let members: Vec<&String> = form.get("properties").and_then(Value::as_object).unwrap().keys().collect();
        assert_eq!(members.len(), 10);
        for member in members.into_iter().filter(|name| *name != "v") {
            let policy = json!({"v": 1, member: 7});
            let why = Document::read(policy.as_object().unwrap()).unwrap_err();
            assert_ne!(why.why(), "is not a member of policies", "{member}");
        }
    }
    /// What is made up from the form is nearly always good: who goes by the form is not refused for it.
    #[test]
    fn what_fits_the_form_is_accepted() {
        let form = serde_json::to_value(schemars::schema_for!(Form)).unwrap();
        let window = |member: &str, text: &str| {
            let mut window = json!({"from": "08:00", "to": "17:01", "tz": "Europe/Berlin"});
            window[member] = json!(text);
            ("time", json!({"windows": [window]}))
        };
        let rate = |name: &str, per: &str| ("rate", json!([{"name": name, "by": "key", "limit": 1, "per": per}]));
        type Made<'m> = &'m dyn Fn(&str) -> (&'static str, Value);
        let cases: [(&str, Made<'_>); 9] = [
            ("/$defs/Rate/properties/per", &|text| rate("a", text)),
            ("/$defs/Rate/properties/name", &|text| rate(text, "1s")),
            ("/$defs/Quota/properties/per", &|text| ("quota", json!([{"name": "a", "limit": 1, "per": text}]))),
            ("/$defs/Window/properties/from", &|text| window("from", text)),
            ("/$defs/Window/properties/to", &|text| window("to", text)),
            ("/$defs/Window/properties/days", &|text| window("days", text)),
            ("/$defs/Thumbprint", &|text| ("binding", json!({"jkt": text}))),
            ("/$defs/RangeText/anyOf/2", &|text| ("ip", json!({"allow": [text]}))),
            ("/$defs/Referrers/properties/allow/items", &|text| ("referrer", json!({"allow": [text]}))),
        ];
        let mut runner = TestRunner::deterministic();
        for (place, made) in cases {
            let pattern = form.pointer(place).and_then(|one| one.get("pattern")).and_then(Value::as_str).unwrap();
            let texts = string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).unwrap();
            let good = (0..200).filter(|_| {
                let (member, value) = made(&texts.new_tree(&mut runner).unwrap().current());
                Document::admit(json!({"v": 1, member: value}).as_object().unwrap()).is_ok()
            });
            // Hosts that are numbers may be beyond what an address has; windows may be empty.
            let least = if place.contains("Referrers") { 60 } else { 190 };
            assert!(good.count() >= least, "{place}: {pattern}");
        }
        let zones = form.pointer("/$defs/TimeZone/enum").and_then(Value::as_array).unwrap();
        assert!(zones.len() > 400 && zones.contains(&json!("Europe/Berlin")));
        for one in zones {
            let (member, value) = window("tz", one.as_str().unwrap());
            assert!(Document::read(json!({"v": 1, member: value}).as_object().unwrap()).is_ok(), "{one}");
        }
    }

    #[test]
    fn a_plan_says_that_it_is_guaranteed_and_nothing_else_does() {
        let plan = serde_json::to_value(schemars::schema_for!(PlanForm)).unwrap();
        let policy = serde_json::to_value(schemars::schema_for!(Form)).unwrap();
        assert!(plan.pointer("/properties/guaranteed").is_some() && policy.pointer("/properties/guaranteed").is_none());
        for (text, fits) in [(json!({"guaranteed": true}), true), (json!({"rate": []}), false), (json!({}), true)] {
            assert_eq!(Document::read_plan(text.as_object().unwrap()).is_ok(), fits, "{text}");
        }
    }
}
