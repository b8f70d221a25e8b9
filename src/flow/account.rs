//! A person looks at their own account and changes it: profile, password, sessions, consents.
//!
//! Whatever names a row (a session, a consent) is looked for among the person's own; what is
//! somebody else's is not found, like what does not exist (ASVS 8.2.2).

use super::{
    consent, end, log_out,
    visit::Here,
    world::{World, only_fault},
};
use crate::{
    account::{session::Session, user::Profile},
    audit::{Origin, SignOutKind},
    base::{
        fault::{Fault, Stop},
        id::{ConsentId, SessionId},
        moment::Moment,
        scope::Scope,
    },
    oauth::{client::Client, register},
    store::{Tx, consents::ListedConsent},
};
use std::{convert::Infallible, sync::Arc};

mod password;
mod profile;

pub use password::{Change, Changed, Wrong, change_password};
pub use profile::{EDITABLE, Edited, Wrongs, save_profile};

/// What the first page shows.
#[derive(Clone, Debug)]
pub struct Overview {
    /// As it is now.
    pub profile: Profile,
    /// When the password was last set.
    pub password_set: Option<Moment>,
    /// How many sessions are live.
    pub sessions: usize,
    /// How many applications have a consent.
    pub consents: usize,
}

/// Reads what the first page shows.
///
/// # Errors
/// A fault of the store.
pub async fn overview(world: &Arc<World>, here: &Here) -> Result<Overview, Fault> {
    let user = here.user.id.clone();
    let profile = here.user.profile.clone();
    let sessions = sessions(world, here).await?.len();
    let read = move |tx: &mut Tx<'_>| -> Result<_, Stop<Infallible>> {
        let password_set = tx.users().credentials(&user)?.and_then(|found| found.password_changed_at);
        Ok((password_set, tx.consents().list(&user)?.len()))
    };
    let (password_set, consents) = world.store.read("overview", read).await.map_err(only_fault)?;
    Ok(Overview { profile, password_set, sessions, consents })
}

/// The live sessions of a person, the one that asks first, then the newest.
///
/// # Errors
/// A fault of the store.
pub async fn sessions(world: &Arc<World>, here: &Here) -> Result<Vec<Session>, Fault> {
    let user = here.user.id.clone();
    let read = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.sessions().list_live(&user)?);
    let mut found = world.store.read("list_sessions", read).await.map_err(only_fault)?;
    let (policy, now) = (world.policy.load(), world.now());
    found.retain(|session| session.live(&policy.sessions, now));
    found.sort_by_key(|session| session.id != here.session.id);
    Ok(found)
}

/// There is no such thing among what is the person's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFound;

/// Ends one of a person's sessions.
///
/// # Errors
/// [`NotFound`] where it is not a session of theirs that has not ended; a fault of the store.
pub async fn end_session(
    world: &Arc<World>,
    here: &Here,
    session: SessionId,
    origin: &Origin,
) -> Result<(), Stop<NotFound>> {
    let (user, origin) = (here.user.id.clone(), origin.clone());
    let write = move |tx: &mut Tx<'_>| -> Result<_, Stop<NotFound>> {
        let own = tx.sessions().find(&session)?.is_some_and(|found| found.user == user);
        let ended = if own { log_out::one(tx, &user, &session, SignOutKind::Account, &origin)? } else { None };
        ended.ok_or(Stop::Refusal(NotFound))
    };
    let ended = world.store.write("end_session", write).await?;
    end::finish(world, &ended).await?;
    Ok(())
}

/// A consent in force, with the application that it was given to.
#[derive(Clone, Debug)]
pub struct Consented {
    /// Which.
    pub id: ConsentId,
    /// To whom.
    pub client: Client,
    /// For what.
    pub scope: Scope,
    /// When.
    pub given_at: Moment,
}

/// The consents of a person, newest first.
///
/// # Errors
/// A fault of the store, or where a registration cannot be read.
pub async fn consents(world: &Arc<World>, here: &Here) -> Result<Vec<Consented>, Fault> {
    let user = here.user.id.clone();
    let read = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.consents().list(&user)?);
    let found = world.store.read("list_consents", read).await.map_err(only_fault)?;
    found
        .into_iter()
        .map(|ListedConsent { consent: row, client_metadata }| {
            let client = register::read_stored(row.client.clone(), &client_metadata)
                .map_err(|e| Fault::new(format!("reading the client {}", row.client), e))?;
            Ok(Consented { id: row.id, client, scope: row.scope, given_at: row.given_at })
        })
        .collect()
}

/// Takes a consent back, named by its identifier.
///
/// # Errors
/// [`NotFound`] where it is not a consent of theirs that is in force; a fault of the store.
pub async fn withdraw(
    world: &Arc<World>,
    here: &Here,
    wanted: ConsentId,
    origin: &Origin,
) -> Result<(), Stop<NotFound>> {
    let user = here.user.id.clone();
    let read = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.consents().list(&user)?);
    let found = world.store.read("list_consents", read).await.map_err(only_fault)?;
    let client = found.into_iter().find(|found| found.consent.id == wanted).map(|found| found.consent.client);
    let client = client.ok_or(Stop::Refusal(NotFound))?;
    Ok(consent::withdraw(world, client, here, origin).await?)
}

#[cfg(test)]
mod tests;
