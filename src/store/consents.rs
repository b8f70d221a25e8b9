//! Table `consents`: what people agreed to, one row for each person and client.

use super::{
    Tx,
    column::{At, Json},
    failure::illegal,
    schema::{clients, consents},
    tx::sql,
};
use crate::base::{
    fault::Fault,
    id::{ClientId, ConsentId, UserId},
    moment::Moment,
    scope::Scope,
    uri::Resource,
};
use diesel::prelude::*;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A consent as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentRow {
    /// Its identifier, the same for as long as this person and client are known.
    pub id: ConsentId,
    /// Who agreed.
    pub user: UserId,
    /// To what this client asked for.
    pub client: ClientId,
    /// The scope agreed to, all times together.
    pub scope: Scope,
    /// The resources agreed to, all times together.
    pub resources: BTreeSet<Resource>,
    /// When they last agreed.
    pub given_at: Moment,
    /// When they took it back: then it counts for nothing.
    pub withdrawn_at: Option<Moment>,
}

/// A consent as it is shown to who gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedConsent {
    /// What was agreed to.
    pub consent: ConsentRow,
    /// The registration of the client: members of RFC 7591 §2 and of ours.
    pub client_metadata: Map<String, Value>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = consents)]
struct Loaded {
    id: String,
    user_id: String,
    client_id: String,
    scope: String,
    resources: Json<BTreeSet<Resource>>,
    given_at: At,
    withdrawn_at: Option<At>,
}

impl Loaded {
    fn into_row(self) -> Result<ConsentRow, Fault> {
        let bad = |what| illegal("consents", &self.id, what);
        Ok(ConsentRow {
            id: ConsentId::parse(&self.id).ok_or_else(|| bad("id"))?,
            user: UserId::parse(&self.user_id).ok_or_else(|| bad("user_id"))?,
            client: ClientId::parse(&self.client_id).ok_or_else(|| bad("client_id"))?,
            scope: Scope::parse(&self.scope).map_err(|_| bad("scope"))?,
            resources: self.resources.0,
            given_at: self.given_at.0,
            withdrawn_at: self.withdrawn_at.map(|at| at.0),
        })
    }
}

/// Queries on this table.
#[derive(Debug)]
pub struct Consents<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl Consents<'_, '_> {
    /// What this person agreed to for this client, withdrawn or not.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or the row is illegal.
    pub fn find(&mut self, user: &UserId, client: &ClientId) -> Result<Option<ConsentRow>, Fault> {
        let found: Option<Loaded> = sql!(self.tx, "finding a row of consents of a person", user, |c| {
            consents::table
                .filter(consents::user_id.eq(user.as_str()))
                .filter(consents::client_id.eq(client.as_str()))
                .select(Loaded::as_select())
                .get_result(c)
                .optional()
        })?;
        found.map(Loaded::into_row).transpose()
    }

    /// Adds to what this person agreed to for this client: scopes and resources only grow, until
    /// the consent is withdrawn, after which it begins anew.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, there is no such person or client, or the
    /// scope has grown beyond all bounds.
    pub fn give(
        &mut self,
        user: &UserId,
        client: &ClientId,
        scope: &Scope,
        resources: &BTreeSet<Resource>,
    ) -> Result<ConsentRow, Fault> {
        let (now, dice) = (self.tx.now(), self.tx.dice());
        let before = self.find(user, client)?.filter(|row| row.withdrawn_at.is_none());
        let (scope, resources) = match &before {
            Some(row) => (row.scope.or(scope), row.resources.union(resources).cloned().collect()),
            None => (scope.clone(), resources.clone()),
        };
        let scope = scope.to_string();
        let values = (
            consents::scope.eq(&scope),
            consents::resources.eq(Json(&resources)),
            consents::given_at.eq(At(now)),
            consents::withdrawn_at.eq(None::<At>),
        );
        let id = ConsentId::mint(now, dice)?;
        let row: Loaded = sql!(self.tx, "writing a row of consents of a person", user, |c| {
            diesel::insert_into(consents::table)
                .values((
                    consents::id.eq(id.as_str()),
                    consents::user_id.eq(user.as_str()),
                    consents::client_id.eq(client.as_str()),
                    values.clone(),
                ))
                .on_conflict((consents::user_id, consents::client_id))
                .do_update()
                .set(values)
                .returning(Loaded::as_returning())
                .get_result(c)
        })?;
        row.into_row()
    }

    /// Takes the consent back; what it was, or `None` where there was none to take back.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn withdraw(&mut self, user: &UserId, client: &ClientId) -> Result<Option<ConsentRow>, Fault> {
        let now = At(self.tx.now());
        let row: Option<Loaded> = sql!(self.tx, "withdrawing a row of consents of a person", user, |c| {
            diesel::update(
                consents::table
                    .filter(consents::user_id.eq(user.as_str()))
                    .filter(consents::client_id.eq(client.as_str()))
                    .filter(consents::withdrawn_at.is_null()),
            )
            .set(consents::withdrawn_at.eq(Some(now)))
            .returning(Loaded::as_returning())
            .get_result(c)
            .optional()
        })?;
        row.map(Loaded::into_row).transpose()
    }

    /// What this person has agreed to and not taken back, newest first, each with the
    /// registration of its client.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it, or a row is illegal.
    pub fn list(&mut self, user: &UserId) -> Result<Vec<ListedConsent>, Fault> {
        let rows: Vec<(Loaded, Json<Map<String, Value>>)> =
            sql!(self.tx, "listing rows of consents of a person", user, |c| {
                consents::table
                    .inner_join(clients::table)
                    .filter(consents::user_id.eq(user.as_str()))
                    .filter(consents::withdrawn_at.is_null())
                    .order((consents::given_at.desc(), consents::id.desc()))
                    .select((Loaded::as_select(), clients::metadata))
                    .load(c)
            })?;
        rows.into_iter()
            .map(|(row, metadata)| Ok(ListedConsent { consent: row.into_row()?, client_metadata: metadata.0 }))
            .collect()
    }
}
