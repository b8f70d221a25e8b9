//! Exchanging a refresh token: one statement of one row as a rule; only where that finds nothing
//! is the line looked at, and judged.
//!
//! Spec: RFC 6749 §6, RFC 9700 §4.14.

use super::mint::{self, Minted, Press, Signed};
use crate::{
    account::user::User,
    audit::{Actor, Event, GrantEnd, Origin, Record},
    base::{
        credential::RefreshToken,
        digest::TokenHash,
        entropy,
        fault::{Fault, Stop},
        id::{ClientId, GrantId, KeyId},
        moment::Moment,
        scope::Scope,
        uri::Resource,
    },
    flow::{
        clients::Listed,
        end, person,
        secrets::rehash,
        world::{LONGEST_TOKEN, World, note, only_fault},
    },
    oauth::{
        client::Client,
        engine::{self, Ended, Exchange},
        grant::refresh_token::{Line, RefreshVerdict, Request, Shown, decide_refresh, narrow, not_good},
        grant::{Grant, Granted},
        issue::{Issued, TokenType, token_name},
        proof::Proven,
    },
    oidc::{claims::Person, id_token::Occasion},
    store::{
        Tx,
        grants::{GrantRow, RefreshState, Rotation, TokensUntil},
    },
};
use std::{collections::BTreeSet, convert::Infallible, sync::Arc};

/// What one exchange knows before it begins.
#[derive(Clone)]
struct Presented {
    listed: Listed,
    request: Request,
    hash: TokenHash,
    origin: Origin,
    /// The key that signs its access token.
    kid: KeyId,
    /// When it came. Its access token is issued then, and what the row says of how long that lives begins there.
    at: Moment,
}

/// A line, with the token that is now its last.
struct Recovered {
    row: GrantRow,
    next: RefreshToken,
    jti: String,
}

/// The successor that a token gets, settled before: an attempt whose connection broke may have put it in its place.
struct Next {
    token: RefreshToken,
    hash: TokenHash,
    salt: [u8; 16],
    jti: String,
}

impl Next {
    fn of(world: &World, presented: &Presented, jti: String) -> Result<Self, Fault> {
        let salt: [u8; 16] = entropy::bytes(&*world.dice)?;
        let token = presented.request.token.successor(&world.secrets.refresh, &salt)?;
        let hash = world.secrets.pepper.hash(token.text().expose());
        Ok(Self { token, hash, salt, jti })
    }
}

/// The answers to the questions of RFC 6749 §6, found before: the machine only orders them.
struct Answering<'a> {
    recovered: Option<Recovered>,
    presented: &'a Presented,
    press: Press<'a>,
    width: Option<(Scope, BTreeSet<Resource>)>,
    person: Option<Person>,
}

impl Exchange for Answering<'_> {
    type Recovered = Recovered;
    type Minted = Issued;

    fn recover(&mut self) -> Result<Recovered, Ended> {
        self.recovered.take().ok_or_else(|| Stop::Refusal(not_good()))
    }
    fn holder<'r>(&self, recovered: &'r Recovered) -> &'r ClientId {
        &recovered.row.grant.granted.client
    }
    fn bind(&mut self, recovered: &Recovered) -> Result<(), Ended> {
        let request = &self.presented.request;
        let client = self.presented.listed.client();
        let granted = &recovered.row.grant.granted;
        self.width = Some(narrow(granted, client, request.scope.as_ref(), &request.resources)?);
        Ok(())
    }
    fn mint(&mut self, recovered: Recovered) -> Result<Issued, Ended> {
        let client = self.presented.listed.client();
        let (scope, resources) = self.width.take().unwrap_or_default();
        let width = (&scope, &resources);
        let signed = tokens(self.press, client, (&recovered.row.grant, width), &recovered.jti, self.person.as_ref());
        let (minted, id_token) = match signed {
            Ok(signed) => signed,
            Err(fault) => {
                // It is asked again where a signature had to be fetched.
                self.recovered = Some(recovered);
                return Err(fault.into());
            }
        };
        Ok(Issued {
            access_token: minted.token,
            expires_in: minted.lifetime,
            scope,
            refresh_token: Some(recovered.next.text().clone()),
            id_token,
            token_type: TokenType::of(None),
            issued_token_type: None,
        })
    }
}

/// The access token of this name, and the ID token, where the grant is one of OpenID Connect.
fn tokens(
    press: Press<'_>,
    client: &Client,
    (grant, width): (&Grant, (&Scope, &BTreeSet<Resource>)),
    jti: &str,
    person: Option<&Person>,
) -> Result<(Minted, Option<String>), Fault> {
    let minted = press.access_token(client, Some(grant), width, jti.to_owned())?;
    let id_token = press.id_token(client, grant, (&minted.token, Occasion::Refresh), person)?;
    Ok((minted, id_token))
}

pub(super) async fn exchange(
    world: &Arc<World>,
    proven: Proven<Listed>,
    request: Request,
    origin: &Origin,
) -> Result<Issued, Ended> {
    // Grant and place are no secrets: what we did not mint is no token used again, and ends nothing.
    if !request.token.authentic(&world.secrets.refresh) {
        return Err(not_good().into());
    }
    let policy = world.policy.load();
    let algs = [policy.tokens.access_token_alg, proven.client().id_token_alg];
    let keyring = mint::keyring(world, algs).await?;
    let presented = Presented {
        kid: mint::signer_of(&keyring, policy.tokens.access_token_alg)?.kid().clone(),
        hash: rehash::of_refresh_token(world, &request.token).await?,
        listed: proven.into_client(),
        request,
        origin: origin.clone(),
        at: world.now(),
    };
    let client = presented.listed.client();
    refuse_too_wide(world, &presented).await?;
    let (signed, jti) = (Signed::default(), token_name(&*world.dice)?);
    let press = Press { keyring: &keyring, policy: &policy.tokens, now: presented.at, jkt: None, signed: &signed };
    if press.any_elsewhere(algs) {
        sign_first(world, &presented, press, &jti).await?;
    }
    let next = Next::of(world, &presented, jti)?;
    let recovered = match rotate(world, &presented, &next).await? {
        Some(row) => Recovered { row, next: next.token, jti: next.jti },
        None => judge(world, &presented, next).await?,
    };
    let person = person_asked_for(world, &recovered.row.grant.granted).await?;
    let mut answering = Answering { recovered: Some(recovered), presented: &presented, press, width: None, person };
    loop {
        let answer = engine::exchange_refresh_token(&client.id, &mut answering);
        if !signed.more(world, &keyring).await? {
            return answer;
        }
    }
}

/// Has the tokens signed that the exchange will want, where that takes somebody else: before the refresh token is used
/// up, because whoever does not sign now may not sign for longer than a used one is good for.
async fn sign_first(world: &Arc<World>, presented: &Presented, press: Press<'_>, jti: &str) -> Result<(), Fault> {
    let client = presented.listed.client();
    let id = presented.request.token.grant.clone();
    let read = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.grants().find(&id)?);
    let found = world.store.read("find_grant", read).await.map_err(only_fault)?;
    let current = |row: &GrantRow| row.refresh.as_ref().is_some_and(|refresh| refresh.current == presented.hash);
    let good = |row: &GrantRow| row.grant.granted.client == client.id && row.revoked.is_none() && current(row);
    // Whatever is wrong is told where it is judged.
    let Some(row) = found.filter(good) else { return Ok(()) };
    let granted = &row.grant.granted;
    let request = &presented.request;
    let Ok((scope, resources)) = narrow(granted, client, request.scope.as_ref(), &request.resources) else {
        return Ok(());
    };
    let person = person_asked_for(world, granted).await?;
    loop {
        let signed = tokens(press, client, (&row.grant, (&scope, &resources)), jti, person.as_ref());
        if !press.signed.more(world, press.keyring).await? {
            return signed.map(drop);
        }
    }
}

/// The person, where the client asked for claims about them in its ID tokens: the few that do
/// cost a query.
async fn person_asked_for(world: &Arc<World>, granted: &Granted) -> Result<Option<Person>, Fault> {
    if granted.claims.id_token.is_empty() {
        return Ok(None);
    }
    let id = granted.user.clone();
    let read = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.users().find(&id)?);
    let user = world.store.read("find_user", read).await.map_err(only_fault)?;
    user.as_ref().map(person::of).transpose()
}

/// A request for less than was granted is judged before the token is used, so that a mistake in it does not cost the
/// token; and so is one for all of it, where the client may have been deprived of that. Costs a query, for the few
/// that ask, and for grants that are older than the last change of their client.
async fn refuse_too_wide(world: &Arc<World>, presented: &Presented) -> Result<(), Ended> {
    let request = &presented.request;
    let asks = request.scope.is_some() || !request.resources.is_empty();
    if !asks && !presented.listed.changed_since(&request.token.grant) {
        return Ok(());
    }
    let id = request.token.grant.clone();
    let read = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.grants().find(&id)?);
    let found = world.store.read("find_grant", read).await.map_err(only_fault)?;
    let client = presented.listed.client();
    if let Some(row) = found.filter(|row| row.grant.granted.client == client.id) {
        narrow(&row.grant.granted, client, request.scope.as_ref(), &request.resources)?;
    }
    Ok(())
}

/// Puts the successor in the place of the token, if it is the current one.
async fn rotate(world: &Arc<World>, presented: &Presented, next: &Next) -> Result<Option<GrantRow>, Fault> {
    let now = presented.at;
    let token = &presented.request.token;
    let record = refreshed(world, presented, next.token.generation, &next.jti)?;
    let policy = world.policy.load();
    let idle_expires_at = now + policy.tokens.refresh_idle;
    let client = presented.listed.client();
    // Whoever retries within the window gets a token too.
    let these = policy.tokens.good_until(client, now) + policy.tokens.refresh_grace;
    let tokens_until = TokensUntil { these, any: these.max(now + LONGEST_TOKEN) };
    let (mine, grant, generation) = (presented.clone(), token.grant.clone(), token.generation);
    let (hash, salt) = (next.hash, next.salt);
    let single = move |tx: &mut Tx<'_>| {
        let rotation = Rotation {
            grant: &grant,
            client: &mine.listed.client().id,
            generation,
            presented: &mine.hash,
            next: &hash,
            salt: &salt,
            idle_expires_at,
            tokens_until,
            audit: &record,
        };
        Ok::<_, Stop<Infallible>>(tx.grants().rotate(&rotation)?)
    };
    world.store.single("refresh", single).await.map_err(only_fault)
}

fn refreshed(world: &World, presented: &Presented, generation: u32, jti: &str) -> Result<Record, Fault> {
    let event = Event::TokenRefreshed {
        client: presented.listed.client().id.clone(),
        user: None,
        grant: presented.request.token.grant.clone(),
        generation,
        jti: jti.to_owned(),
        kid: presented.kid.clone(),
    };
    presented.origin.record(event, world.now(), &*world.dice)
}

/// The token is not the current one: a retry within the window gets what it got before; any
/// other reuse ends the whole line, because two parties hold it.
async fn judge(world: &Arc<World>, presented: &Presented, next: Next) -> Result<Recovered, Ended> {
    let (mine, here) = (presented.clone(), Arc::clone(world));
    let write = move |tx: &mut Tx<'_>| {
        let mut ended = None;
        judged(&here, tx, (&mine, &next), &mut ended).map_err(|stop| stop.map(|refusal| (refusal, ended)))
    };
    let outcome = world.store.write("judge_refresh", write).await;
    outcome.map_err(|stop| {
        stop.map(|(refusal, ended): (_, Option<GrantId>)| {
            end::heard(world, ended.as_slice());
            refusal
        })
    })
}

/// `ended` is told of the grant that a reuse has ended.
fn judged(
    world: &World,
    tx: &mut Tx<'_>,
    (presented, next): (&Presented, &Next),
    ended: &mut Option<GrantId>,
) -> Result<Recovered, Ended> {
    let token = &presented.request.token;
    let row = tx.grants().find(&token.grant)?.ok_or_else(not_good)?;
    let state = row.refresh.clone().ok_or_else(not_good)?;
    if state.current == next.hash && row.revoked.is_none() {
        // It was rotated, by an attempt whose connection broke before it heard so.
        return Ok(Recovered { row, next: next.token.clone(), jti: next.jti.clone() });
    }
    let client = &presented.listed.client().id;
    let line = Line {
        client: row.grant.granted.client.clone(),
        generation: state.generation,
        current: state.current,
        previous: state.previous,
        rotated_at: state.rotated_at.unwrap_or(row.grant.created_at),
        revoked_at: row.revoked.map(|r| r.at),
        expires_at: row.grant.expires_at,
        idle_expires_at: state.idle_expires_at,
    };
    let shown = Shown { client, generation: token.generation, hash: presented.hash };
    let user = Some(row.grant.granted.user.clone());
    match decide_refresh(shown, &line, world.policy.load().tokens.refresh_grace, tx.now()) {
        RefreshVerdict::Replay => replayed(world, tx, presented, (row, state)),
        RefreshVerdict::Reused => {
            tx.grants().revoke(&token.grant, GrantEnd::RefreshReused)?;
            *ended = Some(token.grant.clone());
            let event = Event::RefreshReused {
                client: client.clone(),
                user: user.clone(),
                grant: token.grant.clone(),
                presented: token.generation,
                current: line.generation,
            };
            note(tx, &presented.origin, event)?;
            let event = Event::GrantRevoked {
                grant: token.grant.clone(),
                client: Some(client.clone()),
                user,
                why: GrantEnd::RefreshReused,
                by: Actor::System,
            };
            note(tx, &presented.origin, event)?;
            Err(not_good().into())
        }
        RefreshVerdict::Refused(refusal) => Err(refusal.into()),
        // Current, and yet it could not be rotated: the person was disabled in between, or the
        // database answered from a moment ago. Either way not now.
        RefreshVerdict::Rotate => Err(not_good().into()),
    }
}

/// A retry within the window: the same successor again, and an access token of its own.
fn replayed(
    world: &World,
    tx: &mut Tx<'_>,
    presented: &Presented,
    (row, state): (GrantRow, RefreshState),
) -> Result<Recovered, Ended> {
    let (token, client) = (&presented.request.token, presented.listed.client());
    let salt = state.salt.ok_or_else(|| Fault::bare(format!("grant {} was rotated without salt", token.grant)))?;
    let next = token.successor(&world.secrets.refresh, &salt)?;
    tx.users().find(&row.grant.granted.user)?.filter(User::enabled).ok_or_else(not_good)?;
    let jti = token_name(tx.dice())?;
    let event = Event::RefreshReplayedInGrace {
        client: client.id.clone(),
        user: Some(row.grant.granted.user.clone()),
        grant: token.grant.clone(),
        generation: next.generation,
        jti: jti.clone(),
        kid: presented.kid.clone(),
    };
    note(tx, &presented.origin, event)?;
    tx.grants().issued_again(&token.grant, world.policy.load().tokens.good_until(client, presented.at))?;
    Ok(Recovered { row, next, jti })
}
