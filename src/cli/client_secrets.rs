//! `keywright client rotate-secret` and `end-secret`: a client's secrets, and what is told of them.

use super::{
    Answer, Failure, Session,
    at_work::{in_world, moment, operator},
    audit::client_id,
};
use crate::{
    base::{id::ClientId, moment::Span, secret::Secret},
    config::span,
    flow::client_secrets::{self as flow, Seen},
    oauth::secret::Which,
    store::clients::SecretRow,
};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

#[derive(Args, Debug)]
pub(super) struct Rotate {
    /// Its identifier.
    #[arg(value_name = "ID", value_parser = client_id)]
    id: ClientId,
    /// How long the secret it has is still good beside the new one.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = span)]
    overlap: Span,
}

/// Which of two secrets, as it is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Place {
    /// The one that was made first.
    Older,
    /// The one that was made last.
    Newer,
}

#[derive(Args, Debug)]
pub(super) struct End {
    /// Its identifier.
    #[arg(value_name = "ID", value_parser = client_id)]
    id: ClientId,
    /// Which of its two secrets.
    #[arg(long, value_enum, value_name = "PLACE", default_value_t = Place::Older)]
    which: Place,
}

pub(super) fn rotate(args: &Rotate, session: &Session) -> Result<Answer, Failure> {
    let id = &args.id;
    let rotated =
        in_world(session, async |_, world| Ok(flow::rotate_secret(world, id, args.overlap, operator()).await?))?;
    let mut text = format!("client_id: {id}");
    let mut json = Map::from_iter([("client_id".to_owned(), json!(id))]);
    put_secret(&mut text, &mut json, &rotated.secret);
    for before in &rotated.before {
        text.push_str(&format!("\nThe one made {} {}.", before.created_at, until(before)));
    }
    let before: Vec<Value> = rotated.before.iter().map(|row| Value::Object(times(row))).collect();
    json.insert("before".to_owned(), json!(before));
    Ok(Answer::new(text, Value::Object(json)))
}

pub(super) fn end(args: &End, session: &Session) -> Result<Answer, Failure> {
    let which = match args.which {
        Place::Older => Which::Older,
        Place::Newer => Which::Newer,
    };
    let id = &args.id;
    let left = in_world(session, async |_, world| Ok(flow::end_secret(world, id, which, operator()).await?))?;
    let mut text = format!("client_id: {id}");
    text.push_str(&lines(&left));
    Ok(Answer::new(text, json!({ "client_id": id, "secrets": told(&left) })))
}

/// Adds a secret that is shown this once.
pub(super) fn put_secret(text: &mut String, json: &mut Map<String, Value>, secret: &Secret<String>) {
    text.push_str(&format!("\nclient_secret: {}\nIt is not shown again: only its hash is kept.", secret.expose()));
    json.insert("client_secret".to_owned(), json!(secret.expose()));
    json.insert("client_secret_expires_at".to_owned(), json!(0));
}

/// A line for each secret of a client, a line break before each.
pub(super) fn lines(seen: &Seen) -> String {
    let line = |row: &SecretRow| {
        let end = row.expires_at.map(|_| format!(", {}", until(row))).unwrap_or_default();
        let by = if row.declared { ", declared in a file" } else { "" };
        let used = match seen.last_use(row) {
            Some((at, Some(from))) => format!(", last used {at} from {from}"),
            Some((at, None)) => format!(", last used {at}"),
            None => ", not used yet".to_owned(),
        };
        format!("\nsecret: made {}{end}{by}{used}", row.created_at)
    };
    seen.row.secrets.iter().map(line).collect()
}

/// The secrets of a client as JSON, oldest first.
pub(super) fn told(seen: &Seen) -> Vec<Value> {
    let one = |row: &SecretRow| {
        let (at, from) = seen.last_use(row).unzip();
        let mut json = times(row);
        json.insert("declared".to_owned(), json!(row.declared));
        json.insert("last_used_at".to_owned(), moment(at));
        json.insert("last_used_from".to_owned(), json!(from.flatten()));
        Value::Object(json)
    };
    seen.row.secrets.iter().map(one).collect()
}

fn until(row: &SecretRow) -> String {
    row.expires_at.map_or_else(|| "is good without an end".to_owned(), |at| format!("is good until {at}"))
}

fn times(row: &SecretRow) -> Map<String, Value> {
    let members = [("created_at", moment(Some(row.created_at))), ("expires_at", moment(row.expires_at))];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
