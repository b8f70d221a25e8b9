//! The facts that the rule of keys judges, as they are loaded.

use super::Wanted;
use crate::{
    base::{fault::Fault, moment::Moment},
    flow::{
        presence,
        world::{Policy, key_policy},
    },
    jose::{Alg, Purpose},
    keyring::{self, Facts, KeyRecord, Keyring, Past, State, Step, sweep},
    store::{Tx, signing_keys::KeyRow},
};
use std::collections::BTreeSet;

/// What a key is needed for: to sign access tokens, whatever costs nothing to offer, and whatever
/// somebody has needed before; to decrypt, what the settings say. An algorithm that only keys are left of
/// that sign no longer is needed no longer.
pub(super) fn needed(policy: &Policy, rows: &[KeyRow], also: Option<Alg>) -> BTreeSet<Purpose> {
    let held = rows.iter().filter(|row| match row.record.state {
        State::Pending | State::Active { .. } => true,
        State::Retiring { .. } | State::Gone => false,
    });
    let signing = held.map(|row| row.record.alg).filter(|alg| alg.signs());
    let wanted = always(policy).into_iter().chain(also).map(Purpose::Signs);
    wanted.chain(signing).chain(policy.keys.encryption.iter().copied().map(Purpose::Decrypts)).collect()
}

/// The algorithms that are needed whoever asks.
const fn always(policy: &Policy) -> [Alg; 3] {
    [policy.tokens.access_token_alg, Alg::Es256, Alg::EdDsa]
}

/// Whether there is a key to sign with wherever one is needed whoever asks.
pub(super) fn always_signed(policy: &Policy, keyring: &Keyring) -> bool {
    always(policy).into_iter().all(|alg| keyring.signer(alg).is_some())
}

/// The name under which the database remembers what is still out there from before.
const PAST: &str = "signing keys past";

/// A time before the first release: a clock that shows it was never set. Of what it says about the age of keys nothing is
/// true, and a successor that it made would look old to everybody else, and sign before it is known.
const NEVER_SET: Moment = Moment::from_unix(1_700_000_000);

/// The facts that the rule judges, as loaded.
pub(in crate::flow) struct Seen {
    pub(in crate::flow) rows: Vec<KeyRow>,
    records: Vec<KeyRecord>,
    policy: keyring::Policy,
    /// The past as it was written down, and as it looks under the policy in force.
    before: Past,
    past: Past,
    latest: Option<Moment>,
    now: Moment,
    /// Algorithms that nothing is signed with yet: a key that was brought for one may wait.
    idle: BTreeSet<Purpose>,
}

impl Seen {
    pub(in crate::flow) fn load(tx: &mut Tx<'_>, policy: &Policy, also: Option<Alg>) -> Result<Self, Fault> {
        let rows = tx.signing_keys().list()?;
        let needed = needed(policy, &rows, also);
        let idle = |purpose: &Purpose| {
            let Purpose::Signs(alg) = purpose else { return false };
            let active = |row: &KeyRow| row.record.alg == *alg && matches!(row.record.state, State::Active { .. });
            !always(policy).contains(alg) && also != Some(*alg) && !rows.iter().any(active)
        };
        let idle = needed.iter().copied().filter(idle).collect();
        let policy = key_policy(policy, needed)?;
        let before = tx.meta().get(PAST)?.map(|text| serde_json::from_slice(&text)).transpose();
        let before: Past =
            before.map_err(|e| Fault::new("reading what is still out there of signing keys", e))?.unwrap_or_default();
        let (latest, now) = (presence::latest(tx)?, tx.now());
        let past = before.under(&policy, latest, now);
        let records = rows.iter().map(|row| row.record.clone()).collect();
        Ok(Self { rows, records, policy, before, past, latest, now, idle })
    }

    /// As the rule wants them.
    pub(in crate::flow) fn facts(&self) -> Facts<'_> {
        let Self { records: keys, policy, past, latest, now, idle, .. } = self;
        Facts { keys, policy, past, latest: *latest, now: *now, idle }
    }

    pub(super) fn due(&self, wanted: &Wanted) -> Vec<Step> {
        match &wanted.revoke {
            Some(one) => keyring::revoke(&self.facts(), &one.kid),
            None => sweep(&self.facts(), wanted.rotation),
        }
    }

    /// Refuses to go by a clock that cannot be right, but for ending a key at once.
    pub(super) fn possible(&self, wanted: &Wanted) -> Result<(), Fault> {
        if self.now >= NEVER_SET || wanted.revoke.is_some() {
            return Ok(());
        }
        Err(Fault::bare(format!(
            "the clock of this machine was not set (it says {}): no signing key is made by it",
            self.now
        )))
    }

    pub(super) fn changed(&self) -> bool {
        self.past != self.before
    }

    pub(super) fn remember(&self, tx: &mut Tx<'_>) -> Result<(), Fault> {
        let text = serde_json::to_vec(&self.past).map_err(|e| Fault::new("writing what is still out there", e))?;
        tx.meta().put(PAST, &text)
    }
}
