//! Who is at the other end of a browser: its own name, and the session that it is signed in with.

use super::{
    interaction::Browser,
    secrets::rehash,
    world::{World, only_fault},
};
use crate::{
    account::{session::Session, user::User},
    base::{
        credential::{self, Kind},
        fault::{Fault, Stop},
        secret::Secret,
    },
    store::Tx,
};
use std::{convert::Infallible, sync::Arc};

/// A browser's request, before it is known whether anybody is signed in.
#[derive(Debug)]
pub struct Visit {
    /// The browser.
    pub browser: Browser,
    /// Whether the browser's cookie is still to be set.
    pub newcomer: Newcomer,
    /// The session cookie that it sent.
    pub session: Option<Secret<String>>,
}

/// Whether a browser has been here before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newcomer {
    /// Never: its cookie is to be set.
    Yes,
    /// It sent its cookie.
    No,
    /// That cannot be known: with the form of another site no cookie comes along. None is set, for it would
    /// take the place of the one that the browser has.
    Unknown,
}

/// A person, and their session in this browser.
#[derive(Clone, Debug)]
pub struct Here {
    /// The session.
    pub session: Session,
    /// Whose it is.
    pub user: User,
}

impl Visit {
    /// From the two cookies of a request.
    ///
    /// # Errors
    /// A fault of randomness.
    pub fn new(
        world: &World,
        browser: Option<&Secret<String>>,
        session: Option<Secret<String>>,
    ) -> Result<Self, Fault> {
        let (browser, newcomer) = match Browser::known(browser) {
            Some(browser) => (browser, Newcomer::No),
            None => (Browser::new(&*world.dice)?, Newcomer::Yes),
        };
        let session = session.filter(|cookie| credential::well_formed(Kind::Session, cookie.expose()));
        Ok(Self { browser, newcomer, session })
    }
}

impl Here {
    /// Whether the person is signed in by it: the session is live, and they are not disabled.
    #[must_use]
    pub fn signed_in(&self, world: &World) -> bool {
        self.user.enabled() && self.session.live(&world.policy.load().sessions, world.now())
    }
}

/// Who is signed in at this browser: a live session of an enabled person. Its use is written
/// down, at most once a minute.
///
/// # Errors
/// A fault of the store.
pub async fn session(world: &Arc<World>, visit: &Visit) -> Result<Option<Here>, Fault> {
    let Some(here) = unended(world, visit).await?.filter(|here| here.signed_in(world)) else { return Ok(None) };
    if here.session.wants_touch(world.now()) {
        let id = here.session.id.clone();
        let touch = world.store.write("touch_session", move |tx: &mut Tx<'_>| {
            Ok::<_, Stop<Infallible>>(tx.sessions().touch(&id).map(|_| ())?)
        });
        touch.await.map_err(only_fault)?;
    }
    Ok(Some(here))
}

/// The session of this browser that nobody has ended, also where it was not used for too long: then
/// nobody is signed in by it, and yet what was granted in it goes on, until a sign-out here, or the
/// next sign-in, sees to it.
///
/// # Errors
/// A fault of the store.
pub async fn unended(world: &World, visit: &Visit) -> Result<Option<Here>, Fault> {
    let Some(cookie) = &visit.session else { return Ok(None) };
    let found = rehash::session(world, cookie).await?;
    Ok(found.filter(|(session, _)| session.ended_at.is_none()).map(|(session, user)| Here { session, user }))
}
