//! Ending what was granted: one way for a sign-out, a password change, a withdrawn consent, a
//! disabled person or client. Refresh tokens stop at once here, and access tokens on every node
//! as soon as it has heard (within a second).

use super::world::{LONGEST_TOKEN, World};
use crate::{
    audit::{Actor, Event, GrantEnd, Origin},
    base::{fault::Fault, id::GrantId},
    store::{Tx, grants::By},
};

/// Ends every live grant of these, each with its event; says which. Codes that would become a
/// grant end too, and before, so that one that is being redeemed right now is caught as either.
///
/// # Errors
/// A fault of the store, which rolls everything back.
pub fn grants(tx: &mut Tx<'_>, of: By<'_>, why: GrantEnd, by: &Actor, origin: &Origin) -> Result<Vec<GrantId>, Fault> {
    tx.codes().void(of)?;
    let ended = tx.grants().revoke_where(of, why)?;
    // In batches: other nodes wait ten seconds for a change that was numbered but not yet committed,
    // and a client may have very many grants.
    let revoked = |grant: &GrantId| {
        let event = Event::GrantRevoked { grant: grant.clone(), client: None, user: None, why, by: by.clone() };
        origin.record(event, tx.now(), tx.dice())
    };
    let records = ended.iter().map(revoked).collect::<Result<Vec<_>, _>>()?;
    tx.audit().add_many(&records)?;
    Ok(ended)
}

/// Lets this node know at once, after the commit, what every other will hear of.
pub fn heard(world: &World, ended: &[GrantId]) {
    let until = world.now() + LONGEST_TOKEN;
    for grant in ended {
        world.revocations.grant(grant.clone(), until);
    }
}
