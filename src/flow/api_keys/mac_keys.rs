//! Keys of HMAC under which others hashed the API keys that are brought from them: without such a key nobody
//! could tell which text a brought digest is of. They rest sealed, there are few, and every node has them in hand.

use super::refused::{Refused, refuse};
use crate::{
    base::{
        digest::{ForeignMac, base64url, hex},
        entropy,
        fault::{Fault, Stop},
        secret::{Secret, same},
    },
    flow::{secrets::Envelope, world::World},
    store::{Tx, mac_keys::MacKeyRow, sealed::Column},
};

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
    Ok(Given { id: base64url(&random), is_new: true })
}

/// Stores one that is new.
pub(super) fn add(tx: &mut Tx<'_>, envelope: &Envelope, (id, key): (&str, &Secret<Vec<u8>>)) -> Result<(), Fault> {
    let sealed = envelope.seal(tx, Column::MacKeys, id, key.expose())?;
    tx.mac_keys().insert(&MacKeyRow { id: id.to_owned(), sealed })
}
