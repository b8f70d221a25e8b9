//! The token endpoint: authenticate, then exchange a grant for tokens.
//!
//! Spec: RFC 6749 §4.1.3, §4.4, §5, §6; RFC 9700 §4.14; RFC 9068.

mod code;
mod key;
mod mint;
mod own;
mod refresh;

use super::{
    api_keys::exchange::Asking,
    authenticate, dpop, encrypt,
    guard::{self, Door},
    world::World,
};
use crate::{
    audit::Origin,
    base::fault::Fault,
    oauth::{client::GrantType, dpop::Shown, engine::Ended, grant::TokenRequest, issue::Issued, params::Params},
};
use std::sync::Arc;

/// What is sent beside the parameters.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// The field `Authorization`.
    pub authorization: Option<&'a str>,
    /// The field `User-Agent`.
    pub user_agent: Option<&'a str>,
    /// The proof of possession.
    pub dpop: &'a Shown<'a>,
}

/// Answers a token request.
///
/// The client is proven before its grant is looked at, so that nobody can test codes and tokens
/// without being a client; a request that cannot be read is turned away before either. A proof of
/// possession is looked at when it is known whose it would be: a stranger's is not worth a signature.
///
/// # Errors
/// A refusal with its own code, or a fault.
pub async fn run(world: &Arc<World>, sent: Sent<'_>, params: &Params, origin: &Origin) -> Result<Issued, Ended> {
    let request = TokenRequest::parse(params)?;
    let grant_type = request.grant_type();
    let Sent { authorization, user_agent, dpop: shown } = sent;
    if let TokenRequest::TokenExchange(request) = &request {
        let client = key::client(world, authorization, params, origin).await?;
        let issued = key::exchange(world, client.as_ref(), request, Asking { user_agent, dpop: shown }, origin).await?;
        world.metrics.tokens_issued.one(grant_type.wire());
        return Ok(issued);
    }
    let proven = authenticate::run(world, authorization, params, origin).await?;
    guard::pass_client(world, Door::Token, proven.client()).await?;
    proven.client().may_use(grant_type)?;
    let proof = dpop::shown(world, shown)?;
    dpop::used(world, proof.as_ref()).await?;
    let jkt = proof.as_ref().map(|proof| proof.jkt.as_str());
    let encrypted = proven.client().responses.id_token_encrypted.filter(|_| grant_type != GrantType::ClientCredentials);
    let recipient = encrypt::recipient(world, proven.client(), encrypted).await?;
    let mut issued = match request {
        TokenRequest::AuthorizationCode(request) => code::exchange(world, proven, request, origin).await?,
        TokenRequest::RefreshToken(request) => refresh::exchange(world, proven, request, origin).await?,
        TokenRequest::ClientCredentials(request) => own::issue(world, &proven, (&request, jkt), origin).await?,
        TokenRequest::TokenExchange(_) => return Err(Fault::bare("an exchange of two minds").into()),
    };
    issued.id_token = issued.id_token.map(|signed| recipient.seal(signed)).transpose()?;
    world.metrics.tokens_issued.one(grant_type.wire());
    Ok(issued)
}

#[cfg(test)]
mod tests;
