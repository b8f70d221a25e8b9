//! A person is erased: what is known of them is deleted, and of what was recorded the words and
//! addresses that tell who they were. That things happened, and when, stays recorded.

use super::{
    api_keys::{apis::Done, many},
    end, follow,
    journal::own_work,
    manage_users::{Unmet, disable, find},
    sign_in::hidden,
    sweep,
    world::{World, note},
};
use crate::{
    apikey::family::Owner,
    audit::{Actor, Event},
    base::{fault::Stop, id::UserId},
    store::{
        Tx,
        feed::{Change, Subject},
    },
};
use std::sync::Arc;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Who they were.
    pub user: UserId,
    /// API keys that were ended.
    pub keys: usize,
    /// Events that told who they were.
    pub events: usize,
}

/// Erases a person. They are disabled first, so that nothing new is recorded of them; then all is
/// done in one transaction. Of somebody who was erased before, by their identifier, it erases what
/// other nodes have written down since, within a second of the first time.
///
/// # Errors
/// [`Unmet`] where nobody has this name or identifier; a fault, and then nothing is erased.
pub async fn run(world: &Arc<World>, named: &str, by: Actor) -> Result<Erased, Stop<Unmet>> {
    let (user, name) = match find(world, named).await {
        Ok(user) => (user.id, user.username.to_string()),
        Err(Stop::Refusal(Unmet::Unknown(named))) => (erased_before(world, &named).await?, String::new()),
        Err(stop) => return Err(stop),
    };
    if !name.is_empty() {
        match disable(world, user.as_str(), by.clone()).await {
            Ok(_) | Err(Stop::Refusal(Unmet::Already(_))) => {}
            Err(stop) => return Err(stop),
        }
    }
    end::rest(world).await?;
    sweep::flush(world).await?;
    let attempts = if name.is_empty() { None } else { Some([hidden(world, &name).as_str().to_owned(), name]) };
    let done = Done { by, origin: own_work(&world.node) };
    let write = move |tx: &mut Tx<'_>| -> Result<Erased, Stop<Unmet>> {
        let keys = many::revoke_all_of(tx, &Owner::User(user.clone()), &done)?;
        let events = tx.audit().erase(&user, attempts.as_ref())?;
        tx.users().erase(&user)?;
        tx.feed().add(&Change::about(Subject::User, user.as_str()))?;
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let event =
            Event::UserErased { user: user.clone(), by: done.by.clone(), keys: count(keys), events: count(events) };
        note(tx, &done.origin, event)?;
        Ok(Erased { user: user.clone(), keys, events })
    };
    let erased = world.store.write("erase_user", write).await?;
    if let Err(fault) = follow::now(world).await {
        tracing::debug!(error = %fault, "that a person was erased was not heard at once");
    }
    Ok(erased)
}

/// Somebody who is no more, if that is known of them.
async fn erased_before(world: &World, named: &str) -> Result<UserId, Stop<Unmet>> {
    let unknown = || Stop::Refusal(Unmet::Unknown(named.to_owned()));
    let user = UserId::parse(named).filter(|id| id.to_u128().is_some()).ok_or_else(unknown)?;
    let id = user.clone();
    let read = move |tx: &mut Tx<'_>| -> Result<bool, Stop<Unmet>> {
        let filter = crate::store::audit::Filter {
            kind_prefix: Some("user.erased".to_owned()),
            user: Some(id.clone()),
            ..Default::default()
        };
        Ok(!tx.audit().list(&filter, None, 1)?.is_empty())
    };
    if world.store.read("find_erased_user", read).await? { Ok(user) } else { Err(unknown()) }
}
