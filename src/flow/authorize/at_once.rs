//! The code of a person who is about to sign in for an application: stored in the transaction that
//! opens their session, so that the whole sign-in is one commit.

use super::{
    issue::{self, Blank},
    known,
};
use crate::{
    audit::Origin,
    base::{fault::Fault, secret::Secret},
    flow::{clients, interaction::Interaction, visit::Here, world::World},
    oauth::{
        authorize::interaction::{self as rule, Next},
        client::Trust,
    },
    store::{Tx, codes::Issuing},
};
use std::sync::Arc;

/// A request that waits for its person, and the code it is answered with where nothing else is
/// missing.
#[derive(Debug)]
pub struct AtOnce {
    interaction: Interaction,
    trust: Trust,
    blank: Blank,
}

impl AtOnce {
    /// For this request; `None` where its application, or where it wants the answer, is registered
    /// no longer: whoever goes on with it tells the person.
    ///
    /// # Errors
    /// A fault of the store or of the dice.
    pub async fn of(world: &Arc<World>, interaction: &Interaction) -> Result<Option<Self>, Fault> {
        let Some(registered) = clients::find(world, &interaction.asked.client).await? else { return Ok(None) };
        let client = registered.client();
        if interaction.asked.destination.still_registered(client).is_err() {
            return Ok(None);
        }
        Ok(Some(Self { interaction: interaction.clone(), trust: client.trust, blank: Blank::mint(world)? }))
    }

    /// Stores the code, in the transaction in which the person's session was opened, and gives it;
    /// `None` where they have to be asked something more.
    pub(in crate::flow) fn store(
        &self,
        tx: &mut Tx<'_>,
        here: &Here,
        origin: &Origin,
    ) -> Result<Option<Secret<String>>, Fault> {
        let (asked, now) = (&self.interaction.asked, tx.now());
        let consent = if rule::asks_for_consent(asked, self.trust) {
            tx.consents().find(&here.user.id, &asked.client)?
        } else {
            None
        };
        let facts = known(&self.interaction, self.trust, here.clone(), consent);
        if rule::next(asked, &facts, now) != Next::Approve {
            return Ok(None);
        }
        let Some(session) = facts.session else { return Ok(None) };
        let agreed_at = facts.consent.map(|consent| consent.given_at);
        let audit = origin.record(issue::issued(asked, &session), now, tx.dice())?;
        let code = issue::code(asked.clone(), session, now + self.blank.lifetime);
        let issuing = Issuing { hash: &self.blank.hash, code: &code, agreed_at, audit: &audit };
        let stored = tx.codes().issue(&issuing)?;
        Ok(stored.then(|| self.blank.code.clone()))
    }
}

#[cfg(test)]
mod tests;
