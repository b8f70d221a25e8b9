//! What is still to be ended of very many grants: written down with the decision, so that neither
//! a crash nor an outage in between leaves some of them alive.

use super::{heard, some};
use crate::{
    audit::{Actor, GrantEnd},
    base::{
        fault::{Fault, Stop},
        id::{ClientId, GrantId, SessionId, UserId},
        moment::{Moment, Span},
    },
    flow::{
        journal::own_work,
        world::{World, only_fault},
    },
    store::{
        Tx,
        grants::{By, More},
    },
};
use std::convert::Infallible;

/// What the names of these rows begin with.
const PREFIX: &str = "ending ";
/// How far the clocks of nodes may differ: what is made later than this after the decision is new,
/// and goes on.
const SKEW: Span = Span::seconds(10);

/// All grants of somebody that were made until then.
#[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Debt {
    user: Option<UserId>,
    client: Option<ClientId>,
    session: Option<SessionId>,
    made_until: Moment,
    why: String,
    by: String,
}

impl Debt {
    fn new(of: By<'_>, why: GrantEnd, by: &Actor, now: Moment) -> Self {
        let (user, client, session) = match of {
            By::User(user) => (Some(user), None, None),
            By::UserClient(user, client) => (Some(user), Some(client), None),
            By::Client(client) => (None, Some(client), None),
            By::Session(session) => (None, None, Some(session)),
        };
        Self {
            user: user.cloned(),
            client: client.cloned(),
            session: session.cloned(),
            made_until: now + SKEW,
            why: why.as_str().to_owned(),
            by: by.to_string(),
        }
    }

    fn of(&self) -> Option<By<'_>> {
        Some(match (&self.user, &self.client, &self.session) {
            (Some(user), None, None) => By::User(user),
            (Some(user), Some(client), None) => By::UserClient(user, client),
            (None, Some(client), None) => By::Client(client),
            (None, None, Some(session)) => By::Session(session),
            _ => return None,
        })
    }

    /// One name for each set of grants: a later decision about the same takes the place of the one before.
    fn name(&self) -> String {
        let part = |what: Option<&str>| what.unwrap_or("-").to_owned();
        let (user, client) = (self.user.as_ref().map(UserId::as_str), self.client.as_ref().map(ClientId::as_str));
        let session = self.session.as_ref().map(SessionId::as_str);
        format!("{PREFIX}{} {} {}", part(user), part(client), part(session))
    }
}

/// Writes down that more is to end.
pub(super) fn note(tx: &mut Tx<'_>, of: By<'_>, why: GrantEnd, by: &Actor) -> Result<(), Fault> {
    let debt = Debt::new(of, why, by, tx.now());
    let text = serde_json::to_vec(&debt).map_err(|e| Fault::new("writing what is to end", e))?;
    tx.meta().put(&debt.name(), &text)
}

/// Ends all that is owed, whoever decided it.
///
/// # Errors
/// A fault of the store, of the kind that passes: the next to come here goes on.
pub async fn rest(world: &World) -> Result<(), Fault> {
    loop {
        let node = world.node.clone();
        let write = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(a_part(tx, &node)?);
        // Looked for in a read first: as a rule there is nothing, and a write would wait its turn.
        let look = |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.meta().starting_with(PREFIX)?.is_empty());
        if world.store.read("look_for_grants_to_end", look).await.map_err(only_fault).map_err(Fault::passing)? {
            return Ok(());
        }
        let ended = world.store.write("end_more_grants", write).await.map_err(only_fault).map_err(Fault::passing)?;
        heard(world, &ended);
    }
}

/// Ends the next batch of what is owed, and strikes out what is done. One node at a time: another
/// that counted while this one ends would believe that there is nothing left.
fn a_part(tx: &mut Tx<'_>, node: &str) -> Result<Vec<GrantId>, Fault> {
    tx.grants().one_at_a_time()?;
    let Some((name, text)) = tx.meta().starting_with(PREFIX)?.into_iter().next() else { return Ok(Vec::new()) };
    let debt: Debt = serde_json::from_slice(&text).map_err(|e| Fault::new(format!("reading {name} of meta"), e))?;
    let broken = || Fault::bare(format!("{name} of meta names nobody"));
    let of = debt.of().ok_or_else(broken)?;
    let why = GrantEnd::parse(&debt.why).ok_or_else(broken)?;
    let by = Actor::parse(&debt.by).ok_or_else(broken)?;
    let (ended, more) = some(tx, (of, Some(debt.made_until)), why, &by, &own_work(node))?;
    if more == More::No {
        tx.meta().remove(&name)?;
    }
    Ok(ended)
}

#[cfg(test)]
mod tests;
