//! What a signing key has out there: the access tokens by it that have not expired, and whose they
//! are, counted from the events of their issuance. There is one for each token.

use super::{
    clients,
    world::{LONGEST_TOKEN, World, only_fault},
};
use crate::{
    base::{
        fault::{Fault, Stop},
        id::{ClientId, EventId, GrantId, KeyId, UserId},
        moment::{Moment, Span},
    },
    oauth::grant::token_exchange,
    store::{
        Tx,
        audit::{AuditRow, Filter},
    },
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
};

/// Events in one look.
const PAGE: i64 = 1000;
/// The kinds of events that tell of an access token.
const KINDS: [&str; 4] = ["token.issued", "token.refreshed", "token.replayed_in_grace", "api_key.exchanged"];

/// What a key has out there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Access tokens that have not expired; those that were revoked one by one are among them.
    pub tokens: u64,
    /// When the last of them ends.
    pub until: Option<Moment>,
    /// The clients that got them.
    pub clients: BTreeSet<ClientId>,
    /// The people behind them.
    pub people: BTreeSet<UserId>,
    /// The grants that they hang from: lines that go on with the next key.
    pub grants: BTreeSet<GrantId>,
}

/// What this key has out there at that moment.
///
/// # Errors
/// A fault of the store.
pub async fn by(world: &Arc<World>, kid: &KeyId, at: Moment) -> Result<Touched, Fault> {
    let mut found = Touched::default();
    let mut lives: BTreeMap<ClientId, Span> = BTreeMap::new();
    for kind in KINDS {
        let mut before: Option<EventId> = None;
        loop {
            let filter =
                Filter { kind_prefix: Some(kind.into()), since: Some(at - LONGEST_TOKEN), ..Filter::default() };
            let from = before.clone();
            let read =
                move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.audit().list(&filter, from.as_ref(), PAGE)?);
            let page = world.store.read("count_tokens_of_key", read).await.map_err(only_fault)?;
            for row in page.iter().filter(|row| signed_by(row, kid)) {
                let life = match (&row.client, row.kind.as_str()) {
                    (_, "api_key.exchanged") | (None, _) => token_exchange::LONGEST,
                    (Some(client), _) => life_of(world, &mut lives, client).await?,
                };
                found.take(row, life, at);
            }
            let Some(last) = page.last() else { break };
            before = Some(last.id.clone());
        }
    }
    found.people.extend(owners(world, &found.grants).await?);
    Ok(found)
}

fn signed_by(row: &AuditRow, kid: &KeyId) -> bool {
    row.data.get("kid").and_then(Value::as_str) == Some(kid.as_str())
}

async fn life_of(world: &Arc<World>, lives: &mut BTreeMap<ClientId, Span>, client: &ClientId) -> Result<Span, Fault> {
    if let Some(life) = lives.get(client) {
        return Ok(*life);
    }
    let usual = world.policy.load().tokens.access_token_lifetime;
    let own = clients::find(world, client).await?.and_then(|listed| listed.client().access_token_lifetime);
    let life = own.unwrap_or(usual);
    lives.insert(client.clone(), life);
    Ok(life)
}

impl Touched {
    /// Takes in the tokens of an event that had not expired then.
    fn take(&mut self, row: &AuditRow, life: Span, at: Moment) {
        let also = row.data.get("also").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let after = |one: &Value| one.get("after_ms").and_then(Value::as_i64).unwrap_or(0);
        let later = also.iter().map(|one| row.at + Span::millis(after(one)));
        // A token says whole seconds.
        let ends = std::iter::once(row.at).chain(later).map(|issued| Moment::from_unix((issued + life).unix()));
        let alive: Vec<Moment> = ends.filter(|end| *end > at).collect();
        if alive.is_empty() {
            return;
        }
        self.tokens = self.tokens.saturating_add(u64::try_from(alive.len()).unwrap_or(u64::MAX));
        self.until = self.until.max(alive.into_iter().max());
        self.clients.extend(row.client.clone());
        self.people.extend(row.user.clone());
        self.grants.extend(row.grant.clone());
    }
}

/// Whose grants these are: an event of a refresh does not say.
async fn owners(world: &World, grants: &BTreeSet<GrantId>) -> Result<BTreeSet<UserId>, Fault> {
    let all: Vec<GrantId> = grants.iter().cloned().collect();
    let read = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.grants().owners(&all)?);
    world.store.read("owners_of_grants", read).await.map_err(only_fault)
}
