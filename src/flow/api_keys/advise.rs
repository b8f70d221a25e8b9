//! What limits of rate should be, from what keys were used for: of each key, of each plan, of each
//! API. For operators, who choose them.

use super::{directory, refused::Refused, show};
use crate::{
    apikey::{
        access::Caller,
        advice::{Advice, Measured, advise, per_minute},
        policy::{
            Compiled, Document, Level,
            rate::{By, Rate},
        },
    },
    base::{
        fault::{Fault, Stop},
        id::{ApiId, ApiKeyId, PlanId},
        moment::Moment,
    },
    flow::world::{World, only_fault},
    store::{Tx, usage_peaks::PeaksOf},
};
use std::{collections::HashMap, convert::Infallible};

/// The most plans, and the most APIs, of which anything is said.
const MOST: i64 = 1000;

/// Whose limit it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The strictest that a key has.
    Key(ApiKeyId),
    /// The strictest that a plan gives each family.
    Plan(PlanId),
    /// The strictest that all keys of an API share.
    Api(ApiId),
}

/// What is to be said of one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whose it is.
    pub whose: Whose,
    /// The name of that.
    pub name: String,
    /// What was called; `None` if nothing was.
    pub measured: Option<Measured>,
    /// The limit and where it stands, where there is one.
    pub limit: Option<(Level, Rate)>,
    /// What is advised.
    pub advice: Advice,
}

impl Line {
    fn of(whose: Whose, name: String, measured: Option<Measured>, limit: Option<(Level, Rate)>) -> Self {
        let advice = advise(measured.as_ref(), limit.as_ref().map(|(_, rate)| rate));
        Self { whose, name, measured, limit, advice }
    }
}

/// The slowest of these limits.
fn strictest(limits: impl Iterator<Item = (Level, Rate)>) -> Option<(Level, Rate)> {
    limits.min_by_key(|(_, rate)| per_minute(rate))
}

/// Whether a limit is counted for whoever holds a key, and not for an address or for all of an API.
const fn of_a_holder(by: By) -> bool {
    match by {
        By::Key | By::Family | By::User | By::Client => true,
        By::Ip | By::Api => false,
    }
}

fn of_key(policy: &Compiled) -> Option<(Level, Rate)> {
    let own = policy.limits().iter().filter(|limit| of_a_holder(limit.rate.by));
    strictest(own.map(|limit| (limit.level, limit.rate.clone())))
}

fn of_document(level: Level, document: Document, counts: impl Fn(By) -> bool) -> Option<(Level, Rate)> {
    strictest(document.rate.into_iter().filter(|rate| counts(rate.by)).map(|rate| (level, rate)))
}

/// What is to be said of the limits of these keys, in the order of their handles, from what they were
/// used for from one moment to another.
///
/// # Errors
/// A fault of the store.
pub async fn keys(
    world: &World,
    filter: show::Filter,
    (after, n): (Option<ApiKeyId>, i64),
    window: (Moment, Moment),
) -> Result<Vec<Line>, Stop<Refused>> {
    let listed = show::list(world, &Caller::Operator, filter, (after, n)).await?;
    let ids: Vec<ApiKeyId> = listed.iter().map(|one| one.key.id.clone()).collect();
    let entries = directory::of_handles(world, ids.iter().cloned().collect()).await?;
    let mut measured: HashMap<String, Measured> = if ids.is_empty() {
        HashMap::new()
    } else {
        let read = move |tx: &mut Tx<'_>| -> Result<_, Stop<Infallible>> {
            Ok(tx.usage().peaks(PeaksOf::Keys(&ids), window)?)
        };
        world.store.read("rank_usage_of_keys", read).await.map_err(only_fault)?.into_iter().collect()
    };
    let line = |one: &show::Listed| {
        let id = one.key.id.clone();
        let limit = entries.get(&id).and_then(|entry| of_key(&entry.policy));
        let measured = measured.remove(id.as_str());
        Line::of(Whose::Key(id), one.family.name.clone(), measured, limit)
    };
    Ok(listed.iter().map(line).collect())
}

/// What is to be said of the limits of plans, each from every minute of every family that has it, and
/// of those that all keys of an API share.
///
/// # Errors
/// A fault of the store, or where a policy cannot be read.
pub async fn shared(world: &World, window: (Moment, Moment)) -> Result<Vec<Line>, Fault> {
    let read = move |tx: &mut Tx<'_>| -> Result<Vec<Line>, Stop<Infallible>> {
        let mut lines = Vec::new();
        for plan in tx.plans().list(None, MOST)? {
            let measured = tx.usage().peaks(PeaksOf::Plan(&plan.id), window)?.pop();
            let document = Document::read_plan(&plan.policy).map_err(|e| illegal(&plan.name, &e))?;
            let limit = of_document(Level::Plan, document, of_a_holder);
            lines.push(Line::of(Whose::Plan(plan.id), plan.name, measured.map(|(_, m)| m), limit));
        }
        for api in tx.apis().list(None, MOST)? {
            let measured = tx.usage().peaks(PeaksOf::Api(&api.id), window)?.pop();
            let document = Document::read(&api.policy).map_err(|e| illegal(&api.name, &e))?;
            let limit = of_document(Level::Api, document, |by| by == By::Api);
            lines.push(Line::of(Whose::Api(api.id), api.name, measured.map(|(_, m)| m), limit));
        }
        Ok(lines)
    };
    world.store.read("rank_usage", read).await.map_err(only_fault)
}

fn illegal(of: &str, why: &crate::apikey::policy::Invalid) -> Fault {
    Fault::new(format!("reading the policy of {of}"), why.to_string())
}
