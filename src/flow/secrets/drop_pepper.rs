//! Forgetting a pepper that nothing hangs on any more. Client secrets and API keys say which pepper
//! hashed them. Sessions, lines of refresh tokens and links to claim a key do not: of these it counts
//! what may have been hashed before another took its place, though some may have been hashed anew.

use super::{read, rewrap::number};
use crate::{
    audit::{Actor, Event},
    base::{
        fault::Stop,
        moment::{Moment, Span},
    },
    flow::{
        journal::own_work,
        world::{World, note},
    },
    store::{
        Tx,
        feed::{Change, Subject},
        hashes::Held,
        key_versions::Kind,
    },
};
use std::fmt;

/// How long after another took its place a pepper is kept in any case: by then every code that it hashed is over.
pub const SETTLED: Span = Span::minutes(15);
/// For so long a node whose clock is slow may go on with it.
const SKEW: Span = Span::minutes(1);

/// Why a pepper stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDropped {
    /// There is none of this version.
    Unknown(i32),
    /// It hashes what is new.
    InUse(i32),
    /// It did so until a short while ago: not before this moment.
    TooSoon(i32, Moment),
    /// Something is known by it alone.
    Held(i32, Held),
}

impl fmt::Display for NotDropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(version) => write!(f, "there is no pepper of version {version}"),
            Self::InUse(version) => {
                write!(f, "the pepper of version {version} hashes what is new: keywright secrets rotate-pepper")
            }
            Self::TooSoon(version, at) => {
                write!(f, "the pepper of version {version} was in use until a short while ago: not before {at}")
            }
            Self::Held(version, held) => write!(
                f,
                "the pepper of version {version} stays, for by it alone are known: {} client secrets and {} API keys; \
                 and at most {} sessions, {} refresh tokens and {} links to claim a key, which are from before another \
                 took its place. They are hashed anew when they are used, or end",
                held.client_secrets, held.api_keys, held.sessions, held.refresh_tokens, held.claim_links
            ),
        }
    }
}

/// A pepper that is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its version.
    pub version: i32,
    /// Whether the operator keeps it, and may throw it away.
    pub elsewhere: bool,
}

/// Forgets a pepper, on every node, where nothing is known by it any more.
///
/// # Errors
/// [`NotDropped`], after which it is as it was; a fault of the store.
pub async fn run(world: &World, version: i32, by: Actor) -> Result<Dropped, Stop<NotDropped>> {
    let node = world.node.to_string();
    let work = move |tx: &mut Tx<'_>| -> Result<Dropped, Stop<NotDropped>> {
        tx.key_versions().lock()?;
        let rows = read(tx)?.rows;
        let pepper = rows.iter().find(|row| row.kind == Kind::Pepper && row.version == version);
        let Some(pepper) = pepper else { return Err(Stop::Refusal(NotDropped::Unknown(version))) };
        let Some(until) = pepper.retired_at else { return Err(Stop::Refusal(NotDropped::InUse(version))) };
        if tx.now() < until + SETTLED {
            return Err(Stop::Refusal(NotDropped::TooSoon(version, until + SETTLED)));
        }
        let held = match i16::try_from(version) {
            Ok(version) => tx.hashes().held_by(version, until + SKEW)?,
            Err(_) => Held::default(),
        };
        if held.all() > 0 {
            return Err(Stop::Refusal(NotDropped::Held(version, held)));
        }
        tx.key_versions().delete(Kind::Pepper, version)?;
        tx.feed().add(&Change::about(Subject::SigningKeys, "all"))?;
        note(tx, &own_work(&node), Event::PepperDropped { version: number(version), by: by.clone() })?;
        Ok(Dropped { version, elsewhere: pepper.sealed_by.is_none() })
    };
    let dropped = world.store.write("drop_pepper", work).await?;
    world.secrets.learn(&world.store).await?;
    Ok(dropped)
}
