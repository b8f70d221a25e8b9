//! Exchanging a refresh token (RFC 6749 §6, RFC 9700 §4.14): rotated each time, the same
//! successor for a retry within the grace window, the end of the whole line for any other reuse.

use super::{
    Granted,
    authorization_code::{narrow_resources, still_allowed},
};
use crate::{
    base::{
        credential::RefreshToken,
        digest::TokenHash,
        id::ClientId,
        moment::{Moment, Span},
        scope::Scope,
        uri::Resource,
    },
    oauth::{
        client::Client,
        code::ErrorCode::{InvalidGrant, InvalidScope},
        params::Params,
        refusal::{Refusal, refuse},
        resource::{resources_of, scope_of},
    },
};
use std::collections::BTreeSet;

/// What the client sends.
#[derive(Clone, Debug)]
pub struct Request {
    /// `refresh_token`, of good form.
    pub token: RefreshToken,
    /// `scope`: narrower than granted, for this access token only.
    pub scope: Option<Scope>,
    /// `resource`: for which of those granted the access token is.
    pub resources: BTreeSet<Resource>,
}

impl Request {
    pub(super) fn parse(params: &Params) -> Result<Self, Refusal> {
        let token = RefreshToken::parse(params.required("refresh_token")?).ok_or_else(not_good)?;
        Ok(Self { token, scope: scope_of(params)?, resources: resources_of(params)? })
    }
}

/// What is told of a refresh token that is unknown, used, expired, revoked or another client's.
#[must_use]
pub fn not_good() -> Refusal {
    Refusal::new(InvalidGrant, "the refresh token is unknown, used, expired, revoked, or another client's")
}

/// The state of a line of refresh tokens, as stored with its grant.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whose it is.
    pub client: ClientId,
    /// The place of the current token, from 1.
    pub generation: u32,
    /// The hash of the current token.
    pub current: TokenHash,
    /// The hash of the token before it, where there was one.
    pub previous: Option<TokenHash>,
    /// When the current token took the place of the one before it; of the first, when it was issued.
    pub rotated_at: Moment,
    /// Whether the line was ended.
    pub revoked_at: Option<Moment>,
    /// The absolute end of the grant.
    pub expires_at: Moment,
    /// When the current token ends for lack of use.
    pub idle_expires_at: Moment,
}

/// What is presented.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// By which client, proven.
    pub client: &'a ClientId,
    /// The token's place in the line.
    pub generation: u32,
    /// The token's hash.
    pub hash: TokenHash,
}

/// What to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshVerdict {
    /// It is the current token: put its successor in its place.
    Rotate,
    /// It is the token before, within the grace window: issue the same successor again.
    Replay,
    /// It is an older token: two parties hold the line. Revoke it, record it, and answer with
    /// [`not_good`].
    Reused,
    /// Answer with this.
    Refused(Refusal),
}

/// Judges a refresh token against its line.
///
/// The hash is compared before anything is concluded from a token's age: the text names its
/// grant and its generation openly, so anyone could write down an older one. Only of tokens two
/// or more places back is no hash kept; they are taken for what they say. To forge one takes the
/// grant's name, which only access tokens tell, and the client's proof; whoever has both can end
/// the grant by `revoke` as well.
#[must_use]
pub fn decide_refresh(shown: Shown<'_>, line: &Line, grace: Span, now: Moment) -> RefreshVerdict {
    let no = || RefreshVerdict::Refused(not_good());
    if *shown.client != line.client || line.revoked_at.is_some() {
        return no();
    }
    if now >= line.expires_at {
        return no();
    }
    let back = line.generation.checked_sub(shown.generation);
    match back {
        Some(0) if shown.hash == line.current && now < line.idle_expires_at => RefreshVerdict::Rotate,
        Some(1) if line.previous == Some(shown.hash) => {
            if now.since(line.rotated_at) < grace {
                RefreshVerdict::Replay
            } else {
                RefreshVerdict::Reused
            }
        }
        Some(0 | 1) | None => no(),
        Some(_) => RefreshVerdict::Reused,
    }
}

/// Scope and resources of one access token: those asked for, all of them granted; without
/// asking, all that were granted. The grant itself keeps its whole width for the next time (RFC
/// 6749 §6), and what the client was since deprived of is left out.
///
/// # Errors
/// `invalid_scope`, `invalid_target`.
pub fn narrow(
    granted: &Granted,
    client: &Client,
    scope: Option<&Scope>,
    resources: &BTreeSet<Resource>,
) -> Result<(Scope, BTreeSet<Resource>), Refusal> {
    let whole = granted.scope.and(&client.scope);
    let scope = match scope {
        None => whole,
        Some(asked) if asked.within(&whole) => asked.clone(),
        Some(_) => return refuse(InvalidScope, "the scope is wider than what was granted"),
    };
    Ok((scope, still_allowed(client, &narrow_resources(granted, resources)?)?))
}
