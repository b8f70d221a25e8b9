//! Hashes of secrets, by the pepper that made them: counted, looked for under several, and made anew.

use super::{
    Tx,
    column::At,
    feed::{Change, Subject},
    schema::{api_keys, client_secrets, codes, grants, key_claims, sessions},
    tx::sql,
};
use crate::{
    apikey::key::State,
    base::{
        digest::TokenHash,
        fault::Fault,
        id::{ApiKeyId, ClientId, SessionId},
        moment::Moment,
    },
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

/// What is known by the hash of one pepper and has not ended, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Secrets of clients that it hashed.
    pub client_secrets: i64,
    /// API keys that it hashed.
    pub api_keys: i64,
    /// Sessions that began before it was replaced.
    pub sessions: i64,
    /// Lines of refresh tokens whose current token was made before that.
    pub refresh_tokens: i64,
    /// Links to claim a key that were made before that.
    pub claim_links: i64,
}

impl Held {
    /// All of it.
    #[must_use]
    pub const fn all(self) -> i64 {
        self.client_secrets + self.api_keys + self.sessions + self.refresh_tokens + self.claim_links
    }
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

    /// What hangs on this pepper, which hashed what was new until `until`.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn held_by(&mut self, pepper: i16, until: Moment) -> Result<Held, Fault> {
        let (now, until) = (At(self.tx.now()), At(until));
        let client_secrets = sql!(self.tx, "counting rows of client_secrets", pepper, |c| {
            client_secrets::table
                .filter(client_secrets::pepper.eq(pepper))
                .filter(client_secrets::expires_at.is_null().or(client_secrets::expires_at.gt(Some(now))))
                .count()
                .get_result(c)
        })?;
        let api_keys = sql!(self.tx, "counting rows of api_keys", pepper, |c| {
            api_keys::table
                .filter(api_keys::pepper.eq(pepper))
                .filter(api_keys::state.ne(State::Revoked.as_str()))
                .filter(api_keys::state.ne(State::Compromised.as_str()))
                .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(Some(now))))
                .count()
                .get_result(c)
        })?;
        let sessions = sql!(self.tx, "counting rows of sessions", pepper, |c| {
            sessions::table
                .filter(sessions::ended_at.is_null())
                .filter(sessions::expires_at.gt(now))
                .filter(sessions::auth_time.lt(until))
                .count()
                .get_result(c)
        })?;
        let refresh_tokens = sql!(self.tx, "counting rows of grants", pepper, |c| {
            let first = grants::rotated_at.is_null().and(grants::created_at.lt(until));
            grants::table
                .filter(grants::current_hash.is_not_null())
                .filter(grants::revoked_at.is_null())
                .filter(grants::expires_at.gt(now))
                .filter(grants::idle_expires_at.gt(now))
                .filter(first.or(grants::rotated_at.lt(Some(until))))
                .count()
                .get_result(c)
        })?;
        let claim_links = sql!(self.tx, "counting rows of key_claims", pepper, |c| {
            key_claims::table
                .filter(key_claims::expires_at.gt(now))
                .filter(key_claims::created_at.lt(until))
                .count()
                .get_result(c)
        })?;
        Ok(Held { client_secrets, api_keys, sessions, refresh_tokens, claim_links })
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
