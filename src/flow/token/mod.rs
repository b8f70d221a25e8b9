//! The token endpoint: authenticate, then exchange a grant for tokens.
//!
//! Spec: RFC 6749 §4.1.3, §4.4, §5, §6; RFC 9700 §4.14; RFC 9068.

mod code;
mod mint;
mod own;
mod refresh;

use super::{
    authenticate,
    guard::{self, Door},
    world::World,
};
use crate::{
    audit::Origin,
    oauth::{engine::Ended, grant::TokenRequest, issue::Issued, params::Params},
};
use std::sync::Arc;

/// Answers a token request.
///
/// The client is proven before its grant is looked at, so that nobody can test codes and tokens
/// without being a client; a request that cannot be read is turned away before either.
///
/// # Errors
/// A refusal with its own code, or a fault.
pub async fn run(
    world: &Arc<World>,
    authorization: Option<&str>,
    params: &Params,
    origin: &Origin,
) -> Result<Issued, Ended> {
    let request = TokenRequest::parse(params)?;
    let proven = authenticate::run(world, authorization, params, origin).await?;
    guard::pass_client(world, Door::Token, &proven.client().id).await?;
    let grant_type = request.grant_type();
    proven.client().may_use(grant_type)?;
    let issued = match request {
        TokenRequest::AuthorizationCode(request) => code::exchange(world, proven, request, origin).await?,
        TokenRequest::RefreshToken(request) => refresh::exchange(world, proven, request, origin).await?,
        TokenRequest::ClientCredentials(request) => own::issue(world, &proven, &request, origin).await?,
    };
    world.metrics.tokens_issued.one(grant_type.wire());
    Ok(issued)
}

#[cfg(test)]
mod tests;
