//! The keys in hand, from their rows: opened, or what is left of those that were in hand before.

use super::{Keeper, seen::needed};
use crate::{
    base::{
        fault::{Fault, Stop},
        id::KeyId,
    },
    flow::{
        secrets::Envelope,
        world::{key_policy, only_fault},
    },
    jose::{Purpose, SigningKey},
    keyring::{HeldKey, InHand, Keyring, State, Uses},
    store::{Tx, sealed::Column, signing_keys::KeyRow},
};
use std::{convert::Infallible, sync::Arc};

/// Of so many keys that are gone it is still counted that tokens name them.
const GONE: usize = 32;

/// What becomes of a key that does not open though every key above it is in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damaged {
    /// Then there are no keys: a server without one of its keys would refuse what others accept.
    Refused,
    /// It is left out and warned about: whoever manages keys must be able to end it.
    LeftOut,
}

impl Keeper<'_> {
    pub(super) async fn rows(&self) -> Result<Vec<KeyRow>, Fault> {
        let list = |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.signing_keys().list()?);
        self.store.read("list_signing_keys", list).await.map_err(only_fault)
    }

    pub(super) async fn read(&self, damaged: Damaged) -> Result<Keyring, Fault> {
        self.opened(&self.rows().await?, damaged).await
    }

    pub(super) async fn opened(&self, rows: &[KeyRow], damaged: Damaged) -> Result<Keyring, Fault> {
        let mut held = Vec::new();
        // Whatever does not open afterwards is damaged: every key above it is in hand.
        self.secrets.learn(self.store).await?;
        for row in rows.iter().filter(|row| row.record.state.is_held()) {
            match (self.open(row), damaged) {
                (Ok(one), _) => held.push(one),
                (Err(fault), Damaged::Refused) => return Err(fault),
                (Err(fault), Damaged::LeftOut) => tracing::warn!(error = %fault, "a signing key was left out"),
            }
        }
        self.ring(held, rows)
    }

    fn open(&self, row: &KeyRow) -> Result<HeldKey, Fault> {
        let kid = &row.record.kid;
        open(&self.secrets.envelope, row, self.tally.of(kid)).map_err(|fault| {
            let way_back = "put its row back from a backup, or end it by `keywright keys revoke";
            Fault::new(format!("signing key {kid} is damaged ({way_back} {kid} --reason TEXT`)"), fault)
        })
    }

    /// What is left of the keys in hand when those that are gone are put away.
    pub(super) fn left(&self, hand: &Keyring, rows: &[KeyRow]) -> Result<Keyring, Fault> {
        let stands = |kid: &KeyId| rows.iter().any(|row| row.record.kid == *kid && row.record.state.is_held());
        self.ring(hand.held().iter().filter(|one| stands(&one.record.kid)).cloned().collect(), rows)
    }

    fn ring(&self, held: Vec<HeldKey>, rows: &[KeyRow]) -> Result<Keyring, Fault> {
        // The youngest of those that are gone: tokens by a key that was revoked may still come for a while.
        let mut gone: Vec<&KeyRow> = rows.iter().filter(|row| row.record.state == State::Gone).collect();
        gone.sort_by_key(|row| std::cmp::Reverse(row.standing.as_ref().map(|standing| standing.since)));
        let gone = gone.into_iter().take(GONE).map(|row| {
            let kid = &row.record.kid;
            (kid.clone(), self.tally.of(kid))
        });
        Keyring::new(held, gone, &key_policy(self.policy, needed(self.policy, rows, None))?)
    }
}

pub(super) fn open(envelope: &Envelope, row: &KeyRow, uses: Uses) -> Result<HeldKey, Fault> {
    let record = row.record.clone();
    if let Some(at) = &row.outside {
        let Purpose::Signs(alg) = record.alg else {
            return Err(Fault::bare(format!("key {} decrypts, and is elsewhere", record.kid)));
        };
        let key = InHand::Signs(SigningKey::elsewhere(record.kid.clone(), alg, &row.public, at.clone())?);
        return Ok(HeldKey { record, key: Arc::new(key), uses });
    }
    let private = envelope
        .open(Column::SigningKeys, record.kid.as_str(), &row.sealed)
        .map_err(|e| Fault::new(format!("opening the private half of signing key {}", record.kid), e))?;
    let key = InHand::from_private(record.kid.clone(), record.alg, &private)?;
    Ok(HeldKey { record, key: Arc::new(key), uses })
}
