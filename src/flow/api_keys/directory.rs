//! The directory of API keys: a bounded cache over the store, so that a key that is in use needs
//! no query. The change feed takes out what has changed.
//!
//! What many keys have in common (their API, their plan, the policies of both) is held once for
//! all of them, so that a key costs about a kilobyte.

use crate::{
    apikey::{
        api::Api,
        family::Family,
        judge::{Known, Standing},
        key::ApiKey,
        plan::Plan,
        policy::{Compiled, Document, Layer},
    },
    base::{
        digest::TokenHash,
        fault::{Fault, Stop},
        id::{ApiId, ApiKeyId, PlanId},
    },
    flow::{
        api_keys::{
            apis::api_named,
            mac_keys::{self, MacKey},
            slices::Meter,
        },
        world::{World, only_fault},
    },
    store::{Tx, feed::Subject, key_facts::KeyFacts},
};
use arc_swap::ArcSwap;
use flight::Flights;
use moka::sync::Cache;
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// How long a key is believed to be what it was when nothing is heard of it: a second line, since
/// what changes is told by the feed.
const KNOWN_FOR: Duration = Duration::from_secs(60);
/// How long "there is no such key" is remembered, so that guessing costs the database little.
const UNKNOWN_FOR: Duration = Duration::from_secs(2);
const MOST_UNKNOWN: u64 = 100_000;

/// What the keys of one API and plan have in common.
#[derive(Debug)]
pub struct Shared {
    /// The API.
    pub api: Api,
    /// The plan.
    pub plan: Option<Plan>,
    /// Whether the plan has all of its limits, whatever trouble the API has.
    pub guaranteed: bool,
    layers: Vec<Layer>,
}

/// A key, ready to be judged.
#[derive(Debug)]
pub struct Entry {
    /// The key, without its policy: that is in `policy` and in `written`.
    pub key: ApiKey,
    /// Its family, likewise.
    pub family: Family,
    /// The policies of family and key, as JSON: a tenth of what they take when they are read.
    pub written: Vec<Arc<str>>,
    /// Its API and plan.
    pub shared: Arc<Shared>,
    /// Whether its owner, and the application that uses it, may act.
    pub owner: Standing,
    /// All that restricts it.
    pub policy: Compiled,
    /// Whether each call must be asked about: somebody wrote a limit, a quota, hours or a proof into its policies, or it
    /// may be easy to guess.
    pub each_call: bool,
    /// The counters of its quotas, each with its place among the budgets of the policy.
    pub meters: Box<[(usize, Meter)]>,
    /// The same of its quotas of bytes, which are charged when calls are reported.
    pub bytes: Box<[(usize, Meter)]>,
    /// The number in its identifier.
    pub number: u128,
    /// For how many keys of the usual size it counts in memory.
    weight: u32,
}

impl Entry {
    /// All that is known of it, as the judge wants it.
    #[must_use]
    pub fn known(&self) -> Known<'_> {
        Known { key: &self.key, family: &self.family, api: self.api(), owner: self.owner, policy: &self.policy }
    }

    /// Its API.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.shared.api
    }

    fn concerns(&self, subject: Subject, id: &str) -> bool {
        match subject {
            Subject::ApiKey => self.key.id.as_str() == id,
            Subject::KeyFamily => self.family.id.as_str() == id,
            Subject::Api => self.api().id.as_str() == id,
            Subject::Plan => self.shared.plan.as_ref().is_some_and(|plan| plan.id.as_str() == id),
            Subject::User | Subject::Client => {
                self.family.owner.id() == id || self.family.client.as_ref().is_some_and(|client| client.as_str() == id)
            }
            Subject::Grant | Subject::Token | Subject::SigningKeys => false,
        }
    }
}

type SharedKey = (ApiId, u32, Option<(PlanId, u32)>);

/// The cache.
#[derive(Debug)]
pub struct Directory {
    known: Cache<TokenHash, Arc<Entry>>,
    digests: Cache<ApiKeyId, TokenHash>,
    unknown: Cache<TokenHash, ()>,
    shared: Cache<SharedKey, Arc<Shared>>,
    /// Policies of families and keys by their JSON: those of a template are the same a thousand times.
    documents: Cache<Arc<str>, Arc<Document>>,
    /// APIs by what gateways call them.
    apis: Cache<String, Arc<Api>>,
    /// Keys and APIs that somebody looks for now, each with how many changes had been heard before: whoever has heard of
    /// one more does not go by what was read before it.
    keys_sought: Flights<(u64, Vec<TokenHash>), Option<Arc<Entry>>>,
    apis_sought: Flights<(u64, String), Option<Arc<Api>>>,
    /// Whether there are keys that were brought from elsewhere, so that text of any form may be one.
    foreign: AtomicBool,
    /// The keys of HMAC under which others hashed some of those.
    mac_keys: ArcSwap<Vec<MacKey>>,
    /// Moves with every change, so that a row read before a change is not kept after it.
    changes: AtomicU64,
}

impl Directory {
    /// For at most so many keys of the usual size, of those with long policies fewer.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        Self {
            known: Cache::builder()
                .max_capacity(capacity)
                .weigher(|_, entry: &Arc<Entry>| entry.weight)
                .time_to_live(KNOWN_FOR)
                .support_invalidation_closures()
                .build(),
            digests: Cache::builder().max_capacity(capacity).time_to_live(KNOWN_FOR).build(),
            unknown: Cache::builder().max_capacity(MOST_UNKNOWN).time_to_live(UNKNOWN_FOR).build(),
            shared: Cache::builder().max_capacity(1000).build(),
            // Owners write them, and keys hold those that are in use: a quarter of what keys may take is enough beside.
            documents: Cache::builder()
                .max_capacity(capacity.div_ceil(4))
                .weigher(|text: &Arc<str>, _| read::weight(std::iter::once(text.len())))
                .time_to_live(KNOWN_FOR)
                .build(),
            apis: Cache::builder().max_capacity(1000).time_to_live(KNOWN_FOR).build(),
            keys_sought: Flights::default(),
            apis_sought: Flights::default(),
            foreign: AtomicBool::new(false),
            mac_keys: ArcSwap::default(),
            changes: AtomicU64::new(0),
        }
    }

    /// Whether there are keys that were brought from elsewhere.
    #[must_use]
    pub fn has_foreign(&self) -> bool {
        self.foreign.load(Ordering::Acquire)
    }

    /// The keys of HMAC under which others hashed some of them.
    pub(super) fn mac_keys(&self) -> Arc<Vec<MacKey>> {
        self.mac_keys.load_full()
    }

    /// Moves with every change that was heard.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Forgets what this change concerns.
    pub fn changed(&self, subject: Subject, id: &str) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        if subject == Subject::Api {
            self.apis.invalidate_all();
        }
        match subject {
            Subject::ApiKey => {
                self.unknown.invalidate_all();
                let digest = ApiKeyId::parse(id).and_then(|id| self.digests.remove(&id));
                match digest {
                    Some(digest) => self.known.invalidate(&digest),
                    // The two caches forget each at its own time: what one no longer finds the other may still have.
                    None => self.forget_if(subject, id),
                }
            }
            Subject::KeyFamily | Subject::Api | Subject::Plan | Subject::User | Subject::Client => {
                self.forget_if(subject, id);
            }
            Subject::Grant | Subject::Token | Subject::SigningKeys => {}
        }
    }

    fn forget_if(&self, subject: Subject, id: &str) {
        let id = id.to_owned();
        let concerned = move |_: &TokenHash, entry: &Arc<Entry>| entry.concerns(subject, &id);
        if self.known.invalidate_entries_if(concerned).is_err() {
            self.known.invalidate_all();
        }
    }

    /// Forgets every key: so much has changed at once that looking for each would cost more.
    pub fn forget_all(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.known.invalidate_all();
        self.unknown.invalidate_all();
    }

    /// Keeps what was read, unless something has changed since it was asked for.
    fn remember(&self, before: u64, digest: TokenHash, found: Option<&Arc<Entry>>) {
        if self.changes.load(Ordering::Acquire) != before {
            return;
        }
        self.keep(digest, found);
        // A change that was heard between the question and the insertion found nothing to take out.
        if self.changes.load(Ordering::Acquire) != before {
            self.forget(&digest);
        }
    }

    fn keep(&self, digest: TokenHash, found: Option<&Arc<Entry>>) {
        match found {
            Some(known) => {
                self.digests.insert(known.key.id.clone(), digest);
                self.known.insert(digest, Arc::clone(known));
            }
            None => self.unknown.insert(digest, ()),
        }
    }

    fn forget(&self, digest: &TokenHash) {
        self.known.invalidate(digest);
        self.unknown.invalidate(digest);
    }
}

/// Finds out whether there are keys that were brought from elsewhere, and under which keys of HMAC others
/// hashed them: at the start, and when an API has changed, as it does with an import.
///
/// # Errors
/// A fault of the store.
pub async fn look_for_foreign(world: &World) -> Result<(), Fault> {
    let look = |tx: &mut Tx<'_>| -> Result<_, Stop<Infallible>> {
        let any = tx.api_keys().any_foreign()?;
        Ok((any, if any { tx.mac_keys().list()? } else { Vec::new() }))
    };
    let (any, rows) = world.store.read("any_foreign_key", look).await.map_err(only_fault)?;
    let keys = mac_keys::opened(world, &rows).await;
    world.api_keys.directory.mac_keys.store(Arc::new(keys));
    world.api_keys.directory.foreign.store(any, Ordering::Release);
    Ok(())
}

/// What is in memory of this digest: the key, or that there is none. `None` where nothing is, or
/// where this node has not heard of changes for too long to go by it.
#[must_use]
pub fn in_memory(world: &World, digest: &TokenHash) -> Option<Option<Arc<Entry>>> {
    let directory = &world.api_keys.directory;
    if !world.revocations.is_fresh(world.now()) {
        return None;
    }
    if let Some(found) = directory.known.get(digest) {
        return Some(Some(found));
    }
    directory.unknown.contains_key(digest).then_some(None)
}

/// The key of one of these digests, which are of one text, from the store; `None` where there is none. Of several
/// keys that of the first. One query, for all who ask for them at once.
///
/// # Errors
/// A fault where the store cannot be asked, or where a policy cannot be read.
pub async fn find(world: &World, digests: Vec<TokenHash>) -> Result<Option<Arc<Entry>>, Fault> {
    let directory = &world.api_keys.directory;
    let before = directory.changes();
    let look = find_anew(world, before, digests.clone());
    // Whoever may not go by what is in memory may not go by what was read before they came either.
    if !world.revocations.is_fresh(world.now()) {
        return look.await;
    }
    directory.keys_sought.join((before, digests), look).await
}

async fn find_anew(world: &World, before: u64, digests: Vec<TokenHash>) -> Result<Option<Arc<Entry>>, Fault> {
    let directory = &world.api_keys.directory;
    let wanted = digests.clone();
    let read = move |tx: &mut Tx<'_>| -> Result<Vec<KeyFacts>, Stop<Infallible>> {
        Ok(match wanted.as_slice() {
            [digest] => tx.api_keys().by_digest(digest)?.into_iter().collect(),
            several => tx.api_keys().by_digests(several)?,
        })
    };
    let mut there = world.store.read("find_api_key", read).await.map_err(only_fault)?;
    for digest in digests.iter().filter(|digest| !there.iter().any(|facts| facts.key.digest == **digest)) {
        directory.remember(before, *digest, None);
    }
    there.sort_by_key(|facts| digests.iter().position(|digest| *digest == facts.key.digest));
    let Some(facts) = there.into_iter().next() else { return Ok(None) };
    let found = Arc::new(directory.read(facts)?);
    directory.remember(before, found.key.digest, Some(&found));
    Ok(Some(found))
}

/// An API by its name or identifier, from memory where it is there; `None` where there is none. At most one query, for
/// all who ask for it at once.
///
/// # Errors
/// A fault where the store cannot be asked.
pub async fn api(world: &World, named: &str) -> Result<Option<Arc<Api>>, Fault> {
    let directory = &world.api_keys.directory;
    let fresh = world.revocations.is_fresh(world.now());
    if let Some(known) = directory.apis.get(named).filter(|_| fresh) {
        return Ok(Some(known));
    }
    let before = directory.changes();
    let look = api_anew(world, before, named);
    if !fresh {
        return look.await;
    }
    directory.apis_sought.join((before, named.to_owned()), look).await
}

async fn api_anew(world: &World, before: u64, named: &str) -> Result<Option<Arc<Api>>, Fault> {
    let directory = &world.api_keys.directory;
    let wanted = named.to_owned();
    let read = move |tx: &mut Tx<'_>| api_named(tx, &wanted);
    let found = match world.store.read("find_api_of_gateway", read).await {
        Ok(api) => Arc::new(api),
        Err(Stop::Refusal(_)) => return Ok(None),
        Err(Stop::Fault(fault)) => return Err(fault),
    };
    directory.apis.insert(named.to_owned(), Arc::clone(&found));
    // A change that was heard since the question is not in what was found.
    if directory.changes.load(Ordering::Acquire) != before {
        directory.apis.invalidate(named);
    }
    Ok(Some(found))
}

/// A key by its handle, from memory where it is there; `None` where there is none. At most one query.
///
/// # Errors
/// As [`find`].
pub async fn of(world: &World, id: &ApiKeyId) -> Result<Option<Arc<Entry>>, Fault> {
    let directory = &world.api_keys.directory;
    if let Some(digest) = directory.digests.get(id)
        && let Some(Some(known)) = in_memory(world, &digest)
    {
        return Ok(Some(known));
    }
    let before = directory.changes.load(Ordering::Acquire);
    let found = by_id(world, id).await?.map(Arc::new);
    if let Some(entry) = &found {
        directory.remember(before, entry.key.digest, found.as_ref());
    }
    Ok(found)
}

/// A key by its handle, as the store has it now; for those who show or try it, not for calls.
///
/// # Errors
/// A fault of the store, or where a policy cannot be read.
pub async fn by_id(world: &World, id: &ApiKeyId) -> Result<Option<Entry>, Fault> {
    let id = id.clone();
    let read = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.api_keys().facts(&id)?);
    let facts = world.store.read("show_api_key", read).await.map_err(only_fault)?;
    facts.map(|facts| world.api_keys.directory.read(facts)).transpose()
}

mod flight;
mod handles;
mod meters;
mod read;
pub use handles::of_handles;
