//! The keys in hand at one moment: to sign, to verify, to decrypt, and to publish.

use super::{
    in_hand::InHand,
    policy::Policy,
    record::{KeyRecord, State},
    uses::Uses,
};
use crate::{
    base::{
        digest::{base64url, sha256},
        fault::Fault,
        id::KeyId,
        moment::Span,
    },
    jose::{Alg, DecryptingKey, KeySet, Purpose, SigningKey, VerifyingKey},
};
use serde_json::json;
use std::sync::Arc;

/// A key as remembered, and the key itself.
#[derive(Clone, Debug)]
pub struct HeldKey {
    /// As remembered.
    pub record: KeyRecord,
    /// The key.
    pub key: Arc<InHand>,
    /// What it is used for.
    pub uses: Uses,
}

/// The keys in hand at one moment. Built anew after each change, and shared.
#[derive(Debug)]
pub struct Keyring {
    held: Vec<HeldKey>,
    keys: KeySet,
    jwks: String,
    etag: String,
    jwks_max_age: Span,
}

impl Keyring {
    /// From the keys that are not gone (others are passed over), in any order. Of those that are gone
    /// it is only counted that tokens name them.
    ///
    /// # Errors
    /// A [`Fault`] where a key's record and the key itself disagree, or two keys of one
    /// algorithm are active.
    pub fn new(
        held: impl IntoIterator<Item = HeldKey>,
        gone: impl IntoIterator<Item = (KeyId, Uses)>,
        policy: &Policy,
    ) -> Result<Self, Fault> {
        let mut held: Vec<HeldKey> = held.into_iter().filter(|one| one.record.state.is_held()).collect();
        // Algorithm, then age: a promotion does not change the order, and so not the text.
        held.sort_by(|a, b| {
            (a.record.alg, a.record.epoch, &a.record.kid).cmp(&(b.record.alg, b.record.epoch, &b.record.kid))
        });
        for one in &held {
            if &one.record.kid != one.key.kid() || one.record.alg != one.key.purpose() {
                return Err(Fault::bare(format!("the record of signing key {} is of another key", one.record.kid)));
            }
        }
        for alg in Purpose::ALL {
            if held.iter().filter(|one| one.is_active(alg)).count() > 1 {
                return Err(Fault::bare(format!("two keys for {alg} are active")));
            }
        }
        let counted = |one: &HeldKey| {
            VerifyingKey::from_jwk(one.key.public_jwk()).map(|key| key.counted(Arc::clone(&one.uses.seen)))
        };
        let keys: Result<KeySet, _> = held.iter().filter(|one| one.record.alg.signs()).map(counted).collect();
        let mut keys = keys.map_err(|e| Fault::new("reading our own public keys", e))?;
        keys.count_gone(gone.into_iter().map(|(kid, uses)| (kid.as_str().to_owned(), uses.seen)));
        for one in &mut held {
            // One that stood in another ring is counted there already.
            if let Some(InHand::Signs(key)) = Arc::get_mut(&mut one.key) {
                key.count(Arc::clone(&one.uses.signed));
            }
        }
        let published = held.iter().filter(|one| one.record.is_published());
        let public: Vec<_> = published.map(|one| one.key.public_jwk()).collect();
        let jwks = json!({ "keys": public }).to_string();
        let etag = format!("\"{}\"", base64url(&sha256(jwks.as_bytes())));
        Ok(Self { held, keys, jwks, etag, jwks_max_age: policy.jwks_max_age() })
    }

    /// The key that signs with this algorithm; `None` where the policy needs none.
    #[must_use]
    pub fn signer(&self, alg: Alg) -> Option<&SigningKey> {
        self.held.iter().find(|one| one.is_active(alg.into())).and_then(|one| one.key.signing())
    }

    /// The published key of this name, where it signs.
    #[must_use]
    pub fn key(&self, kid: &KeyId) -> Option<&SigningKey> {
        self.held.iter().filter_map(|one| one.key.signing()).find(|key| key.kid() == kid)
    }

    /// The key of this name that decrypts, and where it is counted that something was decrypted with it: also one
    /// that is not published yet, or no longer.
    #[must_use]
    pub fn opener(&self, kid: &str) -> Option<(&DecryptingKey, &Uses)> {
        let found = self.held.iter().find(|one| one.record.kid.as_str() == kid)?;
        found.key.decrypting().map(|key| (key, &found.uses))
    }

    /// The algorithms we sign with, in a stable order.
    #[must_use]
    pub fn algs(&self) -> Vec<Alg> {
        Alg::ALL.into_iter().filter(|alg| self.signer(*alg).is_some()).collect()
    }

    /// The keys themselves, in the order of the set.
    #[must_use]
    pub fn held(&self) -> &[HeldKey] {
        &self.held
    }

    /// Every published key that signs, to verify tokens of ours with.
    #[must_use]
    pub const fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// The published key set (RFC 7517 §5): pending, active and retiring keys that sign, and active ones to
    /// encrypt with.
    #[must_use]
    pub fn jwks(&self) -> &str {
        &self.jwks
    }

    /// A strong entity tag of the published key set, with its quotation marks (RFC 9110 §8.8.3).
    #[must_use]
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// For how long others may keep a copy of the published key set.
    #[must_use]
    pub const fn jwks_max_age(&self) -> Span {
        self.jwks_max_age
    }

    /// The records of all keys in hand, in the order of the set: for people to look at.
    pub fn records(&self) -> impl Iterator<Item = &KeyRecord> {
        self.held.iter().map(|one| &one.record)
    }
}

impl HeldKey {
    fn is_active(&self, alg: Purpose) -> bool {
        self.record.alg == alg && matches!(self.record.state, State::Active { .. })
    }
}

#[cfg(test)]
mod tests;
