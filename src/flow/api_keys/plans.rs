//! Plans, as an operator manages them.

use super::{
    apis::Done,
    patch::{self, Patch},
    refused::{Refused, refuse},
};
use crate::{
    apikey::{
        PolicyText,
        access::{Act, Caller},
        plan::Plan,
        policy::Document,
        wanted::{self, Unfit},
    },
    audit::Event,
    base::{fault::Stop, id::PlanId},
    flow::world::World,
    store::Tx,
};

/// What a plan is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanSpec {
    /// See [`Plan::name`].
    pub name: String,
    /// See [`Plan::policy`].
    pub policy: PolicyText,
}

/// The plans that an operator may begin with: a free one, one for customers, one for partners. Each
/// has an end in calls and in bytes of answers, the latter in powers of two: 1 GiB, 100 GiB, 1 TiB.
pub const TEMPLATES: &[(&str, &str)] = &[
    (
        "free",
        r#"{"v":1,"rate":[{"name":"burst","by":"family","limit":5,"per":"1s","burst":10}],
            "quota":[{"name":"month","limit":10000,"per":"month"},{"name":"day","limit":1000,"per":"day"},
                {"name":"egress","limit":1073741824,"per":"month","unit":"content-bytes"}]}"#,
    ),
    (
        "basic",
        r#"{"v":1,"rate":[{"name":"burst","by":"family","limit":20,"per":"1s","burst":40}],
            "quota":[{"name":"month","limit":1000000,"per":"month"},
                {"name":"egress","limit":107374182400,"per":"month","unit":"content-bytes"}]}"#,
    ),
    (
        "premium",
        r#"{"v":1,"rate":[{"name":"burst","by":"family","limit":200,"per":"1s","burst":400}],
            "quota":[{"name":"month","limit":100000000,"per":"month"},
                {"name":"egress","limit":1099511627776,"per":"month","unit":"content-bytes"}]}"#,
    ),
];

fn sound_plan(spec: &PlanSpec) -> Result<(), Refused> {
    wanted::name(&spec.name)?;
    Document::read_plan(&spec.policy)?;
    Ok(())
}

/// A plan by its name or identifier.
pub(super) fn plan_named(tx: &mut Tx<'_>, named: &str) -> Result<Plan, Stop<Refused>> {
    // No name has one, and Postgres takes no text with U+0000.
    if named.contains(char::is_control) {
        return refuse(Refused::NotFound("plan"));
    }
    let by_id = match PlanId::parse(named) {
        Some(id) if named.starts_with(PlanId::PREFIX) => tx.plans().find(&id)?,
        Some(_) | None => None,
    };
    let found = if by_id.is_some() { by_id } else { tx.plans().by_name(named)? };
    found.ok_or(Stop::Refusal(Refused::NotFound("plan")))
}

/// Adds a plan.
///
/// # Errors
/// As [`super::apis::add`].
pub async fn add_plan(world: &World, caller: &Caller, spec: PlanSpec, done: Done) -> Result<Plan, Stop<Refused>> {
    caller.may(Act::ManageApis).map_err(|not| Stop::Refusal(not.into()))?;
    sound_plan(&spec).map_err(Stop::Refusal)?;
    let write = move |tx: &mut Tx<'_>| -> Result<Plan, Stop<Refused>> {
        let (now, spec) = (tx.now(), spec.clone());
        let plan = Plan {
            id: PlanId::mint(now, tx.dice())?,
            name: spec.name,
            policy: spec.policy,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        if tx.plans().insert(&plan)?.is_err() {
            return refuse(Refused::Taken("name"));
        }
        done.note(tx, |by| Event::PlanAdded { plan: plan.id.clone(), by })?;
        Ok(plan)
    };
    world.store.write("add_plan", write).await
}

/// Changes a plan: it becomes what is said, for all its families at once.
///
/// # Errors
/// As [`super::apis::change`].
pub async fn change_plan(
    world: &World,
    caller: &Caller,
    (named, seen): (String, Option<Vec<u32>>),
    spec: PlanSpec,
    done: Done,
) -> Result<Plan, Stop<Refused>> {
    caller.may(Act::ManageApis).map_err(|not| Stop::Refusal(not.into()))?;
    let spec = move |_: &Plan| Ok(spec.clone());
    let write = move |tx: &mut Tx<'_>| change_plan_to(tx, (&named, seen.as_deref()), &spec, &done);
    world.store.write("change_plan", write).await
}

/// Changes members of a plan, where it still has one of these versions.
///
/// # Errors
/// As [`change_plan`].
pub async fn patch_plan(
    world: &World,
    caller: &Caller,
    (named, seen): (String, Option<Vec<u32>>),
    patch: Patch,
    done: Done,
) -> Result<Plan, Stop<Refused>> {
    caller.may(Act::ManageApis).map_err(|not| Stop::Refusal(not.into()))?;
    let spec = move |before: &Plan| patch::plan(before, &patch);
    let write = move |tx: &mut Tx<'_>| change_plan_to(tx, (&named, seen.as_deref()), &spec, &done);
    world.store.write("change_plan", write).await
}

fn change_plan_to(
    tx: &mut Tx<'_>,
    (named, seen): (&str, Option<&[u32]>),
    spec: &dyn Fn(&Plan) -> Result<PlanSpec, Unfit>,
    done: &Done,
) -> Result<Plan, Stop<Refused>> {
    let before = plan_named(tx, named)?;
    if seen.is_some_and(|seen| !seen.contains(&before.version)) {
        return refuse(Refused::Changed);
    }
    let spec = spec(&before).map_err(|unfit| Stop::Refusal(unfit.into()))?;
    sound_plan(&spec).map_err(Stop::Refusal)?;
    let all = [("name", before.name != spec.name), ("policy", before.policy != spec.policy)];
    let members: Vec<String> =
        all.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name.to_owned()).collect();
    if members.is_empty() {
        return Ok(before);
    }
    let (version, updated_at) = (before.version.saturating_add(1), tx.now());
    let after = Plan { name: spec.name, policy: spec.policy, version, updated_at, ..before };
    match tx.plans().replace(&after)? {
        Ok(true) => {}
        Ok(false) => return refuse(Refused::Changed),
        Err(_) => return refuse(Refused::Taken("name")),
    }
    done.note(tx, |by| Event::PlanChanged { plan: after.id.clone(), by, members })?;
    Ok(after)
}

/// A plan.
///
/// # Errors
/// As [`super::apis::find`].
pub async fn find_plan(world: &World, caller: &Caller, named: String) -> Result<Plan, Stop<Refused>> {
    caller.may(Act::ReadApis).map_err(|not| Stop::Refusal(not.into()))?;
    world.store.read("find_plan", move |tx: &mut Tx<'_>| plan_named(tx, &named)).await
}

/// At most `n` plans in the order of their identifiers, those after `after`.
///
/// # Errors
/// As [`super::apis::list`].
pub async fn list_plans(
    world: &World,
    caller: &Caller,
    after: Option<PlanId>,
    n: i64,
) -> Result<Vec<Plan>, Stop<Refused>> {
    caller.may(Act::ReadApis).map_err(|not| Stop::Refusal(not.into()))?;
    world.store.read("list_plans", move |tx: &mut Tx<'_>| Ok(tx.plans().list(after.as_ref(), n)?)).await
}
