//! Whether this client may ask for this: the ordered list of checks between a proven
//! destination and the first page. Every failure here travels to the client.

use super::{
    destination::Destination,
    request::{AuthorizationRequest, Prompts},
};
use crate::{
    base::{
        id::{ClientId, UserId},
        moment::{Moment, Span},
        scope::Scope,
        uri::Resource,
    },
    oauth::{
        client::{Client, GrantType},
        code::ErrorCode::{InvalidRequest, InvalidScope},
        grant::{ClaimRequest, ClaimsRequest},
        params::Params,
        pkce::CodeChallenge,
        refusal::{Refusal, refuse},
        standard_claims::scope_of,
    },
};
use std::collections::BTreeSet;

/// The scope token that asks for a refresh token which outlives the browser session (OpenID
/// Connect Core §11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// Most bytes of a request, written down: sealed, and with the choice of an account beside it, it
/// still fits into the 7 KiB that a page's address has for it.
const MAX_SIZE: usize = 5000;

/// The authentication context that was asked for (OpenID Connect Core §5.5.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AcrAsked {
    /// One of these must be reached, else the request fails.
    pub essential: Vec<String>,
    /// Most wanted first; none need be reached.
    pub voluntary: Vec<String>,
}

/// A request that passed every check: what will be granted, once the person agrees. Made by
/// [`check`] only, or read back from where it was sealed while a page was open.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Asked {
    /// Who asks.
    pub client: ClientId,
    /// Where the answer goes.
    pub destination: Destination,
    /// The scope to grant.
    pub scope: Scope,
    /// The resources to grant.
    pub resources: BTreeSet<Resource>,
    /// What the redemption of the code must match.
    pub challenge: CodeChallenge,
    /// To be copied into the ID token.
    pub nonce: Option<String>,
    /// Which pages the client insists on.
    pub prompt: Prompts,
    /// How old the sign-in may be.
    pub max_age: Option<Span>,
    /// The authentication context asked for.
    pub acr: AcrAsked,
    /// The claims asked for, of those that the client may have.
    pub claims: ClaimsRequest,
    /// The scope tokens that stand for claims asked for one by one: not granted, but consented to.
    pub claims_scope: Scope,
    /// What to write into the sign-in form.
    pub login_hint: Option<String>,
    /// The languages of the pages, most wanted first.
    pub ui_locales: Vec<String>,
    /// Who must be signed in: from `id_token_hint`, or from a `sub` asked for by value.
    pub subject: Option<UserId>,
    /// When the request was first seen: what happened since then happened for it.
    pub first_seen: Moment,
    checked: Checked,
}

/// Keeps [`Asked`] from being written down anywhere but here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Checked;

impl Asked {
    /// The scope that the person is asked about, and that their consent is recorded for.
    #[must_use]
    pub fn to_consent(&self) -> Scope {
        self.scope.or(&self.claims_scope)
    }

    /// The bytes that it takes to write it down.
    fn size(&self) -> Option<usize> {
        serde_json::to_vec(self).ok().map(|text| text.len())
    }

    /// The same request for the person whom a verified `id_token_hint` names.
    ///
    /// # Errors
    /// `invalid_request` where `claims` asks for another person's `sub`.
    pub fn for_subject(mut self, hinted: UserId) -> Result<Self, Refusal> {
        if self.subject.as_ref().is_some_and(|asked| *asked != hinted) {
            return refuse(InvalidRequest, "id_token_hint and the sub asked for by claims are different people");
        }
        self.subject = Some(hinted);
        Ok(self)
    }
}

/// Judges a request whose destination is proven.
///
/// # Errors
/// The first failing check's [`Refusal`], to be sent to the destination.
pub fn check(params: &Params, client: &Client, destination: &Destination, now: Moment) -> Result<Asked, Refusal> {
    // 1 · Can it be read? See there for the order within. First, since nothing may be concluded
    //     from a request that two readers could read differently.
    let request = AuthorizationRequest::parse(params)?;
    // 2 · May this client sign people in at all? Before its wishes, since they would not matter.
    client.may_use(GrantType::AuthorizationCode)?;
    // 3 · Scope before resources: the commoner mistake, and the one whose message helps more.
    let scope = scope_to_grant(&request, client)?;
    let resources = client.resources_for(&request.resources)?;
    // 4 · Who and how: these can only make the answer stricter.
    let subject = subject_asked(&request.claims)?;
    let acr = acr_asked(&request, client);
    let claims = request.claims.within(&client.scope);
    let asked = Asked {
        client: client.id.clone(),
        destination: destination.clone(),
        scope,
        resources,
        challenge: request.challenge,
        nonce: request.nonce,
        prompt: request.prompt,
        max_age: request.max_age.or(client.defaults.max_age),
        acr,
        claims_scope: standing_for(&claims),
        claims,
        login_hint: request.login_hint,
        ui_locales: request.ui_locales,
        subject,
        first_seen: now,
        checked: Checked,
    };
    // 5 · Can it be kept while a page is open? Last, since only now its size is known.
    if asked.size().is_none_or(|size| size > MAX_SIZE) {
        return refuse(InvalidRequest, "the request is too long to be kept while a page is open: ask for less at once");
    }
    Ok(asked)
}

/// What was asked, or all the client has. `offline_access` is never given unasked, and is
/// dropped without a word where the client gets no refresh tokens (OpenID Connect Core §11).
fn scope_to_grant(request: &AuthorizationRequest, client: &Client) -> Result<Scope, Refusal> {
    let refreshes = client.grant_types.contains(&GrantType::RefreshToken);
    let offline: Scope = [OFFLINE_ACCESS].into_iter().collect();
    match &request.scope {
        None => Ok(client.scope_for(None)?.minus(&offline)),
        Some(asked) if refreshes => client.scope_for(Some(asked)),
        Some(asked) => {
            let rest = asked.minus(&offline);
            if rest.is_empty() {
                return refuse(InvalidScope, "offline_access alone: this client gets no refresh tokens");
            }
            client.scope_for(Some(&rest))
        }
    }
}

fn standing_for(claims: &ClaimsRequest) -> Scope {
    claims.userinfo.keys().chain(claims.id_token.keys()).filter_map(|claim| scope_of(claim)).collect()
}

/// Where a `sub` is asked for by value, nobody else may be answered for (OpenID Connect Core §5.5.1).
fn subject_asked(claims: &ClaimsRequest) -> Result<Option<UserId>, Refusal> {
    let asked: Vec<&ClaimRequest> =
        [&claims.id_token, &claims.userinfo].into_iter().filter_map(|member| member.get("sub")).collect();
    let mut values = asked.iter().flat_map(|request| &request.values);
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|other| other != first) {
        return refuse(InvalidRequest, "claims asks for more than one sub");
    }
    match UserId::parse(first) {
        Some(user) => Ok(Some(user)),
        None => refuse(InvalidRequest, "claims asks for a sub that nobody has"),
    }
}

/// An `acr` in `claims` speaks before `acr_values`, and both before the client's default.
fn acr_asked(request: &AuthorizationRequest, client: &Client) -> AcrAsked {
    match request.claims.id_token.get("acr") {
        Some(acr) if acr.essential => AcrAsked { essential: acr.values.clone(), voluntary: request.acr_values.clone() },
        Some(acr) if !acr.values.is_empty() => AcrAsked { essential: Vec::new(), voluntary: acr.values.clone() },
        _ if !request.acr_values.is_empty() => {
            AcrAsked { essential: Vec::new(), voluntary: request.acr_values.clone() }
        }
        _ => AcrAsked { essential: Vec::new(), voluntary: client.defaults.acr_values.clone() },
    }
}
