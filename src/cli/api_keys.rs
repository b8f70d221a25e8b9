//! `keywright api-key`: API keys, made and managed by an operator. The text of a key is shown once,
//! and is never an argument.

use super::{
    Answer, Failure, Session,
    apis::api_id,
    at_work::{done, in_world},
    audit::{api_key_id, client_id},
    claim_links, hmac_keys, json_file, key_bulk, key_changes, key_rotation,
    key_templates::{self, Template},
    key_tools, key_usage,
};
use crate::{
    apikey::{
        access::Caller,
        create::{Ending, From},
        family::Owner,
        key::{Kind, State},
        rotate::{Insist, Step},
        wanted::Wanted,
    },
    base::{
        id::{ApiId, ApiKeyId, ClientId},
        moment::{Moment, Span},
        scope::Scope,
    },
    config::span,
    flow::{
        api_keys::{
            create::{self, Create},
            life, show, told,
        },
        manage_users,
        world::World,
    },
};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::{path::PathBuf, sync::Arc};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key, whose text is shown this once, or many, whose texts go into a file.
    Create(Box<Creation>),
    /// Make a link with which somebody makes a key, once, and sees it. The link is shown this once.
    ClaimLink(Box<claim_links::Make>),
    /// List such links, in the order in which they were made.
    ClaimLinks(claim_links::List),
    /// Take such a link back that nobody has used.
    WithdrawLink(claim_links::Named),
    /// List keys, in the order in which they were made.
    List(List),
    /// Show a key: never its text.
    Show(Named),
    /// Give a key a successor, whose text is shown this once.
    Rotate(Rotate),
    /// Show how far a rotation is: whether the new key is used, and from where the old one was of late.
    Rotation(Named),
    /// End the overlap of a key with its successor.
    Finish(Finish),
    /// Switch a key off.
    Disable(Stop),
    /// Switch a key on again.
    Enable(Named),
    /// End a key for good, or many.
    Revoke(Box<key_changes::Revoke>),
    /// Change a key: name, plan, what restricts it, when it ends.
    Change(key_changes::Change),
    /// Bring keys that were made elsewhere, a line for each: by their text or its SHA-256.
    Import(Box<key_bulk::Bring>),
    /// List the keys of HMAC under which others hashed what was brought, and how many API keys are known by each.
    HmacKeys,
    /// Forget a key of HMAC, where no API key is known by it any more; else say how many are.
    RemoveHmacKey(hmac_keys::Named),
    /// Try a call: every rule is explained, and nothing is spent.
    Check(Box<key_tools::Check>),
    /// Read the form and the checksum of a key, asking nobody.
    Inspect(key_tools::Inspect),
    /// Make a text of the form of a key that nobody knows.
    Gen(key_tools::Gen),
    /// Show what a key was used for, by the day: calls, and what was reported of them (errors, bytes, how long they took).
    Usage(key_usage::Usage),
    /// Show, top up and correct the quotas of a key.
    #[command(subcommand)]
    Quota(key_changes::Quota),
}

#[derive(Args, Debug)]
pub(super) struct Make {
    /// Whose it is: user:NAME or client:ID.
    #[arg(long, value_name = "OWNER", required_unless_present = "template")]
    pub(super) owner: Option<String>,
    #[command(flatten)]
    pub(super) what: What,
}

/// What a key is to be like.
#[derive(Args, Debug)]
pub(super) struct What {
    /// Begin with what we suggest for a purpose: what is named beside it counts before it.
    #[arg(long, value_enum, conflicts_with_all = ["kind", "anywhere", "policy", "never_expires"])]
    pub(super) template: Option<Template>,
    /// The API it is for, by name or identifier.
    #[arg(long, required_unless_present = "template")]
    pub(super) api: Option<String>,
    /// What its owner calls it.
    #[arg(long, required_unless_present = "template")]
    name: Option<String>,
    /// What it is for: server, public or verifier.
    #[arg(long, default_value = "server", value_parser = kind)]
    kind: Kind,
    /// Its environment. Unset: the first of its API.
    #[arg(long)]
    environment: Option<String>,
    /// What it may do: scope tokens separated by spaces.
    #[arg(long, default_value = "")]
    scope: String,
    /// Its plan, by name or identifier. Unset: that of its API.
    #[arg(long)]
    plan: Option<String>,
    /// The application that uses it.
    #[arg(long, value_name = "ID", value_parser = client_id)]
    client: Option<ClientId>,
    /// An address or a network that it may be used from. May be repeated.
    #[arg(long = "ip", value_name = "NETWORK", conflicts_with = "policy")]
    ips: Vec<String>,
    /// It may be used from everywhere.
    #[arg(long)]
    anywhere: bool,
    /// What restricts it, as JSON: a file, or - for standard input.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// How long it lives, such as 90d. Unset: as its API says.
    #[arg(long, value_name = "TIME", value_parser = span, conflicts_with = "never_expires")]
    pub(super) expires_in: Option<Span>,
    /// It lives until it is revoked.
    #[arg(long)]
    never_expires: bool,
}

#[derive(Args, Debug)]
pub(super) struct Creation {
    #[command(flatten)]
    make: Make,
    /// Make so many, which differ in nothing but their text.
    #[arg(long, value_name = "N", requires = "to", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    count: Option<u32>,
    /// Only show what would be made: everything is asked, and nothing is stored. Of a template alone, what is in it.
    #[arg(long, conflicts_with = "count")]
    dry_run: bool,
    /// The file that their texts go into, a line for each behind its identifier. It must not be there, and only
    /// its owner will be able to read it.
    #[arg(long, value_name = "FILE", requires = "count")]
    to: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct List {
    /// Only for this API, by identifier.
    #[arg(long, value_name = "ID", value_parser = api_id)]
    api: Option<ApiId>,
    /// Only of this owner: user:NAME or client:ID.
    #[arg(long)]
    owner: Option<String>,
    /// Only in this state: active, retiring, disabled, suspended, revoked, compromised.
    #[arg(long, value_parser = state)]
    state: Option<State>,
    /// Only those that have not been ended and never end by themselves.
    #[arg(long)]
    no_expiry: bool,
    /// Begin after the key with this identifier.
    #[arg(long, value_name = "ID", value_parser = api_key_id)]
    after: Option<ApiKeyId>,
    /// The most keys to list.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10000))]
    limit: u16,
}

#[derive(Args, Debug)]
pub(super) struct Named {
    /// Its identifier.
    #[arg(value_name = "ID", value_parser = api_key_id)]
    id: ApiKeyId,
}

#[derive(Args, Debug)]
pub(super) struct Rotate {
    #[command(flatten)]
    named: Named,
    /// How long both are good.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = span)]
    overlap: Span,
}

#[derive(Args, Debug)]
pub(super) struct Finish {
    #[command(flatten)]
    named: Named,
    /// Also where the old key was used within the last hour.
    #[arg(long)]
    force: bool,
}

#[derive(Args, Debug)]
pub(super) struct Stop {
    #[command(flatten)]
    named: Named,
    /// Why, for those who look later.
    #[arg(long)]
    reason: Option<String>,
}

fn kind(text: &str) -> Result<Kind, String> {
    Kind::parse(text).ok_or_else(|| "is server, public or verifier".to_owned())
}

fn state(text: &str) -> Result<State, String> {
    State::parse(text).ok_or_else(|| "is no state of a key".to_owned())
}

pub(super) fn run(command: Command, session: &Session) -> Result<Answer, Failure> {
    match command {
        Command::Create(args) => make(*args, session),
        Command::ClaimLink(args) => claim_links::make(*args, session),
        Command::ClaimLinks(args) => claim_links::list(&args, session),
        Command::WithdrawLink(named) => claim_links::withdraw(named, session),
        Command::List(args) => list(args, session),
        Command::Show(Named { id }) => in_world(session, async |_, world| shown(world, id).await),
        Command::Rotate(Rotate { named, overlap }) => in_world(session, async |_, world| {
            let rotated = life::rotate(world, Caller::Operator, (named.id, Some(overlap)), done()).await?;
            let ends = rotated.old.expires_at.map(|at| at.to_string()).unwrap_or_default();
            Ok(revealed(&rotated.new, &format!("the key before it is good until {ends}")))
        }),
        Command::Rotation(Named { id }) => key_rotation::show(id, session),
        Command::Finish(Finish { named, force }) => in_world(session, async |_, world| {
            let insist = if force { Insist::Yes } else { Insist::No };
            let key = life::finish(world, Caller::Operator, (named.id, insist), done()).await?;
            shown(world, key.id).await
        }),
        Command::Disable(Stop { named, reason }) => step(session, (named.id, reason), Step::Disable),
        Command::Enable(Named { id }) => step(session, (id, None), Step::Enable),
        Command::Revoke(args) => key_changes::revoke(*args, session),
        Command::Import(args) => key_bulk::import(*args, session),
        Command::HmacKeys => hmac_keys::list(session),
        Command::RemoveHmacKey(named) => hmac_keys::remove(named, session),
        Command::Check(args) => key_tools::check(*args, session),
        Command::Inspect(args) => key_tools::inspect(&args),
        Command::Gen(args) => key_tools::gen_offline(&args),
        Command::Usage(args) => key_usage::usage(args, session),
        Command::Change(args) => key_changes::change(args, session),
        Command::Quota(command) => key_changes::quota(command, session),
    }
}

pub(super) fn step(session: &Session, (id, reason): (ApiKeyId, Option<String>), step: Step) -> Result<Answer, Failure> {
    in_world(session, async |_, world| {
        let key = life::take(world, Caller::Operator, (id, step, reason), done()).await?;
        shown(world, key.id).await
    })
}

pub(super) async fn owner(world: &Arc<World>, text: &str) -> Result<Owner, Failure> {
    match text.split_once(':') {
        Some(("user", name)) => Ok(Owner::User(manage_users::find(world, name).await?.id)),
        Some(("client", id)) => {
            client_id(id).map(Owner::Client).map_err(|why| Failure::Usage(format!("--owner client {why}")))
        }
        Some(_) | None => Err(Failure::Usage("--owner is user:NAME or client:ID".into())),
    }
}

impl What {
    /// The key that it describes.
    pub(super) fn wish(self, owner: Option<Owner>, now: Moment) -> Result<Create, Failure> {
        let policy = match (&self.policy, self.ips.as_slice()) {
            (Some(file), _) => json_file::read("--policy", file)?,
            (None, []) if self.template.is_some() => return Err(missing("--ip")),
            (None, []) => Map::new(),
            (None, ips) => key_templates::from_addresses(ips),
        };
        let life = self.expires_in.or(self.template.map(Template::lives));
        let ending = match (life, self.never_expires) {
            (Some(life), _) => Ending::At(now + life),
            (None, true) => Ending::Never,
            (None, false) => Ending::Usual,
        };
        Ok(Create {
            api: self.api.ok_or_else(|| missing("--api"))?,
            owner,
            client: self.client,
            plan: self.plan.or(self.template.map(|template| template.plan().to_owned())),
            family_policy: Map::new(),
            wanted: Wanted {
                name: self.name.ok_or_else(|| missing("--name"))?,
                kind: self.kind,
                environment: self.environment,
                scope: Scope::parse(&self.scope).map_err(|e| Failure::Usage(format!("--scope: {e}")))?,
                policy,
                meta: Map::new(),
                not_before: None,
                ending,
                from: if self.anywhere { From::Anywhere } else { From::Listed },
            },
            idempotency_key: None,
        })
    }
}

fn missing(argument: &str) -> Failure {
    Failure::Usage(format!("{argument} is needed"))
}

/// What is wished for.
pub(super) async fn wish(world: &Arc<World>, args: Make) -> Result<Create, Failure> {
    let owner = owner(world, args.owner.as_deref().ok_or_else(|| missing("--owner"))?).await?;
    args.what.wish(Some(owner), world.now())
}

fn make(args: Creation, session: &Session) -> Result<Answer, Failure> {
    let Creation { make, count, dry_run, to } = args;
    if dry_run {
        return key_templates::tried(make, session);
    }
    in_world(session, async |_, world| {
        let wish = wish(world, make).await?;
        if let (Some(n), Some(to)) = (count, to) {
            return key_bulk::create(world, (wish, usize::try_from(n).unwrap_or(usize::MAX)), &to).await;
        }
        let made = create::create(world, Caller::Operator, wish, done()).await?;
        Ok(revealed(&made, "this is shown once: keep it now"))
    })
}

fn revealed(made: &create::Created, note: &str) -> Answer {
    let mut json = told::key(&made.key, &made.family, None);
    if let Some(members) = json.as_object_mut() {
        members.insert("key".to_owned(), json!(made.text.expose()));
    }
    let ends = made.key.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    let text = format!("{}\n\n{}  for {}, ends {ends}; {note}", made.text.expose(), made.key.id, made.api.name);
    Answer::new(text, json)
}

fn list(args: List, session: &Session) -> Result<Answer, Failure> {
    in_world(session, async |_, world| {
        let owner = match &args.owner {
            Some(text) => Some(owner(world, text).await?),
            None => None,
        };
        let filter =
            show::Filter { api: args.api, owner, state: args.state, endless: args.no_expiry, ..Default::default() };
        let page = (args.after, i64::from(args.limit));
        let found = show::list(world, &Caller::Operator, filter, page).await?;
        let rows: Vec<[String; 6]> = found
            .iter()
            .map(|one| {
                let key = &one.key;
                let last = one.last_use.as_ref().map_or_else(|| "never".to_owned(), |last| last.at.to_string());
                let ends = key.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
                let state = key.state.as_str().to_owned();
                [key.id.to_string(), key.hint.clone(), one.family.name.clone(), state, last, ends]
            })
            .collect();
        let json: Vec<Value> =
            found.iter().map(|one| told::key(&one.key, &one.family, one.last_use.as_ref().map(|u| u.at))).collect();
        Ok(Answer::table(["id", "key", "name", "state", "last used", "ends"], &rows, json!({ "keys": json })))
    })
}

pub(super) async fn shown(world: &Arc<World>, id: ApiKeyId) -> Result<Answer, Failure> {
    let shown = show::one(world, &Caller::Operator, id).await?;
    let (key, family) = (&shown.facts.key, &shown.facts.family);
    let last = shown.facts.last_used.map_or_else(|| "never, as far as is known".to_owned(), |at| at.to_string());
    let lines = [
        format!("{}  {}  {}", key.id, key.hint, key.state.as_str()),
        format!("name       {}", family.name),
        format!("owner      {}:{}", family.owner.kind(), family.owner.id()),
        format!("scope      {}", key.scope),
        format!("policy     {}", Value::Object(key.policy.clone())),
        format!("last used  {last}"),
        format!("ends       {}", key.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string())),
    ];
    Ok(Answer::new(lines.join("\n"), told::key(key, family, shown.facts.last_used)))
}
