//! Secrets whose hash was made with an older pepper: found all the same, and hashed anew where they
//! are used. While there is one pepper, as a rule, all of this costs nothing.

use super::super::{
    clients::Listed,
    world::{World, only_fault},
};
use crate::{
    account::{Session, User},
    apikey::key::ApiKey,
    base::{
        credential::RefreshToken,
        digest::TokenHash,
        fault::{Fault, Stop},
        id::GrantId,
        secret::Secret,
    },
    oauth::proof::Presented,
    store::Tx,
};
use std::{convert::Infallible, sync::Arc};

/// Hashes the secret that a client has just proven itself with anew, if an older pepper made its hash.
pub async fn client_secret(world: &World, presented: &Presented, listed: &Listed) {
    let (Presented::Basic { secret, .. } | Presented::Post { secret, .. }) = presented else { return };
    let peppers = world.secrets.pepper.all();
    let Some((current, others)) = peppers.split_first().filter(|(_, others)| !others.is_empty()) else { return };
    let old = others.iter().find_map(|pepper| {
        let hash = pepper.hash(secret.expose());
        listed.secrets().iter().any(|stored| stored.pepper == pepper.version() && stored.hash == hash).then_some(hash)
    });
    let Some(before) = old else { return };
    let (client, after, version) = (listed.client().id.clone(), current.hash(secret.expose()), current.version());
    let renew = move |tx: &mut Tx<'_>| {
        Ok::<_, Stop<Infallible>>(tx.hashes().renew_secret(&client, &before, (&after, version))?)
    };
    told(world.store.write("rehash_client_secret", renew).await.map_err(only_fault), "client secret");
}

/// Hashes the text of an API key anew that was found by this digest, an older pepper's.
pub async fn api_key(world: &World, key: &ApiKey, before: TokenHash, text: &str) {
    let current = world.secrets.pepper.current();
    let (id, after, version) = (key.id.clone(), current.hash(text), current.version());
    let renew =
        move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.hashes().renew_key(&id, &before, (&after, version))?);
    told(world.store.write("rehash_api_key", renew).await.map_err(only_fault), "API key");
}

/// What was found goes on being found as it was: the next use tries again.
fn told(renewed: Result<(), Fault>, what: &'static str) {
    if let Err(fault) = renewed {
        tracing::warn!(error = %fault, what, "a secret could not be hashed with the newest pepper");
    }
}

/// The session of this cookie, and whose it is, under whichever pepper.
///
/// # Errors
/// A fault of the store.
pub async fn session(world: &World, cookie: &Secret<String>) -> Result<Option<(Session, User)>, Fault> {
    let hashes = world.secrets.pepper.hashes(cookie.expose());
    let current = hashes.first().copied();
    let find = move |tx: &mut Tx<'_>| -> Result<_, Stop<Infallible>> {
        for hash in &hashes {
            if let Some(found) = tx.sessions().by_hash(hash)? {
                return Ok(Some((found, *hash)));
            }
        }
        Ok(None)
    };
    let Some((found, hash)) = world.store.read("find_session", find).await.map_err(only_fault)? else {
        return Ok(None);
    };
    if let Some(after) = current.filter(|current| *current != hash) {
        let id = found.0.id.clone();
        let renew = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.hashes().renew_session(&id, &hash, &after)?);
        told(world.store.write("rehash_session", renew).await.map_err(only_fault), "session");
    }
    Ok(Some(found))
}

/// The hash under which a code is stored, or would be: that of the newest pepper unless an older one's is known.
///
/// # Errors
/// A fault of the store.
pub async fn of_code(world: &World, code: &Secret<String>) -> Result<TokenHash, Fault> {
    let newest = world.secrets.pepper.hash(code.expose());
    let older = world.secrets.pepper.older_hashes(code.expose());
    if older.is_empty() {
        return Ok(newest);
    }
    let all: Vec<TokenHash> = [newest].into_iter().chain(older).collect();
    let find = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.hashes().of_code(&all)?);
    let found = world.store.read("find_code", find).await.map_err(only_fault)?;
    Ok(found.unwrap_or(newest))
}

/// The hash under which a refresh token is stored in its line, or would be: as [`of_code`]. Its successor is
/// hashed with the newest pepper, so a line takes that on by itself.
///
/// # Errors
/// A fault of the store.
pub async fn of_refresh_token(world: &Arc<World>, token: &RefreshToken) -> Result<TokenHash, Fault> {
    let text = token.text().expose();
    let (newest, older) = (world.secrets.pepper.hash(text), world.secrets.pepper.older_hashes(text));
    if older.is_empty() {
        return Ok(newest);
    }
    let id: GrantId = token.grant.clone();
    let find = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.grants().find(&id)?);
    let found = world.store.read("find_grant", find).await.map_err(only_fault)?;
    let line = found.and_then(|row| row.refresh);
    let is_one = |hash: &TokenHash| line.as_ref().is_some_and(|l| l.current == *hash || l.previous == Some(*hash));
    Ok(older.into_iter().find(is_one).unwrap_or(newest))
}
