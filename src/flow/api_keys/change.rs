//! A key is changed: its name, plan, policy, data and end. Its text and its identifiers never are.

use super::{
    apis::Done,
    life::{heard, reach, save},
    patch::{self, KeyTerms, Patch},
    plans::plan_named,
    refused::{Refused, refuse},
};
use crate::{
    apikey::{
        access::{Act, Caller},
        create::{self, Ending, From, Wish, reminders_due},
        family::Family,
        key::{ApiKey, Kind, State},
        policy::Document,
        rotate,
        wanted::{self, Unfit},
    },
    audit::Event,
    base::{fault::Stop, id::ApiKeyId, moment::Moment},
    flow::world::World,
    store::{Tx, key_facts::KeyFacts},
};
use std::sync::Arc;

/// Which state of a key somebody saw: the versions of the key and of its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen(pub u32, pub u32);

impl Seen {
    /// The state of these.
    #[must_use]
    pub const fn of(key: &ApiKey, family: &Family) -> Self {
        Self(key.version, family.version)
    }
}

/// A change that somebody wishes for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The members that change.
    pub patch: Patch,
    /// Whether a server key may be used from everywhere from now on.
    pub from: From,
    /// What the key was when they looked, one of these; whatever it is now where they did not.
    pub seen: Option<Vec<Seen>>,
}

/// Changes a key.
///
/// # Errors
/// [`Refused`] where the caller may not, there is no such key, it has ended, it was changed
/// meanwhile, or anything in it cannot be.
pub async fn change(
    world: &Arc<World>,
    caller: Caller,
    (id, wanted): (ApiKeyId, Wanted),
    done: Done,
) -> Result<KeyFacts, Stop<Refused>> {
    let write = move |tx: &mut Tx<'_>| -> Result<KeyFacts, Stop<Refused>> {
        let facts = reach(tx, &caller, Act::Change, &id)?;
        if wanted.seen.as_ref().is_some_and(|seen| !seen.contains(&Seen::of(&facts.key, &facts.family))) {
            return refuse(Refused::Changed);
        }
        let terms = patch::key(&facts, &wanted.patch).map_err(|unfit| Stop::Refusal(unfit.into()))?;
        let changes = Changes { caller: &caller, terms: &terms, from: wanted.from, now: tx.now() };
        changes.sound(&facts)?;
        let members = write_down(tx, &facts, &terms)?;
        if !members.is_empty() {
            done.note(tx, |by| Event::ApiKeyChanged { api_key: id.clone(), by, members })?;
        }
        match tx.api_keys().facts(&id)? {
            Some(facts) => Ok(facts),
            None => refuse(Refused::NotFound("API key")),
        }
    };
    let changed = world.store.write("change_api_key", write).await?;
    heard(world).await;
    Ok(changed)
}

/// A key, what it is to be, and who wants it.
struct Changes<'c> {
    caller: &'c Caller,
    terms: &'c KeyTerms,
    from: From,
    now: Moment,
}

fn unfit<T>(member: &'static str, why: &str) -> Result<T, Stop<Refused>> {
    refuse(Unfit::Member(member, why.to_owned()))
}

impl Changes<'_> {
    /// Whether the key may become this. Only what changes is asked about: what was allowed once stays.
    fn sound(&self, facts: &KeyFacts) -> Result<(), Stop<Refused>> {
        if !rotate::is_live(&facts.key, self.now) {
            return refuse(Refused::State(ended_words(&facts.key)));
        }
        wanted::name(&self.terms.name).map_err(|unfit| Stop::Refusal(unfit.into()))?;
        if self.terms.meta != facts.key.meta {
            wanted::meta(&self.terms.meta).map_err(|unfit| Stop::Refusal(unfit.into()))?;
        }
        if self.terms.expires_at != facts.key.expires_at {
            self.end(facts)?;
        }
        if self.terms.policy != facts.key.policy {
            self.policy(facts)?;
        }
        let kept = self.terms.plan.as_deref() == facts.family.plan.as_ref().map(|plan| plan.as_str());
        if !kept && self.caller.only().is_some() {
            return unfit("plan", "is the API's to choose: it needs keys:any");
        }
        Ok(())
    }

    fn end(&self, KeyFacts { key, api, .. }: &KeyFacts) -> Result<(), Stop<Refused>> {
        let end = self.terms.expires_at;
        if end.is_none() && self.caller.may(Act::Endless).is_err() {
            return unfit("expires_at", &format!("cannot be never: it needs {}", Act::Endless.scope()));
        }
        if key.successor.is_some() && end.is_none_or(|end| key.expires_at.is_some_and(|before| end > before)) {
            return unfit("expires_at", "of a key that has a successor can only come sooner");
        }
        let longest = create::longest(api.settings.sensitivity, key.origin);
        let from = key.beginning();
        // Sooner than it was is never too late.
        let later = end.is_some_and(|end| key.expires_at.is_some_and(|before| end > before));
        if later && end > Some(from + create::LONGEST) && self.caller.may(Act::Endless).is_err() {
            return unfit("expires_at", &super::create::beyond());
        }
        let fits = match (end, longest) {
            (None, longest) => longest.is_none(),
            (Some(end), _) if end <= self.now.max(from) => false,
            (Some(end), longest) => longest.is_none_or(|longest| end <= from + longest),
        };
        match (fits, longest) {
            (true, _) => Ok(()),
            (false, Some(longest)) => {
                let days = longest.as_seconds() / 86_400;
                unfit("expires_at", &format!("must be to come, and within {days} days of the beginning of the key"))
            }
            (false, None) => unfit("expires_at", "must be later than now and than not_before"),
        }
    }

    fn policy(&self, facts: &KeyFacts) -> Result<(), Stop<Refused>> {
        let KeyFacts { key, family, api, .. } = facts;
        let policy = |invalid| Stop::Refusal(Refused::Policy(invalid));
        let after = Document::admit(&self.terms.policy).map_err(policy)?;
        let (before, shared) = (Document::read(&key.policy), Document::read(&family.policy));
        let (before, shared) = (before.map_err(policy)?, shared.map_err(policy)?);
        // A key that was made for use from anywhere stays one; else that has to be said.
        let listed = [&before, &shared].iter().any(|one| one.restricts_addresses());
        let wish = Wish {
            kind: key.kind,
            scope: &key.scope,
            environment: &key.environment,
            not_before: key.not_before,
            ending: Ending::Usual,
            from: if listed { self.from } else { From::Anywhere },
            policies: &[&after, &shared],
        };
        match create::terms(&wish, api, self.now) {
            Err(create::Refused::Address) => unfit("policy", "of a server key needs ip, or anywhere has to be true"),
            Err(create::Refused::Referrer) if key.kind == Kind::Public => {
                unfit("policy", "of a public key needs referrer: the pages that it is used from")
            }
            // What else the API no longer allows concerns keys to come.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// Stores what changes of a key and of its family; the names of the members that do.
fn write_down(tx: &mut Tx<'_>, facts: &KeyFacts, terms: &KeyTerms) -> Result<Vec<String>, Stop<Refused>> {
    let (now, KeyFacts { key, family, .. }) = (tx.now(), facts);
    let plan = terms.plan.as_deref().map(|named| plan_named(tx, named)).transpose()?.map(|plan| plan.id);
    let of_family = [("name", family.name != terms.name), ("plan", family.plan != plan)];
    let of_key = [
        ("policy", key.policy != terms.policy),
        ("meta", key.meta != terms.meta),
        ("expires_at", key.expires_at != terms.expires_at),
    ];
    if of_family.iter().any(|(_, changed)| *changed) {
        let version = family.version.saturating_add(1);
        let after = Family { name: terms.name.clone(), plan, version, updated_at: now, ..family.clone() };
        if !tx.key_families().replace(&after)? {
            return refuse(Refused::Changed);
        }
    }
    if of_key.iter().any(|(_, changed)| *changed) {
        let after = ApiKey {
            policy: terms.policy.clone(),
            meta: terms.meta.clone(),
            expires_at: terms.expires_at,
            // Reminders of another end than before are due anew.
            reminded: match terms.expires_at {
                Some(end) if key.expires_at != terms.expires_at => reminders_due(end, now),
                Some(_) | None => key.reminded,
            },
            version: key.version.saturating_add(1),
            ..key.clone()
        };
        // A refusal would keep the change of the family.
        save(tx, &after).map_err(|stop| match stop {
            Stop::Refusal(_) => crate::base::fault::Fault::bare("a key was changed meanwhile").passing().into(),
            Stop::Fault(fault) => Stop::Fault(fault),
        })?;
    }
    let all = of_family.into_iter().chain(of_key);
    Ok(all.filter(|(_, changed)| *changed).map(|(name, _)| name.to_owned()).collect())
}

/// How a key that is not live has ended.
const fn ended_words(key: &ApiKey) -> &'static str {
    match key.state {
        State::Revoked | State::Compromised => "the key has ended for good",
        State::Active | State::Retiring | State::Disabled | State::Suspended => "the key has expired",
    }
}
