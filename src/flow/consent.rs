//! A person answers the consent page (OpenID Connect Core §3.1.2.4), and later takes it back.

use super::{
    end,
    interaction::Interaction,
    visit::Here,
    world::{World, note, only_fault},
};
use crate::{
    audit::{Actor, Event, GrantEnd, Origin},
    base::{
        fault::{Fault, Stop},
        id::{ClientId, GrantId},
    },
    store::{Tx, grants::By},
};
use std::{convert::Infallible, sync::Arc};

/// Records that the person agreed to all that was asked.
///
/// # Errors
/// A fault of the store.
pub async fn give(world: &Arc<World>, interaction: &Interaction, here: &Here, origin: &Origin) -> Result<(), Fault> {
    let (asked, user, origin) = (interaction.asked.clone(), here.user.id.clone(), origin.clone());
    let write = move |tx: &mut Tx<'_>| -> Result<(), Stop<Infallible>> {
        let consent = tx.consents().give(&user, &asked.client, &asked.to_consent(), &asked.resources)?;
        let event = Event::ConsentGiven {
            consent: Some(consent.id),
            user: user.clone(),
            client: asked.client.clone(),
            scope: asked.scope.clone(),
            resources: asked.resources.iter().map(ToString::to_string).collect(),
        };
        Ok(note(tx, &origin, event)?)
    };
    world.store.write("give_consent", write).await.map_err(only_fault)
}

/// Takes a consent back: what was granted under it ends at once.
///
/// # Errors
/// A fault of the store.
pub async fn withdraw(world: &Arc<World>, client: ClientId, here: &Here, origin: &Origin) -> Result<(), Fault> {
    let (user, origin) = (here.user.id.clone(), origin.clone());
    let write = move |tx: &mut Tx<'_>| -> Result<Vec<GrantId>, Stop<Infallible>> {
        let by = Actor::User(user.clone());
        tx.consents().withdraw(&user, &client)?;
        let event =
            Event::ConsentWithdrawn { consent: None, user: user.clone(), client: client.clone(), by: by.clone() };
        note(tx, &origin, event)?;
        Ok(end::grants(tx, By::UserClient(&user, &client), GrantEnd::ConsentWithdrawn, &by, &origin)?)
    };
    let ended = world.store.write("withdraw_consent", write).await.map_err(only_fault)?;
    end::finish(world, &ended).await
}
