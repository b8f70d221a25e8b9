//! One operation: a method of a path, what it takes, what it gives, and how it says no.

use super::parameters::Parameter;
use crate::apikey::access::Act;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Makes the form of a type; its parts are put among the components.
pub(super) type Form = fn(&mut SchemaGenerator) -> Schema;

/// The form of a type.
pub(super) const fn form<T: JsonSchema>() -> Form {
    SchemaGenerator::subschema_for::<T>
}

/// Who may.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    /// Everybody.
    Anybody,
    /// The holder of an access token with the scope of this act.
    Token(Act),
    /// A resource server: as a client, or with a key of kind `verifier`.
    ResourceServer,
}

/// Whether there must be a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// There must.
    Needed,
    /// It may be left out.
    Optional,
}

/// An operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Its name in programs that are made from the document.
    pub(super) id: &'static str,
    /// What it does: the first sentence is its summary.
    pub(super) does: &'static str,
    pub(super) by: By,
    pub(super) asks: &'static [Parameter],
    pub(super) takes: Option<(Body, Form)>,
    pub(super) gives: (u16, Option<Form>),
    pub(super) tagged: bool,
    /// Whether it is had as events too.
    pub(super) streams: bool,
    pub(super) refuses: &'static [u16],
}

const fn operation(method: &'static str, path: &'static str, id: &'static str, does: &'static str) -> Operation {
    Operation {
        method,
        path,
        id,
        does,
        by: By::Anybody,
        asks: &[],
        takes: None,
        gives: (200, None),
        tagged: false,
        streams: false,
        refuses: &[],
    }
}

pub(super) const fn get(path: &'static str, id: &'static str, does: &'static str) -> Operation {
    operation("get", path, id, does)
}
pub(super) const fn post(path: &'static str, id: &'static str, does: &'static str) -> Operation {
    operation("post", path, id, does)
}
pub(super) const fn delete(path: &'static str, id: &'static str, does: &'static str) -> Operation {
    Operation { gives: (204, None), ..operation("delete", path, id, does) }
}
pub(super) const fn put(path: &'static str, id: &'static str, does: &'static str) -> Operation {
    operation("put", path, id, does)
}
pub(super) const fn patch(path: &'static str, id: &'static str, does: &'static str) -> Operation {
    operation("patch", path, id, does)
}

impl Operation {
    /// Needs an access token with the scope of this act: 401 and 403 are among its answers.
    pub(super) const fn by(self, act: Act) -> Self {
        Self { by: By::Token(act), ..self }
    }
    /// Needs the proof of a resource server: 401 and 403 are among its answers.
    pub(super) const fn by_resource_server(self) -> Self {
        Self { by: By::ResourceServer, ..self }
    }
    /// Takes parameters beside those in its path.
    pub(super) const fn asks(self, asks: &'static [Parameter]) -> Self {
        Self { asks, ..self }
    }
    /// Takes a body: 400, 408, 413 and 415 are among its answers.
    pub(super) const fn takes<T: JsonSchema>(self, body: Body) -> Self {
        Self { takes: Some((body, form::<T>())), ..self }
    }
    /// Gives this when all is well.
    pub(super) const fn gives<T: JsonSchema>(self, status: u16) -> Self {
        Self { gives: (status, Some(form::<T>())), ..self }
    }
    /// Gives nothing but this status when all is well.
    pub(super) const fn says(self, status: u16) -> Self {
        Self { gives: (status, None), ..self }
    }
    /// What it gives has an entity tag.
    pub(super) const fn tagged(self) -> Self {
        Self { tagged: true, ..self }
    }
    /// What it gives is had one by one as server-sent events too: 503 is among its answers.
    pub(super) const fn streams(self) -> Self {
        Self { streams: true, ..self }
    }
    /// How else it says no.
    pub(super) const fn refuses(self, refuses: &'static [u16]) -> Self {
        Self { refuses, ..self }
    }
}
