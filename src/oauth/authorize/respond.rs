//! The answer of the authorization endpoint (RFC 6749 §4.1.2, RFC 9207, Form Post Response
//! Mode): always with `iss`, to a proven destination only.

use super::{destination::Destination, request::ResponseMode};
use crate::{
    base::{secret::Secret, uri::Issuer},
    oauth::{
        code::{Channel, ErrorCode::ServerError},
        refusal::Refusal,
    },
};
use std::fmt;

/// How the answer leaves.
#[derive(Clone, PartialEq, Eq)]
pub enum Delivery {
    /// Status 303 with this `Location`.
    Redirect(String),
    /// A page with a form that posts itself.
    FormPost {
        /// Where it is posted to.
        action: String,
        /// Its hidden fields.
        fields: Vec<(&'static str, String)>,
    },
}

/// The code inside stays out of logs.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redirect(_) => "Redirect",
            Self::FormPost { .. } => "FormPost",
        })
    }
}

/// The code.
#[must_use]
pub fn success(to: &Destination, issuer: &Issuer, code: &Secret<String>) -> Delivery {
    deliver(to, issuer, vec![("code", code.expose().clone())])
}

/// A refusal. Codes that the front channel does not know become `server_error`.
#[must_use]
pub fn error(to: &Destination, issuer: &Issuer, refusal: &Refusal) -> Delivery {
    let code = match refusal.code.channel() {
        Channel::Front | Channel::Both => refusal.code,
        Channel::Back => ServerError,
    };
    deliver(to, issuer, vec![("error", code.wire().to_owned()), ("error_description", printable(&refusal.because))])
}

fn deliver(to: &Destination, issuer: &Issuer, mut fields: Vec<(&'static str, String)>) -> Delivery {
    fields.extend(to.state().map(|state| ("state", state.to_owned())));
    fields.push(("iss", issuer.as_str().to_owned()));
    match to.mode() {
        ResponseMode::FormPost => Delivery::FormPost { action: to.uri().to_owned(), fields },
        ResponseMode::Query => Delivery::Redirect(with_query(to.uri(), fields.iter().map(|(n, v)| (*n, v.as_str())))),
    }
}

/// A URI with these parameters behind those it has already; for every redirect of ours to a
/// registered URI, which never has a fragment.
#[must_use]
pub fn with_query<'a>(uri: &str, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let joint = match uri.split_once('?') {
        _ if query.is_empty() => "",
        None => "?",
        Some((_, "")) => "",
        Some((_, existing)) if existing.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{uri}{joint}{query}")
}

/// The characters that RFC 6749 §4.1.2.1 allows in `error_description`.
fn printable(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~') && c != '"' && c != '\\' { c } else { '?' }).collect()
}
