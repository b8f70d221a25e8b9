//! A client on its own account (RFC 6749 §4.4): confidential clients only, no refresh token, no
//! person and so nothing of OpenID Connect.

use crate::{
    base::{scope::Scope, uri::Resource},
    oauth::{
        client::{Client, GrantType},
        code::ErrorCode::{InvalidScope, UnauthorizedClient},
        params::Params,
        refusal::{Refusal, refuse},
        resource::{resources_of, scope_of},
    },
};
use std::collections::BTreeSet;

/// The scope tokens that are about a person; a client alone is never given them.
const OF_PEOPLE: [&str; 6] = ["openid", "profile", "email", "address", "phone", "offline_access"];

/// What the client sends.
#[derive(Clone, Debug)]
pub struct Request {
    /// `scope`.
    pub scope: Option<Scope>,
    /// `resource`.
    pub resources: BTreeSet<Resource>,
}

impl Request {
    pub(super) fn parse(params: &Params) -> Result<Self, Refusal> {
        Ok(Self { scope: scope_of(params)?, resources: resources_of(params)? })
    }
}

/// The scope and resources to grant, by the same rules as everywhere.
///
/// # Errors
/// `unauthorized_client`, `invalid_scope`, `invalid_target`.
pub fn judge(client: &Client, request: &Request) -> Result<(Scope, BTreeSet<Resource>), Refusal> {
    client.may_use(GrantType::ClientCredentials)?;
    if client.is_public() {
        return refuse(UnauthorizedClient, "a public client cannot act on its own account");
    }
    let of_people: Scope = OF_PEOPLE.into_iter().collect();
    let scope = match &request.scope {
        None => client.scope_for(None)?.minus(&of_people),
        Some(asked) if asked.and(&of_people).is_empty() => client.scope_for(Some(asked))?,
        Some(_) => {
            return refuse(InvalidScope, "openid, its claims and offline_access need a person: use authorization_code");
        }
    };
    Ok((scope, client.resources_for(&request.resources)?))
}
