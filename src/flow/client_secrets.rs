//! The secrets of a client, as an operator manages them: another one beside the one it has, an end
//! before its time, what each was used for, and reminders before one ends.

use super::{
    journal::own_work,
    manage_clients::{Unmet, changed, found},
    world::{World, note, only_fault},
};
use crate::{
    audit::{Actor, Event, Origin},
    base::{
        credential::{Kind, mint},
        digest::TokenHash,
        fault::{Fault, Stop},
        id::ClientId,
        moment::{Moment, Span},
        secret::Secret,
    },
    oauth::{
        register,
        secret::{MOST, Which, furthest_reminder, reminder_due},
    },
    store::{
        Tx,
        client_secrets::SecretUse,
        clients::{ClientRow, SecretRow},
    },
};
use std::{convert::Infallible, net::IpAddr};

/// Secrets that are looked at by one transaction.
const BATCH: i64 = 200;

/// How often a secret is looked for that changes while it is ended. It is hashed anew once for each pepper.
const LOOKS: usize = 3;

/// A secret that was just made, and what becomes of those before it.
#[derive(Debug)]
pub struct Rotated {
    /// The new one, to be shown this once.
    pub secret: Secret<String>,
    /// Those before it that are still good, oldest first.
    pub before: Vec<SecretRow>,
}

/// A client with the last use of each of its secrets.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The client.
    pub row: ClientRow,
    /// The last uses, of those secrets that were used.
    uses: Vec<SecretUse>,
}

impl Seen {
    /// When this secret was good last, and from where; none where it never was.
    #[must_use]
    pub fn last_use(&self, secret: &SecretRow) -> Option<(Moment, Option<IpAddr>)> {
        self.uses.iter().find(|one| one.hash == secret.hash).map(|one| (one.at, one.address))
    }
}

/// A client as stored, and when its secrets were used. Running nodes write that each few seconds.
///
/// # Errors
/// [`Unmet::Unknown`].
pub async fn seen(world: &World, id: &ClientId) -> Result<Seen, Stop<Unmet>> {
    let id = id.clone();
    let read = move |tx: &mut Tx<'_>| -> Result<Seen, Stop<Unmet>> {
        Ok(Seen { row: found(tx, &id)?, uses: tx.client_secrets().uses(&id)? })
    };
    world.store.read("find_client", read).await
}

/// Gives a client another secret. The one it has is good for as long as the overlap, so that the
/// client can be moved to the new one without a gap.
///
/// # Errors
/// [`Unmet`] where there is no such client, it has no use for a secret, a file declares its secrets,
/// or it has two already: which of them is in use nobody but its owner knows.
pub async fn rotate_secret(world: &World, id: &ClientId, overlap: Span, by: Actor) -> Result<Rotated, Stop<Unmet>> {
    let secret = mint(Kind::ClientSecret, &*world.dice)?;
    let pepper = world.secrets.pepper.current();
    let (hash, pepper) = (pepper.hash(secret.expose()), pepper.version());
    let (id, origin) = (id.clone(), own_work(&world.node));
    let write = move |tx: &mut Tx<'_>| -> Result<Vec<SecretRow>, Stop<Unmet>> {
        // Two at once would leave three secrets.
        tx.clients().lock()?;
        let row = changeable(tx, &id)?;
        if overlap > Span::ZERO && row.secrets.len() >= MOST {
            return Err(Stop::Refusal(Unmet::TwoSecrets(id.clone())));
        }
        let ends = tx.now() + overlap;
        tx.clients().expire_secrets(&id, ends)?;
        for before in &row.secrets {
            // A day's overlap needs no reminder that a day is left.
            if let Some(hours) = reminder_due(ends, tx.now()) {
                tx.client_secrets().set_reminded(&before.hash, hours)?;
            }
        }
        let before = found(tx, &id)?.secrets;
        tx.clients().add_secret(&id, &hash, pepper)?;
        note(tx, &origin, Event::ClientSecretRotated { client: id.clone(), by: by.clone() })?;
        changed(tx, &id)?;
        Ok(before)
    };
    let before = world.store.write("rotate_client_secret", write).await?;
    Ok(Rotated { secret, before })
}

/// Ends one of two secrets before its time; what is left.
///
/// # Errors
/// [`Unmet`] where there is no such client, it has no use for a secret, a file declares its secrets,
/// or it has one alone.
pub async fn end_secret(world: &World, id: &ClientId, which: Which, by: Actor) -> Result<Seen, Stop<Unmet>> {
    let (name, origin) = (id.clone(), own_work(&world.node));
    let write = move |tx: &mut Tx<'_>| -> Result<(), Stop<Unmet>> {
        tx.clients().lock()?;
        let ended = end_one(tx, &name, which)?;
        let made_at = ended.created_at.to_string();
        note(tx, &origin, Event::ClientSecretEnded { client: name.clone(), made_at, by: by.clone() })?;
        Ok(changed(tx, &name)?)
    };
    world.store.write("end_client_secret", write).await?;
    seen(world, id).await
}

/// Ends one of two secrets, and says which it was. A node that hashes it under another pepper meanwhile gives its
/// row another name: then it is looked for again.
fn end_one(tx: &mut Tx<'_>, id: &ClientId, which: Which) -> Result<SecretRow, Stop<Unmet>> {
    for _ in 0..LOOKS {
        let row = changeable(tx, id)?;
        let (first, last) = match row.secrets.as_slice() {
            [first, .., last] => (first, last),
            [_] | [] => return Err(Stop::Refusal(Unmet::OneSecret(id.clone()))),
        };
        let ended = match which {
            Which::Older => first,
            Which::Newer => last,
        };
        if tx.client_secrets().end(&ended.hash)? {
            return Ok(ended.clone());
        }
    }
    Err(Fault::bare("a secret that is hashed anew all the time").passing().into())
}

/// A client whose secrets a command may change.
fn changeable(tx: &mut Tx<'_>, id: &ClientId) -> Result<ClientRow, Stop<Unmet>> {
    let row = found(tx, id)?;
    let client = register::read_stored(id.clone(), &row.metadata);
    if !client.is_ok_and(|client| client.auth_method.by_secret()) {
        return Err(Stop::Refusal(Unmet::NoSecret(id.clone())));
    }
    if row.secrets.iter().any(|secret| secret.declared) {
        return Err(Stop::Refusal(Unmet::DeclaredSecret(id.clone())));
    }
    Ok(row)
}

/// What is told of a secret that ends soon.
struct Reminder {
    client: ClientId,
    ends: Moment,
    hours: i16,
    last: Option<SecretUse>,
}

/// Records of each secret that ends in a week, a day or an hour that it does, once for each on all
/// nodes together, and logs it.
///
/// # Errors
/// A fault of the store.
pub async fn remind(world: &World) -> Result<(), Fault> {
    let mut after = None;
    loop {
        let (from, origin) = (after, own_work(&world.node));
        let write = move |tx: &mut Tx<'_>| -> Result<_, Stop<Infallible>> {
            let until = tx.now() + furthest_reminder();
            let batch = tx.client_secrets().ending(until, from.as_ref(), BATCH)?;
            let mut told = Vec::new();
            for (client, secret) in &batch {
                told.extend(remind_of(tx, client, secret, &origin)?);
            }
            Ok((batch.last().map(|(_, secret)| secret.hash), told))
        };
        let (last, told): (Option<TokenHash>, Vec<Reminder>) =
            world.store.write("remind_of_client_secrets", write).await.map_err(only_fault)?;
        told.iter().for_each(log);
        after = last;
        if after.is_none() {
            return Ok(());
        }
    }
}

fn remind_of(
    tx: &mut Tx<'_>,
    client: &ClientId,
    secret: &SecretRow,
    origin: &Origin,
) -> Result<Option<Reminder>, Fault> {
    let Some(ends) = secret.expires_at else { return Ok(None) };
    let Some(hours) = reminder_due(ends, tx.now()) else { return Ok(None) };
    if secret.reminded.is_some_and(|told| told <= hours) || !tx.client_secrets().set_reminded(&secret.hash, hours)? {
        return Ok(None);
    }
    let last = tx.client_secrets().uses(client)?.into_iter().find(|one| one.hash == secret.hash);
    let event = Event::ClientSecretExpiring {
        client: client.clone(),
        ends_at: ends.to_string(),
        last_used_at: last.as_ref().map(|one| one.at.to_string()),
        last_used_from: last.as_ref().and_then(|one| one.address).map(|address| address.to_string()),
    };
    note(tx, origin, event)?;
    Ok(Some(Reminder { client: client.clone(), ends, hours, last }))
}

fn log(Reminder { client, ends, hours, last }: &Reminder) {
    let used = last.as_ref().map_or_else(|| "never".to_owned(), |one| one.at.to_string());
    tracing::warn!(client.id = %client, secret.ends_at = %ends, secret.last_used_at = used, within.hours = *hours, "a client's secret ends soon");
}
