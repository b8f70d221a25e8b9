//! Table `key_uses`: when each API key was used first and last, and from where it was last.

use super::{Tx, column::At, failure::illegal, schema::key_uses, statement::Statement, tx::sql};
use crate::base::{fault::Fault, id::ApiKeyId, moment::Moment};
use diesel::prelude::*;
use std::{collections::BTreeMap, net::IpAddr};

/// Rows in one statement.
const BATCH: usize = 500;

/// Of two uses that cross on their way here the later is the last and the earlier the first. A row
/// from before there was a first has its only known use for that.
const LATER_LAST_EARLIER_FIRST: &str = ") AS v \
    WHERE EXISTS (SELECT 1 FROM api_keys WHERE api_keys.id = v.column1) ORDER BY v.column1 \
    ON CONFLICT (key_id) DO UPDATE SET \
    address = CASE WHEN key_uses.at < excluded.at THEN excluded.address ELSE key_uses.address END, \
    agent = CASE WHEN key_uses.at < excluded.at THEN excluded.agent ELSE key_uses.agent END, \
    at = CASE WHEN key_uses.at < excluded.at THEN excluded.at ELSE key_uses.at END, \
    first_at = CASE WHEN excluded.first_at < coalesce(key_uses.first_at, key_uses.at) THEN excluded.first_at \
    ELSE coalesce(key_uses.first_at, key_uses.at) END \
    WHERE key_uses.at < excluded.at OR excluded.first_at < coalesce(key_uses.first_at, key_uses.at)";

/// That a key was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// Which key.
    pub key: ApiKeyId,
    /// When.
    pub at: Moment,
    /// When it was first; of one that was used before that was written down, the first use that was.
    pub first: Moment,
    /// The address of who used it, where that is known.
    pub address: Option<IpAddr>,
    /// What they said they are, where they did.
    pub agent: Option<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = key_uses)]
pub(super) struct Loaded {
    key_id: String,
    at: At,
    address: Option<String>,
    agent: Option<String>,
    first_at: Option<At>,
}

impl Loaded {
    pub(super) fn into_use(self) -> Result<KeyUse, Fault> {
        let bad = |what| illegal("key_uses", &self.key_id, what);
        Ok(KeyUse {
            key: ApiKeyId::parse(&self.key_id).ok_or_else(|| bad("key_id"))?,
            at: self.at.0,
            first: self.first_at.unwrap_or(self.at).0,
            address: self.address.as_deref().map(|text| text.parse().map_err(|_| bad("address"))).transpose()?,
            agent: self.agent,
        })
    }
}

/// Queries on this table.
#[derive(Debug)]
pub struct KeyUses<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl KeyUses<'_, '_> {
    /// Writes down that keys were used, where that is news: an older use never takes the place of
    /// a newer one. Keys that are not known are passed over.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn used(&mut self, uses: &[KeyUse]) -> Result<(), Fault> {
        // The newest of each with its first, and in one order, so that two nodes cannot wait for one another.
        let mut newest: BTreeMap<&str, KeyUse> = BTreeMap::new();
        for one in uses {
            let kept = newest.entry(one.key.as_str()).or_insert_with(|| one.clone());
            let first = kept.first.min(one.first);
            if kept.at < one.at {
                kept.clone_from(one);
            }
            kept.first = first;
        }
        let newest: Vec<KeyUse> = newest.into_values().collect();
        for batch in newest.chunks(BATCH) {
            let statement: Statement<'_> =
                Statement::new("INSERT INTO key_uses (key_id, at, address, agent, first_at) SELECT v.* FROM (")
                    .rows(batch, |out, one| {
                        let out = out.text(one.key.as_str()).sql(", ").at(one.at).sql(", ");
                        let out = out.maybe(one.address.map(|a| a.to_string())).sql(", ").maybe(one.agent.clone());
                        out.sql(", ").at(one.first)
                    })
                    .sql(LATER_LAST_EARLIER_FIRST);
            sql!(self.tx, "writing rows of key_uses", "several", |c| statement.execute(c))?;
        }
        Ok(())
    }

    /// The last use of each of these keys, where there was one, in the order of their handles.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn last(&mut self, keys: &[ApiKeyId]) -> Result<Vec<KeyUse>, Fault> {
        let mut all = Vec::new();
        for batch in keys.chunks(BATCH) {
            let ids: Vec<&str> = batch.iter().map(ApiKeyId::as_str).collect();
            let rows: Vec<Loaded> = sql!(self.tx, "listing rows of key_uses", "several", |c| {
                let wanted = key_uses::table.filter(key_uses::key_id.eq_any(&ids));
                wanted.order(key_uses::key_id).select(Loaded::as_select()).load(c)
            })?;
            all.extend(rows);
        }
        all.into_iter().map(Loaded::into_use).collect()
    }
}
