//! Links with which API keys are claimed: made, listed, taken back.

use super::{
    apis::{Done, api_named},
    create::{Create, endless, parties, place, usable},
    plans::plan_named,
    refused::{Refused, allowed, refuse},
};
use crate::{
    apikey::{
        access::{self, Act, Caller},
        api::Api,
        claim::{self, Claimant, Spec, Until},
        create::From,
        key::Kind as KeyKind,
        policy::Document,
        wanted::{self, Unfit},
        words::{Identifier, Instant, KeyIdentifier, ScopeText, whole},
    },
    audit::Event,
    base::{
        credential::{self, Kind},
        fault::{Fault, Stop},
        id::{ApiId, ApiKeyId, ClaimId},
        moment::{Moment, Span},
        scope::Scope,
        secret::Secret,
    },
    flow::world::World,
    store::Tx,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub use crate::store::claims::Claim;

/// A link that is to be made.
#[derive(Clone, Debug)]
pub struct Link {
    /// The key; whose it will be is said here, or is the caller's own.
    pub create: Create,
    /// When it ends, where that is counted from when it is claimed.
    pub after: Option<Span>,
    /// Who may claim it.
    pub claimant: Claimant,
    /// How long the link is good.
    pub lives: Span,
}

/// A link that was just made.
#[derive(Debug)]
pub struct Made {
    /// What is known of it.
    pub claim: Claim,
    /// What stands in it, to be shown this once.
    pub text: Secret<String>,
}

/// Makes a link.
///
/// # Errors
/// [`Refused`] where the caller may not make such a key, or there can be none.
pub async fn make(world: &Arc<World>, caller: Caller, link: Link, done: Done) -> Result<Made, Stop<Refused>> {
    if !(claim::SHORTEST..=claim::LONGEST).contains(&link.lives) {
        return refuse(Unfit::Member("expires_in", "must be from one minute to 24 hours".to_owned()));
    }
    let held = Arc::clone(world);
    let write = move |tx: &mut Tx<'_>| -> Result<Made, Stop<Refused>> {
        let (api, owner, spec) = spec(tx, &caller, &link, &done)?;
        let (now, text) = (tx.now(), credential::mint(Kind::Claim, tx.dice())?);
        let claim = Claim {
            id: ClaimId::mint(now, tx.dice())?,
            digest: held.secrets.pepper.hash(text.expose()),
            api: api.id.clone(),
            owner,
            spec: spec.to_document(),
            expires_at: now + link.lives,
            claimed_at: None,
            address: None,
            browser: None,
            key: None,
            created_at: now,
        };
        if tx.claims().insert(&claim)?.is_err() {
            return Err(Fault::bare("two links of one text").into());
        }
        let (user, client) = claim.owner.as_ref().map_or((None, None), parties);
        done.note(tx, |by| Event::ClaimMade {
            claim: claim.id.clone(),
            api: api.id,
            user,
            client,
            claimed_by: link.claimant.as_str(),
            ends_at: claim.expires_at.to_string(),
            by,
        })?;
        Ok(Made { claim, text })
    };
    world.store.write("make_claim_link", write).await
}

type Checked = (Api, Option<crate::apikey::family::Owner>, Spec);

/// What will be stored of a key that may be made, as whoever makes the link may make it.
fn spec(tx: &mut Tx<'_>, caller: &Caller, link: &Link, done: &Done) -> Result<Checked, Stop<Refused>> {
    let create = &link.create;
    let owner = match link.claimant {
        Claimant::Anybody => create.owner.clone(),
        Claimant::Holder | Claimant::Owner => create.owner.clone().or_else(|| caller.own().cloned()),
    };
    claim::fits(link.claimant, owner.as_ref())
        .map_err(|why| Stop::Refusal(Unfit::Member("claimed_by", why.to_owned()).into()))?;
    let (api, plan) = match &owner {
        Some(owner) => {
            let place = place(tx, caller, &Create { owner: Some(owner.clone()), ..create.clone() })?;
            (place.api, place.family.plan)
        }
        None => for_anybody(tx, caller, create)?,
    };
    let now = tx.now();
    let admitted = wanted::admit(&create.wanted, &api, now).map_err(|unfit| Stop::Refusal(unfit.into()))?;
    let wanted = create.wanted.clone();
    let spec = Spec {
        by: done.by.to_string(),
        claimed_by: link.claimant,
        client: create.client.clone(),
        plan: plan.map(|plan| plan.to_string()),
        family_policy: create.family_policy.clone(),
        name: wanted.name,
        kind: wanted.kind,
        environment: admitted.environment,
        scope: wanted.scope,
        policy: wanted.policy,
        meta: wanted.meta,
        not_before: wanted.not_before,
        until: until(link),
        anywhere: wanted.from == From::Anywhere,
    };
    Ok((api, owner, spec))
}

fn until(link: &Link) -> Until {
    use crate::apikey::create::Ending;
    match (link.after, link.create.wanted.ending) {
        (Some(after), _) => Until::After(after),
        (None, Ending::Usual) => Until::Usual,
        (None, Ending::At(end)) => Until::At(end),
        (None, Ending::Never) => Until::Never,
    }
}

/// Only who acts for all may make a key for whom they do not know.
fn for_anybody(
    tx: &mut Tx<'_>,
    caller: &Caller,
    create: &Create,
) -> Result<(Api, Option<crate::base::id::PlanId>), Stop<Refused>> {
    caller.may(Act::Create).map_err(|not| Stop::Refusal(not.into()))?;
    if caller.only().is_some() {
        return refuse(Refused::NotAllowed(access::NotAllowed::Lacks(access::ANY)));
    }
    endless(caller, create, tx.now())?;
    usable(tx, create.client.as_ref())?;
    let api = api_named(tx, &create.api)?;
    let plan = create.plan.as_deref().map(|named| plan_named(tx, named)).transpose()?;
    Document::admit(&create.family_policy).map_err(|invalid| Stop::Refusal(Refused::Policy(invalid)))?;
    Ok((api, plan.map(|plan| plan.id)))
}

/// At most `n` links within the caller's reach, in the order in which they were made, those after `after`.
///
/// # Errors
/// [`Refused`] where the caller may not look.
pub async fn list(
    world: &World,
    caller: &Caller,
    (after, n): (Option<ClaimId>, i64),
) -> Result<Vec<Claim>, Stop<Refused>> {
    caller.may(Act::Read).map_err(|not| Stop::Refusal(not.into()))?;
    let only = caller.only().cloned();
    let read = move |tx: &mut Tx<'_>| Ok(tx.claims().list(only.as_ref(), after.as_ref(), n)?);
    world.store.read("list_claim_links", read).await
}

/// Takes a link back that nobody has used.
///
/// # Errors
/// [`Refused`] where the caller may not, there is none, or it was used: then its key can be revoked.
pub async fn withdraw(world: &World, caller: Caller, id: ClaimId, done: Done) -> Result<(), Stop<Refused>> {
    caller.may(Act::Revoke).map_err(|not| Stop::Refusal(not.into()))?;
    let write = move |tx: &mut Tx<'_>| -> Result<(), Stop<Refused>> {
        let Some(claim) = tx.claims().find(&id)? else { return refuse(Refused::NotFound("claim link")) };
        match &claim.owner {
            Some(owner) => allowed(&caller, Act::Revoke, owner, "claim link")?,
            None if caller.only().is_some() => return refuse(Refused::NotFound("claim link")),
            None => {}
        }
        if !tx.claims().withdraw(&id)? {
            return refuse(Refused::State("the link was used already: its key can be revoked"));
        }
        done.note(tx, |by| Event::ClaimWithdrawn { claim: id.clone(), by })?;
        Ok(())
    };
    world.store.write("withdraw_claim_link", write).await
}

/// A link, as it is shown: never what stands in it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = whole)]
pub struct Told {
    /// Its identifier.
    #[schemars(with = "Identifier")]
    id: ClaimId,
    /// The API of the key.
    #[schemars(with = "Identifier")]
    api: ApiId,
    /// Whose the key will be; null where that is whoever claims it.
    owner: Option<OwnerTold>,
    /// Who may claim it.
    claimed_by: Claimant,
    /// What the key is called.
    name: String,
    /// What it is for.
    kind: KeyKind,
    /// Its environment.
    environment: String,
    /// What it may do.
    #[schemars(with = "ScopeText")]
    scope: Scope,
    /// Who made the link.
    created_by: String,
    /// How it stands.
    state: LinkState,
    /// Until when it may be claimed.
    #[schemars(with = "Instant")]
    expires_at: String,
    /// When it was.
    #[schemars(with = "Option<Instant>")]
    claimed_at: Option<String>,
    /// From which address it was, as far as that is known.
    claimed_from: Option<String>,
    /// The key that was made.
    #[schemars(with = "Option<KeyIdentifier>")]
    key_id: Option<ApiKeyId>,
    /// When the link was made.
    #[schemars(with = "Instant")]
    created_at: String,
}

/// Whom a key will belong to.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = whole)]
pub struct OwnerTold {
    /// `user` or `client`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The identifier of that person or client.
    id: String,
}

/// How a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// It may be claimed.
    Open,
    /// It was claimed.
    Claimed,
    /// Nobody claimed it in time.
    Expired,
}

/// A link, as it is shown; with what stands in it where it was made just now.
///
/// # Errors
/// A fault where what is stored cannot be read.
pub fn told(claim: &Claim, now: Moment) -> Result<Told, Fault> {
    let spec = Spec::read(&claim.spec).ok_or_else(|| Fault::bare("a claim whose key cannot be read"))?;
    let state = match (claim.claimed_at, claim.expires_at > now) {
        (Some(_), _) => LinkState::Claimed,
        (None, true) => LinkState::Open,
        (None, false) => LinkState::Expired,
    };
    Ok(Told {
        id: claim.id.clone(),
        api: claim.api.clone(),
        owner: claim.owner.as_ref().map(|owner| OwnerTold { kind: owner.kind(), id: owner.id().to_owned() }),
        claimed_by: spec.claimed_by,
        name: spec.name,
        kind: spec.kind,
        environment: spec.environment,
        scope: spec.scope,
        created_by: spec.by,
        state,
        expires_at: claim.expires_at.to_string(),
        claimed_at: claim.claimed_at.map(|at| at.to_string()),
        claimed_from: claim.address.map(|address| address.to_string()),
        key_id: claim.key.clone(),
        created_at: claim.created_at.to_string(),
    })
}

/// A link that was made just now, with its address, this once.
///
/// # Errors
/// As [`told`].
pub fn revealed(issuer: &str, made: &Made) -> Result<Value, Fault> {
    let mut members = json!(told(&made.claim, made.claim.created_at)?);
    if let Some(members) = members.as_object_mut() {
        members.insert("link".to_owned(), json!(made.link(issuer)));
    }
    Ok(members)
}

impl Made {
    /// The address to send. What counts stands behind its `#`, where browsers send it to nobody.
    #[must_use]
    pub fn link(&self, issuer: &str) -> String {
        format!("{issuer}/claim#{}", self.text.expose())
    }
}
