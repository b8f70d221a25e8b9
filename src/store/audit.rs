//! Table `audit_events`: what happened, written in the transaction of what it records.

use super::{
    Tx,
    column::{At, Json},
    dialect,
    failure::illegal,
    schema::audit_events::{self, dsl},
    tx::sql,
};
use crate::{
    audit::{Event, Record},
    base::{
        fault::Fault,
        id::{ApiKeyId, ClientId, EventId, GrantId, RequestId, UserId},
        moment::Moment,
    },
};
use diesel::prelude::*;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// Rows in one statement.
const BATCH: usize = 200;

/// An event as its row is written.
#[derive(Insertable)]
#[diesel(table_name = audit_events)]
pub(super) struct AuditRecord<'r> {
    pub(super) id: &'r str,
    pub(super) at: At,
    pub(super) node: &'r str,
    pub(super) kind: &'r str,
    pub(super) client_id: Option<&'r str>,
    pub(super) user_id: Option<&'r str>,
    pub(super) grant_id: Option<&'r str>,
    pub(super) api_key_id: Option<&'r str>,
    pub(super) address: Option<String>,
    pub(super) request_id: Option<&'r str>,
    pub(super) data: Json<&'r Event>,
}

impl<'r> AuditRecord<'r> {
    pub(super) fn of(record: &'r Record) -> Self {
        let facets = record.event.facets();
        Self {
            id: record.id.as_str(),
            at: At(record.at),
            node: &record.node,
            kind: record.event.kind(),
            client_id: facets.client.map(ClientId::as_str),
            user_id: facets.user.map(UserId::as_str),
            grant_id: facets.grant.map(GrantId::as_str),
            api_key_id: facets.api_key.map(ApiKeyId::as_str),
            address: record.address.map(|a| a.to_string()),
            request_id: record.request.as_ref().map(RequestId::as_str),
            data: Json(&record.event),
        }
    }
}

/// An event as it is read: for people, so its kind and fields are text.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    /// Its identifier, ordered by time.
    pub id: EventId,
    /// When it happened.
    pub at: Moment,
    /// The node that saw it.
    pub node: String,
    /// The dotted name of its kind.
    pub kind: String,
    /// The client it concerns.
    pub client: Option<ClientId>,
    /// The person it concerns.
    pub user: Option<UserId>,
    /// The grant it concerns.
    pub grant: Option<GrantId>,
    /// The peer's address.
    pub address: Option<IpAddr>,
    /// The request it happened in.
    pub request: Option<RequestId>,
    /// Its fields.
    pub data: Map<String, Value>,
}

/// Which events are wanted: those that fit everything that is given.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only kinds that begin so, such as `token.`; ASCII.
    pub kind_prefix: Option<String>,
    /// Only about this person.
    pub user: Option<UserId>,
    /// Only about this client.
    pub client: Option<ClientId>,
    /// Only about this API key.
    pub api_key: Option<ApiKeyId>,
    /// Only since this moment.
    pub since: Option<Moment>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_events)]
struct Loaded {
    id: String,
    at: At,
    node: String,
    kind: String,
    client_id: Option<String>,
    user_id: Option<String>,
    grant_id: Option<String>,
    address: Option<String>,
    request_id: Option<String>,
    data: Json<Map<String, Value>>,
}

impl Loaded {
    fn into_row(self) -> Result<AuditRow, Fault> {
        let bad = |what| illegal("audit_events", &self.id, what);
        Ok(AuditRow {
            id: EventId::parse(&self.id).ok_or_else(|| bad("id"))?,
            at: self.at.0,
            client: self
                .client_id
                .as_deref()
                .map(|t| ClientId::parse(t).ok_or_else(|| bad("client_id")))
                .transpose()?,
            user: self.user_id.as_deref().map(|t| UserId::parse(t).ok_or_else(|| bad("user_id"))).transpose()?,
            grant: self.grant_id.as_deref().map(|t| GrantId::parse(t).ok_or_else(|| bad("grant_id"))).transpose()?,
            address: self.address.as_deref().map(|t| t.parse().map_err(|_| bad("address"))).transpose()?,
            request: self
                .request_id
                .as_deref()
                .map(|t| RequestId::parse(t).ok_or_else(|| bad("request")))
                .transpose()?,
            node: self.node,
            kind: self.kind,
            data: self.data.0,
        })
    }
}

/// The lowest identifier that an event of this moment can have.
fn first_of(at: Moment) -> String {
    let millis = u128::try_from(at.micros().div_euclid(1000)).unwrap_or(0);
    EventId::from_u128(millis.saturating_mul(1 << 80)).as_str().to_owned()
}

/// Queries on this table.
#[derive(Debug)]
pub struct AuditEvents<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
}

impl AuditEvents<'_, '_> {
    /// Records an event.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn add(&mut self, record: &Record) -> Result<(), Fault> {
        let row = AuditRecord::of(record);
        sql!(self.tx, "adding a row of audit_events", record.id, |c| {
            diesel::insert_into(audit_events::table).values(&row).execute(c)
        })?;
        Ok(())
    }

    /// Records many events at once; an event that is there already is left as it is, so the same
    /// batch may be sent again.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn add_many(&mut self, records: &[Record]) -> Result<(), Fault> {
        for batch in records.chunks(BATCH) {
            let rows: Vec<_> = batch.iter().map(AuditRecord::of).collect();
            dialect::add_events(self.tx, &rows)?;
        }
        Ok(())
    }

    /// At most `n` events, newest first, older than `before` where that is given.
    ///
    /// # Errors
    /// A [`Fault`] where the database could not do it.
    pub fn list(&mut self, filter: &Filter, before: Option<&EventId>, n: i64) -> Result<Vec<AuditRow>, Fault> {
        let rows: Vec<Loaded> = sql!(self.tx, "listing rows of audit_events", "none", |c| {
            let mut wanted = dsl::audit_events.select(Loaded::as_select()).into_boxed();
            if let Some(prefix) = &filter.kind_prefix {
                // Kinds are ASCII: everything that begins so lies before the prefix with the last ASCII character.
                wanted = wanted.filter(dsl::kind.ge(prefix)).filter(dsl::kind.lt(format!("{prefix}\u{7f}")));
            }
            if let Some(user) = &filter.user {
                wanted = wanted.filter(dsl::user_id.eq(user.as_str()));
            }
            if let Some(client) = &filter.client {
                wanted = wanted.filter(dsl::client_id.eq(client.as_str()));
            }
            if let Some(api_key) = &filter.api_key {
                wanted = wanted.filter(dsl::api_key_id.eq(api_key.as_str()));
            }
            if let Some(since) = filter.since {
                // The identifier begins with the time: so the index ends the search, and not the table.
                wanted = wanted.filter(dsl::at.ge(At(since))).filter(dsl::id.ge(first_of(since)));
            }
            if let Some(before) = before {
                wanted = wanted.filter(dsl::id.lt(before.as_str()));
            }
            wanted.order(dsl::id.desc()).limit(n).load(c)
        })?;
        rows.into_iter().map(Loaded::into_row).collect()
    }
}
