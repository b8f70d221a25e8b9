//! Key-encryption keys in hand: the newest, and older ones under which something may still be sealed.

use super::fits;
use crate::{
    base::{
        digest::{derive, hex, hmac},
        entropy::Entropy,
        fault::Fault,
        secret::Secret,
    },
    jose::Sealer,
    store::key_versions::{KeyVersion, Kind},
};

/// Key-encryption keys, the newest first.
#[derive(Clone, Debug)]
pub struct Keks(Vec<Held>);

#[derive(Clone, Debug)]
struct Held {
    key: Secret<[u8; 32]>,
    proof: [u8; 32],
    sealer: Sealer,
}

/// What a key makes of a text that is known. It does not lead back to the key.
pub(super) fn proof_of(kind: Kind, key: &Secret<[u8; 32]>) -> [u8; 32] {
    let purpose = match kind {
        Kind::Kek => "keywright proof of the key-encryption key 1",
        Kind::Root => "keywright proof of the root key 1",
        Kind::Data => "keywright proof of a data key 1",
        Kind::Pepper => "keywright proof of a pepper 1",
    };
    hmac(&derive(key, purpose), &[b"fits"])
}

/// The name that people see of a key: the beginning of its proof.
pub(super) fn name_of(proof: &[u8]) -> String {
    hex(proof.get(..4).unwrap_or(proof))
}

/// Where a sealed key rests, and under what.
fn aad(kind: Kind, version: i32, by: i32) -> Vec<u8> {
    format!("key_versions {} {version} sealed by {by}", kind.as_str()).into_bytes()
}

impl Keks {
    /// These, the newest first.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = Secret<[u8; 32]>>) -> Self {
        let held = |key: Secret<[u8; 32]>| Held {
            proof: proof_of(Kind::Kek, &key),
            sealer: Sealer::new(derive(&key, "keywright keys of a database 1")),
            key,
        };
        Self(keys.into_iter().map(held).collect())
    }

    /// The proof of the newest.
    ///
    /// # Errors
    /// A fault where there is none.
    pub(super) fn newest(&self) -> Result<[u8; 32], Fault> {
        self.0.first().map(|held| held.proof).ok_or_else(|| Fault::bare("no key-encryption key is given"))
    }

    /// The key that this is the proof of.
    #[must_use]
    pub(super) fn proven_by(&self, proof: &[u8]) -> Option<&Secret<[u8; 32]>> {
        self.held(proof).map(|held| &held.key)
    }

    fn held(&self, proof: &[u8]) -> Option<&Held> {
        self.0.iter().find(|held| fits(proof, &held.proof))
    }

    /// Opens the key of a row.
    ///
    /// # Errors
    /// A fault that says which key-encryption key is expected where it is not in hand, or that the row was changed.
    pub(super) fn open(&self, rows: &[KeyVersion], row: &KeyVersion) -> Result<Secret<[u8; 32]>, Fault> {
        let what = format!("{} {}", row.kind.in_words(), row.version);
        let by = row.sealed_by.ok_or_else(|| Fault::bare(format!("{what} is kept elsewhere, and was not given")))?;
        let kek = rows.iter().find(|kek| kek.kind == Kind::Kek && kek.version == by);
        let kek = kek.ok_or_else(|| Fault::bare(format!("{what} is sealed under a key that has no row")))?;
        let held = self.held(&kek.proof).ok_or_else(|| Fault::bare(self.misfit(rows, kek, &what)))?;
        let opened = held.sealer.open(&aad(row.kind, row.version, by), &row.sealed);
        let opened = opened.map_err(|e| Fault::new(format!("opening {what} of this database"), e))?;
        let key = opened.expose().as_slice().try_into().map(Secret::new);
        let key: Secret<[u8; 32]> = key.map_err(|e| Fault::new(format!("reading {what} of this database"), e))?;
        if fits(&row.proof, &proof_of(row.kind, &key)) {
            Ok(key)
        } else {
            Err(Fault::bare(format!("{what} of this database is not the one that its proof was made with")))
        }
    }

    /// Seals a key under the key-encryption key of this row.
    ///
    /// # Errors
    /// A fault where that is not in hand, or randomness or OpenSSL fails.
    pub(super) fn seal(
        &self,
        kek: &KeyVersion,
        (kind, version): (Kind, i32),
        key: &Secret<[u8; 32]>,
        dice: &dyn Entropy,
    ) -> Result<Vec<u8>, Fault> {
        let held = self.held(&kek.proof);
        let held =
            held.ok_or_else(|| Fault::bare(format!("version {} of the key-encryption key is missing", kek.version)))?;
        held.sealer.seal(&aad(kind, version, kek.version), key.expose(), dice)
    }

    /// "version 1 and one that is unknown here (89abcdef)".
    pub(super) fn in_words(&self, rows: &[KeyVersion]) -> String {
        let one = |held: &Held| {
            let known = rows.iter().find(|row| row.kind == Kind::Kek && fits(&row.proof, &held.proof));
            match known {
                Some(row) => format!("version {}", row.version),
                None => format!("one that is unknown here, {}", name_of(&held.proof)),
            }
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(" and ")
    }

    fn misfit(&self, rows: &[KeyVersion], expected: &KeyVersion, what: &str) -> String {
        format!(
            "this database belongs to another key-encryption key: {what} is sealed under version {} of it ({}, known \
             since {}), and given is {}. Nothing was changed: give version {} in secrets.kek, or beside a newer one \
             in secrets.older_keks",
            expected.version,
            name_of(&expected.proof),
            expected.created_at,
            self.in_words(rows),
            expected.version,
        )
    }
}
