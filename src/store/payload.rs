//! What rows of `codes` and `grants` keep as one document: the parts of a grant that no query asks for.

use super::failure::illegal;
use crate::{
    base::{
        fault::Fault,
        id::{ClientId, SessionId, UserId},
        moment::Moment,
        scope::Scope,
        uri::Resource,
    },
    oauth::grant::{Authentication, ClaimsRequest, Code, Granted},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Serialize, Deserialize)]
pub(super) struct GrantedDoc {
    scope: Scope,
    resources: BTreeSet<Resource>,
    #[serde(default)]
    claims: ClaimsRequest,
    /// Microseconds.
    authenticated_at: i64,
    amr: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CodeDoc {
    pub(super) granted: GrantedDoc,
    pub(super) redirect_uri: String,
    pub(super) redirect_uri_was_sent: bool,
    pub(super) challenge: String,
}

impl CodeDoc {
    pub(super) fn of(code: &Code) -> Self {
        Self {
            granted: GrantedDoc::of(&code.granted),
            redirect_uri: code.redirect_uri.clone(),
            redirect_uri_was_sent: code.redirect_uri_was_sent,
            challenge: code.challenge.clone(),
        }
    }
}

/// The columns that say who granted what to whom.
pub(super) struct Parties<'k> {
    pub(super) table: &'static str,
    pub(super) key: &'k str,
    pub(super) client: &'k str,
    pub(super) user: &'k str,
    pub(super) session: &'k str,
}

impl GrantedDoc {
    pub(super) fn of(granted: &Granted) -> Self {
        Self {
            scope: granted.scope.clone(),
            resources: granted.resources.clone(),
            claims: granted.claims.clone(),
            authenticated_at: granted.authentication.at.micros(),
            amr: granted.authentication.amr.clone(),
            acr: granted.authentication.acr.clone(),
            nonce: granted.nonce.clone(),
        }
    }

    pub(super) fn into_granted(self, parties: &Parties<'_>) -> Result<Granted, Fault> {
        let bad = |what| illegal(parties.table, parties.key, what);
        Ok(Granted {
            client: ClientId::parse(parties.client).ok_or_else(|| bad("client_id"))?,
            user: UserId::parse(parties.user).ok_or_else(|| bad("user_id"))?,
            session: SessionId::parse(parties.session).ok_or_else(|| bad("session_id"))?,
            scope: self.scope,
            resources: self.resources,
            claims: self.claims,
            authentication: Authentication {
                at: Moment::from_micros(self.authenticated_at),
                amr: self.amr,
                acr: self.acr,
            },
            nonce: self.nonce,
        })
    }
}
