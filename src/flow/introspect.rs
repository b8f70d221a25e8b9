//! Introspection (RFC 7662): what a token is, told to the client that holds it and to the
//! resource servers that it is for; to everybody else there is nothing there.
//!
//! An access token is verified in memory, without a query: its signature, and the set of what
//! has been revoked. A refresh token is a row.

use super::{
    api_keys::{self, ask::Asker},
    authenticate,
    clients::{self, Listed},
    guard::{self, Door},
    world::{World, only_fault},
};
use crate::{
    audit::Origin,
    base::{
        credential::RefreshToken,
        fault::{Fault, Stop},
        id::{ClientId, GrantId},
        moment::Moment,
    },
    jose::{self, Audience, Profile, verify},
    oauth::{engine::Ended, introspect as rule, params::Params, proof::Proven},
    store::{Tx, grants::GrantRow},
};
use serde_json::Value;
use std::{convert::Infallible, sync::Arc};

/// Tells what a token is.
///
/// # Errors
/// `invalid_client`; a fault where the store cannot be asked, or where this node has not heard of
/// revocations for too long to say that a token is good.
pub async fn run(
    world: &Arc<World>,
    authorization: Option<&str>,
    params: &Params,
    origin: &Origin,
) -> Result<Value, Ended> {
    params.refuse_repeats()?;
    let proven = authenticate::run(world, authorization, params, origin).await?;
    guard::pass_client(world, Door::Introspect, proven.client()).await?;
    rule::may_ask(proven.client())?;
    let token = params.required("token")?;
    let told = match RefreshToken::parse(token) {
        Some(token) if !token.authentic(&world.secrets.refresh) => None,
        Some(token) => refresh(world, &proven, token).await?,
        // A key that was made elsewhere may have dots too, but no header before the first.
        None if jose::has_header(token) => access(world, &proven, token).await?,
        None => {
            let served = proven.client().protected_resources.iter().cloned().collect();
            api_keys::introspect::run(world, &Asker::Client(served), token, origin).await?
        }
    };
    Ok(told.unwrap_or_else(rule::inactive))
}

async fn access(world: &World, proven: &Proven<Listed>, token: &str) -> Result<Option<Value>, Fault> {
    if !world.revocations.is_fresh(world.now()) {
        return Err(Fault::bare("no word of revocations from the database for too long").passing());
    }
    let policy = world.policy.load();
    let profile = Profile::access_token(&policy.tokens.issuer, Audience::Judged);
    let keyring = world.keyring.load();
    let Ok(verified) = verify(&profile, keyring.keys(), token, world.now()) else { return Ok(None) };
    let grant = verified.str("grant_id").and_then(GrantId::parse);
    if world.revocations.includes(verified.str("jti").unwrap_or_default(), grant.as_ref()) {
        return Ok(None);
    }
    let issued = verified.moment("iat").unwrap_or(Moment::EPOCH);
    if let Some(key) = verified.str("key_id") {
        // It hangs from an API key, and ends with it.
        let client = verified.str("client_id").unwrap_or_default();
        let stands = api_keys::exchange::still_stands(world, key, client, issued).await?;
        return Ok(stands.then(|| rule::access_token(proven.client(), &verified)));
    }
    let Some(client) = verified.str("client_id").and_then(ClientId::parse) else { return Ok(None) };
    // A client's own tokens hang from no grant: they end with the client, and for good.
    let stands = clients::find(world, &client).await?.is_some_and(|c| grant.is_some() || c.stands_by(issued));
    Ok(stands.then(|| rule::access_token(proven.client(), &verified)))
}

async fn refresh(world: &Arc<World>, proven: &Proven<Listed>, token: RefreshToken) -> Result<Option<Value>, Fault> {
    let id = token.grant.clone();
    let read = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.grants().find(&id)?);
    let found = world.store.read("find_grant", read).await.map_err(only_fault)?;
    let hashes = world.secrets.pepper.hashes(token.text().expose());
    let now = world.now();
    let live = |row: &GrantRow| {
        let current = row.refresh.as_ref();
        let current = current.is_some_and(|line| hashes.contains(&line.current) && now < line.idle_expires_at);
        current && row.revoked.is_none() && now < row.grant.expires_at
    };
    let Some(row) = found.filter(live) else { return Ok(None) };
    let ends = row.refresh.as_ref().map_or(row.grant.expires_at, |l| l.idle_expires_at.min(row.grant.expires_at));
    Ok(Some(rule::refresh_token(proven.client(), &row.grant, ends, &world.policy.load().tokens.issuer)))
}
