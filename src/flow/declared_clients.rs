//! Clients declared in a file: what it would take to make the database say what the file says,
//! and doing it, all or nothing. Doing it again changes nothing.

use super::{
    end,
    journal::own_work,
    manage_clients::{Unmet, changed, off, on},
    world::{World, note},
};
use crate::{
    audit::{Actor, Event},
    base::{
        digest::{Pepper, TokenHash},
        fault::{Fault, Stop},
        id::ClientId,
        secret::Secret,
    },
    oauth::register::{self, RegistrationPolicy},
    store::{
        Tx,
        clients::{ClientRow, Source},
    },
};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Rows read at once.
const PAGE: i64 = 500;

/// A client as a file declares it.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Its identifier, which the author of the file chose.
    pub id: ClientId,
    /// Its metadata.
    pub metadata: Map<String, Value>,
    /// Its secrets, all good at once; `None` where the file does not speak of them.
    pub secrets: Option<Vec<Secret<String>>>,
}

/// What is to be done about one client.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Change {
    /// Register it.
    Add,
    /// Change it.
    Change {
        /// The members that differ; `client_secret` where the secrets do.
        members: Vec<String>,
    },
    /// Nothing.
    Same,
    /// Disable it: the file declares it no longer.
    Disable,
}

/// What is to be done, by client.
pub type Plan = BTreeMap<ClientId, Change>;

/// The hashes of one secret under each pepper, the one that hashes what is new first: what is stored may be of any.
type Hashes = Vec<TokenHash>;

/// A declaration that was proven, with the hashes of its secrets in place of them.
struct Proven {
    metadata: Map<String, Value>,
    secrets: Option<Vec<Hashes>>,
}

/// The work, with all it needs: it may run more than once.
struct Work {
    wanted: BTreeMap<ClientId, Proven>,
    pepper: i16,
    node: String,
    by: Actor,
}

/// What it would take. Nothing is changed.
///
/// # Errors
/// [`Unmet`] for a declaration that cannot be.
pub async fn plan(world: &World, declared: Vec<Declared>, policy: RegistrationPolicy) -> Result<Plan, Stop<Unmet>> {
    let work = Work::new(world, declared, policy, Actor::System).map_err(Stop::Refusal)?;
    world.store.read("plan_clients", move |tx: &mut Tx<'_>| work.plan(tx)).await
}

/// Does what it takes, and says what that was.
///
/// # Errors
/// [`Unmet`] for a declaration that cannot be; nothing was changed then.
pub async fn apply(
    world: &World,
    declared: Vec<Declared>,
    policy: RegistrationPolicy,
    by: Actor,
) -> Result<Plan, Stop<Unmet>> {
    let work = Work::new(world, declared, policy, by).map_err(Stop::Refusal)?;
    let write = move |tx: &mut Tx<'_>| -> Result<Plan, Stop<Unmet>> {
        tx.clients().lock()?;
        let plan = work.plan(tx)?;
        for (id, change) in &plan {
            work.apply(tx, id, change)?;
        }
        Ok(plan)
    };
    let plan = world.store.write("apply_clients", write).await?;
    end::rest(world).await?;
    Ok(plan)
}

impl Work {
    fn new(world: &World, declared: Vec<Declared>, policy: RegistrationPolicy, by: Actor) -> Result<Self, Unmet> {
        let mut wanted = BTreeMap::new();
        let peppers = world.secrets.pepper.all();
        let hashes = |secret: &Secret<String>| peppers.iter().map(|pepper| pepper.hash(secret.expose())).collect();
        for one in declared {
            let client = register::parse_client(one.id.clone(), &one.metadata, policy)
                .map_err(|error| Unmet::Bad(Some(one.id.clone()), error))?;
            if one.secrets.is_some() && !client.auth_method.by_secret() {
                return Err(Unmet::NoSecret(one.id));
            }
            let secrets = one.secrets.map(|all| all.iter().map(hashes).collect());
            let proven = Proven { metadata: register::to_metadata(&client), secrets };
            if wanted.insert(one.id.clone(), proven).is_some() {
                return Err(Unmet::Twice(one.id));
            }
        }
        let pepper = peppers.first().map_or(0, Pepper::version);
        Ok(Self { wanted, pepper, node: world.node.to_string(), by })
    }

    /// Refuses whatever there is to refuse: once something is written it is too late, because a
    /// refusal commits.
    fn plan(&self, tx: &mut Tx<'_>) -> Result<Plan, Stop<Unmet>> {
        let mut plan = Plan::new();
        let mut secrets: Vec<&TokenHash> = Vec::new();
        for (id, proven) in &self.wanted {
            for hash in proven.secrets.iter().flatten().flatten() {
                let shared = secrets.contains(&hash);
                if shared || tx.clients().owner_of_secret(hash)?.is_some_and(|owner| owner != *id) {
                    return Err(Stop::Refusal(Unmet::SharedSecret(id.clone())));
                }
                secrets.push(hash);
            }
            let change = match tx.clients().find(id)? {
                None => Change::Add,
                Some(row) if row.source == Source::Command => return Err(Stop::Refusal(Unmet::Registered(id.clone()))),
                Some(row) => match differing(&row, proven) {
                    members if members.is_empty() => Change::Same,
                    members => Change::Change { members },
                },
            };
            plan.insert(id.clone(), change);
        }
        for id in declared_before(tx)? {
            plan.entry(id).or_insert(Change::Disable);
        }
        Ok(plan)
    }

    fn apply(&self, tx: &mut Tx<'_>, id: &ClientId, change: &Change) -> Result<(), Fault> {
        let (origin, by) = (own_work(&self.node), self.by.clone());
        let wanted = self.wanted.get(id);
        match (change, wanted) {
            (Change::Add, Some(proven)) => {
                if tx.clients().insert(id, &proven.metadata, Source::Declared)?.is_err() {
                    return Err(Fault::bare(format!("client {id} was registered at the same moment")).passing());
                }
                note(tx, &origin, Event::ClientAdded { client: id.clone(), by })?;
                self.set_secrets(tx, id, proven)?;
                mark(tx, id, proven)?;
                changed(tx, id)
            }
            (Change::Change { members }, Some(proven)) => {
                tx.clients().replace_metadata(id, &proven.metadata)?;
                self.set_secrets(tx, id, proven)?;
                mark(tx, id, proven)?;
                on(tx, id, &self.by, &self.node)?;
                let members = members.clone();
                note(tx, &origin, Event::ClientChanged { client: id.clone(), by, members })?;
                changed(tx, id)
            }
            (Change::Disable, _) => {
                off(tx, id, &self.by, &self.node)?;
                Ok(())
            }
            (Change::Same, Some(proven)) => mark(tx, id, proven),
            (Change::Same | Change::Add | Change::Change { .. }, None) => Ok(()),
        }
    }

    /// Lets exactly the declared secrets be good.
    fn set_secrets(&self, tx: &mut Tx<'_>, id: &ClientId, proven: &Proven) -> Result<(), Fault> {
        let Some(wanted) = &proven.secrets else { return Ok(()) };
        let live: Vec<TokenHash> =
            tx.clients().find(id)?.map_or_else(Vec::new, |row| row.secrets.iter().map(|secret| secret.hash).collect());
        if same(&live, wanted) {
            return Ok(());
        }
        tx.clients().drop_secrets(id)?;
        for hash in wanted.iter().filter_map(|hashes| hashes.first()) {
            tx.clients().add_secret(id, hash, self.pepper)?;
        }
        if !live.is_empty() {
            note(tx, &own_work(&self.node), Event::ClientSecretRotated { client: id.clone(), by: self.by.clone() })?;
        }
        Ok(())
    }
}

/// Notes whose its secrets are: the file's, where it speaks of them, and else the operator's, who
/// changes them by command. Most often there is nothing to note.
fn mark(tx: &mut Tx<'_>, id: &ClientId, proven: &Proven) -> Result<(), Fault> {
    tx.client_secrets().set_declared(id, proven.secrets.is_some()).map(drop)
}

/// Whether the secrets that are good are those that are wanted.
fn same(live: &[TokenHash], wanted: &[Hashes]) -> bool {
    live.len() == wanted.len() && wanted.iter().all(|hashes| live.iter().any(|hash| hashes.contains(hash)))
}

/// The members in which a client is not as it is declared.
fn differing(row: &ClientRow, proven: &Proven) -> Vec<String> {
    let names: BTreeSet<&String> = row.metadata.keys().chain(proven.metadata.keys()).collect();
    let mut members: Vec<String> =
        names.into_iter().filter(|name| row.metadata.get(*name) != proven.metadata.get(*name)).cloned().collect();
    if let Some(wanted) = &proven.secrets {
        let live: Vec<TokenHash> = row.secrets.iter().map(|secret| secret.hash).collect();
        if !same(&live, wanted) {
            members.push("client_secret".to_owned());
        }
    }
    if row.disabled_at.is_some() && members.is_empty() {
        members.push("disabled".to_owned());
    }
    members
}

/// The clients that a file declared before and that are not disabled.
fn declared_before(tx: &mut Tx<'_>) -> Result<Vec<ClientId>, Fault> {
    let (mut found, mut after) = (Vec::new(), None::<ClientId>);
    loop {
        let page = tx.clients().list(after.as_ref(), PAGE)?;
        after = page.last().map(|row| row.id.clone());
        let live = page.iter().filter(|row| row.source == Source::Declared && row.disabled_at.is_none());
        found.extend(live.map(|row| row.id.clone()));
        if page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
            return Ok(found);
        }
    }
}

#[cfg(test)]
mod tests;
