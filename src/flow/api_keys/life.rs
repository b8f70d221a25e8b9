//! The life of a key after it was made: given a successor, switched off and on, ended.

use super::{
    apis::Done,
    create::Created,
    refused::{Refused, allowed, refuse},
};
use crate::{
    apikey::{
        access::{Act, Caller},
        api::Api,
        create::succession,
        key::{ApiKey, Kind, Side, State},
        rotate::{self, Insist, Step},
        text::KeyText,
        wanted::Unfit,
    },
    audit::{Actor, Event},
    base::{
        fault::{Fault, Stop},
        id::ApiKeyId,
        moment::Span,
        scope::Scope,
    },
    flow::world::World,
    store::{Tx, key_facts::KeyFacts},
};
use std::sync::Arc;

pub(super) use super::many::within;
pub use super::many::{Many, count_to_revoke, revoke_many, to_revoke};

/// Most characters of a reason.
const MAX_REASON: usize = 200;
/// The most keys of one family, ended ones included.
const MOST_OF_FAMILY: usize = 500;

/// A key that was given a successor.
#[derive(Debug)]
pub struct Rotated {
    /// The key, which ends when the overlap does.
    pub old: ApiKey,
    /// Its successor.
    pub new: Created,
}

/// A key that the caller may do this with.
pub(super) fn reach(tx: &mut Tx<'_>, caller: &Caller, act: Act, id: &ApiKeyId) -> Result<KeyFacts, Stop<Refused>> {
    caller.may(act).map_err(|not| Stop::Refusal(not.into()))?;
    match tx.api_keys().facts(id)? {
        Some(facts) => {
            allowed(caller, act, &facts.family.owner, "API key")?;
            Ok(facts)
        }
        None => refuse(Refused::NotFound("API key")),
    }
}

/// Stores a changed key, where nobody else has changed it meanwhile.
pub(super) fn save(tx: &mut Tx<'_>, key: &ApiKey) -> Result<(), Stop<Refused>> {
    if tx.api_keys().replace(key)? { Ok(()) } else { refuse(Refused::Changed) }
}

fn next_version(key: &ApiKey) -> u32 {
    key.version.saturating_add(1)
}

/// Gives a key a successor with its family, kind, scope and policy, which is good no sooner than the
/// key itself. The old one is good for as long as the overlap; a key that was in overlap before ends at once.
///
/// # Errors
/// [`Refused`] where the caller may not, there is no such key, or it is not in a state to be rotated.
pub async fn rotate(
    world: &Arc<World>,
    caller: Caller,
    (id, overlap): (ApiKeyId, Option<Span>),
    done: Done,
) -> Result<Rotated, Stop<Refused>> {
    let held = Arc::clone(world);
    let write = move |tx: &mut Tx<'_>| -> Result<Rotated, Stop<Refused>> {
        let KeyFacts { family, api, .. } = reach(tx, &caller, Act::Rotate, &id)?;
        let all = tx.api_keys().in_family(&family.id)?;
        let now = tx.now();
        let plan = rotate::rotate(&all, &id, overlap.unwrap_or(rotate::OVERLAP), now).map_err(unmet)?;
        let Some(before) = all.iter().find(|key| key.id == plan.old) else {
            return refuse(Refused::NotFound("API key"));
        };
        let scope = still_allowed(before, &api).map_err(Stop::Refusal)?;
        if all.len() >= MOST_OF_FAMILY {
            return refuse(Refused::State("the key was rotated too often: make a new one"));
        }
        let text = KeyText::mint(&api.prefix, &before.environment, held.api_keys.random_length, tx.dice())?;
        let pepper = held.secrets.pepper.current();
        let not_before = before.not_before.filter(|from| *from > now);
        let life = (before.beginning(), before.expires_at);
        let new = ApiKey {
            id: ApiKeyId::mint(now, tx.dice())?,
            digest: pepper.hash(text.text().expose()),
            pepper: pepper.version(),
            origin: crate::apikey::key::Origin::Minted,
            hint: text.hint().to_owned(),
            scope,
            not_before,
            expires_at: succession(api.settings.sensitivity, life, not_before.unwrap_or(now)),
            successor: None,
            state_reason: None,
            state_at: now,
            disabled_by: None,
            reminded: 0,
            version: 1,
            created_at: now,
            ..before.clone()
        };
        let old = ApiKey {
            state: State::Retiring,
            state_at: now,
            expires_at: Some(plan.old_expires_at),
            successor: Some(new.id.clone()),
            version: next_version(before),
            ..before.clone()
        };
        // First of all: of two who rotate at once, the second changes nothing.
        save(tx, &old)?;
        for key in all.iter().filter(|key| plan.end_now.contains(&key.id)) {
            let ended = ApiKey { expires_at: Some(now), version: next_version(key), ..key.clone() };
            if !tx.api_keys().replace(&ended)? {
                // Not a refusal, which would keep a rotation that is half done.
                return Err(Fault::bare("a key of the family was changed meanwhile").passing().into());
            }
        }
        if tx.api_keys().insert(&new)?.is_err() {
            return Err(Fault::bare("two API keys of one text").into());
        }
        let ends_at = plan.old_expires_at.to_string();
        done.note(tx, |by| Event::ApiKeyRotated { api_key: id.clone(), successor: new.id.clone(), ends_at, by })?;
        Ok(Rotated { old, new: Created { key: new, family, api, text: text.text().clone() } })
    };
    world.store.write("rotate_api_key", write).await
}

/// Whether the API still lets keys like this one be made, and the scope of its successor: what the
/// API no longer offers, no new key has.
fn still_allowed(key: &ApiKey, api: &Api) -> Result<Scope, Refused> {
    if api.disabled_at.is_some() {
        return Err(Unfit::ApiDisabled.into());
    }
    if !api.environments.contains(&key.environment) {
        return Err(Refused::State("the API no longer has the environment of the key"));
    }
    if key.kind == Kind::Public && !api.settings.public_keys {
        return Err(Refused::State("the API no longer has public keys"));
    }
    Ok(key.scope.minus(&key.scope.minus(&api.settings.scopes)))
}

/// Ends the overlap of a key with its successor.
///
/// # Errors
/// [`Refused`], also where the key was used within the last hour and nobody insists.
pub async fn finish(
    world: &Arc<World>,
    caller: Caller,
    (id, insist): (ApiKeyId, Insist),
    done: Done,
) -> Result<ApiKey, Stop<Refused>> {
    // What is counted here and not written yet is use too.
    super::usage::flush(world).await?;
    let write = move |tx: &mut Tx<'_>| -> Result<ApiKey, Stop<Refused>> {
        let KeyFacts { key, last_used, .. } = reach(tx, &caller, Act::Rotate, &id)?;
        let ends = rotate::finish(&key, last_used, insist, tx.now()).map_err(unmet)?;
        let after = ApiKey { expires_at: Some(ends), version: next_version(&key), ..key };
        save(tx, &after)?;
        done.note(tx, |by| Event::ApiKeyFinished { api_key: after.id.clone(), by })?;
        Ok(after)
    };
    let key = world.store.write("finish_api_key", write).await?;
    heard(world).await;
    Ok(key)
}

/// Switches a key off or on, or ends it for good. A step that was taken before changes nothing.
///
/// # Errors
/// [`Refused`] where the caller may not, there is no such key, or it has ended.
pub async fn take(
    world: &Arc<World>,
    caller: Caller,
    (id, step, reason): (ApiKeyId, Step, Option<String>),
    done: Done,
) -> Result<ApiKey, Stop<Refused>> {
    sound_reason(reason.as_deref()).map_err(Stop::Refusal)?;
    let write = move |tx: &mut Tx<'_>| -> Result<ApiKey, Stop<Refused>> {
        let act = if step == Step::Enable { Act::Enable } else { Act::Revoke };
        let KeyFacts { key, .. } = reach(tx, &caller, act, &id)?;
        // Nor is it switched off by them, for what its owner switched off is theirs to switch on.
        if key.state == State::Suspended && matches!(step, Step::Enable | Step::Disable) && caller.only().is_some() {
            return refuse(Refused::State("the key was suspended for how it was used: its owner cannot change that"));
        }
        let side = if caller.only().is_some() { Side::Owner } else { Side::Administrator };
        if (key.disabled_by, side, step) == (Some(Side::Administrator), Side::Owner, Step::Enable) {
            return refuse(Refused::State("an administrator disabled the key: its owner cannot enable it"));
        }
        stepped(tx, key, (step, side, reason.clone()), &done)
    };
    let key = world.store.write("step_api_key", write).await?;
    heard(world).await;
    Ok(key)
}

/// What has just been changed is acted on here before it is acknowledged; a node that cannot read
/// the feed vouches for nothing soon, so nothing is lost where this fails.
pub(super) async fn heard(world: &World) {
    if let Err(fault) = crate::flow::follow::now(world).await {
        tracing::debug!(error = %fault, "a change of keys was not heard at once");
    }
}

pub(super) fn stepped(
    tx: &mut Tx<'_>,
    key: ApiKey,
    (step, side, reason): (Step, Side, Option<String>),
    done: &Done,
) -> Result<ApiKey, Stop<Refused>> {
    let state = rotate::step(&key, step).map_err(unmet)?;
    let disabled_by = match (state, key.disabled_by) {
        (State::Disabled, Some(Side::Administrator)) => Some(Side::Administrator),
        (State::Disabled, before) if step == Step::Suspend => before,
        (State::Disabled, _) => Some(side),
        (State::Active | State::Retiring | State::Suspended | State::Revoked | State::Compromised, _) => None,
    };
    if (state, disabled_by) == (key.state, key.disabled_by) {
        return Ok(key);
    }
    let (state_at, version) = (tx.now(), next_version(&key));
    let after = ApiKey { state, state_at, disabled_by, state_reason: reason.clone(), version, ..key };
    save(tx, &after)?;
    done.note(tx, |by| event(after.id.clone(), step, by, reason))?;
    Ok(after)
}

fn event(api_key: ApiKeyId, step: Step, by: Actor, reason: Option<String>) -> Event {
    match step {
        Step::Disable | Step::Suspend => Event::ApiKeyDisabled { api_key, by, reason },
        Step::Enable => Event::ApiKeyEnabled { api_key, by },
        Step::Revoke | Step::Compromise => Event::ApiKeyRevoked { api_key, by, reason },
    }
}

/// A reason is for people: short, and without what could disturb a terminal.
pub(super) fn sound_reason(reason: Option<&str>) -> Result<(), Refused> {
    let fits = |text: &str| text.chars().count() <= MAX_REASON && !text.chars().any(char::is_control);
    if reason.is_none_or(fits) {
        return Ok(());
    }
    let why = format!("must have at most {MAX_REASON} characters, none of them a control character");
    Err(Refused::Unfit(Unfit::Member("reason", why)))
}

/// A refusal of the rules, as a sentence.
fn unmet(refused: rotate::Refused) -> Stop<Refused> {
    use rotate::Refused as R;
    let why = match refused {
        R::Ended => "the key has ended for good",
        R::Expired => "the key has expired",
        R::Off => "the key is disabled: enable it first",
        R::Succeeded => "the key has a successor already",
        R::NotRetiring => "the key has no successor",
        R::InUse(at) => return Stop::Refusal(Refused::InUse(at)),
        R::Overlap => {
            return Stop::Refusal(Refused::Unfit(Unfit::Member("overlap", "must be 0 to 90 days".to_owned())));
        }
        R::Unknown => return Stop::Refusal(Refused::NotFound("API key")),
    };
    Stop::Refusal(Refused::State(why))
}
