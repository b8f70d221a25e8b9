//! Reading the members of client metadata by type, and knowing their names.

use super::RegistrationError;
use crate::base::{id::ClientId, moment::Span};
use serde_json::{Map, Value};
use std::{collections::BTreeSet, ops::RangeInclusive};

/// Every member that is read.
pub(super) const KNOWN: &[&str] = &[
    "access_token_lifetime",
    "application_type",
    "backchannel_logout_session_required",
    "backchannel_logout_uri",
    "client_name",
    "client_uri",
    "default_acr_values",
    "default_max_age",
    "first_party",
    "grant_types",
    "id_token_encrypted_response_alg",
    "id_token_encrypted_response_enc",
    "id_token_signed_response_alg",
    "jwks",
    "jwks_uri",
    "policy_uri",
    "post_logout_redirect_uris",
    "protected_resources",
    "redirect_uris",
    "require_auth_time",
    "resources",
    "response_types",
    "scope",
    "subject_type",
    "token_endpoint_auth_method",
    "tos_uri",
    "userinfo_encrypted_response_alg",
    "userinfo_encrypted_response_enc",
    "userinfo_signed_response_alg",
];

/// What the server says of a client, and may hear back unharmed.
const ECHOED: &[&str] = &["client_id", "client_id_issued_at", "client_secret_expires_at"];

/// Registered members that mean something which the server does not do.
const UNSUPPORTED: &[&str] = &[
    "client_secret",
    "contacts",
    "default_prompt",
    "dpop_bound_access_tokens",
    "frontchannel_logout_session_required",
    "frontchannel_logout_uri",
    "initiate_login_uri",
    "logo_uri",
    "registration_access_token",
    "registration_client_uri",
    "request_object_encryption_alg",
    "request_object_encryption_enc",
    "request_object_signing_alg",
    "request_uris",
    "require_pushed_authorization_requests",
    "require_signed_request_object",
    "sector_identifier_uri",
    "software_id",
    "software_statement",
    "software_version",
    "tls_client_auth_subject_dn",
    "tls_client_certificate_bound_access_tokens",
    "token_endpoint_auth_signing_alg",
];

/// Most entries of a list, and most bytes of a text.
const MAX_ENTRIES: usize = 64;
const MAX_TEXT: usize = 2048;

type Read<T> = Result<T, RegistrationError>;

/// The members of a JSON object. One that is `null` counts as absent.
pub(super) struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    pub(super) const fn of(metadata: &'a Map<String, Value>) -> Self {
        Self(metadata)
    }

    pub(super) fn refuse_unknown(&self) -> Read<()> {
        for name in self.0.keys().map(String::as_str) {
            if KNOWN.contains(&name) || ECHOED.contains(&name) {
                continue;
            }
            let because = match (name, nearest(name)) {
                ("client_secret", _) => "cannot be chosen: secrets are made by the server".to_owned(),
                _ if UNSUPPORTED.contains(&name) => "is not supported".to_owned(),
                (_, Some(meant)) => format!("is unknown: did you mean {meant}?"),
                (_, None) => "is unknown".to_owned(),
            };
            return Err(RegistrationError::new(name, because));
        }
        Ok(())
    }

    /// A client cannot choose its identifier (RFC 9700 §4.15), nor be given another's.
    pub(super) fn refuse_foreign_id(&self, id: &ClientId) -> Read<()> {
        match self.text("client_id")? {
            Some(said) if said != id.as_str() => Err(RegistrationError::new("client_id", "is not this client's")),
            _ => Ok(()),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Read<Option<&'a str>> {
        match self.get(name).map(|value| value.as_str().filter(|text| text.len() <= MAX_TEXT)) {
            None => Ok(None),
            Some(Some(text)) => Ok(Some(text)),
            Some(None) => Err(RegistrationError::new(name, "must be a text of at most 2048 bytes")),
        }
    }

    pub(super) fn flag(&self, name: &str) -> Read<bool> {
        match self.get(name).map(Value::as_bool) {
            None => Ok(false),
            Some(Some(yes)) => Ok(yes),
            Some(None) => Err(RegistrationError::new(name, "must be true or false")),
        }
    }

    pub(super) fn seconds(&self, name: &str, within: RangeInclusive<i64>) -> Read<Option<Span>> {
        match self.get(name).map(|value| value.as_i64().filter(|n| within.contains(n))) {
            None => Ok(None),
            Some(Some(n)) => Ok(Some(Span::seconds(n))),
            Some(None) => {
                let because = format!("must be a whole number of seconds from {} to {}", within.start(), within.end());
                Err(RegistrationError::new(name, because))
            }
        }
    }

    pub(super) fn texts(&self, name: &str) -> Read<Option<Vec<String>>> {
        let wrong = || RegistrationError::new(name, "must be a list of texts, at most 64 of them, none twice");
        let Some(value) = self.get(name) else { return Ok(None) };
        let list = value.as_array().filter(|list| list.len() <= MAX_ENTRIES).ok_or_else(wrong)?;
        let text = |entry: &Value| entry.as_str().filter(|t| t.len() <= MAX_TEXT).map(str::to_owned);
        let texts: Vec<String> = list.iter().map(text).collect::<Option<_>>().ok_or_else(wrong)?;
        if texts.iter().collect::<BTreeSet<_>>().len() != texts.len() {
            return Err(wrong());
        }
        Ok(Some(texts))
    }

    pub(super) fn parsed<T>(&self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Read<Option<T>> {
        self.text(name)?.map(|text| read(text).map_err(|bad| RegistrationError::new(name, bad))).transpose()
    }

    pub(super) fn each<T>(&self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Read<Vec<T>> {
        let texts = self.texts(name)?.unwrap_or_default();
        let one = |text: &String| {
            read(text).map_err(|bad| RegistrationError::new(name, format!("holds {text:?}, which {bad}")))
        };
        texts.iter().map(one).collect()
    }
}

/// The known name that was probably meant.
fn nearest(name: &str) -> Option<&'static str> {
    let distance = |known: &&&'static str| strsim::damerau_levenshtein(name, known);
    KNOWN.iter().filter(|known| name.len() < 64 && distance(known) <= 3).min_by_key(distance).copied()
}
