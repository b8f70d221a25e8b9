//! `keywright audit`: who did what, when.

use super::{Answer, Failure, Session, at_work::in_world};
use crate::{
    audit::KINDS,
    base::{
        fault::Stop,
        id::{ApiKeyId, ClientId, EventId},
        moment::{Clock, Moment, SystemClock},
    },
    config::span,
    flow::{manage_users, world::only_fault},
    store::{
        Tx,
        audit::{AuditRow, Filter},
    },
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::convert::Infallible;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List events, newest first; as JSON, one object a line.
    List(List),
}

#[derive(Args, Debug)]
pub(super) struct List {
    /// Only kinds that begin so, such as `token.` or `session.refused`.
    #[arg(long, value_name = "PREFIX")]
    kind: Option<String>,
    /// Only about this person, by user name or identifier.
    #[arg(long)]
    user: Option<String>,
    /// Only about this client.
    #[arg(long, value_name = "ID", value_parser = client_id)]
    client: Option<ClientId>,
    /// Only about this API key.
    #[arg(long, value_name = "ID", value_parser = api_key_id)]
    api_key: Option<ApiKeyId>,
    /// Only since this moment, such as 2026-11-24T09:00:00Z, or within this time, such as 2h.
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Moment>,
    /// Only events older than this one, by its identifier: the next page of a long list.
    #[arg(long, value_name = "ID", value_parser = event_id)]
    before: Option<EventId>,
    /// The most events to list.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

pub(super) fn client_id(text: &str) -> Result<ClientId, String> {
    ClientId::parse(text).ok_or_else(|| "is no identifier of a client".to_owned())
}

pub(super) fn api_key_id(text: &str) -> Result<ApiKeyId, String> {
    ApiKeyId::parse(text).ok_or_else(|| "is no identifier of an API key".to_owned())
}

fn event_id(text: &str) -> Result<EventId, String> {
    EventId::parse(text).ok_or_else(|| "is no identifier of an event".to_owned())
}

fn since(text: &str) -> Result<Moment, String> {
    if let Ok(at) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(Moment::from_utc(at.to_utc()));
    }
    let ago = span(text).map_err(|_| "is neither a moment of RFC 3339 nor a length of time such as 2h".to_owned())?;
    Ok(SystemClock.now() - ago)
}

pub(super) fn run(command: Command, session: &Session) -> Result<Answer, Failure> {
    let Command::List(args) = command;
    if let Some(prefix) = &args.kind
        && !KINDS.iter().any(|kind| kind.name.starts_with(prefix.as_str()))
    {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        return Err(Failure::Usage(format!("no kind begins with {prefix:?}; there are: {}", names.join(", "))));
    }
    let rows = in_world(session, async |_, world| {
        let user = match &args.user {
            Some(named) => Some(manage_users::find(world, named).await?.id),
            None => None,
        };
        let filter =
            Filter { kind_prefix: args.kind, user, client: args.client, api_key: args.api_key, since: args.since };
        let (before, n) = (args.before, i64::from(args.limit));
        let list = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.audit().list(&filter, before.as_ref(), n)?);
        Ok(world.store.read("list_audit_events", list).await.map_err(only_fault)?)
    })?;
    Ok(Answer::lines(&rows.iter().map(line).collect::<Vec<_>>(), rows.iter().map(as_json).collect()))
}

fn line(row: &AuditRow) -> String {
    let mut line = format!("{}  {:<26}", row.at, row.kind);
    let address = row.address.map(|address| Value::String(address.to_string()));
    let fields = row.data.iter().map(|(name, value)| (name.as_str(), value.clone()));
    for (name, value) in fields.chain(address.map(|address| ("address", address))) {
        let value = match (value.as_array(), value.as_str()) {
            // Up to a hundred tokens: too much for a line.
            (Some(more), _) if name == "also" => more.len().to_string(),
            (_, Some(text)) => text.to_owned(),
            (_, None) => value.to_string(),
        };
        line.push_str(&format!(" {name}={value}"));
    }
    line.trim_end().to_owned()
}

fn as_json(row: &AuditRow) -> Value {
    json!({
        "id": row.id,
        "at": row.at.to_string(),
        "node": row.node,
        "kind": row.kind,
        "client": row.client,
        "user": row.user,
        "grant": row.grant,
        "address": row.address,
        "request": row.request,
        "data": row.data,
    })
}
