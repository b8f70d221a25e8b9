//! A key is made: minted here, brought from elsewhere, or made with a link.
//!
//! The text of a key is in the answer to whoever made it, once, after the transaction that
//! recorded it; it is stored nowhere.

use super::{
    apis::{Done, api_named},
    plans::plan_named,
    refused::{Refused, refuse},
};
use crate::{
    apikey::{
        PolicyText,
        access::{self, Act, Caller},
        api::Api,
        create::{Ending, LONGEST},
        family::{Family, Owner},
        key::{ApiKey, Kind, Origin as KeyOrigin, State},
        policy::Document,
        text::KeyText,
        wanted::{self, Admitted, Unfit, Wanted},
    },
    audit::Event,
    base::{
        digest::{TokenHash, sha256},
        fault::{Fault, Stop},
        id::{ApiKeyId, ClientId, FamilyId, UserId},
        moment::{Moment, Span},
        secret::Secret,
    },
    flow::world::World,
    store::Tx,
};
use std::sync::Arc;

/// For how long a request that made a key is known again.
const REPEATED_WITHIN: Span = Span::hours(24);

/// A key that is to be made.
#[derive(Clone, Debug)]
pub struct Create {
    /// The name or identifier of its API.
    pub api: String,
    /// Whose it will be; the caller's own where nobody is named.
    pub owner: Option<Owner>,
    /// The application that will use it.
    pub client: Option<ClientId>,
    /// The name or identifier of its plan; that of its API where none is named.
    pub plan: Option<String>,
    /// Restricts the family.
    pub family_policy: PolicyText,
    /// The key.
    pub wanted: Wanted,
    /// A word of the caller's for this request, so that sending it twice makes one key.
    pub idempotency_key: Option<String>,
}

/// A key that was just made.
#[derive(Debug)]
pub struct Created {
    /// The key.
    pub key: ApiKey,
    /// Its family.
    pub family: Family,
    /// Its API.
    pub api: Api,
    /// Its text, to be shown this once.
    pub text: Secret<String>,
}

/// Makes a key.
///
/// # Errors
/// [`Refused`] where the caller may not, anything named is not there, anything in it cannot be, or
/// the request was answered before.
pub async fn create(world: &Arc<World>, caller: Caller, create: Create, done: Done) -> Result<Created, Stop<Refused>> {
    let held = Arc::clone(world);
    let write = move |tx: &mut Tx<'_>| {
        let place = place(tx, &caller, &create)?;
        let wanted = &create.wanted;
        let admitted = wanted::admit(wanted, &place.api, tx.now()).map_err(|unfit| Stop::Refusal(unfit.into()))?;
        if !matches!(caller, Caller::Operator) {
            room(tx, (&place.family.owner, &place.api), held.api_keys.per_owner)?;
        }
        let id = ApiKeyId::mint(tx.now(), tx.dice())?;
        // Last of all that may refuse: a refusal is kept, and a request that was refused may be sent again.
        once(tx, &caller, &create, &id)?;
        mint(tx, &held, (place, wanted, id), (admitted, &done))
    };
    world.store.write("create_api_key", write).await
}

/// A key that could be made.
#[derive(Debug)]
pub struct Planned {
    /// Its API.
    pub api: Api,
    /// The family that it would begin.
    pub family: Family,
    /// What it would be.
    pub admitted: Admitted,
}

/// What would come of [`create`], which is asked everything and makes nothing.
///
/// # Errors
/// As [`create`], but that it does not matter whether the request was answered before.
pub async fn plan(world: &Arc<World>, caller: Caller, create: Create) -> Result<Planned, Stop<Refused>> {
    let most = world.api_keys.per_owner;
    let read = move |tx: &mut Tx<'_>| {
        let Place { api, family } = place(tx, &caller, &create)?;
        let admitted = wanted::admit(&create.wanted, &api, tx.now()).map_err(|unfit| Stop::Refusal(unfit.into()))?;
        if !matches!(caller, Caller::Operator) {
            room(tx, (&family.owner, &api), most)?;
        }
        Ok(Planned { api, family, admitted })
    };
    world.store.read("plan_api_key", read).await
}

/// Where a key will be: its API, and the family it begins.
pub(super) struct Place {
    pub(super) api: Api,
    pub(super) family: Family,
}

/// Finds what a new key belongs to, and whether the caller may make it there.
pub(super) fn place(tx: &mut Tx<'_>, caller: &Caller, create: &Create) -> Result<Place, Stop<Refused>> {
    caller.may(Act::Create).map_err(|not| Stop::Refusal(not.into()))?;
    let owner = match create.owner.as_ref().or(caller.own()) {
        Some(owner) => owner.clone(),
        None => return refuse(Unfit::Member("owner", "must be named".to_owned())),
    };
    if caller.may_with(Act::Create, &owner).is_err() {
        return refuse(Refused::NotAllowed(access::NotAllowed::Lacks(access::ANY)));
    }
    if caller.only().is_some() {
        modest(create, &owner).map_err(|unfit| Stop::Refusal(unfit.into()))?;
    }
    endless(caller, create, tx.now())?;
    active(tx, &owner)?;
    usable(tx, create.client.as_ref())?;
    let api = api_named(tx, &create.api)?;
    let plan = create.plan.as_deref().map(|named| plan_named(tx, named)).transpose()?;
    Document::admit(&create.family_policy).map_err(|invalid| Stop::Refusal(Refused::Policy(invalid)))?;
    let now = tx.now();
    let family = Family {
        id: FamilyId::mint(now, tx.dice())?,
        api: api.id.clone(),
        owner,
        client: create.client.clone(),
        name: create.wanted.name.clone(),
        plan: plan.map(|plan| plan.id),
        policy: create.family_policy.clone(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    Ok(Place { api, family })
}

/// What those may not wish for who make keys for themselves: what would give them more than the
/// API gives everybody, or a say over others.
fn modest(create: &Create, owner: &Owner) -> Result<(), Unfit> {
    let unfit = |member, why: &str| Err(Unfit::Member(member, format!("{why}: it needs keys:any")));
    if create.plan.is_some() {
        return unfit("plan", "is the API's to choose");
    }
    // It would ask about everybody's keys, and spend what they have.
    if create.wanted.kind == Kind::Verifier {
        return unfit("kind", "cannot be verifier");
    }
    // Limits are counted for an application too, so nobody may name another's.
    if create.client.as_ref().is_some_and(|client| *owner != Owner::Client(client.clone())) {
        return unfit("client_id", "must be the owner's");
    }
    Ok(())
}

/// A key that never ends, or that might as well not, is for those alone who may make such.
pub(super) fn endless(caller: &Caller, create: &Create, now: Moment) -> Result<(), Stop<Refused>> {
    let from = create.wanted.not_before.map_or(now, |from| from.max(now));
    let because = match create.wanted.ending {
        Ending::Usual => return Ok(()),
        Ending::At(end) if end <= from + LONGEST => return Ok(()),
        Ending::At(_) => beyond(),
        Ending::Never => format!("cannot be never: it needs {}", Act::Endless.scope()),
    };
    if caller.may(Act::Endless).is_ok() {
        return Ok(());
    }
    refuse(Unfit::Member("expires_at", because))
}

/// What is said of an end that is too far away for whoever may not make keys without one.
pub(super) fn beyond() -> String {
    let days = LONGEST.as_seconds() / 86_400;
    format!("must be within {days} days of the beginning of the key: later needs {}", Act::Endless.scope())
}

/// The application that is to use a key must be registered and not be disabled: else the key would be
/// refused from the beginning.
pub(super) fn usable(tx: &mut Tx<'_>, client: Option<&ClientId>) -> Result<(), Stop<Refused>> {
    let Some(client) = client else { return Ok(()) };
    if tx.clients().find(client)?.is_some_and(|client| client.disabled_at.is_none()) {
        return Ok(());
    }
    refuse(Unfit::Member("client_id", "is not known, or is disabled".to_owned()))
}

/// How many families may be begun of late for each key that an owner may have: each has limits and quotas of its own, so
/// whoever ends keys only to make others gets more than their plan gives.
const FAMILIES_FOR_EACH: usize = 10;
/// How long ago that still counts: as long as the longest period of most quotas.
const OF_LATE: Span = Span::days(30);

/// Whether an owner may have one more key for an API. Those who wait for one another here are few.
pub(super) fn room(tx: &mut Tx<'_>, (owner, api): (&Owner, &Api), most: usize) -> Result<(), Stop<Refused>> {
    let since = tx.now() - OF_LATE;
    let (begun, live) = tx.key_families().count((owner, &api.id), since)?;
    if live >= most {
        return refuse(Refused::TooMany(most));
    }
    let most = most.saturating_mul(FAMILIES_FOR_EACH);
    if begun >= most { refuse(Refused::TooManyOfLate(most)) } else { Ok(()) }
}

/// An owner must be there and not be disabled.
pub(super) fn active(tx: &mut Tx<'_>, owner: &Owner) -> Result<(), Stop<Refused>> {
    let active = match owner {
        Owner::User(id) => tx.users().find(id)?.is_some_and(|user| user.disabled_at.is_none()),
        Owner::Client(id) => tx.clients().find(id)?.is_some_and(|client| client.disabled_at.is_none()),
    };
    if active { Ok(()) } else { refuse(Unfit::Member("owner", "is not known, or is disabled".to_owned())) }
}

/// Of two requests with one word of one caller, only the first makes a key.
fn once(tx: &mut Tx<'_>, caller: &Caller, create: &Create, id: &ApiKeyId) -> Result<(), Stop<Refused>> {
    let Some(word) = &create.idempotency_key else { return Ok(()) };
    let whose = whose(caller);
    let until = tx.now() + REPEATED_WITHIN;
    match tx.idempotency().remember(&whose, &sha256(word.as_bytes()), id.as_str(), until)? {
        None => Ok(()),
        Some(made) => match ApiKeyId::parse(&made) {
            Some(made) => refuse(Refused::AlreadyRevealed(made)),
            None => refuse(Refused::Changed),
        },
    }
}

/// Under whom the words of requests are remembered: with its kind, for a person and a client may be
/// called alike, and either like an operator.
pub(super) fn whose(caller: &Caller) -> String {
    caller.own().map_or("operator".to_owned(), |own| format!("{} {}", own.kind(), own.id()))
}

/// Mints a key into a new family.
pub(super) fn mint(
    tx: &mut Tx<'_>,
    world: &World,
    (place, wanted, id): (Place, &Wanted, ApiKeyId),
    (admitted, done): (Admitted, &Done),
) -> Result<Created, Stop<Refused>> {
    let Place { api, family } = place;
    let text = KeyText::mint(&api.prefix, &admitted.environment, world.api_keys.random_length, tx.dice())?;
    let pepper = world.secrets.pepper.current();
    let digest = pepper.hash(text.text().expose());
    let held = Held { digest, pepper: pepper.version(), hint: text.hint().to_owned(), origin: KeyOrigin::Minted };
    let key = key(tx, (id, &family, wanted), admitted, held);
    if tx.key_families().insert(&family)?.is_err() || tx.api_keys().insert(&key)?.is_err() {
        // Not a refusal, which would keep what was written before.
        return Err(Fault::bare("an identifier or a text of a key that is there already").into());
    }
    let (user, client) = parties(&family.owner);
    let kind = key.kind.as_str();
    done.note(tx, |by| Event::ApiKeyCreated {
        api_key: key.id.clone(),
        family: family.id.clone(),
        api: api.id.clone(),
        environment: key.environment.clone(),
        user,
        client,
        kind,
        by,
    })?;
    Ok(Created { key, family, api, text: text.text().clone() })
}

/// What is kept of a text.
pub(super) struct Held {
    pub(super) digest: TokenHash,
    /// The version of the pepper that made it.
    pub(super) pepper: i16,
    pub(super) hint: String,
    pub(super) origin: KeyOrigin,
}

/// The record of a new key.
pub(super) fn key(
    tx: &Tx<'_>,
    (id, family, wanted): (ApiKeyId, &Family, &Wanted),
    admitted: Admitted,
    held: Held,
) -> ApiKey {
    let now = tx.now();
    ApiKey {
        id,
        family: family.id.clone(),
        api: family.api.clone(),
        environment: admitted.environment,
        digest: held.digest,
        pepper: held.pepper,
        origin: held.origin,
        hint: held.hint,
        kind: wanted.kind,
        state: State::Active,
        scope: wanted.scope.clone(),
        policy: wanted.policy.clone(),
        meta: wanted.meta.clone(),
        not_before: wanted.not_before,
        expires_at: admitted.expires_at,
        successor: None,
        state_reason: None,
        state_at: now,
        disabled_by: None,
        reminded: 0,
        version: 1,
        created_at: now,
    }
}

/// The owner as an event names them.
pub(super) fn parties(owner: &Owner) -> (Option<UserId>, Option<ClientId>) {
    match owner {
        Owner::User(id) => (Some(id.clone()), None),
        Owner::Client(id) => (None, Some(id.clone())),
    }
}
