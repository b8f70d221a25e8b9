//! Table `client_secrets`, beyond what [`clients`](super::clients) says of it: who declares a secret,
//! when it ends and who was told so; and table `client_secret_uses`: when each was good last.

use super::{
    Tx,
    clients::{LoadedSecret, SecretRow},
    column::At,
    failure::illegal,
    schema::{client_secret_uses, client_secrets},
    statement::Statement,
    tx::sql,
};
use crate::base::{digest::TokenHash, fault::Fault, id::ClientId, moment::Moment};
use diesel::prelude::*;
use std::{collections::BTreeMap, net::IpAddr};

/// Rows in one statement.
const BATCH: usize = 500;

/// That a secret was good for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUse {
    /// The keyed hash of the secret.
    pub hash: TokenHash,
    /// When.
    pub at: Moment,
    /// The address of who used it, where that is known.
    pub address: Option<IpAddr>,
}

/// Queries on these tables.
#[derive(Debug)]
pub struct ClientSecrets<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl ClientSecrets<'_, '_> {
    /// Writes down that secrets were used, where that is news: an older use never takes the place
    /// of a newer one. Secrets that are not known are passed over.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn used(&mut self, uses: &[SecretUse]) -> Result<(), Fault> {
        // The newest of each, and in one order, so that two nodes cannot wait for one another.
        let mut newest: BTreeMap<&[u8; 32], &SecretUse> = BTreeMap::new();
        for one in uses {
            let kept = newest.entry(one.hash.as_bytes()).or_insert(one);
            if kept.at < one.at {
                *kept = one;
            }
        }
        let newest: Vec<&SecretUse> = newest.into_values().collect();
        for batch in newest.chunks(BATCH) {
            let statement: Statement<'_> =
                Statement::new("INSERT INTO client_secret_uses (hash, at, address) SELECT v.* FROM (")
                    .rows(batch, |out, one| {
                        let out = out.bytes(one.hash.as_bytes()).sql(", ").at(one.at).sql(", ");
                        out.maybe(one.address.map(|a| a.to_string()))
                    })
                    .sql(
                        ") AS v WHERE EXISTS (SELECT 1 FROM client_secrets WHERE client_secrets.hash = v.column1) \
                         ORDER BY v.column1 ON CONFLICT (hash) DO UPDATE SET at = excluded.at, \
                         address = excluded.address WHERE client_secret_uses.at < excluded.at",
                    );
            sql!(self.tx, "writing rows of client_secret_uses", "several", |c| statement.execute(c))?;
        }
        Ok(())
    }

    /// The last use of each secret of a client, where there was one.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn uses(&mut self, id: &ClientId) -> Result<Vec<SecretUse>, Fault> {
        let found: Vec<(Vec<u8>, At, Option<String>)> = sql!(self.tx, "listing rows of client_secret_uses", id, |c| {
            client_secret_uses::table
                .inner_join(client_secrets::table)
                .filter(client_secrets::client_id.eq(id.as_str()))
                .order(client_secret_uses::hash)
                .select((client_secret_uses::hash, client_secret_uses::at, client_secret_uses::address))
                .load(c)
        })?;
        let bad = |what| illegal("client_secret_uses", id, what);
        let read = |(hash, at, address): (Vec<u8>, At, Option<String>)| {
            Ok(SecretUse {
                hash: TokenHash::from_slice(&hash).ok_or_else(|| bad("hash"))?,
                at: at.0,
                address: address.map(|text| text.parse().map_err(|_| bad("address"))).transpose()?,
            })
        };
        found.into_iter().map(read).collect()
    }

    /// Notes whether a file declares the secrets of a client: then no command changes them.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn set_declared(&mut self, id: &ClientId, declared: bool) -> Result<usize, Fault> {
        sql!(self.tx, "marking rows of client_secrets", id, |c| {
            let other = client_secrets::declared.is_null().or(client_secrets::declared.ne(Some(declared)));
            diesel::update(client_secrets::table.filter(client_secrets::client_id.eq(id.as_str())).filter(other))
                .set(client_secrets::declared.eq(Some(declared)))
                .execute(c)
        })
    }

    /// Ends a secret now; false where it is unknown or has ended.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn end(&mut self, hash: &TokenHash) -> Result<bool, Fault> {
        let now = At(self.tx.now());
        let live = client_secrets::expires_at.is_null().or(client_secrets::expires_at.gt(now));
        let ended = sql!(self.tx, "ending a row of client_secrets", "a hash", |c| {
            diesel::update(client_secrets::table.find(hash.as_bytes().as_slice()).filter(live))
                .set(client_secrets::expires_at.eq(Some(now)))
                .execute(c)
        })?;
        Ok(ended == 1)
    }

    /// At most `n` secrets that are good and end until then, in the order of their hashes, those
    /// after `after` where that is given; each with its client.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn ending(
        &mut self,
        until: Moment,
        after: Option<&TokenHash>,
        n: i64,
    ) -> Result<Vec<(ClientId, SecretRow)>, Fault> {
        let now = At(self.tx.now());
        let from = after.map_or(&[][..], |hash| hash.as_bytes().as_slice());
        let found: Vec<(String, LoadedSecret)> =
            sql!(self.tx, "listing rows of client_secrets", "those that end", |c| {
                client_secrets::table
                    .filter(client_secrets::expires_at.gt(now))
                    .filter(client_secrets::expires_at.le(At(until)))
                    .filter(client_secrets::hash.gt(from))
                    .order(client_secrets::hash)
                    .limit(n)
                    .select((client_secrets::client_id, LoadedSecret::as_select()))
                    .load(c)
            })?;
        let read = |(id, secret): (String, LoadedSecret)| {
            let client = ClientId::parse(&id).ok_or_else(|| illegal("client_secrets", &id, "client_id"))?;
            let row = secret.into_row(&client)?;
            Ok((client, row))
        };
        found.into_iter().map(read).collect()
    }

    /// Notes that it was told that this secret ends in so many hours; false where that, or a later
    /// reminder, was noted before.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn set_reminded(&mut self, hash: &TokenHash, hours: i16) -> Result<bool, Fault> {
        let sooner = client_secrets::reminded.is_null().or(client_secrets::reminded.gt(Some(hours)));
        let noted = sql!(self.tx, "noting a reminder in client_secrets", "a hash", |c| {
            diesel::update(client_secrets::table.find(hash.as_bytes().as_slice()).filter(sooner))
                .set(client_secrets::reminded.eq(Some(hours)))
                .execute(c)
        })?;
        Ok(noted == 1)
    }
}
