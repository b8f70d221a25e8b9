//! Claims about the person, for the client that they signed in at (OpenID Connect Core §5.3).

use super::{
    bearer::{Bearer, bad_token},
    person,
    world::{World, only_fault},
};
use crate::{
    base::{
        fault::{Fault, Stop},
        scope::Scope,
    },
    oauth::bearer::Challenge,
    oidc::{claims, subject::Subject},
    store::Tx,
};
use serde_json::{Map, Value};
use std::{convert::Infallible, sync::Arc};

/// What the holder of an access token is told.
///
/// # Errors
/// `insufficient_scope` without `openid`; `invalid_token` where no person is behind the token,
/// where they were disabled, or where what they granted has ended; a fault of the store.
pub async fn run(world: &Arc<World>, bearer: Bearer) -> Result<Map<String, Value>, Stop<Challenge>> {
    let policy = world.policy.load();
    let issuer = &policy.tokens.issuer;
    if !bearer.scope.has("openid") {
        let openid = Scope::parse("openid").map_err(|e| Fault::new("naming a scope", e))?;
        return Err(Stop::Refusal(Challenge::lacking(issuer, openid)));
    }
    let (Subject::Person(user), Some(grant)) = (bearer.subject, bearer.grant) else {
        return Err(bad_token(world, "no person is behind this access token"));
    };
    let read = move |tx: &mut Tx<'_>| -> Result<_, Stop<Infallible>> {
        let Some(grant) = tx.grants().find(&grant)?.filter(|row| row.revoked.is_none()) else { return Ok(None) };
        let user = tx.users().find(&user)?.filter(|user| user.enabled() && user.id == grant.grant.granted.user);
        Ok(user.map(|user| (grant.grant.granted.claims, user)))
    };
    let found = world.store.read("userinfo", read).await.map_err(only_fault)?;
    let Some((asked, user)) = found else {
        return Err(bad_token(world, "what this access token was issued for has ended"));
    };
    claims::userinfo(&person::of(&user)?, &bearer.scope, &asked.userinfo)
        .map_err(|refusal| Stop::Refusal(Challenge::of(issuer, refusal)))
}
