//! APIs, as an operator manages them.

use super::{
    patch::{self, Patch},
    plans::plan_named,
    refused::{Refused, refuse},
};
use crate::{
    apikey::{
        PolicyText,
        access::{Act, Caller},
        api::{Api, Settings},
        policy::Document,
        text,
        wanted::Unfit,
    },
    audit::{Actor, Event, Origin},
    base::{
        fault::{Fault, Stop},
        id::ApiId,
        uri::Resource,
    },
    flow::world::{World, note},
    store::Tx,
};

pub use super::plans::{PlanSpec, TEMPLATES, add_plan, change_plan, find_plan, list_plans, patch_plan};

/// The most environments of an API.
const MOST_ENVIRONMENTS: usize = 8;

/// What an API is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiSpec {
    /// See [`Api::name`].
    pub name: String,
    /// See [`Api::audience`].
    pub audience: Resource,
    /// See [`Api::prefix`]; where nothing is said it stays, and is the usual one at the beginning.
    pub prefix: Option<String>,
    /// See [`Api::environments`].
    pub environments: Vec<String>,
    /// The name or the identifier of its plan.
    pub plan: Option<String>,
    /// See [`Api::policy`].
    pub policy: PolicyText,
    /// See [`Api::settings`].
    pub settings: Settings,
}

fn sound_api(spec: &ApiSpec) -> Result<(), Refused> {
    let unfit = |member, why: &str| Err(Refused::Unfit(Unfit::Member(member, why.to_owned())));
    if !is_slug(&spec.name) {
        return unfit("name", "must have 1 to 40 lower-case letters, digits and hyphens, and begin with a letter");
    }
    if spec.prefix.as_deref().is_some_and(|prefix| !text::is_prefix(prefix)) {
        return unfit("prefix", "must have 2 to 12 lower-case letters and digits, and begin with a letter");
    }
    if spec.environments.is_empty() || spec.environments.len() > MOST_ENVIRONMENTS {
        return unfit("environments", "must be 1 to 8");
    }
    if let Some(bad) = spec.environments.iter().find(|word| !text::is_environment(word)) {
        return unfit("environments", &format!("cannot have {bad:?}: 2 to 8 lower-case letters, and no reserved word"));
    }
    if spec.settings.exchange_cost == 0 {
        return unfit("settings.exchange_cost", "must be at least 1");
    }
    if spec.settings.verdict_max_age > 5 {
        return unfit("settings.verdict_max_age", "must be at most 5 seconds");
    }
    Document::admit(&spec.policy)?;
    Ok(())
}

fn is_slug(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// An API by its name or identifier.
pub(super) fn api_named(tx: &mut Tx<'_>, named: &str) -> Result<Api, Stop<Refused>> {
    // No name has one, and Postgres takes no text with U+0000.
    if named.contains(char::is_control) {
        return refuse(Refused::NotFound("API"));
    }
    let by_id = match ApiId::parse(named) {
        Some(id) if named.starts_with(ApiId::PREFIX) => tx.apis().find(&id)?,
        Some(_) | None => None,
    };
    let found = if by_id.is_some() { by_id } else { tx.apis().by_name(named)? };
    found.ok_or(Stop::Refusal(Refused::NotFound("API")))
}

/// Adds an API.
///
/// # Errors
/// [`Refused`] where the caller may not, or anything in it cannot be or is in use.
pub async fn add(world: &World, caller: &Caller, spec: ApiSpec, done: Done) -> Result<Api, Stop<Refused>> {
    caller.may(Act::ManageApis).map_err(|not| Stop::Refusal(not.into()))?;
    sound_api(&spec).map_err(Stop::Refusal)?;
    let write = move |tx: &mut Tx<'_>| -> Result<Api, Stop<Refused>> {
        let plan = spec.plan.as_deref().map(|named| plan_named(tx, named)).transpose()?;
        let now = tx.now();
        let spec = spec.clone();
        let api = Api {
            id: ApiId::mint(now, tx.dice())?,
            name: spec.name,
            audience: spec.audience,
            prefix: spec.prefix.unwrap_or_else(|| text::DEFAULT_PREFIX.to_owned()),
            environments: spec.environments,
            plan: plan.map(|plan| plan.id),
            policy: spec.policy,
            settings: spec.settings,
            version: 1,
            disabled_at: None,
            created_at: now,
            updated_at: now,
        };
        if tx.apis().insert(&api)?.is_err() {
            return refuse(Refused::Taken("name or audience"));
        }
        done.note(tx, |by| Event::ApiAdded { api: api.id.clone(), by })?;
        Ok(api)
    };
    world.store.write("add_api", write).await
}

/// Who does it, and from where.
#[derive(Clone, Debug)]
pub struct Done {
    /// Who.
    pub by: Actor,
    /// From where.
    pub origin: Origin,
}

impl Done {
    /// Notes an event of it in the transaction of what it records.
    ///
    /// # Errors
    /// A fault of the store.
    pub(super) fn note(&self, tx: &mut Tx<'_>, event: impl FnOnce(Actor) -> Event) -> Result<(), Fault> {
        note(tx, &self.origin, event(self.by.clone()))
    }
}

/// Changes an API: it becomes what is said, where it still has one of these versions.
///
/// # Errors
/// [`Refused`] where the caller may not, there is none, anything in it cannot be or is in use, or
/// somebody else changed it meanwhile. The prefix and the audience of an API stay.
pub async fn change(
    world: &World,
    caller: &Caller,
    (named, seen): (String, Option<Vec<u32>>),
    spec: ApiSpec,
    done: Done,
) -> Result<Api, Stop<Refused>> {
    caller.may(Act::ManageApis).map_err(|not| Stop::Refusal(not.into()))?;
    let spec = move |_: &Api| Ok(spec.clone());
    let write = move |tx: &mut Tx<'_>| change_to(tx, (&named, seen.as_deref()), &spec, &done);
    world.store.write("change_api", write).await
}

/// Changes members of an API, where it still has one of these versions.
///
/// # Errors
/// As [`change`].
pub async fn patch(
    world: &World,
    caller: &Caller,
    (named, seen): (String, Option<Vec<u32>>),
    patch: Patch,
    done: Done,
) -> Result<Api, Stop<Refused>> {
    caller.may(Act::ManageApis).map_err(|not| Stop::Refusal(not.into()))?;
    let spec = move |before: &Api| patch::api(before, &patch);
    let write = move |tx: &mut Tx<'_>| change_to(tx, (&named, seen.as_deref()), &spec, &done);
    world.store.write("change_api", write).await
}

fn change_to(
    tx: &mut Tx<'_>,
    (named, seen): (&str, Option<&[u32]>),
    spec: &dyn Fn(&Api) -> Result<ApiSpec, Unfit>,
    done: &Done,
) -> Result<Api, Stop<Refused>> {
    let before = api_named(tx, named)?;
    if seen.is_some_and(|seen| !seen.contains(&before.version)) {
        return refuse(Refused::Changed);
    }
    let spec = spec(&before).map_err(|unfit| Stop::Refusal(unfit.into()))?;
    sound_api(&spec).map_err(Stop::Refusal)?;
    if spec.audience != before.audience {
        return refuse(Unfit::Member("audience", "of an API stays: its tokens and its clients name it".to_owned()));
    }
    if spec.prefix.is_some_and(|prefix| prefix != before.prefix) {
        return refuse(Unfit::Member("prefix", "of an API stays: scanners know its keys by it".to_owned()));
    }
    let plan = spec.plan.as_deref().map(|named| plan_named(tx, named)).transpose()?;
    let after = Api {
        name: spec.name,
        environments: spec.environments,
        plan: plan.map(|plan| plan.id),
        policy: spec.policy,
        settings: spec.settings,
        version: before.version.saturating_add(1),
        updated_at: tx.now(),
        ..before.clone()
    };
    let members = members_changed(&before, &after);
    if members.is_empty() {
        return Ok(before);
    }
    save_api(tx, &after)?;
    done.note(tx, |by| Event::ApiChanged { api: after.id.clone(), by, members })?;
    Ok(after)
}

fn members_changed(before: &Api, after: &Api) -> Vec<String> {
    let all = [
        ("name", before.name != after.name),
        ("environments", before.environments != after.environments),
        ("plan", before.plan != after.plan),
        ("policy", before.policy != after.policy),
        ("settings", before.settings != after.settings),
    ];
    all.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name.to_owned()).collect()
}

fn save_api(tx: &mut Tx<'_>, api: &Api) -> Result<(), Stop<Refused>> {
    match tx.apis().replace(api)? {
        Ok(true) => Ok(()),
        Ok(false) => refuse(Refused::Changed),
        Err(_) => refuse(Refused::Taken("name")),
    }
}

/// Disables an API, or enables it again: while it is disabled, its keys are refused everywhere.
///
/// # Errors
/// [`Refused`] where the caller may not, there is none, or it is so already.
pub async fn switch(
    world: &World,
    caller: &Caller,
    named: String,
    to: Switch,
    done: Done,
) -> Result<Api, Stop<Refused>> {
    caller.may(Act::ManageApis).map_err(|not| Stop::Refusal(not.into()))?;
    let write = move |tx: &mut Tx<'_>| -> Result<Api, Stop<Refused>> {
        let before = api_named(tx, &named)?;
        let disabled_at = match (to, before.disabled_at) {
            (Switch::Off, None) => Some(tx.now()),
            (Switch::On, Some(_)) => None,
            (Switch::Off, Some(_)) => return refuse(Refused::State("the API is disabled already")),
            (Switch::On, None) => return refuse(Refused::State("the API is enabled already")),
        };
        let after = Api { disabled_at, version: before.version.saturating_add(1), updated_at: tx.now(), ..before };
        save_api(tx, &after)?;
        let api = after.id.clone();
        done.note(tx, |by| match to {
            Switch::Off => Event::ApiDisabled { api, by },
            Switch::On => Event::ApiEnabled { api, by },
        })?;
        Ok(after)
    };
    world.store.write("switch_api", write).await
}

/// Off or on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Disabled.
    Off,
    /// Enabled.
    On,
}

/// An API.
///
/// # Errors
/// [`Refused`] where the caller may not, or there is none.
pub async fn find(world: &World, caller: &Caller, named: String) -> Result<Api, Stop<Refused>> {
    caller.may(Act::ReadApis).map_err(|not| Stop::Refusal(not.into()))?;
    world.store.read("find_api", move |tx: &mut Tx<'_>| api_named(tx, &named)).await
}

/// At most `n` APIs in the order of their identifiers, those after `after`.
///
/// # Errors
/// [`Refused`] where the caller may not.
pub async fn list(world: &World, caller: &Caller, after: Option<ApiId>, n: i64) -> Result<Vec<Api>, Stop<Refused>> {
    caller.may(Act::ReadApis).map_err(|not| Stop::Refusal(not.into()))?;
    world.store.read("list_apis", move |tx: &mut Tx<'_>| Ok(tx.apis().list(after.as_ref(), n)?)).await
}
