//! A code, stored for whoever is signed in.

use crate::{
    audit::{Event, Origin},
    base::{
        credential::{self, Kind},
        digest::TokenHash,
        fault::{Fault, Stop},
        moment::{Moment, Span},
        secret::Secret,
    },
    flow::world::{World, only_fault},
    oauth::{
        authorize::{
            checks::Asked,
            interaction::{ConsentFacts, SessionFacts},
        },
        grant::{Authentication, Code, Granted},
    },
    store::{Tx, codes::Issuing},
};
use std::{convert::Infallible, sync::Arc};

/// A code that stands for nothing yet.
#[derive(Debug)]
pub(super) struct Blank {
    pub(super) code: Secret<String>,
    pub(super) hash: TokenHash,
    pub(super) lifetime: Span,
}

impl Blank {
    /// A new one.
    pub(super) fn mint(world: &World) -> Result<Self, Fault> {
        let code = credential::mint(Kind::Code, &*world.dice)?;
        let hash = world.secrets.pepper.hash(code.expose());
        Ok(Self { code, hash, lifetime: world.policy.load().tokens.code_lifetime })
    }
}

/// A code; `None` where the session has ended, or it or the consent is not as it was, since these
/// facts were found.
pub(super) async fn run(
    world: &Arc<World>,
    asked: Asked,
    (session, consent): (SessionFacts, Option<ConsentFacts>),
    origin: &Origin,
) -> Result<Option<Secret<String>>, Fault> {
    let blank = Blank::mint(world)?;
    look_at_challenge(world, &asked, origin);
    let now = world.now();
    let record = origin.record(issued(&asked, &session), now, &*world.dice)?;
    let agreed_at = consent.map(|consent| consent.given_at);
    let (hash, stored) = (blank.hash, code(asked, session, now + blank.lifetime));
    let single = world.store.single("issue_code", move |tx: &mut Tx<'_>| {
        let issuing = Issuing { hash: &hash, code: &stored, agreed_at, audit: &record };
        Ok::<_, Stop<Infallible>>(tx.codes().issue(&issuing)?)
    });
    let issued = single.await.map_err(only_fault)?;
    Ok(issued.then_some(blank.code))
}

/// Notes a challenge that was seen before: its client does not make a new one each time (RFC 7636 §7.1).
pub(super) fn look_at_challenge(world: &World, asked: &Asked, origin: &Origin) {
    if world.challenges.seen_before(&asked.client, asked.challenge.as_str()) {
        world.note(origin, Event::ChallengeReused { client: asked.client.clone() });
    }
}

/// What is recorded of a code.
pub(super) fn issued(asked: &Asked, session: &SessionFacts) -> Event {
    Event::CodeIssued {
        client: asked.client.clone(),
        user: session.user.clone(),
        session: Some(session.session.clone()),
        scope: asked.scope.clone(),
        resources: asked.resources.iter().map(ToString::to_string).collect(),
    }
}

/// What a code stands for.
pub(super) fn code(asked: Asked, session: SessionFacts, expires_at: Moment) -> Code {
    Code {
        redirect_uri: asked.destination.uri().to_owned(),
        redirect_uri_was_sent: asked.destination.was_sent(),
        challenge: asked.challenge.as_str().to_owned(),
        expires_at,
        granted: Granted {
            client: asked.client,
            user: session.user,
            session: session.session,
            scope: asked.scope,
            resources: asked.resources,
            claims: asked.claims,
            authentication: Authentication { at: session.auth_time, amr: session.amr, acr: session.acr },
            nonce: asked.nonce,
        },
    }
}
