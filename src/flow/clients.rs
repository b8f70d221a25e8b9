//! The directory of clients: a bounded cache over the store, so that a machine's token needs no
//! query. The change feed takes out what has changed.

use super::world::{World, only_fault};
use crate::{
    base::{
        fault::{Fault, Stop},
        id::{ClientId, GrantId},
        moment::{Moment, Span},
    },
    oauth::{client::Client, proof::StoredSecret, register},
    store::{Tx, clients::ClientRow},
};
use moka::sync::Cache;
use std::{
    borrow::Borrow,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Clients kept in memory on each node.
const CAPACITY: u64 = 10_000;
/// How long a client is believed to be what it was when nothing is heard of it: a second line, since
/// what changes is told by the feed.
const KNOWN_FOR: Duration = Duration::from_secs(300);
/// For so long after a change a node may still make grants of what was before: of a code, of what it remembers, by
/// another clock.
const HEARD_OF: Span = Span::minutes(10);
/// How long "there is no such client" is remembered, so that guessing costs the database little.
const UNKNOWN_FOR: Duration = Duration::from_secs(5);

/// A client with what proves it.
#[derive(Debug)]
struct Registered {
    client: Client,
    secrets: Vec<StoredSecret>,
    /// When its registration last changed, if ever.
    changed_at: Option<Moment>,
    /// Since when its own tokens are good, where it was disabled before.
    tokens_since: Option<Moment>,
}

/// A client of the directory, shared.
#[derive(Clone, Debug)]
pub struct Listed(Arc<Registered>);

impl Listed {
    /// As registered.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0.client
    }
    /// The hashes of its live secrets.
    #[must_use]
    pub fn secrets(&self) -> &[StoredSecret] {
        &self.0.secrets
    }
    /// Whether a token that it got for itself and that was issued then is of now: the client was not disabled since. An
    /// `iat` is in whole seconds.
    #[must_use]
    pub fn stands_by(&self, issued: Moment) -> bool {
        self.0.tokens_since.is_none_or(|since| issued.unix() >= since.unix())
    }
    /// When a token is issued that it gets for itself now. Of a client that was disabled and enabled again within a minute
    /// that is a little ahead: so the new ones are told from the old ones, by whatever clock.
    #[must_use]
    pub fn issues_at(&self, now: Moment) -> Moment {
        self.0.tokens_since.map_or(now, |since| since.max(now))
    }
    /// Whether this grant may hold what the client has been deprived of since: it is not known to have been made after
    /// the last change of the registration.
    #[must_use]
    pub fn changed_since(&self, grant: &GrantId) -> bool {
        let after = |changed: Moment| grant.made_at().is_some_and(|made| made > changed + HEARD_OF);
        self.0.changed_at.is_some_and(|changed| !after(changed))
    }
}

impl Borrow<Client> for Listed {
    fn borrow(&self) -> &Client {
        &self.0.client
    }
}

/// The cache.
#[derive(Debug)]
pub struct Directory {
    known: Cache<ClientId, Listed>,
    unknown: Cache<ClientId, ()>,
    /// Moves with every change, so that a row read before a change is not kept after it.
    changes: AtomicU64,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            known: Cache::builder().max_capacity(CAPACITY).time_to_live(KNOWN_FOR).build(),
            unknown: Cache::builder().max_capacity(CAPACITY).time_to_live(UNKNOWN_FOR).build(),
            changes: AtomicU64::new(0),
        }
    }
}

impl Directory {
    /// Forgets a client: it was changed, disabled or added.
    pub fn forget(&self, id: &ClientId) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.known.invalidate(id);
        self.unknown.invalidate(id);
    }
}

/// The client of this name; `None` where there is none or it is disabled.
///
/// # Errors
/// A fault where it is not in memory and the store cannot be asked, or where this node has not
/// heard of changes for too long.
pub async fn find(world: &World, id: &ClientId) -> Result<Option<Listed>, Fault> {
    let directory = &world.clients;
    if world.revocations.is_fresh(world.now()) {
        if let Some(found) = directory.known.get(id) {
            return Ok(Some(found));
        }
        if directory.unknown.contains_key(id) {
            return Ok(None);
        }
    }
    let before = directory.changes.load(Ordering::Acquire);
    let wanted = id.clone();
    let row =
        world.store.read("find_client", move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.clients().find(&wanted)?));
    let found = match row.await.map_err(only_fault)?.filter(|row| row.disabled_at.is_none()) {
        Some(row) => Some(read(&row)?),
        None => None,
    };
    if directory.changes.load(Ordering::Acquire) == before {
        match &found {
            Some(client) => directory.known.insert(id.clone(), client.clone()),
            None => directory.unknown.insert(id.clone(), ()),
        }
        // A change that was heard between the question and the insertion found nothing to take out.
        if directory.changes.load(Ordering::Acquire) != before {
            directory.forget(id);
        }
    }
    Ok(found)
}

/// The client that a row stands for.
///
/// # Errors
/// A fault where the row holds what registration would refuse.
pub fn read(row: &ClientRow) -> Result<Listed, Fault> {
    let client = register::read_stored(row.id.clone(), &row.metadata)
        .map_err(|e| Fault::new(format!("reading the client {}", row.id), e.to_string()))?;
    let secrets = row.secrets.iter().map(|s| StoredSecret { hash: s.hash, pepper: s.pepper, expires_at: s.expires_at });
    let changed_at = Some(row.updated_at).filter(|changed| *changed != row.created_at);
    let (secrets, tokens_since) = (secrets.collect(), row.tokens_since);
    Ok(Listed(Arc::new(Registered { client, secrets, changed_at, tokens_since })))
}
