//! Ending what was granted: one way for a sign-out, a password change, a withdrawn consent, a
//! disabled person or client. Refresh tokens stop at once here, and access tokens on every node
//! as soon as it has heard (within a second).
//!
//! A client may have very many grants, and a transaction must stay far shorter than the ten seconds
//! for which other nodes wait for a change that was numbered and not yet committed. So the
//! transaction that decides ends the first thousand, and writes down that the others are owed:
//! they follow, a thousand at a time, before anybody is told that it is done. Where that is cut
//! short, whichever node comes first goes on.

mod owed;

pub use owed::rest;

use super::world::{LONGEST_TOKEN, World};
use crate::{
    audit::{Actor, Event, GrantEnd, Origin},
    base::{fault::Fault, id::GrantId, moment::Moment},
    store::{
        Tx,
        grants::{By, More},
    },
};

/// Grants that end in one transaction.
const BATCH: u16 = 1000;

/// Ends live grants of these, each with its event; says which. Codes that would become a grant end
/// too, and before, so that one that is being redeemed right now is caught as either. Where there
/// are very many, some are owed: call [`finish`] or [`rest`] after the commit.
///
/// # Errors
/// A fault of the store, which rolls everything back.
pub fn grants(tx: &mut Tx<'_>, of: By<'_>, why: GrantEnd, by: &Actor, origin: &Origin) -> Result<Vec<GrantId>, Fault> {
    tx.codes().void(of)?;
    let (ended, more) = some(tx, (of, None), why, by, origin)?;
    if more == More::Yes {
        owed::note(tx, of, why, by)?;
    }
    Ok(ended)
}

/// Ends a batch of grants, those made until then where it is said.
fn some(
    tx: &mut Tx<'_>,
    (of, made_until): (By<'_>, Option<Moment>),
    why: GrantEnd,
    by: &Actor,
    origin: &Origin,
) -> Result<(Vec<GrantId>, More), Fault> {
    let (ended, more) = tx.grants().revoke_some(of, made_until, why, BATCH)?;
    let revoked = |grant: &GrantId| {
        let event = Event::GrantRevoked { grant: grant.clone(), client: None, user: None, why, by: by.clone() };
        origin.record(event, tx.now(), tx.dice())
    };
    let records = ended.iter().map(revoked).collect::<Result<Vec<_>, _>>()?;
    tx.audit().add_many(&records)?;
    Ok((ended, more))
}

/// Lets this node know at once, after the commit, what every other will hear of.
pub fn heard(world: &World, ended: &[GrantId]) {
    let until = world.now() + LONGEST_TOKEN;
    for grant in ended {
        world.revocations.own_grant(grant.clone(), until);
    }
}

/// After the commit of what ended these grants: lets this node know, and ends what is owed.
///
/// # Errors
/// A fault of the store, of the kind that passes: what is still owed ends all the same, later.
pub async fn finish(world: &World, ended: &[GrantId]) -> Result<(), Fault> {
    heard(world, ended);
    if ended.len() < usize::from(BATCH) { Ok(()) } else { rest(world).await }
}
