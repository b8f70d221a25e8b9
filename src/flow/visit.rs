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
}

/// A signed-in person.
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

/// Who is signed in at this browser: a live session of an enabled person. Its use is written
/// down, at most once a minute.
///
/// # Errors
/// A fault of the store.
pub async fn session(world: &Arc<World>, visit: &Visit) -> Result<Option<Here>, Fault> {
    let Some(cookie) = &visit.session else { return Ok(None) };
    let found = rehash::session(world, cookie).await?;
    let now = world.now();
    let policy = world.policy.load();
    let live = found.filter(|(session, user)| user.enabled() && session.live(&policy.sessions, now));
    let Some((session, user)) = live else { return Ok(None) };
    if session.wants_touch(now) {
        let id = session.id.clone();
        let touch = world.store.write("touch_session", move |tx: &mut Tx<'_>| {
            Ok::<_, Stop<Infallible>>(tx.sessions().touch(&id).map(|_| ())?)
        });
        touch.await.map_err(only_fault)?;
    }
    Ok(Some(Here { session, user }))
}
