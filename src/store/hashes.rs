//! Hashes of secrets, by the pepper that made them: counted, looked for under several, and made anew.

use super::{
    Tx,
    feed::{Change, Subject},
    schema::{api_keys, client_secrets, codes, sessions},
    tx::sql,
};
use crate::base::{
    digest::TokenHash,
    fault::Fault,
    id::{ApiKeyId, ClientId, SessionId},
};
use diesel::{dsl::count_star, prelude::*};

/// The tables whose hashes say which pepper made them: their secrets may have no end. Hashes of
/// sessions, codes and tokens end soon, and are found under any pepper until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Secrets of clients.
    ClientSecrets,
    /// API keys.
    ApiKeys,
}

/// Queries on hashes.
#[derive(Debug)]
pub struct Hashes<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl Hashes<'_, '_> {
    /// How many hashes were made with which pepper.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn by_pepper(&mut self, table: Table) -> Result<Vec<(i16, i64)>, Fault> {
        match table {
            Table::ClientSecrets => sql!(self.tx, "counting rows of client_secrets", "by pepper", |c| {
                client_secrets::table
                    .group_by(client_secrets::pepper)
                    .select((client_secrets::pepper, count_star()))
                    .order(client_secrets::pepper)
                    .load(c)
            }),
            Table::ApiKeys => sql!(self.tx, "counting rows of api_keys", "by pepper", |c| {
                api_keys::table
                    .group_by(api_keys::pepper)
                    .select((api_keys::pepper, count_star()))
                    .order(api_keys::pepper)
                    .load(c)
            }),
        }
    }

    /// Replaces the hash of a client's secret by one under another pepper, and tells every node.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn renew_secret(
        &mut self,
        client: &ClientId,
        before: &TokenHash,
        (after, pepper): (&TokenHash, i16),
    ) -> Result<(), Fault> {
        let changed = sql!(self.tx, "changing a row of client_secrets", client, |c| {
            diesel::update(
                client_secrets::table
                    .find(before.as_bytes().as_slice())
                    .filter(client_secrets::client_id.eq(client.as_str())),
            )
            .set((client_secrets::hash.eq(after.as_bytes().as_slice()), client_secrets::pepper.eq(pepper)))
            .execute(c)
        })?;
        if changed == 1 {
            self.tx.feed().add(&Change::about(Subject::Client, client.as_str()))?;
        }
        Ok(())
    }

    /// Replaces the digest of an API key by one under another pepper, and tells every node.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn renew_key(
        &mut self,
        key: &ApiKeyId,
        before: &TokenHash,
        (after, pepper): (&TokenHash, i16),
    ) -> Result<(), Fault> {
        let changed = sql!(self.tx, "changing a row of api_keys", key, |c| {
            diesel::update(api_keys::table.find(key.as_str()).filter(api_keys::digest.eq(before.as_bytes().as_slice())))
                .set((api_keys::digest.eq(after.as_bytes().as_slice()), api_keys::pepper.eq(pepper)))
                .execute(c)
        })?;
        if changed == 1 {
            self.tx.feed().add(&Change::about(Subject::ApiKey, key.as_str()))?;
        }
        Ok(())
    }

    /// Replaces the hash of a session's cookie by one under another pepper.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn renew_session(&mut self, session: &SessionId, before: &TokenHash, after: &TokenHash) -> Result<(), Fault> {
        sql!(self.tx, "changing a row of sessions", session, |c| {
            diesel::update(
                sessions::table.find(session.as_str()).filter(sessions::hash.eq(before.as_bytes().as_slice())),
            )
            .set(sessions::hash.eq(after.as_bytes().as_slice()))
            .execute(c)
        })?;
        Ok(())
    }

    /// Which of these is the hash of a code that is known, used or not.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn of_code(&mut self, hashes: &[TokenHash]) -> Result<Option<TokenHash>, Fault> {
        for hash in hashes {
            let found: Option<String> = sql!(self.tx, "finding a row of codes", "a hash", |c| {
                codes::table.find(hash.as_bytes().as_slice()).select(codes::client_id).get_result(c).optional()
            })?;
            if found.is_some() {
                return Ok(Some(*hash));
            }
        }
        Ok(None)
    }
}
