//! Claims about the person, for the client that they signed in at (OpenID Connect Core §5.3).

use super::{
    bearer::{Bearer, bad_token},
    clients, encrypt, person, rotate_keys, signing,
    world::{World, only_fault},
};
use crate::{
    base::{
        fault::{Fault, Stop},
        scope::Scope,
        uri::Issuer,
    },
    jose::{Alg, Typ},
    oauth::{bearer::Challenge, client::Client},
    oidc::{claims, subject::Subject},
    store::Tx,
};
use serde_json::{Map, Value};
use std::{convert::Infallible, sync::Arc};

/// What is told of a person.
#[derive(Clone, Debug)]
pub enum Told {
    /// As JSON.
    Claims(Map<String, Value>),
    /// Signed, and perhaps encrypted, as the client asked for it.
    Jwt(String),
}

/// What the holder of an access token is told.
///
/// # Errors
/// `insufficient_scope` without `openid`, or where the client may not ask for that any more; `invalid_token` where no person is behind the token,
/// where they were disabled, or where what they granted has ended; a fault of the store.
pub async fn run(world: &Arc<World>, bearer: Bearer) -> Result<Told, Stop<Challenge>> {
    let policy = world.policy.load();
    let issuer = &policy.tokens.issuer;
    opens(&bearer.scope, issuer)?;
    let (Subject::Person(user), Some(grant)) = (bearer.subject, bearer.grant) else {
        return Err(bad_token(world, "no person is behind this access token"));
    };
    let read = move |tx: &mut Tx<'_>| -> Result<_, Stop<Infallible>> {
        let Some(grant) = tx.grants().find(&grant)?.filter(|row| row.revoked.is_none()) else { return Ok(None) };
        let user = tx.users().find(&user)?.filter(|user| user.enabled() && user.id == grant.grant.granted.user);
        Ok(user.map(|user| (grant.grant.granted, user)))
    };
    let found = world.store.read("userinfo", read).await.map_err(only_fault)?;
    let Some((granted, user)) = found else {
        return Err(bad_token(world, "what this access token was issued for has ended"));
    };
    let Some(listed) = clients::find(world, &granted.client).await? else {
        return Err(bad_token(world, "the client of this access token is no longer registered"));
    };
    let client = listed.client();
    // What the client was since deprived of, a token from before does not open.
    let scope = bearer.scope.and(&client.scope);
    opens(&scope, issuer)?;
    let asked = granted.claims.within(&client.scope);
    let refused = |refusal| Stop::Refusal(Challenge::of(issuer, refusal));
    let claims = claims::userinfo(&person::of(&user)?, &scope, &asked.userinfo).map_err(refused)?;
    let Some(alg) = client.responses.userinfo_signed else { return Ok(Told::Claims(claims)) };
    let recipient = encrypt::recipient(world, client, client.responses.userinfo_encrypted).await;
    let recipient = recipient.map_err(|stop| stop.map(|refusal| Challenge::of(issuer, refusal)))?;
    let signed = signed(world, client, alg, claims).await?;
    Ok(Told::Jwt(recipient.seal(signed)?))
}

/// Whether userinfo may be asked with this scope (Core §5.3.1).
fn opens(scope: &Scope, issuer: &Issuer) -> Result<(), Stop<Challenge>> {
    if scope.has("openid") {
        return Ok(());
    }
    let openid = Scope::parse("openid").map_err(|e| Fault::new("naming a scope", e))?;
    Err(Stop::Refusal(Challenge::lacking(issuer, openid)))
}

/// The claims as a signed token for the client (Core §5.3.2). It has no `exp`, so it passes for no ID
/// token, nor for a hint at one.
async fn signed(
    world: &Arc<World>,
    client: &Client,
    alg: Alg,
    mut claims: Map<String, Value>,
) -> Result<String, Fault> {
    rotate_keys::ensure(world, alg).await?;
    claims.insert("iss".to_owned(), Value::from(world.policy.load().tokens.issuer.as_str()));
    claims.insert("aud".to_owned(), Value::from(client.id.as_str()));
    let keyring = world.keyring.load_full();
    let key = keyring.signer(alg).ok_or_else(|| Fault::bare(format!("there is no signing key for {alg}")))?;
    signing::sign(world, key, Typ::IdToken, &claims).await
}
