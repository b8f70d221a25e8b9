//! Quotas as people handle them: looked at, topped up for their period, corrected.

use super::{
    apis::Done,
    directory::{self, Entry},
    life::sound_reason,
    refused::{Refused, refuse},
    slices,
};
use crate::{
    apikey::{
        access::{self, Act, Caller, NotAllowed},
        policy::{Budget, Level},
        quota::Period,
        wanted::Unfit,
    },
    audit::Event,
    base::{
        digest::sha256,
        fault::{Fault, Stop},
        id::{ApiKeyId, FamilyId},
        moment::{Moment, Span},
    },
    flow::world::World,
    store::{
        Tx,
        feed::{Change, Subject},
        quotas::{Counter, CounterId, MOST},
    },
};

/// For how long a request that granted something is known again.
const REPEATED_WITHIN: Span = Span::hours(24);

/// How a quota stands in its period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its name in its policy.
    pub name: String,
    /// Whose policy it is in.
    pub level: Level,
    /// The word for what is counted.
    pub unit: &'static str,
    /// When it starts anew.
    pub per: Period,
    /// When its period began.
    pub began: Moment,
    /// When the next one begins; `None` for never.
    pub ends: Option<Moment>,
    /// Units in the period, before what was granted.
    pub limit: u64,
    /// Units granted for the period.
    pub granted: u64,
    /// Units used, with what nodes have in hand.
    pub used: u64,
}

impl Standing {
    /// Units left.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.limit.saturating_add(self.granted).saturating_sub(self.used)
    }
}

/// What is to be done to a quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// A key of the family.
    pub key: ApiKeyId,
    /// The name of the quota in its policy.
    pub quota: String,
    /// What to do.
    pub what: What,
    /// Why, for those who look later.
    pub reason: Option<String>,
    /// A word of the caller's for this request, so that sending it twice does it once.
    pub idempotency_key: Option<String>,
}

/// What may be done to a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Raise the limit for this period by so much; below nothing, take that back.
    Grant(i64),
    /// Say what was used in this period.
    Correct(u64),
}

fn counter(family: &FamilyId, budget: &Budget, now: Moment) -> CounterId {
    CounterId { family: family.clone(), name: budget.counter.clone(), period_start: budget.quota.per.start(now) }
}

fn standing(budget: &Budget, found: Option<Counter>, now: Moment) -> Standing {
    let Counter { used, topped_up, .. } = found.unwrap_or_default();
    Standing {
        name: budget.quota.name.clone(),
        level: budget.level,
        unit: budget.quota.unit.as_str(),
        per: budget.quota.per,
        began: budget.quota.per.start(now),
        ends: budget.quota.per.end(now),
        limit: budget.quota.limit,
        granted: topped_up,
        used,
    }
}

async fn reached(world: &World, caller: &Caller, act: Act, id: &ApiKeyId) -> Result<Entry, Stop<Refused>> {
    caller.may(act).map_err(|not| Stop::Refusal(not.into()))?;
    match directory::by_id(world, id).await? {
        Some(entry) if caller.reaches(&entry.family.owner) => Ok(entry),
        Some(_) | None => refuse(Refused::NotFound("API key")),
    }
}

/// How every quota of a key stands.
///
/// # Errors
/// [`Refused`] where the caller may not look, or there is no such key.
pub async fn show(world: &World, caller: &Caller, id: &ApiKeyId) -> Result<Vec<Standing>, Stop<Refused>> {
    let entry = reached(world, caller, Act::Read, id).await?;
    let now = world.now();
    let read = move |tx: &mut Tx<'_>| -> Result<Vec<Standing>, Stop<Refused>> {
        let all = entry.policy.budgets().iter();
        all.map(|budget| Ok(standing(budget, tx.quotas().find(&counter(&entry.family.id, budget, now))?, now)))
            .collect()
    };
    world.store.read("show_quotas", read).await
}

/// Tops a quota up for its period, takes that back, or corrects what was used of it; how it stands then.
///
/// # Errors
/// [`Refused`] where the caller may not, there is no such key or quota, or less than what was used
/// would be left.
pub async fn change(world: &World, caller: &Caller, asked: Asked, done: Done) -> Result<Standing, Stop<Refused>> {
    sound_reason(asked.reason.as_deref()).map_err(Stop::Refusal)?;
    let entry = reached(world, caller, Act::GrantQuota, &asked.key).await?;
    // Nobody gives to themselves.
    if caller.only().is_some() {
        return refuse(NotAllowed::Lacks(access::ANY));
    }
    let Some(budget) = entry.policy.budgets().iter().find(|budget| budget.quota.name == asked.quota).cloned() else {
        return refuse(Refused::NotFound("quota"));
    };
    // What this node has in hand was counted as used: what is left of it is told to the counter first.
    world.api_keys.slices.outdated(Some(entry.family.id.as_str()));
    slices::give_back_idle(world).await?;
    let (whose, family) = (super::create::whose(caller), entry.family.id.clone());
    let write = move |tx: &mut Tx<'_>| -> Result<Standing, Stop<Refused>> {
        let now = tx.now();
        let counter = counter(&family, &budget, now);
        let hash = |word: &str| sha256(format!("quota {} {} {word}", counter.family, counter.name).as_bytes());
        if let Some(word) = &asked.idempotency_key
            && tx.idempotency().find(&whose, &hash(word))?.is_some()
        {
            return refuse(Refused::State("this request was answered before"));
        }
        let before = tx.quotas().find(&counter)?.unwrap_or_default();
        let after = match asked.what {
            What::Grant(amount) => granted(tx, (&counter, before), (amount, budget.quota.limit))?,
            What::Correct(used) if used > MOST => return unfit("used", "is too much"),
            What::Correct(used) => tx.quotas().adjust(&counter, used)?,
        };
        if let Some(word) = &asked.idempotency_key
            && tx.idempotency().remember(&whose, &hash(word), asked.key.as_str(), now + REPEATED_WITHIN)?.is_some()
        {
            // Not a refusal, which would keep what was just done a second time.
            return Err(Fault::bare("two requests of one word at once").passing().into());
        }
        note(tx, &asked, (&counter, before, after), &done)?;
        tx.feed().add(&Change::about(Subject::KeyFamily, family.as_str()))?;
        Ok(standing(&budget, Some(after), now))
    };
    world.store.write("change_quota", write).await
}

fn unfit<T>(member: &'static str, why: &str) -> Result<T, Stop<Refused>> {
    refuse(Unfit::Member(member, why.to_owned()))
}

fn granted(
    tx: &mut Tx<'_>,
    (counter, before): (&CounterId, Counter),
    (amount, limit): (i64, u64),
) -> Result<Counter, Stop<Refused>> {
    let size = amount.unsigned_abs();
    if amount == 0 || size > MOST {
        return unfit("amount", "must be a number other than 0, and not too large");
    }
    if amount > 0 {
        if before.topped_up.saturating_add(size) > MOST {
            return unfit("amount", "is more than a quota can be raised by");
        }
        return Ok(tx.quotas().top_up(counter, size)?);
    }
    match tx.quotas().take_back(counter, size, limit)? {
        Some(after) => Ok(after),
        None => unfit("amount", "is more than was granted, or would leave less than was used"),
    }
}

fn note(
    tx: &mut Tx<'_>,
    asked: &Asked,
    (counter, before, after): (&CounterId, Counter, Counter),
    done: &Done,
) -> Result<(), Stop<Refused>> {
    let (api_key, family, reason) = (asked.key.clone(), counter.family.clone(), asked.reason.clone());
    let quota = asked.quota.clone();
    match asked.what {
        What::Grant(amount) => {
            tx.quotas().granted(counter, amount, reason.as_deref())?;
            done.note(tx, |by| Event::QuotaGranted { api_key, family, quota, amount, by, reason })?;
        }
        What::Correct(used) => {
            debug_assert_eq!(used, after.used, "the counter is what it was set to");
            let (before, used) = (before.used, after.used);
            done.note(tx, |by| Event::QuotaCorrected { api_key, family, quota, before, used, by, reason })?;
        }
    }
    Ok(())
}
