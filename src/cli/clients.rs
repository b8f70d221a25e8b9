//! `keywright client`: applications and services, registered one by one.

use super::{
    Answer, Failure, Session,
    at_work::{in_world, moment, operator},
    audit::client_id,
    client_secrets::{self, End, Rotate, put_secret},
    declared, json_file,
};
use crate::{
    base::{
        credential::{Kind, mint},
        entropy::OsEntropy,
        id::ClientId,
        moment::Span,
    },
    config::span,
    flow::{
        client_secrets::{Seen, seen},
        manage_clients::{self as manage, Added},
    },
    oauth::register::to_metadata,
    store::clients::ClientRow,
};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Register a client. Its secret, if it has one, is shown this once.
    Add(Box<Add>),
    /// List clients, in the order of their identifiers.
    List(List),
    /// Show a client.
    Show(Named),
    /// Give a client another secret, which is shown this once. With an overlap the one it has goes on for a while.
    RotateSecret(Rotate),
    /// End one of a client's two secrets before its time.
    EndSecret(End),
    /// Disable a client: it gets no tokens, and those it has end.
    Disable(Named),
    /// Enable a client again.
    Enable(Named),
    /// Make the clients of this installation those that a file declares.
    Apply(declared::Apply),
    /// Print a new secret, for a client that is declared in a file. Nothing is stored.
    MakeSecret,
}

#[derive(Args, Debug)]
pub(super) struct Add {
    /// Its metadata as JSON, by the names of RFC 7591: a file, or - for standard input. The options beat it.
    #[arg(long, value_name = "FILE")]
    metadata: Option<PathBuf>,
    /// Its identifier. Unset: one is made.
    #[arg(long, value_name = "ID", value_parser = client_id)]
    id: Option<ClientId>,
    /// Its name, as people see it.
    #[arg(long)]
    name: Option<String>,
    /// Where its authorization responses may go. May be repeated.
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// Where people may go after signing out. May be repeated.
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<String>,
    /// A grant type: authorization_code (the default), refresh_token, client_credentials. May be repeated.
    #[arg(long = "grant", value_name = "TYPE")]
    grants: Vec<String>,
    /// The widest scope it may ask for, its tokens separated by spaces.
    #[arg(long)]
    scope: Option<String>,
    /// How it proves itself: client_secret_basic (the default), client_secret_post, private_key_jwt, none.
    #[arg(long, value_name = "METHOD")]
    auth_method: Option<String>,
    /// Where its public keys are.
    #[arg(long, value_name = "URI")]
    jwks_uri: Option<String>,
    /// A resource that it may ask for; the first is what it gets when it names none. May be repeated.
    #[arg(long = "resource", value_name = "URI")]
    resources: Vec<String>,
    /// An audience that it serves, and whose tokens it may introspect. May be repeated.
    #[arg(long = "protected-resource", value_name = "URI")]
    protected_resources: Vec<String>,
    /// It is the operator's own: people are not asked for their consent.
    #[arg(long)]
    first_party: bool,
    /// It runs on people's devices: private-use and loopback redirection URIs are allowed.
    #[arg(long)]
    native: bool,
    /// Where it hears of ended sessions.
    #[arg(long, value_name = "URI")]
    backchannel_logout_uri: Option<String>,
    /// How its ID tokens are signed: ES256, ES384, EdDSA, RS256 or PS256. Unset: ES256.
    #[arg(long, value_name = "ALG")]
    id_token_alg: Option<String>,
    /// How long its access tokens live. Unset: as long as anybody's.
    #[arg(long, value_name = "TIME", value_parser = span)]
    access_token_lifetime: Option<Span>,
}

#[derive(Args, Debug)]
pub(super) struct List {
    /// Begin after the client with this identifier.
    #[arg(long, value_name = "ID", value_parser = client_id)]
    after: Option<ClientId>,
    /// The most clients to list.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10000))]
    limit: u16,
}

#[derive(Args, Debug)]
pub(super) struct Named {
    /// Its identifier.
    #[arg(value_name = "ID", value_parser = client_id)]
    id: ClientId,
}

pub(super) fn run(command: Command, session: &Session) -> Result<Answer, Failure> {
    match command {
        Command::Add(args) => add(&args, session),
        Command::List(args) => list(args, session),
        Command::Show(Named { id }) => in_world(session, async |_, world| Ok(shown(&seen(world, &id).await?))),
        Command::RotateSecret(args) => client_secrets::rotate(&args, session),
        Command::EndSecret(args) => client_secrets::end(&args, session),
        Command::Disable(Named { id }) => in_world(session, async |_, world| {
            manage::disable(world, &id, operator()).await?;
            Ok(shown(&seen(world, &id).await?))
        }),
        Command::Enable(Named { id }) => in_world(session, async |_, world| {
            manage::enable(world, &id, operator()).await?;
            Ok(shown(&seen(world, &id).await?))
        }),
        Command::Apply(args) => declared::run(args, session),
        Command::MakeSecret => {
            let secret = mint(Kind::ClientSecret, &OsEntropy)?;
            Ok(Answer::new(secret.expose().clone(), json!({ "client_secret": secret.expose() })))
        }
    }
}

fn add(args: &Add, session: &Session) -> Result<Answer, Failure> {
    let metadata = metadata(args)?;
    let named = match metadata.get("client_id") {
        None => None,
        Some(Value::String(text)) => Some(client_id(text).map_err(|why| Failure::Usage(format!("client_id {why}")))?),
        Some(_) => return Err(Failure::Usage("client_id must be a text".into())),
    };
    let id = args.id.clone().or(named);
    let added = in_world(session, async |config, world| {
        Ok(manage::add(world, id, &metadata, config.registration_policy(), operator()).await?)
    })?;
    Ok(told(&added))
}

/// What the file says, and what the options say in its place.
fn metadata(args: &Add) -> Result<Map<String, Value>, Failure> {
    let mut members = match &args.metadata {
        None => Map::new(),
        Some(path) => json_file::read("--metadata", path)?,
    };
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(name.to_owned(), value);
        }
    };
    let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
    let list = |list: &[String]| (!list.is_empty()).then(|| json!(list));
    put("client_id", args.id.as_ref().map(|id| json!(id)));
    put("client_name", text(&args.name));
    put("redirect_uris", list(&args.redirect_uris));
    put("post_logout_redirect_uris", list(&args.post_logout_redirect_uris));
    put("grant_types", list(&args.grants));
    put("scope", text(&args.scope));
    put("token_endpoint_auth_method", text(&args.auth_method));
    put("jwks_uri", text(&args.jwks_uri));
    put("resources", list(&args.resources));
    put("protected_resources", list(&args.protected_resources));
    put("first_party", args.first_party.then(|| json!(true)));
    put("application_type", args.native.then(|| json!("native")));
    put("backchannel_logout_uri", text(&args.backchannel_logout_uri));
    put("id_token_signed_response_alg", text(&args.id_token_alg));
    put("access_token_lifetime", args.access_token_lifetime.map(|life| json!(life.as_seconds())));
    // OpenID Connect's own default costs fifteen times as much to sign with.
    members.entry("id_token_signed_response_alg").or_insert_with(|| json!("ES256"));
    Ok(members)
}

/// A registered client, in the words of RFC 7591 §3.2.1.
fn told(Added { client, secret }: &Added) -> Answer {
    let mut json = to_metadata(client);
    let mut text = lines(client.id.as_str(), &json);
    if let Some(secret) = secret {
        put_secret(&mut text, &mut json, secret);
    }
    Answer::new(text, Value::Object(json))
}

/// A line for each member, the identifier first.
fn lines(id: &str, metadata: &Map<String, Value>) -> String {
    let mut lines = vec![format!("client_id: {id}")];
    for (name, value) in metadata.iter().filter(|(name, _)| name.as_str() != "client_id") {
        let texts: Option<Vec<&str>> = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
        let value = match (value.as_str(), texts) {
            (Some(text), _) => text.to_owned(),
            (None, Some(texts)) => texts.join(" "),
            (None, None) => value.to_string(),
        };
        lines.push(format!("{name}: {value}"));
    }
    lines.join("\n")
}

const fn state(row: &ClientRow) -> &'static str {
    if row.disabled_at.is_none() { "enabled" } else { "disabled" }
}

fn as_json(row: &ClientRow) -> Map<String, Value> {
    let mut json = row.metadata.clone();
    json.insert("client_id".to_owned(), json!(row.id));
    json.insert("client_id_issued_at".to_owned(), json!(row.created_at.unix()));
    json.insert("source".to_owned(), json!(row.source.as_str()));
    json.insert("state".to_owned(), json!(state(row)));
    json.insert("disabled_at".to_owned(), moment(row.disabled_at));
    json.insert("updated_at".to_owned(), moment(Some(row.updated_at)));
    json
}

fn shown(seen: &Seen) -> Answer {
    let row = &seen.row;
    let mut text = lines(row.id.as_str(), &row.metadata);
    text.push_str(&format!("\nsource: {}\nstate: {}", row.source.as_str(), state(row)));
    text.push_str(&client_secrets::lines(seen));
    let mut json = as_json(row);
    json.insert("secrets".to_owned(), json!(client_secrets::told(seen)));
    Answer::new(text, Value::Object(json))
}

fn list(args: List, session: &Session) -> Result<Answer, Failure> {
    let limit = args.limit;
    let rows = in_world(session, async |_, world| Ok(manage::list(world, args.after, limit.into()).await?))?;
    let full = rows.len() >= usize::from(limit);
    let next = rows.last().filter(|_| full).map(|row| row.id.to_string());
    let text = |row: &ClientRow, member: &str| match row.metadata.get(member) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        Some(_) | None => String::new(),
    };
    let cells: Vec<[String; 5]> = rows
        .iter()
        .map(|row| {
            let (name, grants) = (text(row, "client_name"), text(row, "grant_types"));
            [row.id.to_string(), name, grants, row.source.as_str().to_owned(), state(row).to_owned()]
        })
        .collect();
    let json = json!({ "clients": rows.iter().map(as_json).collect::<Vec<_>>(), "next": next });
    let mut answer = Answer::table(["client_id", "name", "grant types", "source", "state"], &cells, json);
    if let Some(next) = next {
        answer.text.push_str(&format!("\nthere may be more: --after {next}"));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        add: Add,
    }

    #[test]
    fn options_beat_the_file_and_es256_is_the_default() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("client.json");
        std::fs::write(&path, r#"{"client_name": "Old", "scope": "read"}"#).unwrap();
        let path = path.to_str().unwrap();
        let alone = Alone::parse_from(["add", "--metadata", path, "--name", "New", "--grant", "client_credentials"]);
        let members = metadata(&alone.add).unwrap();
        assert_eq!(members["client_name"], "New");
        assert_eq!(members["scope"], "read");
        assert_eq!(members["grant_types"], json!(["client_credentials"]));
        assert_eq!(members["id_token_signed_response_alg"], "ES256");
        std::fs::write(path, "[]").unwrap();
        assert!(matches!(metadata(&alone.add), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_life_is_told_in_seconds() {
        let alone = Alone::parse_from(["add", "--access-token-lifetime", "10m", "--first-party", "--native"]);
        let members = metadata(&alone.add).unwrap();
        assert_eq!(members["access_token_lifetime"], 600);
        assert_eq!(
            (members["first_party"].clone(), members["application_type"].clone()),
            (json!(true), json!("native"))
        );
    }
}
