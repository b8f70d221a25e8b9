//! Many keys are ended at once: all of an owner, of an API, all that nobody uses.

use super::{
    apis::Done,
    life::{heard, sound_reason, stepped},
    refused::Refused,
};
use crate::{
    apikey::{
        access::{Act, Caller},
        family::Owner,
        key::{ApiKey, Side, State},
        rotate::Step,
    },
    base::{
        fault::{Fault, Stop},
        id::ApiKeyId,
    },
    flow::world::World,
    store::{
        Tx,
        key_lists::{KeyFilter, ListedKey},
    },
};
use std::sync::Arc;

/// Keys ended by one transaction.
const BATCH: i64 = 200;
/// Keys looked at by one query, when they are counted.
const PAGE: i64 = 1000;

/// Which keys are to end, when many are.
#[derive(Clone, Debug, Default)]
pub struct Many {
    /// Those that fit all of this.
    pub filter: KeyFilter,
    /// Why.
    pub reason: Option<String>,
    /// No more than these, where that is said.
    pub most: Option<usize>,
}

/// How many keys [`revoke_many`] would end.
///
/// # Errors
/// [`Refused`] where the caller may not.
pub async fn count_to_revoke(world: &World, caller: &Caller, filter: KeyFilter) -> Result<usize, Stop<Refused>> {
    // What is counted here and not written yet is use too.
    super::usage::flush(world).await?;
    let (mut all, mut after) = (0usize, None::<ApiKeyId>);
    loop {
        let page = to_revoke(world, caller, filter.clone(), (after, PAGE)).await?;
        let Some(last) = page.last().map(|listed| listed.key.id.clone()) else { return Ok(all) };
        all = all.saturating_add(page.iter().filter(|listed| is_left(&listed.key)).count());
        after = Some(last);
    }
}

const fn is_left(key: &ApiKey) -> bool {
    !matches!(key.state, State::Revoked | State::Compromised)
}

/// The keys that [`revoke_many`] would end, at most `n` of them after `after`.
///
/// # Errors
/// [`Refused`] where the caller may not.
pub async fn to_revoke(
    world: &World,
    caller: &Caller,
    filter: KeyFilter,
    (after, n): (Option<ApiKeyId>, i64),
) -> Result<Vec<ListedKey>, Stop<Refused>> {
    caller.may(Act::Revoke).map_err(|not| Stop::Refusal(not.into()))?;
    let Some(filter) = within(caller, filter) else { return Ok(Vec::new()) };
    world.store.read("list_api_keys", move |tx: &mut Tx<'_>| Ok(tx.api_keys().list(&filter, after.as_ref(), n)?)).await
}

/// What is in the caller's reach of a filter; `None` where nothing is.
pub(super) fn within(caller: &Caller, filter: KeyFilter) -> Option<KeyFilter> {
    match (caller.only(), &filter.owner) {
        (None, _) => Some(filter),
        (Some(own), None) => Some(KeyFilter { owner: Some(own.clone()), ..filter }),
        (Some(own), Some(wanted)) => (own == wanted).then_some(filter),
    }
}

/// Ends all keys that fit, a batch at a time; says of each batch how many there were.
///
/// # Errors
/// [`Refused`] where the caller may not; what was ended before stays ended.
pub async fn revoke_many(
    world: &Arc<World>,
    caller: &Caller,
    many: Many,
    done: Done,
    mut progress: impl FnMut(usize),
) -> Result<usize, Stop<Refused>> {
    sound_reason(many.reason.as_deref()).map_err(Stop::Refusal)?;
    caller.may(Act::Revoke).map_err(|not| Stop::Refusal(not.into()))?;
    let Some(filter) = within(caller, many.filter) else { return Ok(0) };
    super::usage::flush(world).await?;
    let most = many.most.unwrap_or(usize::MAX);
    let (mut ended, mut after) = (0usize, None::<ApiKeyId>);
    loop {
        let left = most.saturating_sub(ended);
        let (filter, from, reason, done) = (filter.clone(), after.clone(), many.reason.clone(), done.clone());
        let write = move |tx: &mut Tx<'_>| -> Result<(usize, Option<ApiKeyId>), Stop<Refused>> {
            let batch = tx.api_keys().list(&filter, from.as_ref(), BATCH)?;
            let last = batch.last().map(|listed| listed.key.id.clone());
            let live = batch.into_iter().filter(|listed| is_left(&listed.key)).take(left);
            let mut n = 0usize;
            for listed in live {
                n = n.saturating_add(revoked(tx, listed.key, reason.clone(), &done)?);
            }
            Ok((n, last))
        };
        let (n, last) = world.store.write("revoke_api_keys", write).await?;
        ended = ended.saturating_add(n);
        progress(ended);
        if last.is_none() || ended >= most {
            heard(world).await;
            return Ok(ended);
        }
        after = last;
    }
}

/// Revokes one of many, as it is now where it was changed meanwhile: that ends nothing else early.
/// How many that were.
fn revoked(tx: &mut Tx<'_>, key: ApiKey, reason: Option<String>, done: &Done) -> Result<usize, Stop<Refused>> {
    let id = key.id.clone();
    match stepped(tx, key, (Step::Revoke, Side::Administrator, reason.clone()), done) {
        Err(Stop::Refusal(Refused::Changed)) => match tx.api_keys().find(&id)? {
            Some(key) => stepped(tx, key, (Step::Revoke, Side::Administrator, reason), done).map(|_| 1),
            None => Ok(0),
        },
        stepped => stepped.map(|_| 1),
    }
}

/// Ends every key of an owner within this transaction, which goes on to erase them. How many that were.
///
/// # Errors
/// A fault of the store, or of another who changed a key meanwhile: then everything rolls back.
pub fn revoke_all_of(tx: &mut Tx<'_>, owner: &Owner, done: &Done) -> Result<usize, Fault> {
    let filter = KeyFilter { owner: Some(owner.clone()), ..KeyFilter::default() };
    let (mut ended, mut after) = (0usize, None::<ApiKeyId>);
    loop {
        let batch = tx.api_keys().list(&filter, after.as_ref(), BATCH)?;
        let Some(last) = batch.last() else { return Ok(ended) };
        after = Some(last.key.id.clone());
        for listed in batch.into_iter().filter(|listed| is_left(&listed.key)) {
            let n = revoked(tx, listed.key, None, done).map_err(|stop| match stop {
                Stop::Fault(fault) => fault,
                Stop::Refusal(_) => Fault::bare("an API key was changed meanwhile").passing(),
            })?;
            ended = ended.saturating_add(n);
        }
    }
}
