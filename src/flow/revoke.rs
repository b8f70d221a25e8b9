//! Revoking a token (RFC 7009): an access token by its name, a refresh token with its whole
//! grant. What was said to be revoked is stored first; what could not be stored is never said.

use super::{
    authenticate,
    guard::{self, Door},
    world::{World, note},
};
use crate::{
    audit::{Actor, Event, GrantEnd, Origin},
    base::{
        credential::RefreshToken,
        fault::Stop,
        id::{ClientId, GrantId},
        moment::Moment,
    },
    jose::{Audience, Profile, verify},
    oauth::{
        code::ErrorCode::InvalidRequest,
        engine::Ended,
        params::Params,
        refusal::{Refusal, refuse},
    },
    store::{
        Tx,
        feed::{Change, Subject},
    },
};
use std::sync::Arc;

/// What was presented.
enum Found {
    Refresh(RefreshToken),
    Access { jti: String, until: Moment },
    Nothing,
}

/// Revokes. A token that is unknown, malformed or expired is as good as revoked (RFC 7009 §2.2).
///
/// # Errors
/// `invalid_client`; `invalid_request` where the token is another client's; a fault, always of
/// the kind that passes, where it could not be stored.
pub async fn run(
    world: &Arc<World>,
    authorization: Option<&str>,
    params: &Params,
    origin: &Origin,
) -> Result<(), Ended> {
    params.refuse_repeats()?;
    let proven = authenticate::run(world, authorization, params, origin).await?;
    let client = proven.client().id.clone();
    guard::pass_client(world, Door::Revoke, proven.client()).await?;
    let outcome = match find(world, params.required("token")?, &client)? {
        Found::Nothing => Ok(()),
        Found::Refresh(token) => grant(world, token, client, origin).await,
        Found::Access { jti, until } => access(world, jti, until, client, origin).await,
    };
    outcome.map_err(|stop| match stop {
        Stop::Fault(fault) => Stop::Fault(fault.passing()),
        refusal @ Stop::Refusal(_) => refusal,
    })
}

/// `token_type_hint` is not needed: the two types have nothing in common.
fn find(world: &World, token: &str, client: &ClientId) -> Result<Found, Refusal> {
    if let Some(token) = RefreshToken::parse(token) {
        return Ok(if token.authentic(&world.secrets.refresh) { Found::Refresh(token) } else { Found::Nothing });
    }
    let policy = world.policy.load();
    let profile = Profile::access_token(&policy.tokens.issuer, Audience::Judged);
    let keyring = world.keyring.load();
    let Ok(verified) = verify(&profile, keyring.keys(), token, world.now()) else { return Ok(Found::Nothing) };
    if verified.str("client_id") != Some(client.as_str()) {
        return refuse(InvalidRequest, "the token was issued to another client");
    }
    let jti = verified.str("jti").unwrap_or_default().to_owned();
    Ok(Found::Access { jti, until: verified.until() })
}

async fn grant(world: &Arc<World>, token: RefreshToken, client: ClientId, origin: &Origin) -> Result<(), Ended> {
    let hashes = world.secrets.pepper.hashes(token.text().expose());
    let origin = origin.clone();
    let write = move |tx: &mut Tx<'_>| -> Result<Option<GrantId>, Ended> {
        let Some(row) = tx.grants().find(&token.grant)? else { return Ok(None) };
        let known = row
            .refresh
            .is_some_and(|line| hashes.iter().any(|hash| line.current == *hash || line.previous == Some(*hash)));
        if !known {
            return Ok(None);
        }
        if row.grant.granted.client != client {
            return Err(Refusal::new(InvalidRequest, "the token was issued to another client").into());
        }
        if tx.grants().revoke(&token.grant, GrantEnd::Client)? {
            let event = Event::GrantRevoked {
                grant: token.grant.clone(),
                client: Some(client.clone()),
                user: Some(row.grant.granted.user),
                why: GrantEnd::Client,
                by: Actor::Client(client.clone()),
            };
            note(tx, &origin, event)?;
        }
        Ok(Some(token.grant.clone()))
    };
    if let Some(ended) = world.store.write("revoke_grant", write).await? {
        // This node knows at once; the others hear of it.
        world.revocations.own_grant(ended, world.now() + super::world::LONGEST_TOKEN);
    }
    Ok(())
}

async fn access(
    world: &Arc<World>,
    jti: String,
    until: Moment,
    client: ClientId,
    origin: &Origin,
) -> Result<(), Ended> {
    // It was said and stored: the same again would only write the same again.
    if world.revocations.includes(&jti, None) {
        return Ok(());
    }
    let (name, origin) = (jti.clone(), origin.clone());
    let write = move |tx: &mut Tx<'_>| -> Result<(), Ended> {
        tx.feed().add(&Change::until(Subject::Token, &name, until))?;
        let event =
            Event::AccessTokenRevoked { jti: name.clone(), client: client.clone(), by: Actor::Client(client.clone()) };
        Ok(note(tx, &origin, event)?)
    };
    world.store.write("revoke_access_token", write).await?;
    world.revocations.token(jti, until);
    Ok(())
}
