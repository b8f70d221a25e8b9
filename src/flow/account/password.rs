//! A person changes their password: the present one is proven as at a sign-in, under the same
//! limits; then every other session and everything that was granted ends (ASVS 6.2.2 to 6.2.5,
//! 7.4.3).

use super::{Here, World, end, log_out};
use crate::{
    account::{
        password::{Password, PasswordHash},
        rules::Weakness,
        session::{Amr, Session},
        user::User,
    },
    audit::{Actor, Attempted, Event, GrantEnd, Origin, SignInFailure},
    base::{
        credential::{self, Kind},
        fault::Stop,
        id::GrantId,
        moment::{Moment, Span},
        secret::{Secret, same},
    },
    flow::{
        sign_in::{Denied, Form, busy, charge, give_back, remember},
        visit::Visit,
        world::{note, only_fault},
    },
    store::{Tx, users::Credentials},
};
use std::{convert::Infallible, sync::Arc};

/// What was typed.
#[derive(Debug)]
pub struct Change {
    /// The present password.
    pub current: Secret<String>,
    /// The new one.
    pub new: Secret<String>,
    /// The new one again.
    pub again: Secret<String>,
    /// The browser's memory, as at a sign-in.
    pub known: Option<Secret<String>>,
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The present password is another.
    Current,
    /// The new one is not good enough.
    New(Weakness),
    /// It was typed in two ways.
    Again,
    /// Too many attempts: not before this long.
    Throttled(Span),
    /// Too many people at once: not before this long.
    Busy(Span),
}

impl From<Denied> for Wrong {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Credentials => Self::Current,
            Denied::Throttled(wait) => Self::Throttled(wait),
            Denied::Busy(wait) => Self::Busy(wait),
        }
    }
}

/// It was changed.
#[derive(Debug)]
pub enum Changed {
    /// The session goes on.
    Stays {
        /// The new value of its cookie: the one before is worth nothing now.
        cookie: Secret<String>,
        /// The browser's memory, to be set: what any browser remembers of the password before is worth nothing.
        known: Secret<String>,
    },
    /// The session ended in the meantime.
    Leaves,
}

/// Changes the password.
///
/// # Errors
/// [`Wrong`]; or a fault, and then nothing has changed.
pub async fn change_password(
    world: &Arc<World>,
    here: &Here,
    change: Change,
    visit: &Visit,
    origin: &Origin,
) -> Result<Changed, Stop<Wrong>> {
    let proven_at = prove(world, here, &change, visit, origin).await?;
    let new = judge(world, &here.user, &change).map_err(Stop::Refusal)?;
    let hash = world.hashing.hash(new).await.map_err(|stop| busy(world, stop).map(Wrong::from))?;
    let Some((cookie, set_at)) = save(world, here, hash, proven_at, origin).await? else { return Ok(Changed::Leaves) };
    let whom = (here.user.username.as_str(), Some(set_at));
    Ok(Changed::Stays { cookie, known: remember(world, visit, change.known.as_ref(), whom) })
}

/// Proves the present password; says when it was set.
async fn prove(
    world: &Arc<World>,
    here: &Here,
    change: &Change,
    visit: &Visit,
    origin: &Origin,
) -> Result<Option<Moment>, Stop<Wrong>> {
    let form = Form {
        username: here.user.username.as_str().to_owned(),
        password: String::new(),
        known: change.known.clone(),
        agent: None,
    };
    let id = here.user.id.clone();
    let read = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.users().credentials(&id)?);
    let found = world.store.read("find_credentials", read).await.map_err(only_fault)?;
    let set_at = found.as_ref().and_then(|found| found.password_changed_at);
    let budgets = charge(world, (&form, set_at), visit, origin).await.map_err(|stop| stop.map(Wrong::from))?;
    let proven = compare(world, found, change).await;
    if matches!(proven, Ok(Some(_)) | Err(Stop::Fault(_))) {
        give_back(world, &budgets).await;
    }
    proven?.ok_or_else(|| {
        let (username, user) = (Attempted::new(here.user.username.as_str()), Some(here.user.id.clone()));
        world.note(origin, Event::SignInFailed { username, user, why: SignInFailure::WrongPassword });
        world.metrics.sign_ins.one("refused");
        Stop::Refusal(Wrong::Current)
    })
}

/// Compares what was typed with the present password; says when that was set, where they are the same.
async fn compare(
    world: &World,
    found: Option<Credentials>,
    change: &Change,
) -> Result<Option<Option<Moment>>, Stop<Wrong>> {
    let (Some(Credentials { password: Some(stored), password_changed_at, .. }), Some(typed)) =
        (found, Password::parse(change.current.expose().clone()))
    else {
        return Ok(None);
    };
    let outcome = world.hashing.verify(typed, stored).await.map_err(|s| busy(world, s).map(Wrong::from))?;
    Ok(outcome.matches.then_some(password_changed_at))
}

/// Judges the new password, in the light of what everybody knows of this person and service.
fn judge(world: &World, user: &User, change: &Change) -> Result<Password, Wrong> {
    if change.new.expose() != change.again.expose() {
        return Err(Wrong::Again);
    }
    if same(change.new.expose().as_bytes(), change.current.expose().as_bytes()) {
        return Err(Wrong::New(Weakness::Unchanged));
    }
    let policy = world.policy.load();
    let profile = &user.profile;
    let known = [&profile.name, &profile.given_name, &profile.family_name, &profile.nickname, &profile.email];
    let context: Vec<&str> = known
        .into_iter()
        .filter_map(Option::as_deref)
        .chain([user.username.as_str(), policy.service_name.as_str()])
        .collect();
    policy.passwords.judge(change.new.expose().clone(), &context).map_err(Wrong::New)
}

/// Saves it; the new cookie of the session, and when the password was set, where the session goes on.
async fn save(
    world: &Arc<World>,
    here: &Here,
    hash: PasswordHash,
    proven_at: Option<Moment>,
    origin: &Origin,
) -> Result<Option<(Secret<String>, Moment)>, Stop<Wrong>> {
    let cookie = credential::mint(Kind::Session, &*world.dice)?;
    let cookie_hash = world.secrets.pepper.hash(cookie.expose());
    let lifetime = world.policy.load().sessions.absolute;
    let (here, origin) = (here.clone(), origin.clone());
    let write = move |tx: &mut Tx<'_>| -> Result<(Vec<GrantId>, Option<Moment>), Stop<Wrong>> {
        let user = &here.user.id;
        // Somebody else may have changed it since it was proven; then it was not.
        if tx.users().held(user)?.is_none_or(|now| now.password_changed_at != proven_at) {
            return Err(Stop::Refusal(Wrong::Current));
        }
        tx.users().set_password(user, &hash)?;
        let by = Actor::User(user.clone());
        note(tx, &origin, Event::PasswordChanged { user: user.clone(), by: by.clone() })?;
        let ending = log_out::Everywhere {
            user: user.clone(),
            by,
            why: GrantEnd::PasswordChanged,
            keep: Some(here.session.id.clone()),
        };
        // The session that stays changes first: a code that is being made in it now is caught by the
        // end of the others, or finds that it is not what it was.
        let again = Session { auth_time: tx.now(), seen_at: tx.now(), amr: vec![Amr::Pwd], ..here.session.clone() };
        let until = tx.now() + lifetime;
        let stays = tx.sessions().authenticated_again(&again, &cookie_hash, until)?;
        Ok((log_out::all(tx, &ending, &origin)?, stays.then(|| tx.now())))
    };
    let (ended, set_at) = world.store.write("change_password", write).await?;
    end::finish(world, &ended).await?;
    Ok(set_at.map(|set_at| (cookie, set_at)))
}
