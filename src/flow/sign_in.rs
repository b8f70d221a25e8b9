//! A person signs in with a password.
//!
//! An unknown name takes the same way as a known one: the same query, a hash of the same cost,
//! the same answer (ASVS 6.3.8). Attempts are charged before the password is looked at, so that
//! many at once cannot slip through together.

use super::{
    authorize::AtOnce,
    end, log_out,
    unrecorded::note_within_budget,
    visit::{self, Here, Visit},
    world::{World, note, only_fault},
};
use crate::{
    account::{
        password::{Password, PasswordHash},
        session::{Amr, Session},
        throttle::{self, Attempt, Budget},
        user::{User, Username},
    },
    audit::{Attempted, Event, Origin, SignInFailure, SignOutKind},
    base::{
        credential::{self, Kind},
        digest::{TokenHash, base64url, hmac},
        fault::{Fault, Stop},
        id::{GrantId, SessionId},
        moment::{Moment, Span},
        secret::{Secret, same},
    },
    cluster::Take,
    limit::Rule,
    store::{Tx, users::Credentials},
};
use std::{convert::Infallible, sync::Arc};

/// What the form of the sign-in page says. It has no `Debug`: the password is plain text.
pub struct Form {
    /// The user name, as typed.
    pub username: String,
    /// The password, as typed.
    pub password: String,
    /// The browser's memory of people who signed in with it: see [`remember`].
    pub known: Option<Secret<String>>,
    /// What the browser calls itself.
    pub agent: Option<String>,
}

/// Why nobody was signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Name or password is wrong; which one, nobody is told.
    Credentials,
    /// Too many attempts: not before this long.
    Throttled(Span),
    /// Too many people at once: not before this long.
    Busy(Span),
}

/// Somebody was signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// The value of the session's cookie.
    pub cookie: Secret<String>,
    /// The browser's memory, to be set.
    pub known: Secret<String>,
    /// Who is here now.
    pub here: Here,
    /// The code that was stored for them at once.
    pub code: Option<Secret<String>>,
}

/// Signs a person in, and answers the request that they sign in for where nothing else is missing.
///
/// # Errors
/// [`Denied`], or a fault.
pub async fn run(
    world: &Arc<World>,
    (form, waiting): (Form, Option<AtOnce>),
    visit: &Visit,
    origin: &Origin,
) -> Result<SignedIn, Stop<Denied>> {
    let found = look_up(world, &form.username).await?;
    let set_at = found.as_ref().and_then(|found| found.password_changed_at);
    let budgets = charge(world, (&form, set_at), visit, origin).await?;
    let judged = judge(world, (form, found, waiting), visit, origin).await;
    if matches!(judged, Ok(_) | Err(Stop::Fault(_))) {
        give_back(world, &budgets).await;
    }
    judged
}

async fn judge(
    world: &Arc<World>,
    (form, found, waiting): (Form, Option<Credentials>, Option<AtOnce>),
    visit: &Visit,
    origin: &Origin,
) -> Result<SignedIn, Stop<Denied>> {
    let (user, stored, set_at) = match found {
        Some(Credentials { user, password, password_changed_at }) => (Some(user), password, password_changed_at),
        None => (None, None, None),
    };
    let typed = form.username.clone();
    let refuse = |why, user: Option<&User>| {
        let username = user.map_or_else(|| hidden(world, &typed), |_| Attempted::new(&typed));
        let user = user.map(|u| u.id.clone());
        world.note(origin, Event::SignInFailed { username, user, why });
        world.metrics.sign_ins.one("refused");
        Stop::Refusal(Denied::Credentials)
    };
    let outcome = match Password::parse(form.password) {
        Some(password) => {
            let stored = stored.clone().unwrap_or_else(|| world.hashing.dummy());
            Some(world.hashing.verify(password, stored).await.map_err(|stop| busy(world, stop))?)
        }
        None => None,
    };
    let Some(user) = user else { return Err(refuse(SignInFailure::UnknownUser, None)) };
    let Some(stored) = stored else { return Err(refuse(SignInFailure::NoPassword, Some(&user))) };
    let Some(outcome) = outcome.filter(|o| o.matches) else {
        return Err(refuse(SignInFailure::WrongPassword, Some(&user)));
    };
    if !user.enabled() {
        return Err(refuse(SignInFailure::Disabled, Some(&user)));
    }
    let known = remember(world, visit, form.known.as_ref(), (user.username.as_str(), set_at));
    let rehash = outcome.rehash.map(|new| (stored, new));
    let opening = Opening { user, set_at, rehash, agent: form.agent, waiting };
    let Some((cookie, opened)) = open(world, opening, visit, origin).await? else {
        return Err(Stop::Refusal(Denied::Credentials));
    };
    world.metrics.sign_ins.one("ok");
    Ok(SignedIn { cookie, known, here: opened.here, code: opened.code })
}

/// What is recorded of a text that no person's name is known to be: it may be a password.
pub(super) fn hidden(world: &World, typed: &str) -> Attempted {
    Attempted::hidden(&hmac(&world.secrets.forms, &[b"attempted name", typed.trim().to_lowercase().as_bytes()]))
}

/// What a full queue of hashes means to the person.
pub(super) fn busy(world: &World, stop: Stop<crate::hashing::Busy>) -> Stop<Denied> {
    world.metrics.sign_ins.one("busy");
    stop.map(|busy| Denied::Busy(busy.retry_after))
}

fn takes(budgets: &[Budget]) -> Vec<Take<'_>> {
    budgets.iter().map(|b| Take::one(&b.key, Rule::every(b.allowance.every, b.allowance.burst))).collect()
}

/// Charges an attempt to its budgets, before the password is looked at, which was set then, where
/// there is one.
///
/// # Errors
/// [`Denied::Throttled`].
pub(super) async fn charge(
    world: &World,
    (form, set_at): (&Form, Option<Moment>),
    visit: &Visit,
    origin: &Origin,
) -> Result<Vec<Budget>, Stop<Denied>> {
    let browser = if remembers(world, visit, form.known.as_ref(), (&form.username, set_at)) {
        throttle::Browser::Known(visit.browser.cookie().expose())
    } else {
        throttle::Browser::Unknown
    };
    let attempt = Attempt { username: &form.username, address: origin.address, browser };
    let budgets = world.policy.load().throttle.budgets(&attempt);
    match world.counters.take_all(&mut takes(&budgets), world.now()).await {
        Ok(()) => Ok(budgets),
        Err(exhausted) => {
            let retry_after = exhausted.retry_after.max(Span::seconds(1));
            let event = Event::SignInThrottled {
                username: hidden(world, &form.username),
                user: None,
                budget: budgets.get(exhausted.index).map_or("", |b| b.name),
                retry_after: u64::try_from(retry_after.as_seconds()).unwrap_or(0),
            };
            note_within_budget(world, origin, event).await;
            world.metrics.sign_ins.one("throttled");
            Err(Stop::Refusal(Denied::Throttled(retry_after)))
        }
    }
}

/// Gives the charge of an attempt back that was right, or that a fault of ours left unjudged: an
/// outage must not use up what people have. What was too much at once stays charged.
pub(super) async fn give_back(world: &World, budgets: &[Budget]) {
    world.counters.give_back_all(&takes(budgets), world.now()).await;
}

async fn look_up(world: &Arc<World>, username: &str) -> Result<Option<Credentials>, Fault> {
    // A text that is no user name is looked up too, as one that nobody can have.
    let name = Username::parse(username).or_else(|_| Username::parse("?")).map_err(|e| Fault::bare(e.to_string()))?;
    let read = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.users().find_by_username(&name)?);
    world.store.read("find_credentials", read).await.map_err(only_fault)
}

/// A session to open.
struct Opening {
    user: User,
    /// When the password that was proven was set.
    set_at: Option<Moment>,
    rehash: Option<(PasswordHash, PasswordHash)>,
    agent: Option<String>,
    /// The request that they sign in for.
    waiting: Option<AtOnce>,
}

/// A session that was opened.
struct Opened {
    here: Here,
    /// The grants that have ended with another person's session.
    ended: Vec<GrantId>,
    code: Option<Secret<String>>,
}

/// Opens the session, with a cookie of its own: one from before a sign-in is worth nothing after
/// it (ASVS 7.2.4). Where the same person was signed in already, their session goes on under the
/// new cookie, and with it what they granted in it; another person's is ended. Idle ones are no
/// exception, or a later sign-out would not reach them. `None` where the person was disabled or got
/// another password in the meantime.
async fn open(
    world: &Arc<World>,
    opening: Opening,
    visit: &Visit,
    origin: &Origin,
) -> Result<Option<(Secret<String>, Opened)>, Fault> {
    let cookie = credential::mint(Kind::Session, &*world.dice)?;
    let hash = world.secrets.pepper.hash(cookie.expose());
    let before = visit::unended(world, visit).await?;
    let lifetime = world.policy.load().sessions.absolute;
    let origin = origin.clone();
    let write = move |tx: &mut Tx<'_>| -> Result<Option<Opened>, Stop<Infallible>> {
        // Held: else a session could begin after the end of all of them, with the password of before.
        let Some(now) = tx.users().held(&opening.user.id)? else { return Ok(None) };
        let user = now.user;
        if !user.enabled() || now.password_changed_at != opening.set_at {
            return Ok(None);
        }
        if let Some((old, new)) = &opening.rehash {
            tx.users().rehash_password(&user.id, old, new)?;
        }
        let session = Session {
            id: SessionId::mint(tx.now(), tx.dice())?,
            user: user.id.clone(),
            auth_time: tx.now(),
            seen_at: tx.now(),
            amr: vec![Amr::Pwd],
            agent: opening.agent.clone(),
            address: origin.address,
            ended_at: None,
        };
        let (session, ended) = place(tx, session, before.as_ref(), (&hash, lifetime), &origin)?;
        let event =
            Event::SignedIn { user: user.id.clone(), session: session.id.clone(), amr: vec![Amr::Pwd.as_str()] };
        note(tx, &origin, event)?;
        let here = Here { session, user };
        let code = opening.waiting.as_ref().map(|waiting| waiting.store(tx, &here, &origin)).transpose()?.flatten();
        Ok(Some(Opened { here, ended, code }))
    };
    let Some(opened) = world.store.write("sign_in", write).await.map_err(only_fault)? else { return Ok(None) };
    end::finish(world, &opened.ended).await?;
    Ok(Some((cookie, opened)))
}

/// Writes the session down: over the one that the same person had in this browser, or as a new one.
fn place(
    tx: &mut Tx<'_>,
    session: Session,
    before: Option<&Here>,
    (hash, lifetime): (&TokenHash, Span),
    origin: &Origin,
) -> Result<(Session, Vec<GrantId>), Fault> {
    let until = tx.now() + lifetime;
    let mut ended = Vec::new();
    if let Some(before) = before {
        if before.user.id == session.user {
            let again = Session { id: before.session.id.clone(), ..session.clone() };
            if tx.sessions().authenticated_again(&again, hash, until)? {
                return Ok((again, ended));
            }
        } else {
            let gone = log_out::one(tx, &before.user.id, &before.session.id, SignOutKind::Replaced, origin)?;
            ended = gone.unwrap_or_default();
        }
    }
    tx.sessions().insert(&session, hash, until)?;
    Ok((session, ended))
}

/// How many people a browser remembers.
const REMEMBERED: usize = 5;

/// What a browser is given for a name and a password that was set then: with another password it is worth nothing.
fn mark(world: &World, visit: &Visit, (username, set_at): (&str, Option<Moment>)) -> String {
    let name = username.trim().to_lowercase();
    let set_at = set_at.map_or(0, Moment::micros).to_be_bytes();
    let parts = [b"known".as_slice(), visit.browser.cookie().expose().as_bytes(), &set_at, name.as_bytes()];
    let mac = hmac(&world.secrets.forms, &parts);
    base64url(mac.get(..16).unwrap_or_default())
}

/// Whether this browser can prove that this person signed in with it before, with the password that
/// they have now: then a stranger's failures elsewhere cannot lock them out.
fn remembers(world: &World, visit: &Visit, known: Option<&Secret<String>>, whom: (&str, Option<Moment>)) -> bool {
    let mark = mark(world, visit, whom);
    known.is_some_and(|marks| marks.expose().split('.').any(|m| same(m.as_bytes(), mark.as_bytes())))
}

/// The browser's memory with one person more, and when their password was set: a list of marks, each
/// bound to this browser, from which no name can be read.
pub(super) fn remember(
    world: &World,
    visit: &Visit,
    known: Option<&Secret<String>>,
    whom: (&str, Option<Moment>),
) -> Secret<String> {
    let mark = mark(world, visit, whom);
    let before = known.map(|k| k.expose().clone()).unwrap_or_default();
    let others = before.split('.').filter(|m| !m.is_empty() && *m != mark).take(REMEMBERED - 1);
    let marks: Vec<&str> = std::iter::once(mark.as_str()).chain(others).collect();
    Secret::new(marks.join("."))
}

#[cfg(test)]
mod tests;
