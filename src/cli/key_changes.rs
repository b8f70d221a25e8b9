//! `keywright api-key change`, `quota` and `revoke`: what is done to keys that are there.

use super::{
    Answer, Failure, Session,
    api_keys::{self, owner},
    apis::api_id,
    at_work::{done, in_world},
    audit::api_key_id,
    patches,
};
use crate::{
    apikey::{access::Caller, create::From, rotate::Step},
    base::{
        id::{ApiId, ApiKeyId, FamilyId},
        moment::{Moment, Span},
    },
    config::span,
    flow::api_keys::{
        change::{self, Wanted},
        grants::{self, Asked, Standing, What},
        life::{self, Many},
        show, told,
    },
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::{
    io::{self, BufRead, IsTerminal, Write},
    path::PathBuf,
};

#[derive(Args, Debug)]
pub(super) struct Change {
    /// Its identifier.
    #[arg(value_name = "ID", value_parser = api_key_id)]
    id: ApiKeyId,
    /// What its owner calls it.
    #[arg(long)]
    name: Option<String>,
    /// Its plan, by name or identifier; none: that of its API.
    #[arg(long)]
    plan: Option<String>,
    /// What restricts it, as JSON, in place of what does: a file, or - for standard input.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// It may be used from everywhere.
    #[arg(long)]
    anywhere: bool,
    /// When it ends, from now on, such as 90d.
    #[arg(long, value_name = "TIME", value_parser = span, conflicts_with = "never_expires")]
    expires_in: Option<Span>,
    /// It lives until it is revoked.
    #[arg(long)]
    never_expires: bool,
}

pub(super) fn change(args: Change, session: &Session) -> Result<Answer, Failure> {
    in_world(session, async |_, world| {
        let shown = show::one(world, &Caller::Operator, args.id.clone()).await?;
        let (name, policy) = (args.name.as_deref(), args.policy.as_deref());
        let mut patch = patches::of(name, args.plan.as_deref(), (policy, &shown.facts.key.policy))?;
        if let Some(life) = args.expires_in {
            patch.insert("expires_at".to_owned(), json!((world.now() + life).to_string()));
        }
        if args.never_expires {
            patch.insert("expires_at".to_owned(), Value::Null);
        }
        let from = if args.anywhere { From::Anywhere } else { From::Listed };
        let wanted = Wanted { patch, from, seen: None };
        change::change(world, Caller::Operator, (args.id.clone(), wanted), done()).await?;
        api_keys::shown(world, args.id).await
    })
}

#[derive(Debug, Subcommand)]
pub(super) enum Quota {
    /// Show how the quotas of a key stand.
    Show(Of),
    /// Raise the limit of a quota for its period.
    TopUp(TopUp),
    /// Correct what was used of a quota in its period.
    Adjust(Adjust),
}

#[derive(Args, Debug)]
pub(super) struct Of {
    /// The identifier of a key; its family shares the quotas.
    #[arg(value_name = "ID", value_parser = api_key_id)]
    id: ApiKeyId,
}

#[derive(Args, Debug)]
pub(super) struct TopUp {
    #[command(flatten)]
    of: Of,
    /// The name of the quota in its policy.
    #[arg(value_name = "NAME")]
    quota: String,
    /// By how many units; below nothing, that is taken back, though never below what was used.
    #[arg(value_name = "UNITS", allow_negative_numbers = true)]
    amount: i64,
    /// Why, for those who look later.
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct Adjust {
    #[command(flatten)]
    of: Of,
    /// The name of the quota in its policy.
    #[arg(value_name = "NAME")]
    quota: String,
    /// What was used, in units.
    #[arg(value_name = "UNITS")]
    used: u64,
    /// Why, for those who look later.
    #[arg(long)]
    reason: Option<String>,
}

pub(super) fn quota(command: Quota, session: &Session) -> Result<Answer, Failure> {
    let (of, what) = match command {
        Quota::Show(Of { id }) => {
            return in_world(session, async |_, world| {
                let all = grants::show(world, &Caller::Operator, &id).await?;
                let json: Vec<Value> = all.iter().map(told::quota).collect();
                let rows: Vec<[String; 6]> = all.iter().map(row).collect();
                Ok(Answer::table(["quota", "used", "limit", "granted", "left", "anew"], &rows, json!({"quotas": json})))
            });
        }
        Quota::TopUp(TopUp { of, quota, amount, reason }) => (of, (quota, What::Grant(amount), reason)),
        Quota::Adjust(Adjust { of, quota, used, reason }) => (of, (quota, What::Correct(used), reason)),
    };
    let (quota, what, reason) = what;
    in_world(session, async |_, world| {
        let asked = Asked { key: of.id, quota, what, reason, idempotency_key: None };
        let standing = grants::change(world, &Caller::Operator, asked, done()).await?;
        let text = format!("{} of {} left", standing.remaining(), standing.limit.saturating_add(standing.granted));
        Ok(Answer::new(text, told::quota(&standing)))
    })
}

fn row(quota: &Standing) -> [String; 6] {
    let anew = quota.ends.map_or_else(|| "never".to_owned(), |at| at.to_string());
    [
        quota.name.clone(),
        quota.used.to_string(),
        quota.limit.to_string(),
        quota.granted.to_string(),
        quota.remaining().to_string(),
        anew,
    ]
}

#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(true)
    .args(["id", "owner", "family", "api", "created_before", "unused_for"])))]
pub(super) struct Revoke {
    /// The identifier of the one key to end.
    #[arg(value_name = "ID", value_parser = api_key_id,
        conflicts_with_all = ["owner", "family", "api", "created_before", "unused_for", "dry_run"])]
    id: Option<ApiKeyId>,
    /// All of this owner: user:NAME or client:ID.
    #[arg(long)]
    owner: Option<String>,
    /// All of this family, by identifier.
    #[arg(long, value_name = "ID", value_parser = family_id)]
    family: Option<FamilyId>,
    /// All for this API, by identifier.
    #[arg(long, value_name = "ID", value_parser = api_id)]
    api: Option<ApiId>,
    /// All made before this time (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = moment)]
    created_before: Option<Moment>,
    /// All that were not used for so long, such as 90d.
    #[arg(long, value_name = "TIME", value_parser = span)]
    unused_for: Option<Span>,
    /// Only say how many there are.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before many are ended.
    #[arg(long)]
    yes: bool,
    /// Why, for those who look later.
    #[arg(long)]
    reason: Option<String>,
}

fn family_id(text: &str) -> Result<FamilyId, String> {
    FamilyId::parse(text).ok_or_else(|| "is no identifier of a family".to_owned())
}

pub(super) fn moment(text: &str) -> Result<Moment, String> {
    let read = chrono::DateTime::parse_from_rfc3339(text).map(|at| Moment::from_utc(at.to_utc()));
    read.map_err(|_| "must be a time such as 2027-01-31T00:00:00Z".to_owned())
}

pub(super) fn revoke(args: Revoke, session: &Session) -> Result<Answer, Failure> {
    if let Some(id) = args.id {
        return api_keys::step(session, (id, args.reason), Step::Revoke);
    }
    in_world(session, async |_, world| {
        let owner = match args.owner.as_deref() {
            Some(text) => Some(owner(world, text).await?),
            None => None,
        };
        let filter = show::Filter {
            owner,
            family: args.family,
            api: args.api,
            created_before: args.created_before,
            unused_since: args.unused_for.map(|span| world.now() - span),
            ..show::Filter::default()
        };
        let count = life::count_to_revoke(world, &Caller::Operator, filter.clone()).await?;
        if args.dry_run || count == 0 {
            return Ok(Answer::new(
                format!("{count} keys would be ended"),
                json!({"dry_run": args.dry_run, "count": count}),
            ));
        }
        if !args.yes {
            confirm(&format!("{count} keys will be ended for good. Type yes to go on: "))?;
        }
        let many = Many { filter, reason: args.reason, most: None };
        let told = |n: usize| eprint_progress(n, Some(count), "keys ended");
        let ended = life::revoke_many(world, &Caller::Operator, many, done(), told).await?;
        Ok(Answer::new(format!("{ended} keys were ended"), json!({"dry_run": false, "count": ended})))
    })
}

/// Asks whoever sits at the terminal; where nobody does, that is a no.
pub(super) fn confirm(question: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(format!("{question}nobody is there to ask: see --dry-run and --yes")));
    }
    let mut told = io::stderr().lock();
    let failed = |e: io::Error| Failure::Failed(format!("reading from the terminal: {e}"));
    write!(told, "{question}").and_then(|()| told.flush()).map_err(failed)?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(failed)?;
    if line.trim() == "yes" { Ok(()) } else { Err(Failure::Failed("nothing was done".to_owned())) }
}

/// Says on standard error how far a long piece of work has come.
pub(super) fn eprint_progress(n: usize, of: Option<usize>, what: &str) {
    let mut told = io::stderr().lock();
    // Whoever does not listen misses nothing that matters.
    let _ = match of {
        Some(of) => writeln!(told, "{n} of {of} {what}"),
        None => writeln!(told, "{n} {what}"),
    };
}
