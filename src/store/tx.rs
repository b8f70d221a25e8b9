//! [`Tx`]: the database, the time and the dice, as one piece of work sees them.

use super::feed::{Change, Feed};
use super::key_alerts::KeyAlerts;
use super::{
    api_keys::ApiKeys, apis::Apis, audit::AuditEvents, claims::Claims, client_secrets::ClientSecrets, clients::Clients,
    codes::Codes, consents::Consents, failure::Trouble, grants::Grants, hashes::Hashes, idempotency::Idempotency,
    jwks_fetches::JwksFetches, key_families::KeyFamilies, key_places::KeyPlaces, key_uses::KeyUses,
    key_versions::KeyVersions, mac_keys::MacKeys, meta::Meta, nodes::Nodes, outbox::Outbox, plans::Plans,
    quotas::Quotas, replay::Replay, sealed::SealedValues, sessions::Sessions, signing_key_uses::SigningKeyUses,
    signing_keys::SigningKeys, usage::Usage, usage_reports::UsageReports, users::Users,
};
use crate::base::{entropy::Entropy, fault::Fault, moment::Moment};
use diesel::{PgConnection, SqliteConnection};
use std::fmt::{self, Display};

/// A borrowed connection to either database.
pub(super) enum Conn<'c> {
    Pg(&'c mut PgConnection),
    Sqlite(&'c mut SqliteConnection),
}

/// Expands one query body for both databases, and turns its error into a [`Fault`] that says what
/// was being done to which table and row: `sql!(tx, "finding a row of clients", id, |c| …)`.
///
/// A row of a unique key is taken by `get_result`. diesel's `first` adds a `LIMIT` whose number is a
/// parameter, and SQLite looks into it when it plans: it prepares such a statement again each time.
macro_rules! sql {
    ($tx:expr, $doing:literal, $key:expr, |$c:ident| $body:expr) => {{
        let tx: &mut $crate::store::Tx<'_> = $tx;
        let outcome = match &mut tx.conn {
            $crate::store::tx::Conn::Pg(c) => {
                let $c = &mut **c;
                $body
            }
            $crate::store::tx::Conn::Sqlite(c) => {
                let $c = &mut **c;
                $body
            }
        };
        outcome.map_err(|error| tx.fault($doing, &$key, error))
    }};
}
pub(super) use sql;

/// What a piece of work is given: the tables, the time it began, and randomness. In
/// [`super::Store::write`] all of it is one transaction.
pub struct Tx<'c> {
    pub(super) conn: Conn<'c>,
    now: Moment,
    dice: &'c dyn Entropy,
    trouble: Option<Trouble>,
    /// What is to be told, and not written yet.
    changes: Vec<Change>,
    told: bool,
}

impl fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tx at {}", self.now)
    }
}

macro_rules! accessors {
    ($($(#[$doc:meta])* $name:ident $ty:ident;)*) => {
        $($(#[$doc])* pub fn $name(&mut self) -> $ty<'_, 'c> { $ty { tx: self } })*
    };
}

impl<'c> Tx<'c> {
    pub(super) const fn new(conn: Conn<'c>, now: Moment, dice: &'c dyn Entropy) -> Self {
        Self { conn, now, dice, trouble: None, changes: Vec::new(), told: false }
    }

    /// When this work began. It stays the same when the work is tried again.
    #[must_use]
    pub const fn now(&self) -> Moment {
        self.now
    }
    /// Randomness.
    #[must_use]
    pub const fn dice(&self) -> &'c dyn Entropy {
        self.dice
    }

    accessors! {
        /// Registered clients and their secrets.
        clients Clients;
        /// The ends and the uses of clients' secrets.
        client_secrets ClientSecrets;
        /// People.
        users Users;
        /// Signed-in browsers.
        sessions Sessions;
        /// What people agreed to.
        consents Consents;
        /// Authorization codes.
        codes Codes;
        /// Grants and the state of their refresh tokens.
        grants Grants;
        /// Signing keys, sealed.
        signing_keys SigningKeys;
        /// What signing keys were used for.
        signing_key_uses SigningKeyUses;
        /// Who fetched the published key set.
        jwks_fetches JwksFetches;
        /// What may be used once only.
        replay Replay;
        /// What every node has to hear of.
        feed Feed;
        /// Messages to the outside, to be delivered after the commit.
        outbox Outbox;
        /// What happened.
        audit AuditEvents;
        /// Single values of the installation.
        meta Meta;
        /// The keys that everything secret hangs from, by version.
        key_versions KeyVersions;
        /// Keys of HMAC under which others hashed what was brought from them.
        mac_keys MacKeys;
        /// Hashes of secrets, by the pepper that made them.
        hashes Hashes;
        /// What rests sealed, in whatever table.
        sealed SealedValues;
        /// Rates and quotas that families of API keys share by name.
        plans Plans;
        /// The audiences of API keys.
        apis Apis;
        /// Lines of rotation of API keys, and what their keys share.
        key_families KeyFamilies;
        /// API keys.
        api_keys ApiKeys;
        /// From where API keys are used that have a successor.
        key_places KeyPlaces;
        /// When API keys were first and last used.
        key_uses KeyUses;
        /// Links with which API keys are made.
        claims Claims;
        /// What was used of quotas.
        quotas Quotas;
        /// What API keys were used for, by the minute.
        usage Usage;
        /// What resource servers report of the calls they served.
        usage_reports UsageReports;
        /// What is unusual about the use of API keys now.
        key_alerts KeyAlerts;
        /// Requests that must not be done twice.
        idempotency Idempotency;
        /// Who is running.
        nodes Nodes;
    }

    /// The fault for a statement that failed. Remembers what kind of failure it was, so that the
    /// transaction is retried or rolled back whatever its author does with the fault.
    pub(super) fn fault(&mut self, doing: &str, key: &dyn Display, error: diesel::result::Error) -> Fault {
        let trouble = Trouble::of(&error);
        self.trouble = Some(self.trouble.map_or(trouble, |before| before.max(trouble)));
        let fault = Fault::new(format!("{doing}, key {key}"), error);
        if trouble.passes() { fault.passing() } else { fault }
    }

    /// Remembers changes to be heard of once this is committed.
    pub(super) fn tell(&mut self, changes: &[Change]) {
        self.changes.extend_from_slice(changes);
        self.told |= !changes.is_empty();
    }

    /// Writes what is to be told: last of all, right before the commit.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub(super) fn write_changes(&mut self) -> Result<(), Fault> {
        let changes = std::mem::take(&mut self.changes);
        self.feed().write(&changes)
    }

    pub(super) const fn told(&self) -> bool {
        self.told
    }

    pub(super) const fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }
}
