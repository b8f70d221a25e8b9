//! `keywright api`: the APIs that keys are for.

use super::{
    Answer, Failure, Session,
    at_work::{done, in_world},
    json_file, patches,
};
use crate::{
    apikey::{
        access::Caller,
        api::{Api, Settings},
        text::DEFAULT_PREFIX,
    },
    base::{id::ApiId, scope::Scope, uri::Resource},
    flow::api_keys::{
        apis::{self, ApiSpec, Switch},
        told,
    },
};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add an API.
    Add(Add),
    /// List APIs, in the order of their identifiers.
    List(List),
    /// Show an API.
    Show(Named),
    /// Change an API: name, plan, scope, policy, settings.
    Change(Change),
    /// Disable an API: its keys are refused.
    Disable(Named),
    /// Enable an API again.
    Enable(Named),
}

#[derive(Args, Debug)]
pub(super) struct Add {
    /// Its name: lower-case letters, digits and hyphens. Gateways ask under it.
    #[arg(long)]
    name: String,
    /// Its audience: an absolute URI.
    #[arg(long, value_name = "URI")]
    audience: String,
    /// What its keys begin with.
    #[arg(long, default_value = DEFAULT_PREFIX)]
    prefix: String,
    /// An environment of its keys. May be repeated; unset: live and test.
    #[arg(long = "environment", value_name = "WORD")]
    environments: Vec<String>,
    /// The plan of keys that name none, by name or identifier.
    #[arg(long)]
    plan: Option<String>,
    /// What its keys may do: scope tokens separated by spaces.
    #[arg(long, default_value = "")]
    scope: String,
    /// What restricts all its keys, as JSON: a file, or - for standard input.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Further settings as JSON: a file, or - for standard input. --scope beats it.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct Change {
    #[command(flatten)]
    named: Named,
    /// Its name from now on.
    #[arg(long)]
    name: Option<String>,
    /// The plan of keys that name none, by name or identifier; none: no plan.
    #[arg(long)]
    plan: Option<String>,
    /// What its keys may do: scope tokens separated by spaces.
    #[arg(long)]
    scope: Option<String>,
    /// An environment of its keys, of those that it has from now on. May be repeated.
    #[arg(long = "environment", value_name = "WORD")]
    environments: Vec<String>,
    /// What restricts all its keys, as JSON, in place of what does: a file, or - for standard input.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The settings that change, as JSON: a file, or - for standard input. --scope beats it.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct List {
    /// Begin after the API with this identifier.
    #[arg(long, value_name = "ID", value_parser = api_id)]
    after: Option<ApiId>,
}

#[derive(Args, Debug)]
pub(super) struct Named {
    /// Its name or identifier.
    #[arg(value_name = "API")]
    api: String,
}

pub(super) fn api_id(text: &str) -> Result<ApiId, String> {
    ApiId::parse(text).ok_or_else(|| "is no identifier of an API".to_owned())
}

pub(super) fn run(command: Command, session: &Session) -> Result<Answer, Failure> {
    match command {
        Command::Add(args) => {
            let spec = spec(args)?;
            in_world(session, async |_, world| Ok(shown(&apis::add(world, &Caller::Operator, spec, done()).await?)))
        }
        Command::List(List { after }) => in_world(session, async |_, world| {
            let found = apis::list(world, &Caller::Operator, after, 100).await?;
            let rows: Vec<[String; 4]> = found.iter().map(row).collect();
            let json: Vec<Value> = found.iter().map(told::api).collect();
            Ok(Answer::table(["id", "name", "audience", "state"], &rows, json!({ "apis": json })))
        }),
        Command::Show(Named { api }) => {
            in_world(session, async |_, world| Ok(shown(&apis::find(world, &Caller::Operator, api).await?)))
        }
        Command::Change(args) => change(args, session),
        Command::Disable(Named { api }) => switch(session, api, Switch::Off),
        Command::Enable(Named { api }) => switch(session, api, Switch::On),
    }
}

fn switch(session: &Session, api: String, to: Switch) -> Result<Answer, Failure> {
    in_world(session, async |_, world| Ok(shown(&apis::switch(world, &Caller::Operator, api, to, done()).await?)))
}

fn change(args: Change, session: &Session) -> Result<Answer, Failure> {
    in_world(session, async |_, world| {
        let before = apis::find(world, &Caller::Operator, args.named.api.clone()).await?;
        let (name, policy) = (args.name.as_deref(), args.policy.as_deref());
        let mut patch = patches::of(name, args.plan.as_deref(), (policy, &before.policy))?;
        if !args.environments.is_empty() {
            patch.insert("environments".to_owned(), json!(args.environments));
        }
        let mut settings = match &args.settings {
            Some(file) => json_file::read("--settings", file)?,
            None => Map::new(),
        };
        if let Some(scope) = &args.scope {
            settings.insert("scopes".to_owned(), json!(scope));
        }
        if !settings.is_empty() {
            patch.insert("settings".to_owned(), Value::Object(settings));
        }
        let which = (before.id.to_string(), Some(vec![before.version]));
        Ok(shown(&apis::patch(world, &Caller::Operator, which, patch, done()).await?))
    })
}

fn spec(args: Add) -> Result<ApiSpec, Failure> {
    let read = |option, file: &Option<PathBuf>| match file {
        Some(file) => json_file::read(option, file),
        None => Ok(Map::new()),
    };
    let written = read("--settings", &args.settings)?;
    if let Some(unknown) = Settings::unknown(&written) {
        return Err(Failure::Usage(format!("--settings have no member {unknown:?}")));
    }
    let settings = Settings::deserialize(Value::Object(written));
    let mut settings = settings.map_err(|e| Failure::Usage(format!("--settings cannot be read: {e}")))?;
    let scope = Scope::parse(&args.scope).map_err(|e| Failure::Usage(format!("--scope: {e}")))?;
    if !scope.is_empty() {
        settings.scopes = scope;
    }
    let usual = || vec!["live".to_owned(), "test".to_owned()];
    Ok(ApiSpec {
        audience: Resource::parse(&args.audience).map_err(|e| Failure::Usage(format!("--audience {e}")))?,
        environments: if args.environments.is_empty() { usual() } else { args.environments },
        policy: read("--policy", &args.policy)?,
        name: args.name,
        prefix: Some(args.prefix),
        plan: args.plan,
        settings,
    })
}

fn state(api: &Api) -> &'static str {
    if api.disabled_at.is_some() { "disabled" } else { "enabled" }
}

fn row(api: &Api) -> [String; 4] {
    [api.id.to_string(), api.name.clone(), api.audience.to_string(), state(api).to_owned()]
}

fn shown(api: &Api) -> Answer {
    let lines = [
        format!("{}  {}  {}", api.id, api.name, state(api)),
        format!("audience      {}", api.audience),
        format!("keys begin    {}_{{{}}}_", api.prefix, api.environments.join(",")),
        format!("scope         {}", api.settings.scopes),
        format!("policy        {}", Value::Object(api.policy.clone())),
    ];
    Answer::new(lines.join("\n"), told::api(api))
}
