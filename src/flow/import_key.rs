//! A signing key from another server: published first and signing later like one of our own, or only
//! published, so that tokens of the server before are still verified.

use super::{
    journal::own_work,
    rotate_keys::{self, NewKey, NewRow, seen::Seen},
    world::{World, note},
};
use crate::{
    audit::{Actor, Event},
    base::{
        fault::{Fault, Stop},
        id::KeyId,
        moment::{Moment, Span},
        secret::Secret,
    },
    jose::{Alg, SigningKey, thumbprint},
    keyring::{KeyRecord, Rotation, State},
    store::{
        Tx,
        feed::{Change, Subject},
        signing_keys::Origin,
    },
};
use std::{fmt, sync::Arc};

/// For how long a key that only verifies may be published: longer than any token should live.
const LONGEST: Span = Span::days(400);

/// A key to be taken in.
#[derive(Clone, Debug)]
pub struct Import {
    /// The private half: PKCS#8, DER.
    pub private: Secret<Vec<u8>>,
    /// What it signs with.
    pub alg: Alg,
    /// The name it keeps, which tokens that are out carry; the thumbprint where there is none.
    pub kid: Option<KeyId>,
    /// Until when it is published, where it is to sign nothing.
    pub retiring_until: Option<Moment>,
}

/// Why a key was not taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotImported {
    /// There is a key of this name.
    Taken(KeyId),
    /// This very key is there, or was: one that was revoked does not come back.
    Known(KeyId),
    /// It would be published until a time that is over, or for more than 400 days.
    BadEnd,
}

impl fmt::Display for NotImported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(kid) => {
                write!(f, "there is another signing key of the name {kid}: give this one another by --kid")
            }
            Self::Known(kid) => write!(f, "this very key is here, or was, as {kid}"),
            Self::BadEnd => f.write_str("it must be published until a time to come, within 400 days"),
        }
    }
}

/// Takes a key in; says under which name. Where a successor of its algorithm was published already,
/// this one takes its place.
///
/// # Errors
/// [`NotImported`]; a fault of the store, after which nothing has changed.
pub async fn run(world: &World, import: Import, by: Actor) -> Result<KeyId, Stop<NotImported>> {
    let kid = match &import.kid {
        Some(kid) => kid.clone(),
        None => SigningKey::name_of(import.alg, &import.private)?,
    };
    let key = SigningKey::from_private(kid.clone(), import.alg, &import.private)?;
    let public = key.public_jwk().clone();
    let (policy, envelope) = (world.policy.load_full(), world.secrets.envelope.clone());
    let (node, named, actor) = (Arc::clone(&world.node), kid.clone(), by.clone());
    let write = move |tx: &mut Tx<'_>| -> Result<(), Stop<NotImported>> {
        tx.signing_keys().lock()?;
        let seen = Seen::load(tx, &policy, None)?;
        let own = thumbprint(&public).ok_or_else(|| Fault::bare("a key without a thumbprint"))?;
        if let Some(row) = seen.rows.iter().find(|row| thumbprint(&row.public).as_deref() == Some(&own)) {
            return Err(Stop::Refusal(NotImported::Known(row.record.kid.clone())));
        }
        if seen.rows.iter().any(|row| row.record.kid == named) {
            return Err(Stop::Refusal(NotImported::Taken(named.clone())));
        }
        let (epoch, at, known_at) = seen.facts().publish(import.alg.into());
        let state = match import.retiring_until {
            None => State::Pending,
            Some(until) if until > at && until <= at + LONGEST => State::Retiring { until },
            Some(_) => return Err(Stop::Refusal(NotImported::BadEnd)),
        };
        let (kid, alg) = (named.clone(), import.alg);
        let record = KeyRecord { kid, alg: alg.into(), epoch, created_at: at, known_at, signed_at: None, state };
        let why = "an operator brought it from elsewhere";
        let (key, public) = (&NewKey::Here(import.private.clone()), public.clone());
        rotate_keys::add(tx, &envelope, NewRow { record, key, public, origin: Origin::Imported, why })?;
        tx.feed().add(&Change::about(Subject::SigningKeys, "all"))?;
        let (kid, by) = (named.clone(), actor.clone());
        let event = Event::SigningKeyImported { kid, alg: alg.name(), state: state.name(), by };
        Ok(note(tx, &own_work(&node), event)?)
    };
    world.store.write("import_signing_key", write).await?;
    // Another successor that was published before gives way.
    rotate_keys::run(world, Rotation::OnSchedule, by).await?;
    Ok(kid)
}

#[cfg(test)]
mod tests;
