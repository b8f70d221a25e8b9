//! Who manages keys: whoever is behind an access token, or a person at their own pages.

use crate::{
    apikey::{
        access::{self, Caller},
        family::Owner,
    },
    audit::Actor,
    base::{
        fault::{Fault, Stop},
        moment::Span,
    },
    flow::{
        bearer::{self, Bearer, Besides, Places, bad_token},
        clients,
        visit::Here,
        world::{World, only_fault},
    },
    oauth::bearer::Challenge,
    oidc::subject::Subject,
    store::Tx,
};
use std::convert::Infallible;

/// The caller that an access token proves, and how events name them. Whoever is disabled proves nothing,
/// nor does a token that is for a resource server too: that server could manage keys with it.
///
/// # Errors
/// The [`Challenge`] to answer with; a fault where the store cannot be asked.
pub async fn prove(world: &World, places: Places<'_>) -> Result<(Caller, Actor), Stop<Challenge>> {
    let Bearer { subject, scope, issued, signed_in, .. } = bearer::check(world, places, Besides::Nobody).await?;
    let now = world.now();
    let fresh = match &subject {
        Subject::Client(_) => true,
        // A time to come is no sign-in of a short while ago.
        Subject::Person(_) => signed_in.is_some_and(|at| at <= now && now.since(at) <= FRESH),
    };
    let (owner, actor, scope, active) = match subject {
        Subject::Client(id) => {
            let active = clients::find(world, &id).await?.is_some_and(|client| client.stands_by(issued));
            (Owner::Client(id.clone()), Actor::Client(id), scope, active)
        }
        Subject::Person(id) => {
            let wanted = id.clone();
            let read = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.users().find(&wanted)?);
            let found: Result<_, Fault> = world.store.read("find_user", read).await.map_err(only_fault);
            let active = found?.is_some_and(|user| user.disabled_at.is_none());
            (Owner::User(id.clone()), Actor::User(id), access::of_person(&scope), active)
        }
    };
    if active {
        return Ok((Caller::Token { owner, scope, fresh }, actor));
    }
    Err(bad_token(world, "whoever the access token acts for is disabled, or was since"))
}

/// How long after a sign-in a person may make and rotate keys (ASVS 5.0, 7.5.3).
pub const FRESH: Span = Span::minutes(5);

/// A person at their own pages, and how events name them.
#[must_use]
pub fn at_home(world: &World, here: &Here) -> (Caller, Actor) {
    let fresh = here.session.within(FRESH, world.now());
    let id = here.user.id.clone();
    (Caller::Person { owner: Owner::User(id.clone()), fresh }, Actor::User(id))
}
