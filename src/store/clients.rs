//! Tables `clients` and `client_secrets`: what is registered, as the members of RFC 7591, and the
//! hashes of secrets. What the members mean is for `oauth` to say.

use super::{
    Taken, Tx,
    column::{At, Json},
    dialect,
    failure::illegal,
    schema::{client_secrets, clients},
    tx::sql,
};
use crate::base::{digest::TokenHash, fault::Fault, id::ClientId, moment::Moment};
use diesel::prelude::*;
use serde_json::{Map, Value};

/// Who registered a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file of declared clients: the file rules.
    Declared,
    /// The command line.
    Command,
}

impl Source {
    /// The word that is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Command => "command",
        }
    }
    fn parse(word: &str) -> Option<Self> {
        [Self::Declared, Self::Command].into_iter().find(|source| source.as_str() == word)
    }
}

/// A client as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientRow {
    /// Its identifier.
    pub id: ClientId,
    /// Its registration: members of RFC 7591 §2 and of ours.
    pub metadata: Map<String, Value>,
    /// Who registered it.
    pub source: Source,
    /// Since when it gets no tokens.
    pub disabled_at: Option<Moment>,
    /// Since when it is known.
    pub created_at: Moment,
    /// When its registration last changed.
    pub updated_at: Moment,
    /// Since when the access tokens are good that it gets for itself, where earlier ones are not: it was disabled.
    pub tokens_since: Option<Moment>,
    /// Its secrets that have not ended, oldest first; none in listings.
    pub secrets: Vec<SecretRow>,
}

/// A client's secret as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRow {
    /// Its keyed hash.
    pub hash: TokenHash,
    /// The version of the key under which it was hashed.
    pub pepper: i16,
    /// When it was made.
    pub created_at: Moment,
    /// When it ends, where that is known.
    pub expires_at: Option<Moment>,
    /// Whether a file declares it.
    pub declared: bool,
    /// How many hours before its end it was told of that end, the last time.
    pub reminded: Option<i16>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = clients)]
struct Loaded {
    id: String,
    metadata: Json<Map<String, Value>>,
    source: String,
    disabled_at: Option<At>,
    created_at: At,
    updated_at: At,
    tokens_since: Option<At>,
}

impl Loaded {
    fn into_row(self, secrets: Vec<SecretRow>) -> Result<ClientRow, Fault> {
        let bad = |what| illegal("clients", &self.id, what);
        Ok(ClientRow {
            id: ClientId::parse(&self.id).ok_or_else(|| bad("id"))?,
            source: Source::parse(&self.source).ok_or_else(|| bad("source"))?,
            metadata: self.metadata.0,
            disabled_at: self.disabled_at.map(|at| at.0),
            created_at: self.created_at.0,
            updated_at: self.updated_at.0,
            tokens_since: self.tokens_since.map(|at| at.0),
            secrets,
        })
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = client_secrets)]
pub(super) struct LoadedSecret {
    hash: Vec<u8>,
    pepper: i16,
    created_at: At,
    expires_at: Option<At>,
    declared: Option<bool>,
    reminded: Option<i16>,
}

impl LoadedSecret {
    pub(super) fn into_row(self, client: &ClientId) -> Result<SecretRow, Fault> {
        Ok(SecretRow {
            hash: TokenHash::from_slice(&self.hash).ok_or_else(|| illegal("client_secrets", client, "hash"))?,
            pepper: self.pepper,
            created_at: self.created_at.0,
            expires_at: self.expires_at.map(|at| at.0),
            // Absent in rows of an earlier release, until the file is applied again.
            declared: self.declared.unwrap_or(false),
            reminded: self.reminded,
        })
    }
}

/// Queries on these tables.
#[derive(Debug)]
pub struct Clients<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl Clients<'_, '_> {
    /// Registers a client, without a secret.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it; inside, [`Taken`] where the identifier is in use.
    pub fn insert(
        &mut self,
        id: &ClientId,
        metadata: &Map<String, Value>,
        source: Source,
    ) -> Result<Result<(), Taken>, Fault> {
        let now = At(self.tx.now());
        let added = sql!(self.tx, "adding a row of clients", id, |c| {
            diesel::insert_into(clients::table)
                .values((
                    clients::id.eq(id.as_str()),
                    clients::metadata.eq(Json(metadata)),
                    clients::source.eq(source.as_str()),
                    clients::created_at.eq(now),
                    clients::updated_at.eq(now),
                ))
                .on_conflict_do_nothing()
                .execute(c)
        })?;
        Ok(if added == 1 { Ok(()) } else { Err(Taken) })
    }

    /// Replaces the whole registration; false where there is no such client.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn replace_metadata(&mut self, id: &ClientId, metadata: &Map<String, Value>) -> Result<bool, Fault> {
        let now = At(self.tx.now());
        let changed = sql!(self.tx, "changing a row of clients", id, |c| {
            diesel::update(clients::table.find(id.as_str()))
                .set((clients::metadata.eq(Json(metadata)), clients::updated_at.eq(now)))
                .execute(c)
        })?;
        Ok(changed == 1)
    }

    /// A client with its live secrets.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn find(&mut self, id: &ClientId) -> Result<Option<ClientRow>, Fault> {
        let found: Option<Loaded> = sql!(self.tx, "finding a row of clients", id, |c| {
            clients::table.find(id.as_str()).select(Loaded::as_select()).get_result(c).optional()
        })?;
        let Some(found) = found else { return Ok(None) };
        let secrets = self.live_secrets(id)?;
        found.into_row(secrets).map(Some)
    }

    fn live_secrets(&mut self, id: &ClientId) -> Result<Vec<SecretRow>, Fault> {
        let now = At(self.tx.now());
        let found: Vec<LoadedSecret> = sql!(self.tx, "listing rows of client_secrets", id, |c| {
            client_secrets::table
                .filter(client_secrets::client_id.eq(id.as_str()))
                .filter(client_secrets::expires_at.is_null().or(client_secrets::expires_at.gt(now)))
                .order((client_secrets::created_at, client_secrets::hash))
                .select(LoadedSecret::as_select())
                .load(c)
        })?;
        found.into_iter().map(|secret| secret.into_row(id)).collect()
    }

    /// At most `n` clients in the order of their identifiers, those after `after` where that is given.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn list(&mut self, after: Option<&ClientId>, n: i64) -> Result<Vec<ClientRow>, Fault> {
        let rows: Vec<Loaded> = sql!(self.tx, "listing rows of clients", "none", |c| {
            let mut wanted = clients::table.select(Loaded::as_select()).into_boxed();
            if let Some(after) = after {
                wanted = wanted.filter(clients::id.gt(after.as_str()));
            }
            wanted.order(clients::id).limit(n).load(c)
        })?;
        rows.into_iter().map(|row| row.into_row(Vec::new())).collect()
    }

    /// Disables a client; false where it is unknown, or disabled already.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn set_disabled(&mut self, id: &ClientId) -> Result<bool, Fault> {
        let now = At(self.tx.now());
        let changed = sql!(self.tx, "disabling a row of clients", id, |c| {
            diesel::update(clients::table.find(id.as_str()).filter(clients::disabled_at.is_null()))
                .set(clients::disabled_at.eq(Some(now)))
                .execute(c)
        })?;
        Ok(changed == 1)
    }

    /// Enables a client again; false where it is unknown, or was not disabled.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn set_enabled(&mut self, id: &ClientId) -> Result<bool, Fault> {
        let changed = sql!(self.tx, "enabling a row of clients", id, |c| {
            diesel::update(clients::table.find(id.as_str()).filter(clients::disabled_at.is_not_null()))
                .set(clients::disabled_at.eq(None::<At>))
                .execute(c)
        })?;
        Ok(changed == 1)
    }

    /// Lets access tokens be no good that a client got for itself before `since`. What was no good stays so: an
    /// earlier time than is known changes nothing.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn end_tokens_before(&mut self, id: &ClientId, since: Moment) -> Result<(), Fault> {
        let since = At(since);
        sql!(self.tx, "changing a row of clients", id, |c| {
            diesel::update(
                clients::table
                    .find(id.as_str())
                    .filter(clients::tokens_since.is_null().or(clients::tokens_since.lt(since))),
            )
            .set(clients::tokens_since.eq(Some(since)))
            .execute(c)
        })?;
        Ok(())
    }

    /// Adds a secret, by its hash, that has no end yet.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or there is no such client.
    pub fn add_secret(&mut self, id: &ClientId, hash: &TokenHash, pepper: i16) -> Result<(), Fault> {
        let now = At(self.tx.now());
        sql!(self.tx, "adding a row of client_secrets", id, |c| {
            diesel::insert_into(client_secrets::table)
                .values((
                    client_secrets::hash.eq(hash.as_bytes().as_slice()),
                    client_secrets::client_id.eq(id.as_str()),
                    client_secrets::pepper.eq(pepper),
                    client_secrets::created_at.eq(now),
                ))
                .execute(c)
        })?;
        Ok(())
    }

    /// Lets one transaction at a time past this point, on all nodes, until it ends: two that apply
    /// the same file at once must not both register a client.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn lock(&mut self) -> Result<(), Fault> {
        dialect::exclusive(self.tx, "clients")
    }

    /// Whose secret this is, live or ended.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn owner_of_secret(&mut self, hash: &TokenHash) -> Result<Option<ClientId>, Fault> {
        let found: Option<String> = sql!(self.tx, "finding a row of client_secrets", "a hash", |c| {
            let known = client_secrets::table.find(hash.as_bytes().as_slice());
            known.select(client_secrets::client_id).get_result(c).optional()
        })?;
        found.map(|id| ClientId::parse(&id).ok_or_else(|| illegal("client_secrets", &id, "client_id"))).transpose()
    }

    /// Forgets every secret of a client, live or ended.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn drop_secrets(&mut self, id: &ClientId) -> Result<usize, Fault> {
        sql!(self.tx, "deleting rows of client_secrets", id, |c| {
            diesel::delete(client_secrets::table.filter(client_secrets::client_id.eq(id.as_str()))).execute(c)
        })
    }

    /// Lets every secret end at `at` that would have ended later or never; says how many.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn expire_secrets(&mut self, id: &ClientId, at: Moment) -> Result<usize, Fault> {
        sql!(self.tx, "ending rows of client_secrets", id, |c| {
            diesel::update(
                client_secrets::table
                    .filter(client_secrets::client_id.eq(id.as_str()))
                    .filter(client_secrets::expires_at.is_null().or(client_secrets::expires_at.gt(At(at)))),
            )
            .set(client_secrets::expires_at.eq(Some(At(at))))
            .execute(c)
        })
    }
}
