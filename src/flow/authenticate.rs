//! A client proves itself at one of our endpoints (RFC 6749 §2.3, RFC 7523 §2.2).

use super::{
    clients::{self, Listed},
    decrypt,
    secrets::rehash,
    unrecorded::note_within_budget,
    world::{World, only_fault},
};
use crate::{
    audit::{Event, Origin},
    base::{
        digest::sha256,
        fault::{Fault, Stop},
        id::ClientId,
    },
    jose::KeySet,
    oauth::{
        client::ClientKeys,
        engine::Ended,
        params::Params,
        proof::{Denied, Known, Means, Presented, Proof, Proven, Seen, Unused, plausible, prove},
    },
    store::Tx,
};
use std::{convert::Infallible, sync::Arc};

/// The client that a request comes from, proven.
///
/// # Errors
/// `invalid_client`, the same for every reason; `invalid_request` where two methods are shown.
pub async fn run(
    world: &Arc<World>,
    authorization: Option<&str>,
    params: &Params,
    origin: &Origin,
) -> Result<Proven<Listed>, Ended> {
    let params = decrypt::assertion(world, origin.address, params)?;
    let presented = Presented::parse(authorization, &params)?;
    // Before anything is looked up: a mistyped secret costs neither query nor hash.
    if let Err(denied) = plausible(&presented) {
        record(world, &presented, &denied, origin).await;
        return Err(Stop::Refusal(denied.into()));
    }
    let listed = clients::find(world, presented.client_id()).await?;
    let outcome = judge(world, &presented, listed).await?;
    match outcome {
        Ok(proven) => {
            if let Some(secret) = proven.secret() {
                world.secret_uses.used(secret, world.now(), origin.address);
            }
            Ok(proven)
        }
        Err(denied) => {
            record(world, &presented, &denied, origin).await;
            Err(Stop::Refusal(denied.into()))
        }
    }
}

/// Within a budget: a stranger can bring it about at will, and whoever holds one used assertion as often as they like.
async fn record(world: &World, presented: &Presented, denied: &Denied, origin: &Origin) {
    let client = presented.client_id().clone();
    let event = match &denied.replayed {
        Some(jti) => {
            // Its signer chose it: it may hold anything.
            let jti = jti.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
            Event::AssertionReplayed { client, jti }
        }
        None => {
            let (method, why) = (presented.method().wire(), denied.why.because());
            Event::ClientAuthenticationFailed { client, method, why }
        }
    };
    note_within_budget(world, origin, event).await;
}

async fn judge(
    world: &Arc<World>,
    presented: &Presented,
    listed: Option<Listed>,
) -> Result<Result<Proven<Listed>, Denied>, Fault> {
    let fetched = match &listed {
        Some(listed) => keys(world, presented, listed).await,
        None => None,
    };
    let policy = world.policy.load();
    let peppers = world.secrets.pepper.all();
    let means = Means { peppers: &peppers, issuer: &policy.tokens.issuer, now: world.now() };
    let secrets = listed.clone();
    let known = Known { secrets: secrets.as_ref().map_or(&[], Listed::secrets), keys: fetched.as_deref() };
    match prove(presented, listed, known, means) {
        Ok(Proof::Done(proven)) => {
            if let Some(listed) = &secrets {
                rehash::client_secret(world, presented, listed).await;
            }
            Ok(Ok(proven))
        }
        Ok(Proof::OnceOnly(unused)) => first_use(world, presented.client_id(), unused).await,
        Err(denied) => Ok(Err(denied)),
    }
}

/// The keys that an assertion may be signed with.
async fn keys(world: &World, presented: &Presented, listed: &Listed) -> Option<Arc<KeySet>> {
    let Presented::Assertion { jwt, .. } = presented else { return None };
    match &listed.client().keys {
        ClientKeys::None => None,
        ClientKeys::Registered(keys) => Some(Arc::clone(keys.keys())),
        ClientKeys::Fetched(uri) => {
            let kid = crate::jose::peek_kid(jwt.expose());
            match world.outbound.fetch_jwks(uri, kid.as_deref(), world.now()).await {
                Ok(keys) => Some(keys),
                Err(failed) => {
                    tracing::warn!(client = %listed.client().id, error = %failed, "a client's keys could not be fetched");
                    None
                }
            }
        }
    }
}

/// An assertion is good once, on all nodes together: its `jti` is a unique key in the store.
async fn first_use(
    world: &Arc<World>,
    client: &ClientId,
    unused: Unused<Listed>,
) -> Result<Result<Proven<Listed>, Denied>, Fault> {
    let scope = format!("assertion {client}");
    let (hash, until) = (sha256(unused.jti().as_bytes()), unused.until());
    let write = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.replay().first_use(&scope, &hash, until)?);
    let first = world.store.write("assertion_first_use", write).await.map_err(only_fault)?;
    Ok(unused.judged(if first { Seen::FirstTime } else { Seen::Before }))
}
