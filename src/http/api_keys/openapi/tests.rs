//! The OpenAPI document against the table of routes.

use super::{document::document, operations::OPERATIONS};
use crate::http::routes::ROUTES;
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn every_route_under_v1_is_described_and_nothing_else_is() {
    let described: BTreeSet<(&str, &str)> = OPERATIONS.iter().map(|one| (one.path, one.method)).collect();
    assert_eq!(described.len(), OPERATIONS.len(), "one is described twice");
    let served: BTreeSet<(&str, &str)> = ROUTES
        .iter()
        .filter(|row| row.path.starts_with("/v1/"))
        .flat_map(|row| row.methods.iter().map(|method| (row.path, *method)))
        .collect();
    assert_eq!(described, served, "give each route a row in src/http/api_keys/openapi/operations.rs");
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    let document = document("https://as.example");
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let ids: BTreeSet<&str> = OPERATIONS.iter().map(|one| one.id).collect();
    assert_eq!(ids.len(), OPERATIONS.len());
}

#[test]
fn the_forms_are_those_of_the_types() {
    let document = document("https://as.example");
    let body = &document["components"]["schemas"]["CreateBody"];
    assert_eq!(body["additionalProperties"], false);
    assert_eq!(body["required"], serde_json::json!(["api", "name"]));
    assert_eq!(body["properties"]["policy"]["$ref"], "#/components/schemas/Policy");
    let made = &document["components"]["schemas"]["KeyMade"];
    for member in ["id", "key", "hint", "state", "expires_at", "version"] {
        assert!(made["properties"].get(member).is_some(), "{member} in {made:#}");
        assert!(made["required"].as_array().unwrap().contains(&member.into()), "{member} in {made:#}");
    }
    let create = &document["paths"]["/v1/keys"]["post"];
    assert_eq!(create["security"][0]["access_token"][0], "keys:create");
    for status in ["201", "400", "401", "403", "409", "413", "415", "422", "503"] {
        assert!(create["responses"].get(status).is_some(), "{status}");
    }
    assert_eq!(document["servers"][0]["url"], "https://as.example");
}

fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            into.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|one| collect(one, into));
        }
        Value::Array(all) => all.iter().for_each(|one| collect(one, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
