//! A signing key that has to go now, because somebody else may hold it: it leaves the published set
//! on every node, what it signed is refused, a successor signs at once, and a report says what that
//! touches. Refresh tokens are signed by no key and go on.

use super::{
    end,
    journal::own_work,
    key_tally, log_out,
    rotate_keys::{self, Revocation},
    touched::{self, Touched},
    world::{World, only_fault},
};
use crate::{
    audit::{Actor, SignOutKind},
    base::{
        fault::{Fault, Stop},
        id::{GrantId, KeyId, SessionId, UserId},
        moment::Moment,
    },
    jose::Purpose,
    keyring::State,
    store::{
        Tx,
        jwks_fetches::{Fetcher, Fetches},
        signing_keys::KeyRow,
    },
};
use std::{collections::BTreeSet, convert::Infallible, fmt, sync::Arc};

/// Sessions that end in one transaction.
const BATCH: i64 = 100;

/// Why a key was not revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRevoked {
    /// There is no such key.
    Unknown,
    /// Its time was over before: nothing it signed is accepted any more.
    GoneBefore,
}

impl fmt::Display for NotRevoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "there is no signing key of this name: `keywright keys list` shows those there are",
            Self::GoneBefore => "this key is gone: its time was over, and nothing it signed is accepted any more",
        })
    }
}

/// A key that was revoked, now or before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Which.
    pub kid: KeyId,
    /// What it was for.
    pub alg: Purpose,
    /// When.
    pub at: Moment,
    /// Why, as it was said first.
    pub reason: String,
    /// What signs with this algorithm now, or is published to encrypt with; none where nothing needs to.
    pub successor: Option<KeyId>,
    /// Whether this was done now, or before.
    pub done: Done,
}

/// When something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// By this call.
    Now,
    /// Before it.
    Before,
}

/// Revokes a key, and has this node go by that; others hear of it within a second. A key that was
/// revoked before stays so, and its first reason stays.
///
/// # Errors
/// [`NotRevoked`]; a fault of the store, after which nothing has changed.
pub async fn run(world: &World, kid: &KeyId, reason: &str, by: Actor) -> Result<Revoked, Stop<NotRevoked>> {
    let revocation = Revocation { kid: kid.clone(), reason: reason.to_owned() };
    let steps = rotate_keys::revoke(world, revocation, by).await?;
    let list = |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.signing_keys().list()?);
    let rows = world.store.read("list_signing_keys", list).await.map_err(only_fault)?;
    let row = rows.iter().find(|row| &row.record.kid == kid).ok_or(Stop::Refusal(NotRevoked::Unknown))?;
    let at = row.revoked.ok_or(Stop::Refusal(NotRevoked::GoneBefore))?;
    let alg = row.record.alg;
    let signs = |row: &&KeyRow| row.record.alg == alg && matches!(row.record.state, State::Active { .. });
    Ok(Revoked {
        kid: kid.clone(),
        alg,
        at,
        reason: row.standing.as_ref().map(|standing| standing.why.clone()).unwrap_or_default(),
        successor: rows.iter().find(signs).map(|row| row.record.kid.clone()),
        done: if steps.is_empty() { Done::Before } else { Done::Now },
    })
}

/// What the end of a key touches, as the database says it now.
#[derive(Debug)]
pub struct Report {
    /// The access tokens by it that had not expired when it was revoked.
    pub touched: Touched,
    /// Signatures it made in its whole life, as far as they were written down.
    pub signed: u64,
    /// Tokens that named it and were presented to us, in its whole life.
    pub seen: u64,
    /// Those who have fetched the set since.
    pub fetched_since: Vec<(Fetcher, Fetches)>,
    /// Those who have not, and may still go by a copy that holds it: until when.
    pub may_still_trust: Vec<(Fetcher, Fetches, Moment)>,
}

/// What the end of a key touches. What other nodes have not written yet (a second or two of tokens
/// of machines, five seconds of counts) is missing.
///
/// # Errors
/// A fault of the store.
pub async fn report(world: &Arc<World>, revoked: &Revoked) -> Result<Report, Fault> {
    key_tally::flush(world).await?;
    let touched = touched::by(world, &revoked.kid, revoked.at).await?;
    let kid = revoked.kid.clone();
    let read = move |tx: &mut Tx<'_>| -> Result<_, Stop<Infallible>> {
        let uses = tx.signing_key_uses().all()?.remove(kid.as_str()).unwrap_or_default();
        Ok((uses, tx.jwks_fetches().all()?))
    };
    let (uses, fetches) = world.store.read("report_signing_key", read).await.map_err(only_fault)?;
    let keys = world.policy.load().keys.clone();
    let (now, cache) = (world.now(), keys.jwks_max_age + keys.library_cache);
    let (fetched_since, before): (Vec<_>, Vec<_>) = fetches.into_iter().partition(|(_, n)| n.last >= revoked.at);
    let may_still_trust = before
        .into_iter()
        .map(|(who, n)| {
            let until = n.last + cache;
            (who, n, until)
        })
        .filter(|(_, _, until)| *until > now)
        .collect();
    Ok(Report { touched, signed: uses.signed, seen: uses.seen, fetched_since, may_still_trust })
}

/// How many were signed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignedOut {
    /// People.
    pub people: usize,
    /// Sessions.
    pub sessions: usize,
}

/// Ends every session there is, with what ends with a session; applications are told as of any
/// sign-out. A key that leaked can speak for anybody, so nobody is spared.
///
/// # Errors
/// A fault of the store; what has ended until then has ended, and calling again goes on.
pub async fn sign_out(world: &World) -> Result<SignedOut, Fault> {
    let (mut people, mut sessions): (BTreeSet<UserId>, usize) = (BTreeSet::new(), 0);
    let mut after: Option<SessionId> = None;
    loop {
        let (from, node) = (after.clone(), Arc::clone(&world.node));
        type Ended = (Vec<(SessionId, UserId)>, Vec<GrantId>);
        let write = move |tx: &mut Tx<'_>| -> Result<Ended, Stop<Infallible>> {
            let page = tx.sessions().page_live(from.as_ref(), BATCH)?;
            let mut grants = Vec::new();
            for (session, user) in &page {
                let ended = log_out::one(tx, user, session, SignOutKind::KeyRevoked, &own_work(&node))?;
                grants.extend(ended.unwrap_or_default());
            }
            Ok((page, grants))
        };
        let (page, grants) = world.store.write("sign_everybody_out", write).await.map_err(only_fault)?;
        end::heard(world, &grants);
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        sessions = sessions.saturating_add(page.len());
        people.extend(page.into_iter().map(|(_, user)| user));
    }
    end::rest(world).await?;
    Ok(SignedOut { people: people.len(), sessions })
}

#[cfg(test)]
mod tests;
