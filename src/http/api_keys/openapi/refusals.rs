//! How `/v1` says no: each status once, as a response that operations refer to.

use serde_json::{Map, Value, json};

/// Each status, its name among the components, and when it is.
const REFUSALS: &[(u16, &str, &str)] = &[
    (400, "Misread", "The request cannot be read: `detail` says where."),
    (401, "Unproven", "There is no access token or other proof, or it is not good: see `WWW-Authenticate`."),
    (403, "Forbidden", "The access token lacks a scope (see `WWW-Authenticate`), or this may not be done this way."),
    (404, "NotFound", "There is no such thing, or it is somebody else's."),
    (408, "TooSlow", "The body took more than ten seconds."),
    (409, "Conflict", "It is not in a state in which this can be done, or a name is in use, or it was done before."),
    (410, "Gone", "It was used, or its time is over."),
    (412, "Changed", "Somebody else changed it meanwhile."),
    (413, "TooLarge", "The body is too large."),
    (415, "NotJson", "The body is not said to be JSON."),
    (422, "Unfit", "It can be read, but a member cannot be: `member` names it."),
    (428, "Unconditional", "`If-Match` must hold the entity tag of what is changed."),
    (429, "TooMany", "Too many requests: see `Retry-After`."),
    (500, "Broken", "Something went wrong here; quote the `request_id`."),
    (503, "Unavailable", "It cannot be done now: try again after `Retry-After`."),
];

/// A reference to the response of a status; `None` where there is none for it.
pub(super) fn reference(status: u16) -> Option<Value> {
    let (_, name, _) = REFUSALS.iter().find(|(own, ..)| *own == status)?;
    Some(json!({"$ref": format!("#/components/responses/{name}")}))
}

/// The responses, by name.
pub(super) fn components() -> Map<String, Value> {
    REFUSALS.iter().map(|(status, name, doc)| ((*name).to_owned(), response(*status, doc))).collect()
}

fn response(status: u16, doc: &str) -> Value {
    let mut fields = Map::new();
    match status {
        401 => drop(fields.insert("WWW-Authenticate".to_owned(), field("How to prove oneself (RFC 6750 §3).", true))),
        403 => drop(fields.insert("WWW-Authenticate".to_owned(), field("The scope that is missing.", false))),
        429 | 503 => drop(fields.insert("Retry-After".to_owned(), field("Seconds.", true))),
        _ => {}
    }
    let problem = json!({"schema": {"$ref": "#/components/schemas/Problem"}});
    json!({"description": doc, "headers": fields, "content": {"application/problem+json": problem}})
}

fn field(doc: &str, required: bool) -> Value {
    json!({"description": doc, "required": required, "schema": {"type": "string"}})
}
