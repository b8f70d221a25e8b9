//! Redeeming an authorization code: once, by the client it was issued to, with the verifier that
//! only that client's instance has (RFC 6749 §4.1.3, RFC 7636 §4.6).

use super::mint::{self, Press, Signed};
use crate::{
    account::{session::Session, user::User},
    audit::{Actor, Also, Event, GrantEnd, Origin},
    base::{
        credential::RefreshToken,
        digest::TokenHash,
        fault::{Fault, Stop},
        id::{ClientId, GrantId},
        moment::Moment,
        uri::Resource,
    },
    flow::{
        clients::Listed,
        end, person,
        secrets::rehash,
        unrecorded::note_within_budget,
        world::{World, note},
    },
    keyring::Keyring,
    oauth::{
        authorize::checks::OFFLINE_ACCESS,
        client::{Client, GrantType},
        engine::{self, Ended, Exchange},
        grant::{
            Grant, Granted,
            authorization_code::{CodeVerdict, Request, Usage, judge_code, not_good, still_allowed},
        },
        issue::{Issued, Policy, TokenType, token_name},
        proof::Proven,
        refusal::Refusal,
    },
    oidc::{claims::Person, id_token::Occasion},
    store::{
        Tx,
        codes::{Redeemable, Redemption},
        grants::NewRefresh,
    },
};
use std::{collections::BTreeSet, sync::Arc};

/// What one redemption takes along into its transaction.
#[derive(Clone)]
struct Means {
    world: Arc<World>,
    listed: Listed,
    request: Request,
    keyring: Arc<Keyring>,
    policy: Policy,
    origin: Origin,
    hash: TokenHash,
    /// What is signed and what is stored must not change between attempts: so times and names are settled before.
    now: Moment,
    grant: GrantId,
    refresh: RefreshToken,
    jti: String,
    signed: Arc<Signed>,
}

/// What surrounds a redemption. Nearly all go well: those take one statement to look and one that
/// does everything. Whatever else is to be decided is, again from the start, in a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Nothing,
    Transaction,
}

/// How a redemption ends that does not go well.
enum Ill {
    /// It is to be judged in a transaction.
    Again,
    /// A signature is to be fetched first. Nothing was written.
    Unsigned,
    /// A refusal, and what is left to do about it.
    Refused(Refusal, After),
}

/// What a second use of a code leaves to do once its transaction has ended.
#[derive(Default)]
struct After {
    /// The grant that it has ended.
    ended: Option<GrantId>,
    /// What is to be recorded of a use that ended nothing: within a budget, because whoever holds a used code brings
    /// that about as often as they like.
    again: Option<Box<Event>>,
}

struct Redeeming<'m, 't, 'c> {
    means: &'m Means,
    tx: &'t mut Tx<'c>,
    around: Around,
    /// That a transaction is needed and is not there: whatever is answered does not count.
    again: bool,
    /// That this very redemption was stored before, by an attempt whose connection broke before it heard so.
    stored: bool,
    resources: BTreeSet<Resource>,
    after: After,
}

impl Exchange for Redeeming<'_, '_, '_> {
    type Recovered = Redeemable;
    type Minted = Issued;

    fn recover(&mut self) -> Result<Redeemable, Ended> {
        Ok(self.tx.codes().redeemable(&self.means.hash)?.ok_or_else(not_good)?)
    }

    fn holder<'r>(&self, found: &'r Redeemable) -> &'r ClientId {
        &found.code.granted.client
    }

    fn bind(&mut self, found: &Redeemable) -> Result<(), Ended> {
        self.stored = found.used.as_ref().is_some_and(|used| used.grant == self.means.grant);
        let usage = if found.used.is_some() && !self.stored { Usage::Used } else { Usage::Unused };
        let client = self.means.listed.client();
        let judged = judge_code(&found.code, usage, &client.id, &self.means.request, self.tx.now());
        match judged.and_then(|resources| Ok(still_allowed(client, &resources)?)) {
            Ok(resources) => {
                self.resources = resources;
                Ok(())
            }
            Err(verdict) => {
                self.in_transaction()?;
                match &verdict {
                    CodeVerdict::Replayed => self.replayed(found)?,
                    // A guess at the verifier costs the code: it is spent, for nobody.
                    CodeVerdict::Refused(_) => self.spend()?,
                }
                Err(Stop::Refusal(verdict.into()))
            }
        }
    }

    fn mint(&mut self, found: Redeemable) -> Result<Issued, Ended> {
        let live = (found.user.filter(User::enabled), found.session.filter(|session| session.ended_at.is_none()));
        let (Some(user), Some(session)) = live else {
            self.in_transaction()?;
            self.spend()?;
            return Err(not_good().into());
        };
        let (id, now) = (self.means.grant.clone(), self.means.now);
        let expires_at = self.end_of(&found.code.granted, &session);
        let grant = Grant { id, granted: found.code.granted, created_at: now, expires_at };
        let Some(issued) = self.issue(&grant, &person::of(&user)?)? else {
            self.in_transaction()?;
            // Another request was first, a moment ago: what it got must end (RFC 6749 §4.1.2). Or the
            // code was taken away, and nobody gets anything.
            let found = self.tx.codes().redeemable(&self.means.hash)?.ok_or_else(not_good)?;
            if found.used.is_some() {
                self.replayed(&found)?;
            }
            return Err(not_good().into());
        };
        Ok(issued)
    }
}

impl Redeeming<'_, '_, '_> {
    /// Goes on only within a transaction.
    fn in_transaction(&mut self) -> Result<(), Ended> {
        self.again = self.around == Around::Nothing;
        if self.again { Err(not_good().into()) } else { Ok(()) }
    }

    /// The code is spent, for nobody.
    fn spend(&mut self) -> Result<(), Fault> {
        let nobody = GrantId::mint(self.tx.now(), self.tx.dice())?;
        self.tx.codes().consume(&self.means.hash, &nobody).map(drop)
    }

    /// The absolute end of a grant: without `offline_access` it ends with the session at the latest
    /// (OpenID Connect Core §11).
    fn end_of(&self, granted: &Granted, session: &Session) -> Moment {
        let end = self.means.now + self.means.policy.refresh_absolute;
        if granted.scope.has(OFFLINE_ACCESS) {
            return end;
        }
        end.min(session.auth_time + self.means.world.policy.load().sessions.absolute)
    }

    /// A code came a second time: whoever was first may be a thief, so their tokens end.
    fn replayed(&mut self, found: &Redeemable) -> Result<(), Ended> {
        let granted = &found.code.granted;
        let grant = found.used.as_ref().map(|used| used.grant.clone());
        let (client, user) = (granted.client.clone(), Some(granted.user.clone()));
        let used_again = Event::CodeReplayed { client, user, grant: grant.clone() };
        if let Some(grant) = &grant
            && self.tx.grants().revoke(grant, GrantEnd::CodeReplayed)?
        {
            let event = Event::GrantRevoked {
                grant: grant.clone(),
                client: Some(granted.client.clone()),
                user: Some(granted.user.clone()),
                why: GrantEnd::CodeReplayed,
                by: Actor::System,
            };
            note(self.tx, &self.means.origin, event)?;
            note(self.tx, &self.means.origin, used_again)?;
            self.after.ended = Some(grant.clone());
        } else {
            self.after.again = Some(Box::new(used_again));
        }
        Ok(())
    }

    /// Signs, and then stores; `None`, and nothing stored, where the code is not to be had any more.
    fn issue(&mut self, grant: &Grant, person: &Person) -> Result<Option<Issued>, Ended> {
        let client = self.means.listed.client();
        let scope = grant.granted.scope.and(&client.scope);
        let refresh = self.first_refresh_token(client, grant);
        let press = Press {
            keyring: &self.means.keyring,
            policy: &self.means.policy,
            now: self.means.now,
            jkt: None,
            signed: &self.means.signed,
        };
        let minted = press.access_token(client, Some(grant), (&scope, &self.resources), self.means.jti.clone())?;
        let id_token = press.id_token(client, grant, (&minted.token, Occasion::Code), Some(person))?;
        let event = Event::TokensIssued {
            client: client.id.clone(),
            user: Some(grant.granted.user.clone()),
            grant: Some(grant.id.clone()),
            grant_type: GrantType::AuthorizationCode.wire(),
            scope: scope.clone(),
            audience: minted.audience,
            jti: minted.jti,
            kid: minted.kid,
            also: Also::default(),
        };
        let redemption = Redemption {
            hash: &self.means.hash,
            grant,
            refresh: refresh.as_ref(),
            tokens_until: self.means.policy.good_until(client, press.now),
            audit: &self.means.origin.record(event, self.tx.now(), self.tx.dice())?,
        };
        if !self.stored && !self.tx.codes().redeem(&redemption)? {
            return Ok(None);
        }
        Ok(Some(Issued {
            access_token: minted.token,
            expires_in: minted.lifetime,
            scope,
            refresh_token: refresh.map(|_| self.means.refresh.text().clone()),
            id_token,
            token_type: TokenType::of(None),
            issued_token_type: None,
        }))
    }

    fn first_refresh_token(&self, client: &Client, grant: &Grant) -> Option<NewRefresh> {
        client.grant_types.contains(&GrantType::RefreshToken).then(|| NewRefresh {
            hash: self.means.world.secrets.pepper.hash(self.means.refresh.text().expose()),
            idle_expires_at: (self.tx.now() + self.means.policy.refresh_idle).min(grant.expires_at),
        })
    }
}

pub(super) async fn exchange(
    world: &Arc<World>,
    proven: Proven<Listed>,
    request: Request,
    origin: &Origin,
) -> Result<Issued, Ended> {
    let listed = proven.into_client();
    let policy = world.policy.load().tokens.clone();
    let grant = GrantId::mint(world.now(), &*world.dice)?;
    let means = Means {
        keyring: mint::keyring(world, [policy.access_token_alg, listed.client().id_token_alg]).await?,
        hash: rehash::of_code(world, &request.code).await?,
        now: world.now(),
        refresh: RefreshToken::first(&grant, &world.secrets.refresh, &*world.dice)?,
        grant,
        jti: token_name(&*world.dice)?,
        signed: Arc::default(),
        world: Arc::clone(world),
        listed,
        request,
        policy,
        origin: origin.clone(),
    };
    let outcome = loop {
        let outcome = attempt(&means).await;
        if !means.signed.more(world, &means.keyring).await? {
            break outcome;
        }
    };
    match outcome {
        Ok(issued) => Ok(issued),
        Err(Stop::Refusal(Ill::Refused(refusal, after))) => {
            end::heard(world, after.ended.as_slice());
            if let Some(again) = after.again {
                note_within_budget(world, origin, *again).await;
            }
            Err(Stop::Refusal(refusal))
        }
        Err(Stop::Refusal(Ill::Again | Ill::Unsigned)) => Err(Fault::bare("a transaction that wants to be one").into()),
        Err(Stop::Fault(fault)) => Err(Stop::Fault(fault)),
    }
}

/// Looks, and does everything at once where all is well; else judges in a transaction.
async fn attempt(means: &Means) -> Result<Issued, Stop<Ill>> {
    let quick = means.clone();
    let single = move |tx: &mut Tx<'_>| redeem(&quick, tx, Around::Nothing);
    let outcome = means.world.store.single("exchange_code", single).await;
    if !matches!(outcome, Err(Stop::Refusal(Ill::Again))) {
        return outcome;
    }
    let judged = means.clone();
    let write = move |tx: &mut Tx<'_>| redeem(&judged, tx, Around::Transaction);
    means.world.store.write("judge_code", write).await
}

fn redeem(means: &Means, tx: &mut Tx<'_>, around: Around) -> Result<Issued, Stop<Ill>> {
    let mut redeeming = Redeeming {
        means,
        tx,
        around,
        again: false,
        stored: false,
        resources: BTreeSet::new(),
        after: After::default(),
    };
    let outcome = engine::exchange_code(&means.listed.client().id, &mut redeeming);
    if means.signed.lacks_one() {
        return Err(Stop::Refusal(Ill::Unsigned));
    }
    outcome.map_err(|stop| {
        let after = std::mem::take(&mut redeeming.after);
        stop.map(|refusal| if redeeming.again { Ill::Again } else { Ill::Refused(refusal, after) })
    })
}
