//! Table `key_alerts`: what is unusual about the use of API keys now; one row for each key and detector.

use super::{
    Tx,
    column::{At, Json},
    dialect,
    failure::illegal,
    schema::key_alerts,
    tx::sql,
};
use crate::{
    apikey::unusual::Evidence,
    base::{fault::Fault, id::ApiKeyId, moment::Moment},
};
use diesel::prelude::*;
use serde_json::{Map, Value};

/// Something unusual that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The key.
    pub key: ApiKeyId,
    /// What found it.
    pub detector: String,
    /// When it was found.
    pub opened_at: Moment,
    /// When it was seen last.
    pub seen_at: Moment,
    /// Why: the most of it that was seen.
    pub evidence: Evidence,
}

type Row = (String, String, At, At, Json<Map<String, Value>>);

fn alert((key, detector, opened_at, seen_at, evidence): Row) -> Result<Alert, Fault> {
    let bad = |what| illegal("key_alerts", &key, what);
    Ok(Alert {
        key: ApiKeyId::parse(&key).ok_or_else(|| bad("key_id"))?,
        detector,
        opened_at: opened_at.0,
        seen_at: seen_at.0,
        evidence: serde_json::from_value(Value::Object(evidence.0)).map_err(|_| bad("evidence"))?,
    })
}

fn document(evidence: &Evidence) -> Json<Map<String, Value>> {
    // It is a struct of numbers.
    let value = serde_json::to_value(evidence).unwrap_or_default();
    Json(value.as_object().cloned().unwrap_or_default())
}

/// Queries on this table.
#[derive(Debug)]
pub struct KeyAlerts<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl KeyAlerts<'_, '_> {
    /// Lets one transaction at a time past this point, on all nodes, until it ends.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn lock(&mut self) -> Result<(), Fault> {
        dialect::exclusive(self.tx, "key_alerts")
    }

    /// Opens an alert; false, and nothing changed, where one of this key and detector is open.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn open(&mut self, key: &ApiKeyId, detector: &str, evidence: &Evidence) -> Result<bool, Fault> {
        let now = At(self.tx.now());
        let opened = sql!(self.tx, "adding a row of key_alerts", key, |c| {
            diesel::insert_into(key_alerts::table)
                .values((
                    key_alerts::key_id.eq(key.as_str()),
                    key_alerts::detector.eq(detector),
                    key_alerts::opened_at.eq(now),
                    key_alerts::seen_at.eq(now),
                    key_alerts::evidence.eq(document(evidence)),
                ))
                .on_conflict_do_nothing()
                .execute(c)
        })?;
        Ok(opened == 1)
    }

    /// Says that it was seen again.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn seen(&mut self, key: &ApiKeyId, detector: &str, evidence: &Evidence) -> Result<(), Fault> {
        let now = At(self.tx.now());
        sql!(self.tx, "changing a row of key_alerts", key, |c| {
            diesel::update(key_alerts::table.find((key.as_str(), detector)))
                .set((key_alerts::seen_at.eq(now), key_alerts::evidence.eq(document(evidence))))
                .execute(c)
        })?;
        Ok(())
    }

    /// Ends an alert; false where there was none.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn close(&mut self, key: &ApiKeyId, detector: &str) -> Result<bool, Fault> {
        let closed = sql!(self.tx, "deleting a row of key_alerts", key, |c| {
            diesel::delete(key_alerts::table.find((key.as_str(), detector))).execute(c)
        })?;
        Ok(closed == 1)
    }

    /// All that are open, at most `n`, those first that were seen longest ago.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn all(&mut self, n: i64) -> Result<Vec<Alert>, Fault> {
        let rows: Vec<Row> = sql!(self.tx, "listing rows of key_alerts", "all", |c| {
            key_alerts::table.order((key_alerts::seen_at, key_alerts::key_id)).limit(n).load(c)
        })?;
        rows.into_iter().map(alert).collect()
    }

    /// Those of a key that are open.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn of_key(&mut self, key: &ApiKeyId) -> Result<Vec<Alert>, Fault> {
        let rows: Vec<Row> = sql!(self.tx, "listing rows of key_alerts of a key", key, |c| {
            key_alerts::table.filter(key_alerts::key_id.eq(key.as_str())).order(key_alerts::detector).load(c)
        })?;
        rows.into_iter().map(alert).collect()
    }
}
