//! Keys by their handles, many at once: for those who report what keys were used for.

use super::{Entry, World};
use crate::{
    base::{
        fault::{Fault, Stop},
        id::ApiKeyId,
    },
    flow::world::only_fault,
    store::{Tx, key_facts::KeyFacts},
};
use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
};

/// These keys, as far as there are such: from memory, and in one transaction those that are not there.
///
/// # Errors
/// A fault where the store cannot be asked, or where a policy cannot be read.
pub async fn of_handles(world: &World, ids: BTreeSet<ApiKeyId>) -> Result<HashMap<ApiKeyId, Arc<Entry>>, Fault> {
    let directory = &world.api_keys.directory;
    let mut found = HashMap::new();
    let mut missing = Vec::new();
    let fresh = world.revocations.is_fresh(world.now());
    for id in ids {
        let digest = directory.digests.get(&id).filter(|_| fresh);
        match digest.and_then(|digest| directory.known.get(&digest)) {
            Some(entry) => drop(found.insert(id, entry)),
            None => missing.push(id),
        }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    let before = directory.changes.load(Ordering::Acquire);
    let read = move |tx: &mut Tx<'_>| -> Result<Vec<KeyFacts>, Stop<Infallible>> {
        let each = missing.iter().map(|id| tx.api_keys().facts(id));
        Ok(each.filter_map(Result::transpose).collect::<Result<_, Fault>>()?)
    };
    for facts in world.store.read("find_api_keys", read).await.map_err(only_fault)? {
        let entry = Arc::new(directory.read(facts)?);
        if directory.changes.load(Ordering::Acquire) == before {
            directory.keep(entry.key.digest, Some(&entry));
            if directory.changes.load(Ordering::Acquire) != before {
                directory.forget(&entry.key.digest);
            }
        }
        found.insert(entry.key.id.clone(), entry);
    }
    Ok(found)
}
