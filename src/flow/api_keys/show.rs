//! Keys are looked at: in lists, one by one, with what they were used for.

use super::{
    directory::{self, Entry},
    life::{reach, within},
    refused::{Refused, refuse},
    slices, verify,
};
use crate::{
    apikey::{
        access::{Act, Caller},
        api::Api,
        plan::Plan,
    },
    base::{fault::Stop, id::ApiKeyId},
    flow::world::World,
    store::{
        Tx,
        audit::{AuditRow, Filter as Wanted},
        key_alerts::Alert,
        key_facts::KeyFacts,
        key_lists::{KeyFilter, ListedKey},
    },
};
use std::sync::Arc;

pub use crate::store::{audit::AuditRow as Happened, key_lists::KeyFilter as Filter, key_lists::ListedKey as Listed};

/// The keys within the caller's reach that fit, in the order of their handles, those after `after`.
///
/// # Errors
/// [`Refused`] where the caller may not look.
pub async fn list(
    world: &World,
    caller: &Caller,
    filter: KeyFilter,
    (after, n): (Option<ApiKeyId>, i64),
) -> Result<Vec<ListedKey>, Stop<Refused>> {
    caller.may(Act::Read).map_err(|not| Stop::Refusal(not.into()))?;
    let Some(filter) = within(caller, filter) else { return Ok(Vec::new()) };
    world.store.read("list_api_keys", move |tx: &mut Tx<'_>| Ok(tx.api_keys().list(&filter, after.as_ref(), n)?)).await
}

/// A key, as it is looked at.
#[derive(Debug)]
pub struct Shown {
    /// The key, its family, its API and plan.
    pub facts: KeyFacts,
    /// The other keys of its family, oldest first.
    pub line: Vec<ListedKey>,
    /// What is unusual about its use now.
    pub alerts: Vec<Alert>,
}

/// A key with its line of rotation.
///
/// # Errors
/// [`Refused`] where the caller may not look, or there is no such key.
pub async fn one(world: &World, caller: &Caller, id: ApiKeyId) -> Result<Shown, Stop<Refused>> {
    let caller = caller.clone();
    let read = move |tx: &mut Tx<'_>| -> Result<Shown, Stop<Refused>> {
        let facts = reach(tx, &caller, Act::Read, &id)?;
        let filter = KeyFilter { family: Some(facts.family.id.clone()), ..KeyFilter::default() };
        let line = tx.api_keys().list(&filter, None, 100)?;
        let alerts = tx.key_alerts().of_key(&id)?;
        Ok(Shown { facts, line, alerts })
    };
    world.store.read("show_api_key", read).await
}

/// What happened to a key, newest first.
///
/// # Errors
/// As [`one`].
pub async fn events(world: &World, caller: &Caller, id: ApiKeyId, n: i64) -> Result<Vec<AuditRow>, Stop<Refused>> {
    let caller = caller.clone();
    let read = move |tx: &mut Tx<'_>| -> Result<Vec<AuditRow>, Stop<Refused>> {
        reach(tx, &caller, Act::Read, &id)?;
        let filter = Wanted { api_key: Some(id.clone()), ..Wanted::default() };
        Ok(tx.audit().list(&filter, None, n)?)
    };
    world.store.read("show_key_events", read).await
}

/// What is left of the quotas of a key, as this node knows it.
///
/// # Errors
/// As [`one`].
pub async fn quotas(world: &World, caller: &Caller, id: &ApiKeyId) -> Result<Vec<verify::QuotaNow>, Stop<Refused>> {
    caller.may(Act::Read).map_err(|not| Stop::Refusal(not.into()))?;
    let Some(entry) = directory::by_id(world, id).await?.filter(|entry| caller.reaches(&entry.family.owner)) else {
        return refuse(Refused::NotFound("API key"));
    };
    Ok(slices::counted(world, &entry).await?)
}

/// A key by its handle, for the live "would this request pass?" of pages and of `check`.
///
/// # Errors
/// As [`one`].
pub async fn entry(world: &World, caller: &Caller, id: &ApiKeyId) -> Result<Arc<Entry>, Stop<Refused>> {
    caller.may(Act::Read).map_err(|not| Stop::Refusal(not.into()))?;
    match directory::by_id(world, id).await? {
        Some(entry) if caller.reaches(&entry.family.owner) => Ok(Arc::new(entry)),
        Some(_) | None => refuse(Refused::NotFound("API key")),
    }
}

/// The APIs that keys can be made for, with their plans, for the pages of people.
///
/// # Errors
/// A fault of the store.
pub async fn offered(world: &World) -> Result<Vec<(Api, Option<Plan>)>, Stop<Refused>> {
    let read = |tx: &mut Tx<'_>| -> Result<Vec<(Api, Option<Plan>)>, Stop<Refused>> {
        let apis = tx.apis().list(None, 100)?;
        let mut offered = Vec::with_capacity(apis.len());
        for api in apis.into_iter().filter(|api| api.disabled_at.is_none()) {
            let plan = match &api.plan {
                Some(id) => tx.plans().find(id)?,
                None => None,
            };
            offered.push((api, plan));
        }
        Ok(offered)
    };
    world.store.read("offered_apis", read).await
}
