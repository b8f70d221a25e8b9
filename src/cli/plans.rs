//! `keywright plan`: rate and quota under a name.

use super::{
    Answer, Failure, Session,
    at_work::{done, in_world},
    json_file, patches,
};
use crate::{
    apikey::{access::Caller, plan::Plan},
    base::id::PlanId,
    flow::api_keys::{
        apis::{self, PlanSpec, TEMPLATES},
        told,
    },
};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a plan.
    Add(Add),
    /// List plans, in the order of their identifiers.
    List(List),
    /// Show a plan.
    Show(Named),
    /// Change a plan, for all its families at once.
    Change(Change),
}

#[derive(Args, Debug)]
pub(super) struct Add {
    /// Its name. Unset: that of the template.
    #[arg(long)]
    name: Option<String>,
    /// Begin with what we suggest: free, basic or premium.
    #[arg(long, conflicts_with = "policy", required_unless_present = "policy")]
    template: Option<String>,
    /// Its rate and quota as JSON: a file, or - for standard input.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct Change {
    #[command(flatten)]
    named: Named,
    /// Its name from now on.
    #[arg(long)]
    name: Option<String>,
    /// Its rate and quota as JSON, in place of what they are: a file, or - for standard input.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct List {
    /// Begin after the plan with this identifier.
    #[arg(long, value_name = "ID", value_parser = plan_id)]
    after: Option<PlanId>,
    /// List those that we suggest in place of those that are there.
    #[arg(long, conflicts_with = "after")]
    templates: bool,
}

#[derive(Args, Debug)]
pub(super) struct Named {
    /// Its name or identifier.
    #[arg(value_name = "PLAN")]
    plan: String,
}

fn plan_id(text: &str) -> Result<PlanId, String> {
    PlanId::parse(text).ok_or_else(|| "is no identifier of a plan".to_owned())
}

pub(super) fn run(command: Command, session: &Session) -> Result<Answer, Failure> {
    match command {
        Command::Add(args) => {
            let spec = spec(args)?;
            in_world(session, async |_, world| {
                Ok(shown(&apis::add_plan(world, &Caller::Operator, spec, done()).await?))
            })
        }
        Command::List(List { templates: true, .. }) => suggested(),
        Command::List(List { after, templates: false }) => in_world(session, async |_, world| {
            let plans = apis::list_plans(world, &Caller::Operator, after, 100).await?;
            let rows: Vec<[String; 3]> =
                plans.iter().map(|plan| [plan.id.to_string(), plan.name.clone(), policy_of(plan)]).collect();
            let json: Vec<Value> = plans.iter().map(told::plan).collect();
            Ok(Answer::table(["id", "name", "policy"], &rows, json!({ "plans": json })))
        }),
        Command::Change(args) => change(args, session),
        Command::Show(Named { plan }) => {
            in_world(session, async |_, world| Ok(shown(&apis::find_plan(world, &Caller::Operator, plan).await?)))
        }
    }
}

/// The plans that we suggest.
fn suggested() -> Result<Answer, Failure> {
    let read = |(name, text): &(&str, &str)| {
        let policy: Value = serde_json::from_str(text).map_err(|e| Failure::Failed(e.to_string()))?;
        Ok(([(*name).to_owned(), policy.to_string()], json!({"name": name, "policy": policy})))
    };
    let all: Result<Vec<([String; 2], Value)>, Failure> = TEMPLATES.iter().map(read).collect();
    let (rows, json): (Vec<[String; 2]>, Vec<Value>) = all?.into_iter().unzip();
    Ok(Answer::table(["name", "policy"], &rows, json!({ "plans": json })))
}

fn change(args: Change, session: &Session) -> Result<Answer, Failure> {
    in_world(session, async |_, world| {
        let before = apis::find_plan(world, &Caller::Operator, args.named.plan.clone()).await?;
        let (name, policy) = (args.name.as_deref(), args.policy.as_deref());
        let patch = patches::of(name, None, (policy, &before.policy))?;
        let which = (before.id.to_string(), Some(vec![before.version]));
        Ok(shown(&apis::patch_plan(world, &Caller::Operator, which, patch, done()).await?))
    })
}

fn spec(args: Add) -> Result<PlanSpec, Failure> {
    let Add { name, template, policy } = args;
    let (usual, policy): (&str, Map<String, Value>) = match (&template, policy) {
        (Some(wanted), _) => {
            let found = TEMPLATES.iter().find(|(name, _)| name == wanted);
            let (name, text) = found.ok_or_else(|| Failure::Usage("--template is free, basic or premium".into()))?;
            (name, serde_json::from_str(text).map_err(|e| Failure::Failed(e.to_string()))?)
        }
        (None, Some(file)) => ("", json_file::read("--policy", &file)?),
        (None, None) => return Err(Failure::Usage("name a --template or a --policy".into())),
    };
    let name = name.unwrap_or_else(|| usual.to_owned());
    if name.is_empty() {
        return Err(Failure::Usage("--name is needed".into()));
    }
    Ok(PlanSpec { name, policy })
}

fn policy_of(plan: &Plan) -> String {
    Value::Object(plan.policy.clone()).to_string()
}

fn shown(plan: &Plan) -> Answer {
    Answer::new(format!("{}  {}\n{}", plan.id, plan.name, policy_of(plan)), told::plan(plan))
}
