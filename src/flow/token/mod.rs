//! The token endpoint: authenticate, then exchange a grant for tokens.
//!
//! Spec: RFC 6749 §4.1.3, §4.4, §5, §6; RFC 9700 §4.14; RFC 9068.

mod code;
mod key;
mod mint;
mod own;
mod refresh;

use super::{
    authenticate,
    guard::{self, Door},
    keys::exchange::Asking,
    world::World,
};
use crate::{
    audit::Origin,
    base::fault::Fault,
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
    user_agent: Option<&str>,
    origin: &Origin,
) -> Result<Issued, Ended> {
    let request = TokenRequest::parse(params)?;
    let grant_type = request.grant_type();
    if let TokenRequest::TokenExchange(request) = &request {
        let client = key::client(world, authorization, params, origin).await?;
        let asking = Asking { user_agent, jkt: None };
        let issued = key::exchange(world, client.as_ref(), request, asking, origin).await?;
        world.metrics.tokens_issued.one(grant_type.wire());
        return Ok(issued);
    }
    let proven = authenticate::run(world, authorization, params, origin).await?;
    guard::pass_client(world, Door::Token, &proven.client().id).await?;
    proven.client().may_use(grant_type)?;
    let issued = match request {
        TokenRequest::AuthorizationCode(request) => code::exchange(world, proven, request, origin).await?,
        TokenRequest::RefreshToken(request) => refresh::exchange(world, proven, request, origin).await?,
        TokenRequest::ClientCredentials(request) => own::issue(world, &proven, &request, origin).await?,
        TokenRequest::TokenExchange(_) => return Err(Fault::bare("an exchange of two minds").into()),
    };
    world.metrics.tokens_issued.one(grant_type.wire());
    Ok(issued)
}

#[cfg(test)]
mod tests;
