//! The document, put together.

use super::{
    operation::{Body, By, Operation, form},
    operations::OPERATIONS,
    parameters, refusals,
    told::Problem,
};
use crate::apikey::access::{self, Act};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const ABOUT: &str = "Manages API keys, the APIs and plans they belong to, and says whether a key is good for a call. \
Bodies are JSON; members that are not known are refused. Whatever cannot be done is answered with a problem document \
(RFC 9457). Lists come in pages: `next` of one page is `after` of the next, and null at the end. What can be changed \
has an entity tag, and a change that names it in `If-Match` is made only where nobody else made one meanwhile. \
Every answer may be kept by nobody (`Cache-Control: no-store`), but this document.";

/// The document of the server with this issuer.
pub(super) fn document(issuer: &str) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    let mut forms = settings.into_generator();
    // Refusals refer to it by its name.
    form::<Problem>()(&mut forms);
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let told = described(operation, &mut forms);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(operation.method.to_owned(), told);
        }
    }
    json!({
        "openapi": "3.1.1",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Keywright: API keys",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "Apache-2.0 OR MIT"},
        },
        "servers": [{"url": issuer}],
        "tags": tags(),
        "paths": paths,
        "components": {
            "schemas": forms.take_definitions(true),
            "responses": refusals::components(),
            "securitySchemes": security_schemes(issuer),
        },
    })
}

/// What an operation is about: the second part of its path.
fn tag(path: &str) -> &str {
    path.split('/').nth(2).unwrap_or_default()
}

fn tags() -> Vec<Value> {
    let tags: BTreeSet<&str> = OPERATIONS.iter().map(|one| tag(one.path)).collect();
    tags.into_iter().map(|name| json!({"name": name})).collect()
}

fn described(operation: &Operation, forms: &mut SchemaGenerator) -> Value {
    let summary = operation.does.split_inclusive(". ").next().unwrap_or_default().trim_end_matches(['.', ' ']);
    let (status, gives) = operation.gives;
    let mut fields = Map::new();
    if operation.tagged {
        let doc = "Its version, for `If-Match`.";
        fields.insert("ETag".to_owned(), json!({"description": doc, "required": true, "schema": {"type": "string"}}));
    }
    let mut good = json!({"description": summary, "headers": fields});
    if let (Some(form), Some(good)) = (gives, good.as_object_mut()) {
        let mut content = Map::from_iter([("application/json".to_owned(), json!({"schema": form(forms)}))]);
        if operation.streams {
            // Each event is one of those in the page; OpenAPI 3.1 knows events as text only.
            content.insert("text/event-stream".to_owned(), json!({"schema": {"type": "string"}}));
        }
        good.insert("content".to_owned(), Value::Object(content));
    }
    let mut answers = Map::from_iter([(status.to_string(), good)]);
    if operation.asks.contains(&parameters::Parameter::IfNoneMatch) {
        answers.insert("304".to_owned(), json!({"description": "It is as it was."}));
    }
    for status in refused(operation) {
        answers.extend(refusals::reference(status).map(|told| (status.to_string(), told)));
    }
    let mut all = parameters::of_path(operation.path);
    all.extend(operation.asks.iter().map(|one| one.described()));
    let mut told = json!({
        "operationId": operation.id,
        "tags": [tag(operation.path)],
        "summary": summary,
        "description": operation.does,
        "security": security(operation.by),
        "parameters": all,
        "responses": answers,
    });
    if let (Some((body, form)), Some(told)) = (operation.takes, told.as_object_mut()) {
        let content = json!({"application/json": {"schema": form(forms)}});
        told.insert("requestBody".to_owned(), json!({"required": body == Body::Needed, "content": content}));
    }
    told
}

/// Every status with which an operation may say no.
fn refused(operation: &Operation) -> BTreeSet<u16> {
    let mut all: BTreeSet<u16> = operation.refuses.iter().copied().collect();
    if !matches!(operation.by, By::Anybody) {
        all.extend([400, 401, 403, 500, 503]);
    }
    if operation.takes.is_some() {
        all.extend([400, 408, 413, 415]);
    }
    all
}

fn security(by: By) -> Value {
    match by {
        By::Anybody => json!([]),
        By::Token(act) => json!([{"access_token": [act.scope()]}]),
        By::ResourceServer => json!([{"client": []}, {"verifier_key": []}, {"verifier_key_as_token": []}]),
    }
}

fn security_schemes(issuer: &str) -> Value {
    let mut scopes: Map<String, Value> = Map::new();
    for act in Act::ALL {
        let doc = act.doc().trim();
        let told = scopes.get(act.scope()).and_then(Value::as_str).map(|before| format!("{before} {doc}"));
        scopes.insert(act.scope().to_owned(), json!(told.unwrap_or_else(|| doc.to_owned())));
    }
    scopes.insert(access::ANY.to_owned(), json!("Do it with what is somebody else's, too. For clients alone."));
    let token = format!("{issuer}/token");
    json!({
        "access_token": {
            "type": "oauth2",
            "description": "An access token of this server, as a bearer token (RFC 6750), with the scope of the operation.",
            "flows": {
                "clientCredentials": {"tokenUrl": token, "scopes": scopes},
                "authorizationCode": {"authorizationUrl": format!("{issuer}/authorize"), "tokenUrl": token, "scopes": scopes},
            },
        },
        "client": {
            "type": "http",
            "scheme": "basic",
            "description": "The identifier and the secret of a client whose `protected_resources` has the audience of the API.",
        },
        "verifier_key": {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "An API key of kind `verifier`, for the keys of its own API.",
        },
        "verifier_key_as_token": {
            "type": "http",
            "scheme": "bearer",
            "description": "The same key in `Authorization: Bearer`.",
        },
    })
}
