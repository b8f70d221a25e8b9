//! Sessions end: one of them, or all of a person. Whatever ends one comes through here, so that
//! nothing that hangs from a session outlives it by being forgotten: its refresh tokens, its
//! access tokens, the sign-ins of applications that want to be told.

use super::{
    deliver, end,
    visit::Here,
    world::{World, note, only_fault},
};
use crate::{
    audit::{Actor, Event, GrantEnd, Origin, SignOutKind},
    base::{
        fault::{Fault, Stop},
        id::{GrantId, SessionId, UserId},
    },
    store::{Tx, grants::By},
};
use std::{convert::Infallible, sync::Arc};

/// Ends the session of a browser, and what was granted in it but for what outlives it
/// (`offline_access`, OpenID Connect Core §11).
///
/// # Errors
/// A fault of the store; then nothing has ended.
pub async fn session(world: &Arc<World>, here: &Here, how: SignOutKind, origin: &Origin) -> Result<(), Fault> {
    let (user, session, from) = (here.user.id.clone(), here.session.id.clone(), origin.clone());
    let write = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(one(tx, &user, &session, how, &from)?);
    let ended = world.store.write("log_out", write).await.map_err(only_fault)?;
    end::finish(world, &ended.unwrap_or_default()).await
}

/// As [`session`], within a transaction: which grants have ended with it, or `None` where it had
/// ended before.
///
/// # Errors
/// A fault of the store.
pub(super) fn one(
    tx: &mut Tx<'_>,
    user: &UserId,
    session: &SessionId,
    how: SignOutKind,
    origin: &Origin,
) -> Result<Option<Vec<GrantId>>, Fault> {
    if !tx.sessions().end(session)? {
        return Ok(None);
    }
    note(tx, origin, Event::SignedOut { session: session.clone(), user: user.clone(), how })?;
    let by = match how {
        SignOutKind::Replaced | SignOutKind::KeyRevoked => Actor::System,
        SignOutKind::Page | SignOutKind::Client | SignOutKind::Account | SignOutKind::Everywhere => {
            Actor::User(user.clone())
        }
    };
    let ended = end::grants(tx, By::Session(session), GrantEnd::SignedOut, &by, origin)?;
    // Whom to tell is known by what was granted in the session, and only now nothing more can be: a
    // code that was being redeemed has become a grant, and the others are gone.
    deliver::enqueue(tx, user, session)?;
    Ok(Some(ended))
}

/// All of a person's sessions are to end, and everything that they granted.
#[derive(Clone, Debug)]
pub struct Everywhere {
    /// Whose.
    pub user: UserId,
    /// Who wants it.
    pub by: Actor,
    /// Why the grants end.
    pub why: GrantEnd,
    /// The one session that goes on, where one does.
    pub keep: Option<SessionId>,
}

impl Everywhere {
    /// As the person themselves asks for it: all without exception.
    #[must_use]
    pub fn asked_by(user: &UserId) -> Self {
        Self { user: user.clone(), by: Actor::User(user.clone()), why: GrantEnd::SignedOutEverywhere, keep: None }
    }
}

/// Ends all sessions of a person, and all grants, those with `offline_access` too.
///
/// # Errors
/// A fault of the store; then nothing has ended, or of very many grants those that are owed end later.
pub async fn everywhere(world: &Arc<World>, ending: Everywhere, origin: &Origin) -> Result<(), Fault> {
    let from = origin.clone();
    let write = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(all(tx, &ending, &from)?);
    let ended = world.store.write("log_out_everywhere", write).await.map_err(only_fault)?;
    end::finish(world, &ended).await
}

/// As [`everywhere`], within a transaction: which grants have ended.
///
/// # Errors
/// A fault of the store.
pub fn all(tx: &mut Tx<'_>, ending: &Everywhere, origin: &Origin) -> Result<Vec<GrantId>, Fault> {
    let user = &ending.user;
    let sessions = tx.sessions().end_all(user, ending.keep.as_ref())?;
    for session in &sessions {
        let how = SignOutKind::Everywhere;
        note(tx, origin, Event::SignedOut { session: session.clone(), user: user.clone(), how })?;
    }
    if ending.keep.is_none() && !sessions.is_empty() {
        note(tx, origin, Event::SignedOutEverywhere { user: user.clone(), by: ending.by.clone() })?;
    }
    let ended = end::grants(tx, By::User(user), ending.why, &ending.by, origin)?;
    // After it, as in [`one`].
    for session in &sessions {
        deliver::enqueue(tx, user, session)?;
    }
    Ok(ended)
}

#[cfg(test)]
mod tests;
