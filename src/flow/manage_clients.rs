//! Clients, as an operator manages them one by one: registered, shown, disabled and enabled. For their
//! secrets see [`client_secrets`](super::client_secrets), for clients declared in a file
//! [`declared_clients`](super::declared_clients).

use super::{
    end,
    journal::own_work,
    world::{World, note, only_fault},
};
use crate::{
    audit::{Actor, Event, GrantEnd},
    base::{
        credential::{Kind, mint},
        fault::{Fault, Stop},
        id::ClientId,
        moment::CLOCKS,
        secret::Secret,
    },
    oauth::{
        client::Client,
        register::{self, RegistrationError, RegistrationPolicy},
    },
    store::{
        Tx,
        clients::{ClientRow, Source},
        feed::{Change, Subject},
        grants::By,
    },
};
use serde_json::{Map, Value};
use std::{convert::Infallible, fmt};

/// Why an operator's wish about a client is not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// The metadata cannot be.
    Bad(Option<ClientId>, RegistrationError),
    /// The identifier is in use.
    Taken(ClientId),
    /// There is no such client.
    Unknown(ClientId),
    /// It has no secret, because it proves itself in another way.
    NoSecret(ClientId),
    /// It is declared in a file, which would undo this.
    Declared(ClientId),
    /// It is registered by command, and so not to be declared in a file.
    Registered(ClientId),
    /// It is declared twice.
    Twice(ClientId),
    /// It is declared with a secret that another client has.
    SharedSecret(ClientId),
    /// Its secrets are declared in a file, which would undo this.
    DeclaredSecret(ClientId),
    /// It has two secrets: with a third, nobody would know which is in use.
    TwoSecrets(ClientId),
    /// It has one secret or none: without it, it could not prove itself.
    OneSecret(ClientId),
    /// It is as it was wanted to be.
    Already(&'static str),
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bad(Some(id), error) => write!(f, "client {id}: {error}"),
            Self::Bad(None, error) => error.fmt(f),
            Self::Taken(id) => write!(f, "the client identifier {id} is taken"),
            Self::Unknown(id) => write!(f, "there is no client {id}"),
            Self::NoSecret(id) => write!(f, "client {id} has no secret: see its token_endpoint_auth_method"),
            Self::Declared(id) => write!(f, "client {id} is declared in a file: change it there, and apply the file"),
            Self::Registered(id) => {
                write!(f, "client {id} was registered by command: give the declared one another client_id")
            }
            Self::Twice(id) => write!(f, "client {id} is declared twice"),
            Self::SharedSecret(id) => write!(f, "client {id} is declared with a secret that is in use already"),
            Self::DeclaredSecret(id) => {
                write!(f, "the secrets of client {id} are declared in a file: change them there, and apply the file")
            }
            Self::TwoSecrets(id) => {
                write!(f, "client {id} has two secrets already: end one of them first, or rotate without an overlap")
            }
            Self::OneSecret(id) => {
                write!(f, "client {id} has no second secret: rotate the one it has, or disable the client")
            }
            Self::Already(how) => write!(f, "this client is {how} already"),
        }
    }
}

impl std::error::Error for Unmet {}

/// A client that was just registered.
#[derive(Debug)]
pub struct Added {
    /// The client.
    pub client: Client,
    /// Its secret, to be shown this once; none where it proves itself in another way.
    pub secret: Option<Secret<String>>,
}

/// Registers a client. The identifier is made here unless one is given.
///
/// # Errors
/// [`Unmet`] for metadata that cannot be, and for an identifier that is in use.
pub async fn add(
    world: &World,
    id: Option<ClientId>,
    metadata: &Map<String, Value>,
    policy: RegistrationPolicy,
    by: Actor,
) -> Result<Added, Stop<Unmet>> {
    let named = id.clone();
    let id = id.map_or_else(|| ClientId::mint(world.now(), &*world.dice), Ok)?;
    let client = register::parse_client(id.clone(), metadata, policy)
        .map_err(|error| Stop::Refusal(Unmet::Bad(named, error)))?;
    let secret = client.auth_method.by_secret().then(|| mint(Kind::ClientSecret, &*world.dice)).transpose()?;
    let pepper = world.secrets.pepper.current();
    let hash = secret.as_ref().map(|secret| pepper.hash(secret.expose()));
    let (stored, pepper, origin) = (register::to_metadata(&client), pepper.version(), own_work(&world.node));
    let write = move |tx: &mut Tx<'_>| -> Result<(), Stop<Unmet>> {
        if tx.clients().insert(&id, &stored, Source::Command)?.is_err() {
            return Err(Stop::Refusal(Unmet::Taken(id.clone())));
        }
        if let Some(hash) = &hash {
            tx.clients().add_secret(&id, hash, pepper)?;
        }
        note(tx, &origin, Event::ClientAdded { client: id.clone(), by: by.clone() })?;
        Ok(changed(tx, &id)?)
    };
    world.store.write("add_client", write).await?;
    Ok(Added { client, secret })
}

/// Tells every node that a client has changed.
pub(super) fn changed(tx: &mut Tx<'_>, id: &ClientId) -> Result<(), Fault> {
    tx.feed().add(&Change::about(Subject::Client, id.as_str()))
}

/// A client as stored, or that there is none.
pub(super) fn found(tx: &mut Tx<'_>, id: &ClientId) -> Result<ClientRow, Stop<Unmet>> {
    tx.clients().find(id)?.ok_or_else(|| Stop::Refusal(Unmet::Unknown(id.clone())))
}

/// At most `n` clients in the order of their identifiers, those after `after` where given.
///
/// # Errors
/// A fault of the store.
pub async fn list(world: &World, after: Option<ClientId>, n: i64) -> Result<Vec<ClientRow>, Fault> {
    let list = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.clients().list(after.as_ref(), n)?);
    world.store.read("list_clients", list).await.map_err(only_fault)
}

/// Disables a client: it gets no tokens, and those it has end.
///
/// # Errors
/// [`Unmet`] where there is no such client, it is disabled, or a file declares it.
pub async fn disable(world: &World, id: &ClientId, by: Actor) -> Result<(), Stop<Unmet>> {
    let (id, node) = (id.clone(), world.node.clone());
    let write = move |tx: &mut Tx<'_>| -> Result<(), Stop<Unmet>> {
        commanded(tx, &id)?;
        if off(tx, &id, &by, &node)? { Ok(()) } else { Err(Stop::Refusal(Unmet::Already("disabled"))) }
    };
    world.store.write("disable_client", write).await?;
    Ok(end::rest(world).await?)
}

/// Enables a client again. What ended stays ended.
///
/// # Errors
/// [`Unmet`] where there is no such client, it is not disabled, or a file declares it.
pub async fn enable(world: &World, id: &ClientId, by: Actor) -> Result<(), Stop<Unmet>> {
    let (id, node) = (id.clone(), world.node.clone());
    let write = move |tx: &mut Tx<'_>| -> Result<(), Stop<Unmet>> {
        commanded(tx, &id)?;
        if on(tx, &id, &by, &node)? { Ok(()) } else { Err(Stop::Refusal(Unmet::Already("enabled"))) }
    };
    world.store.write("enable_client", write).await
}

/// Refuses a client that a file declares: the file rules.
fn commanded(tx: &mut Tx<'_>, id: &ClientId) -> Result<(), Stop<Unmet>> {
    match found(tx, id)?.source {
        Source::Command => Ok(()),
        Source::Declared => Err(Stop::Refusal(Unmet::Declared(id.clone()))),
    }
}

/// Disables it and ends its grants, and what it got for itself: also what a node whose clock is ahead issued to it a moment
/// ago. False where it is disabled.
pub(super) fn off(tx: &mut Tx<'_>, id: &ClientId, by: &Actor, node: &str) -> Result<bool, Fault> {
    if !tx.clients().set_disabled(id)? {
        return Ok(false);
    }
    let origin = own_work(node);
    let since = tx.now() + CLOCKS;
    tx.clients().end_tokens_before(id, since)?;
    note(tx, &origin, Event::ClientDisabled { client: id.clone(), by: by.clone() })?;
    end::grants(tx, By::Client(id), GrantEnd::ClientDisabled, by, &origin)?;
    changed(tx, id)?;
    Ok(true)
}

/// Enables it; false where it is enabled. What it got for itself in the meantime, of a node that had not heard, or before
/// a node of the release before disabled it, stays dead.
pub(super) fn on(tx: &mut Tx<'_>, id: &ClientId, by: &Actor, node: &str) -> Result<bool, Fault> {
    if !tx.clients().set_enabled(id)? {
        return Ok(false);
    }
    let now = tx.now();
    tx.clients().end_tokens_before(id, now)?;
    note(tx, &own_work(node), Event::ClientEnabled { client: id.clone(), by: by.clone() })?;
    changed(tx, id)?;
    Ok(true)
}
