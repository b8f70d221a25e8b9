//! A key is claimed: made for whoever holds a link, once.
//!
//! Looking at a link changes nothing while it is open, so that a program which reads mail and opens
//! what stands in it does no harm. A link that was used and comes from another browser was in two
//! hands: the key that was made with it ends, and both the event and the page say so.

use super::{
    apis::Done,
    create::{Created, Place, active, mint, room},
    life::{heard, stepped},
    refused::Refused,
    verify::network,
};
use crate::{
    apikey::{
        api::Api,
        claim::{Claimant, Spec, Standing, standing},
        family::{Family, Owner},
        key::{ApiKey, Side, State},
        policy::Document,
        rotate::Step,
        wanted::{self, Unfit},
    },
    audit::{Actor, Event, Origin},
    base::{
        credential::{self, Kind},
        fault::{Fault, Stop},
        id::{ApiKeyId, FamilyId, PlanId, UserId},
        moment::{Moment, Span},
    },
    flow::{
        interaction::Browser,
        visit::Here,
        world::{World, note},
    },
    limit::Rule,
    store::{Tx, claims::Claim},
};
use std::{net::IpAddr, sync::Arc};

/// Why no key is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turned {
    /// There is no such link: never, no more, or it was taken back.
    Unknown,
    /// Nobody used it in time.
    Over,
    /// It was used then, in this browser; the key that was made.
    Repeated(Moment, ApiKeyId),
    /// It was used then, by somebody else.
    Used(Moment, AfterAll),
    /// Somebody has to sign in first.
    SignIn,
    /// It is for somebody else than who is signed in.
    NotTheirs,
    /// There can be no such key any more.
    Unmet(Refused),
    /// Too many tries: not before this long.
    TooMany(Span),
}

/// What becomes of a key that was claimed when somebody else has its link too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterAll {
    /// It is revoked.
    Revoked,
    /// It stays as it is: the time of the link is over.
    AsItWas,
}

/// A key that can be claimed.
#[derive(Debug)]
pub struct Offer {
    /// The key, as it will be.
    pub spec: Spec,
    /// Its API.
    pub api: Api,
    /// Until when.
    pub expires_at: Moment,
}

/// Who claims, or looks.
#[derive(Clone, Debug)]
pub struct Claimer {
    browser: String,
    user: Option<UserId>,
    origin: Origin,
}

impl Claimer {
    /// Whoever is at this browser.
    #[must_use]
    pub fn new(browser: &Browser, here: Option<&Here>, origin: &Origin) -> Self {
        Self { browser: browser.mark(), user: here.map(|here| here.user.id.clone()), origin: origin.clone() }
    }
}

/// How often an address, or a network of IPv6, may try a link.
fn tries() -> Rule {
    Rule::new(30, Span::minutes(1), 30)
}

async fn throttle(world: &World, address: Option<IpAddr>) -> Result<(), Stop<Turned>> {
    if address.is_none() {
        return Ok(());
    }
    let got = world.counters.take(&format!("claim {}", network(address)), tries(), world.now(), 1).await;
    if got.allowed { Ok(()) } else { Err(Stop::Refusal(Turned::TooMany(got.retry_after))) }
}

/// What can be a link is looked for, if it is not tried too often; else no transaction waits for it.
async fn tried(world: &World, text: &str, who: &Claimer) -> Result<(), Stop<Turned>> {
    throttle(world, who.origin.address).await?;
    if credential::well_formed(Kind::Claim, text) { Ok(()) } else { refused(Turned::Unknown) }
}

/// What can be claimed with what stands in a link. Nothing is made.
///
/// # Errors
/// [`Turned`].
pub async fn look(world: &Arc<World>, text: &str, who: Claimer) -> Result<Offer, Stop<Turned>> {
    tried(world, text, &who).await?;
    let held = Arc::clone(world);
    let text = text.to_owned();
    let write = move |tx: &mut Tx<'_>| {
        let claim = open(tx, &held, &text, &who)?;
        let (spec, api, _) = offered(tx, &claim, &who)?;
        Ok(Offer { spec, api, expires_at: claim.expires_at })
    };
    settled(world, world.store.write("look_at_claim_link", write).await).await
}

/// Makes the key and ends the link. Of several at once, one gets a key.
///
/// # Errors
/// [`Turned`].
pub async fn take(world: &Arc<World>, text: &str, who: Claimer) -> Result<Created, Stop<Turned>> {
    tried(world, text, &who).await?;
    let held = Arc::clone(world);
    let text = text.to_owned();
    let write = move |tx: &mut Tx<'_>| {
        let claim = open(tx, &held, &text, &who)?;
        let (spec, api, owner) = offered(tx, &claim, &who)?;
        let wanted = spec.wanted(tx.now());
        let admitted = wanted::admit(&wanted, &api, tx.now()).map_err(|unfit| unmet(unfit.into()))?;
        let by = Actor::parse(&spec.by).ok_or_else(|| Fault::bare("a claim that nobody made"))?;
        if !matches!(by, Actor::Operator(_)) {
            room(tx, (&owner, &api), held.api_keys.per_owner).map_err(turned)?;
        }
        let place = Place { family: family(tx, &spec, &api, owner)?, api };
        let id = ApiKeyId::mint(tx.now(), tx.dice())?;
        // Last of all that may refuse, for a refusal keeps what was written before.
        if !tx.claims().claim(&claim.id, (who.origin.address, &who.browser), &id)? {
            // Somebody else was faster by a hair, and is there to be seen now.
            open(tx, &held, &text, &who)?;
            return refused(Turned::Over);
        }
        let done = Done { by, origin: who.origin.clone() };
        let made = mint(tx, &held, (place, &wanted, id.clone()), (admitted, &done)).map_err(turned)?;
        note(tx, &who.origin, Event::ApiKeyClaimed { api_key: id, claim: claim.id, user: who.user.clone() })?;
        Ok(made)
    };
    settled(world, world.store.write("claim_api_key", write).await).await
}

/// What a second use of a link ended is ended here before it is told.
async fn settled<T>(world: &World, outcome: Result<T, Stop<Turned>>) -> Result<T, Stop<Turned>> {
    if let Err(Stop::Refusal(Turned::Used(_, after))) = &outcome {
        tracing::warn!(key.after = ?after, "a link to an API key was used by two");
        heard(world).await;
    }
    outcome
}

fn refused<T>(turned: Turned) -> Result<T, Stop<Turned>> {
    Err(Stop::Refusal(turned))
}

fn unmet(refused: Refused) -> Stop<Turned> {
    Stop::Refusal(Turned::Unmet(refused))
}

fn turned(stop: Stop<Refused>) -> Stop<Turned> {
    match stop {
        Stop::Refusal(refused) => unmet(refused),
        Stop::Fault(fault) => Stop::Fault(fault),
    }
}

/// A claim that is open.
fn open(tx: &mut Tx<'_>, world: &World, text: &str, who: &Claimer) -> Result<Claim, Stop<Turned>> {
    let mut found = None;
    for digest in world.secrets.pepper.hashes(text) {
        found = tx.claims().by_digest(&digest)?;
        if found.is_some() {
            break;
        }
    }
    let Some(claim) = found else { return refused(Turned::Unknown) };
    let claimed = claim.claimed_at.map(|at| (at, claim.browser.as_deref()));
    let standing = standing(claim.expires_at, claimed, &who.browser, tx.now());
    match (standing, claim.claimed_at, &claim.key) {
        (Standing::Open, _, _) => Ok(claim),
        (Standing::Repeated, Some(at), Some(key)) => refused(Turned::Repeated(at, key.clone())),
        (Standing::Doubtful, Some(at), Some(key)) => {
            let after = revoke(tx, &key.clone(), who)?;
            replayed(tx, &claim, after, who)?;
            refused(Turned::Used(at, after))
        }
        (Standing::Past, Some(at), _) => {
            replayed(tx, &claim, AfterAll::AsItWas, who)?;
            refused(Turned::Used(at, AfterAll::AsItWas))
        }
        (Standing::Over | Standing::Repeated | Standing::Doubtful | Standing::Past, _, _) => refused(Turned::Over),
    }
}

/// Ends what was made with a link that two had.
fn revoke(tx: &mut Tx<'_>, key: &ApiKeyId, who: &Claimer) -> Result<AfterAll, Stop<Turned>> {
    let ended = |key: &ApiKey| matches!(key.state, State::Revoked | State::Compromised);
    let reason = Some("its claim link was used by two".to_owned());
    let done = Done { by: Actor::System, origin: who.origin.clone() };
    // Where somebody else changed it meanwhile, as others do who have the link too, it is looked at anew.
    for _ in 0..3 {
        let Some(key) = tx.api_keys().find(key)? else { return Ok(AfterAll::AsItWas) };
        if ended(&key) {
            return Ok(AfterAll::Revoked);
        }
        match stepped(tx, key, (Step::Revoke, Side::Administrator, reason.clone()), &done) {
            Ok(_) => return Ok(AfterAll::Revoked),
            Err(Stop::Refusal(_)) => {}
            Err(Stop::Fault(fault)) => return Err(fault.into()),
        }
    }
    // It must not be lost: all of it is done again.
    Err(Fault::bare("a claimed key is changed all the time").passing().into())
}

fn replayed(tx: &mut Tx<'_>, claim: &Claim, after: AfterAll, who: &Claimer) -> Result<(), Fault> {
    let Some(api_key) = claim.key.clone() else { return Ok(()) };
    let state = match after {
        AfterAll::Revoked => "revoked",
        AfterAll::AsItWas => "as_it_was",
    };
    note(tx, &who.origin, Event::ApiKeyClaimReplayed { api_key, claim: claim.id.clone(), state })
}

/// What an open claim offers to whoever is here, and whose the key will be.
fn offered(tx: &mut Tx<'_>, claim: &Claim, who: &Claimer) -> Result<(Spec, Api, Owner), Stop<Turned>> {
    let spec = Spec::read(&claim.spec).ok_or_else(|| Fault::bare("a claim whose key cannot be read"))?;
    let owner = match (spec.claimed_by, &claim.owner, &who.user) {
        (Claimant::Holder, Some(owner), _) => owner.clone(),
        (Claimant::Owner | Claimant::Anybody, _, None) => return refused(Turned::SignIn),
        (Claimant::Owner, Some(Owner::User(user)), Some(here)) if user == here => Owner::User(user.clone()),
        (Claimant::Owner, _, Some(_)) => return refused(Turned::NotTheirs),
        (Claimant::Anybody, _, Some(here)) => Owner::User(here.clone()),
        (Claimant::Holder, None, _) => return Err(Fault::bare("a claim for nobody").into()),
    };
    active(tx, &owner).map_err(turned)?;
    let maker = match Actor::parse(&spec.by) {
        Some(Actor::User(id)) => Some(Owner::User(id)),
        Some(Actor::Client(id)) => Some(Owner::Client(id)),
        Some(Actor::Operator(_) | Actor::System) | None => None,
    };
    if let Some(maker) = maker {
        active(tx, &maker).map_err(turned)?;
    }
    let Some(api) = tx.apis().find(&claim.api)? else { return refused(Turned::Unknown) };
    if api.disabled_at.is_some() {
        return Err(unmet(Unfit::ApiDisabled.into()));
    }
    Ok((spec, api, owner))
}

fn family(tx: &mut Tx<'_>, spec: &Spec, api: &Api, owner: Owner) -> Result<Family, Stop<Turned>> {
    Document::admit(&spec.family_policy).map_err(|invalid| unmet(invalid.into()))?;
    let now = tx.now();
    Ok(Family {
        id: FamilyId::mint(now, tx.dice())?,
        api: api.id.clone(),
        owner,
        client: spec.client.clone(),
        name: spec.name.clone(),
        plan: spec.plan.as_deref().and_then(PlanId::parse),
        policy: spec.family_policy.clone(),
        version: 1,
        created_at: now,
        updated_at: now,
    })
}
