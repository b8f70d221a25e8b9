//! Keys in the making: here, or by whoever the settings name, and in any case before a transaction begins.

use super::{Keeper, begun};
use crate::{
    base::{fault::Fault, id::KeyId, secret::Secret},
    flow::secrets::Envelope,
    jose::{Alg, Purpose, SigningKey, thumbprint},
    keyring::{InHand, KeyRecord, Step},
    remote::{
        Signers,
        signers::{MadeOutside, SignerFailed},
    },
    store::{
        Tx,
        sealed::Column,
        signing_keys::{KeyRow, Origin, Standing},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A key that was made.
#[derive(Clone, Debug)]
pub(in crate::flow) enum NewKey {
    /// Its private half: PKCS#8, DER.
    Here(Secret<Vec<u8>>),
    /// Its private half is elsewhere.
    Elsewhere(MadeOutside),
}

impl NewKey {
    /// The name that it gets: the thumbprint of its public half.
    pub(super) fn name(&self, alg: Purpose) -> Result<KeyId, Fault> {
        match self {
            Self::Here(private) => InHand::name_of(alg, private),
            Self::Elsewhere(made) => thumbprint(&made.public)
                .and_then(|text| KeyId::parse(&text))
                .ok_or_else(|| Fault::bare(format!("{} has no thumbprint", made.at))),
        }
    }

    /// Its public half, as it is published under this name.
    pub(super) fn public(&self, kid: KeyId, alg: Purpose) -> Result<serde_json::Value, Fault> {
        match (self, alg) {
            (Self::Here(private), _) => Ok(InHand::from_private(kid, alg, private)?.public_jwk().clone()),
            (Self::Elsewhere(made), Purpose::Signs(alg)) => {
                Ok(SigningKey::elsewhere(kid, alg, &made.public, made.at.clone())?.public_jwk().clone())
            }
            (Self::Elsewhere(_), Purpose::Decrypts(_)) => Err(Fault::bare("a key to decrypt with was made elsewhere")),
        }
    }
}

/// What was made for one piece of work, and what could not be.
#[derive(Default)]
pub(super) struct Made {
    keys: Arc<BTreeMap<Purpose, NewKey>>,
    failed: BTreeMap<Purpose, SignerFailed>,
}

impl Made {
    /// Makes the keys that these steps need and that are not made yet. Where somebody else cannot, that is noted: what is
    /// due besides does not wait for them.
    pub(super) async fn make(&mut self, keeper: &Keeper<'_>, steps: &[Step]) -> Result<(), Fault> {
        let wanted = created(steps).filter(|alg| !self.keys.contains_key(alg) && !self.failed.contains_key(alg));
        let (there, here): (Vec<Purpose>, Vec<Purpose>) = wanted.partition(|alg| elsewhere(keeper.signers, *alg));
        let rsa_bits = keeper.policy.keys.rsa_bits;
        let keys = Arc::make_mut(&mut self.keys);
        // On a thread where nobody waits for anything else: a key for RS256 takes its time.
        let make = move || here.into_iter().map(|alg| Ok((alg, InHand::generate(alg, rsa_bits)?))).collect();
        let made: Result<Vec<_>, Fault> =
            tokio::task::spawn_blocking(make).await.map_err(|e| Fault::new("making signing keys", e))?;
        keys.extend(made?.into_iter().map(|(alg, private)| (alg, NewKey::Here(private))));
        for (purpose, alg) in there.into_iter().filter_map(|purpose| Some((purpose, signing(purpose)?))) {
            match begun::make(keeper, alg).await? {
                Ok(made) => drop(keys.insert(purpose, NewKey::Elsewhere(made))),
                Err(failed) => drop(self.failed.insert(purpose, failed)),
            }
        }
        Ok(())
    }

    pub(super) fn keys(&self) -> Arc<BTreeMap<Purpose, NewKey>> {
        Arc::clone(&self.keys)
    }

    /// The algorithms that no key can be made for now.
    pub(super) fn lacking(&self) -> BTreeSet<Purpose> {
        self.failed.keys().copied().collect()
    }

    /// Why a key could not be made, where one could not.
    pub(super) fn fault(&self) -> Option<Fault> {
        let (alg, failed) = self.failed.iter().next()?;
        Some(Fault::new(format!("making a signing key for {alg}"), failed.clone()).passing())
    }

    /// Destroys again what nobody needed, because another node was faster.
    pub(super) async fn destroy_unused(&self, keeper: &Keeper<'_>, done: &[Step]) {
        let used: BTreeSet<Purpose> = created(done).collect();
        for (_, key) in self.keys.iter().filter(|(alg, _)| !used.contains(alg)) {
            if let NewKey::Elsewhere(made) = key {
                begun::undo(keeper, &made.at).await;
            }
        }
    }
}

/// The algorithm, where a key of this purpose signs.
const fn signing(purpose: Purpose) -> Option<Alg> {
    match purpose {
        Purpose::Signs(alg) => Some(alg),
        Purpose::Decrypts(_) => None,
    }
}

/// Whether keys of this purpose are made elsewhere; those that decrypt never are.
pub(super) fn elsewhere(signers: &Signers, purpose: Purpose) -> bool {
    signing(purpose).is_some_and(|alg| signers.make_those_of(alg))
}

/// What these steps make keys for.
pub(super) fn created(steps: &[Step]) -> impl Iterator<Item = Purpose> {
    steps.iter().filter_map(|step| match step {
        Step::Create { alg, .. } => Some(*alg),
        Step::Promote { .. } | Step::Retire { .. } | Step::Revoke { .. } | Step::Delete { .. } => None,
    })
}

/// A key to be remembered.
pub(in crate::flow) struct NewRow<'n> {
    pub(in crate::flow) record: KeyRecord,
    pub(in crate::flow) key: &'n NewKey,
    pub(in crate::flow) public: serde_json::Value,
    pub(in crate::flow) origin: Origin,
    pub(in crate::flow) why: &'n str,
}

/// Remembers a key: its private half sealed, or where that is.
pub(in crate::flow) fn add(tx: &mut Tx<'_>, envelope: &Envelope, new: NewRow<'_>) -> Result<(), Fault> {
    let NewRow { record, key, public, origin, why } = new;
    let (sealed, outside) = match key {
        NewKey::Here(private) => (envelope.seal(tx, Column::SigningKeys, record.kid.as_str(), private.expose())?, None),
        NewKey::Elsewhere(made) => (Vec::new(), Some(made.at.clone())),
    };
    let standing = Some(Standing { since: record.created_at, why: why.to_owned() });
    let row = KeyRow { record, sealed, outside, public, origin, revoked: None, standing };
    if tx.signing_keys().insert(&row)? {
        return Ok(());
    }
    let KeyRecord { kid, alg, epoch, .. } = row.record;
    Err(Fault::bare(format!("there is a signing key {kid}, or one for {alg} numbered {epoch}, already")))
}
