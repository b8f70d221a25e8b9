//! Keys of HMAC under which others hashed the API keys that are brought from them: without such a key nobody
//! could tell which text a brought digest is of. They rest sealed, there are few, and every node has them in hand.

use super::{
    apis::Done,
    bulk::for_everybody,
    refused::{Refused, refuse},
};
use crate::{
    apikey::{
        access::{Act, Caller},
        words::{Identifier, Instant, whole},
    },
    audit::Event,
    base::{
        digest::{ForeignMac, hex},
        entropy,
        fault::{Fault, Stop},
        secret::{Secret, same},
    },
    flow::{secrets::Envelope, world::World},
    store::{
        Tx,
        feed::{Change, Subject},
        mac_keys::MacKeyRow,
        sealed::Column,
    },
};
use schemars::JsonSchema;
use serde::Serialize;

/// The most of them: each costs every text of an unknown form one more hash.
const MOST: usize = 4;

/// One in hand.
#[derive(Clone, Debug)]
pub struct MacKey {
    id: String,
    mac: ForeignMac,
}

impl MacKey {
    /// What is hashed of this text, where its HMAC under this key was brought.
    pub(super) fn form(&self, text: &str) -> String {
        form(&self.id, &self.mac.of(text))
    }
}

/// What is hashed of a key whose HMAC was brought: as with a SHA-256, never the value alone.
pub(super) fn form(id: &str, mac: &[u8; 32]) -> String {
    format!("hmac-sha256:{id}:{}", hex(mac))
}

/// Opens those that were read. What hangs from one that does not open is unknown until it does.
pub(super) async fn opened(world: &World, rows: &[MacKeyRow]) -> Vec<MacKey> {
    let open = || -> Vec<MacKey> {
        let open = |row: &MacKeyRow| {
            let key = world.secrets.envelope.open(Column::MacKeys, &row.id, &row.sealed).ok()?;
            Some(MacKey { id: row.id.clone(), mac: ForeignMac::new(&key) })
        };
        rows.iter().filter_map(open).collect()
    };
    let mut keys = open();
    if keys.len() < rows.len() {
        // It may be sealed under a data key that another node has made since.
        if let Err(fault) = world.secrets.learn(&world.store).await {
            tracing::warn!(error = %fault, "the keys of the database cannot be read");
        }
        keys = open();
    }
    for row in rows.iter().filter(|row| !keys.iter().any(|key| key.id == row.id)) {
        tracing::error!(
            mac_key = row.id,
            "a key of HMAC does not open: no API key that was brought by its HMAC under it is known"
        );
    }
    keys
}

/// A key of HMAC, as an import has it.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// Its handle.
    pub(super) id: String,
    /// Whether it is to be stored: it was not there.
    pub(super) is_new: bool,
}

/// Which of those that are there this one is; it may be a new one.
///
/// # Errors
/// [`Refused`] where there are as many as there may be.
pub(super) fn given(tx: &mut Tx<'_>, envelope: &Envelope, key: &Secret<Vec<u8>>) -> Result<Given, Stop<Refused>> {
    tx.mac_keys().lock()?;
    let rows = tx.mac_keys().list()?;
    let is_this = |row: &&MacKeyRow| {
        let own = envelope.open(Column::MacKeys, &row.id, &row.sealed);
        own.is_ok_and(|own| same(own.expose(), key.expose()))
    };
    if let Some(row) = rows.iter().find(is_this) {
        return Ok(Given { id: row.id.clone(), is_new: false });
    }
    if rows.len() >= MOST {
        return refuse(Refused::State("keys were brought under four keys of HMAC already, and there may be no more"));
    }
    let random: [u8; 16] = entropy::bytes(tx.dice())?;
    Ok(Given { id: hex(&random), is_new: true })
}

/// Stores one that is new.
pub(super) fn add(tx: &mut Tx<'_>, envelope: &Envelope, (id, key): (&str, &Secret<Vec<u8>>)) -> Result<(), Fault> {
    let sealed = envelope.seal(tx, Column::MacKeys, id, key.expose())?;
    let created_at = tx.now();
    tx.mac_keys().insert(&MacKeyRow { id: id.to_owned(), sealed, created_at })
}

/// A key of HMAC, as it is told of: never itself.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = whole)]
pub struct HmacKey {
    /// Its handle.
    #[schemars(with = "Identifier")]
    pub id: String,
    /// When keys were first brought under it.
    #[schemars(with = "Instant")]
    pub created_at: String,
    /// How many API keys that have not ended are known by it alone.
    pub api_keys: i64,
    /// How many are known by it or another of them: they were brought before it was written down by which. To bring
    /// them again says it.
    pub perhaps: i64,
}

/// The keys of HMAC that there are.
///
/// # Errors
/// [`Refused`] where the caller may not.
pub async fn list(world: &World, caller: &Caller) -> Result<Vec<HmacKey>, Stop<Refused>> {
    for_everybody(caller, Act::Import)?;
    let read = |tx: &mut Tx<'_>| -> Result<Vec<HmacKey>, Stop<Refused>> {
        let rows = tx.mac_keys().list()?;
        let told = |row: MacKeyRow| -> Result<HmacKey, Fault> {
            let known = tx.mac_keys().known_by(&row.id)?;
            let created_at = row.created_at.to_string();
            Ok(HmacKey { id: row.id, created_at, api_keys: known.by_it, perhaps: known.by_any })
        };
        Ok(rows.into_iter().map(told).collect::<Result<_, _>>()?)
    };
    world.store.read("list_mac_keys", read).await
}

/// Forgets a key of HMAC, on every node, where no API key is known by it that has not ended. Those that have are then
/// unknown: they may be brought again.
///
/// # Errors
/// [`Refused`] where the caller may not, there is none of this handle, or API keys are known by it.
pub async fn remove(world: &World, caller: &Caller, id: String, done: Done) -> Result<(), Stop<Refused>> {
    for_everybody(caller, Act::Import)?;
    let work = move |tx: &mut Tx<'_>| -> Result<(), Stop<Refused>> {
        // Nobody brings keys under it meanwhile.
        tx.mac_keys().lock()?;
        if !tx.mac_keys().list()?.iter().any(|row| row.id == id) {
            return refuse(Refused::NotFound("key of HMAC"));
        }
        let known = tx.mac_keys().known_by(&id)?;
        if known.by_it > 0 || known.by_any > 0 {
            return refuse(Refused::Known(known));
        }
        tx.mac_keys().delete(&id)?;
        // Nodes look for them anew when they hear of an API, whichever that is.
        tx.feed().add(&Change::about(Subject::Api, &id))?;
        done.note(tx, |by| Event::HmacKeyRemoved { hmac_key: id.clone(), by })?;
        Ok(())
    };
    world.store.write("remove_mac_key", work).await?;
    super::life::heard(world).await;
    Ok(())
}
