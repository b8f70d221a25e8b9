//! Parameters of operations: in the path, in the query, in header fields.

use serde_json::{Value, json};

/// A parameter that an operation takes beside those in its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    /// `after` in the query: the last of the page before.
    After,
    /// `limit` in the query: how many a page has.
    Limit,
    /// Filters of keys in the query.
    Filter(&'static str),
    /// `state` in the query.
    State,
    /// `since` in the query: a moment.
    Since,
    /// `after` in the query, of the list of ended keys.
    AfterEnded,
    /// `from` in the query: a moment.
    From,
    /// `to` in the query: a moment.
    To,
    /// `step` in the query: a length of time.
    StepOf,
    /// `Idempotency-Key`.
    IdempotencyKey,
    /// `If-Match`.
    IfMatch,
    /// `If-None-Match`.
    IfNoneMatch,
}

const IDENTIFIER: &str = "^[!#-\\[\\]-~]{0,128}$";

impl Parameter {
    /// As the document has it.
    pub(super) fn described(self) -> Value {
        use crate::apikey::key::State;
        let instant = || json!({"type": "string", "format": "date-time"});
        let identifier = || json!({"type": "string", "pattern": IDENTIFIER});
        match self {
            Self::After => query("after", "Where the page begins: `next` of the page before.", &identifier()),
            Self::Limit => {
                let form = json!({"type": "integer", "minimum": 1, "maximum": 200, "default": 50});
                query("limit", "How many a page has at most.", &or_nothing(&form))
            }
            Self::Filter(name) => query(name, "Only those of this one, by its identifier.", &identifier()),
            Self::State => {
                let words: Vec<&str> = State::ALL.iter().map(|state| state.as_str()).collect();
                query("state", "Only those in this state.", &or_nothing(&json!({"type": "string", "enum": words})))
            }
            Self::Since => {
                let form = json!({"type": "integer", "minimum": 0, "maximum": 253_402_300_799_i64});
                query("since", "Seconds since 1970; five minutes ago where nothing is said.", &or_nothing(&form))
            }
            Self::AfterEnded => {
                let form = json!({"type": "string", "pattern": "^(([0-9]{1,18}\\.)?[!#-\\-/-\\[\\]-~]{1,64})?$"});
                query("after", "Where the page begins: `next.after` of the page before.", &form)
            }
            Self::From => query("from", "From when; a day before `to` where nothing is said.", &or_nothing(&instant())),
            Self::To => query("to", "Until when; now where nothing is said.", &or_nothing(&instant())),
            Self::StepOf => {
                let form = json!({"type": "string", "enum": ["1m", "1h", "1d"], "default": "1h"});
                query("step", "The length of a step; at most 1500 of them.", &or_nothing(&form))
            }
            Self::IdempotencyKey => {
                let doc = "Any text, new for each thing that is to be done: a request that is sent again with the \
                           same one within a day is not done again, and answered with 409, as a secret is shown once.";
                let form = json!({"type": "string", "pattern": "^[!-~]{1,255}$"});
                field("Idempotency-Key", doc, &form)
            }
            Self::IfMatch => {
                let doc = "The entity tag of what is to be changed: where somebody else changed it meanwhile, \
                           nothing is changed, and the answer is 412.";
                required(field(
                    "If-Match",
                    doc,
                    &json!({"type": "string", "pattern": "^(\\*|\"[0-9]{1,9}(\\.[0-9]{1,9})?\")$"}),
                ))
            }
            Self::IfNoneMatch => {
                let doc = "The entity tag of what is known already: then the answer is 304.";
                field("If-None-Match", doc, &json!({"type": "string", "pattern": "^\"[A-Za-z0-9_-]{43}\"$"}))
            }
        }
    }
}

/// An empty parameter counts as one that was left out.
fn or_nothing(form: &Value) -> Value {
    json!({"anyOf": [form, {"type": "string", "maxLength": 0}]})
}

fn query(name: &str, doc: &str, form: &Value) -> Value {
    json!({"name": name, "in": "query", "required": false, "description": doc, "schema": form})
}

fn field(name: &str, doc: &str, form: &Value) -> Value {
    json!({"name": name, "in": "header", "required": false, "description": doc, "schema": form})
}

fn required(mut parameter: Value) -> Value {
    if let Some(told) = parameter.as_object_mut() {
        told.insert("required".to_owned(), json!(true));
    }
    parameter
}

/// The parameters that stand in a path.
pub(super) fn of_path(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            let doc = match path.split('/').nth(2) {
                Some("apis" | "plans") => "Its name or its identifier.",
                Some(_) | None => "Its identifier.",
            };
            let form = json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$"});
            json!({"name": name, "in": "path", "required": true, "description": doc, "schema": form})
        })
        .collect()
}
