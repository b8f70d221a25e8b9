//! Keys that somebody found where they do not belong: told of, they end for good; asked about, it is
//! said whether they are still good.
//!
//! Whoever tells learns nothing: neither whether there is such a key, nor what became of it. Whoever
//! asks has the whole text, and could as well use it.

use super::{
    apis::Done,
    guesses,
    life::{heard, stepped},
    refused::Refused,
    under_peppers,
    verify::{self, Found, network},
};
use crate::{
    apikey::{
        call::Call,
        family::Owner,
        judge::stands,
        key::{ApiKey, Side, State},
        rotate::Step,
    },
    audit::{Actor, Event, Origin},
    base::{
        digest::TokenHash,
        fault::{Fault, Stop},
        moment::Span,
    },
    flow::world::{World, note, only_fault},
    limit::Rule,
    oauth::refusal::Exceeded,
    store::{Tx, key_facts::KeyFacts},
};
use std::{convert::Infallible, sync::Arc};

/// The most tokens of one report.
pub const MOST: usize = 1000;
/// Reports of one address in an hour.
const REPORTS: u32 = 60;
/// Questions of one address in an hour: a scanner asks one by one.
const QUESTIONS: u32 = 600;
/// How often it is recorded of one key that somebody asked about it.
const ASKED: (Span, u32) = (Span::hours(1), 1);
/// Why a key that was told of is in its state.
const REASON: &str = "it was found where others can read it";

/// What somebody who found keys wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// To tell of them.
    Tell,
    /// To ask whether one is still good.
    Ask,
}

/// Lets somebody through who found keys, or not.
///
/// # Errors
/// The limit that their address has met.
pub async fn admit(world: &World, want: Want, origin: &Origin) -> Result<(), Exceeded> {
    let (policy, quota) = match want {
        Want::Tell => ("leaks", REPORTS),
        Want::Ask => ("leaks_asked", QUESTIONS),
    };
    let rule = Rule::new(quota, Span::hours(1), quota);
    let got = world.counters.take(&format!("{policy}/{}", network(origin.address)), rule, world.now(), 1).await;
    if got.allowed {
        return Ok(());
    }
    world.metrics.held.one(policy);
    Err(Exceeded { policy, quota, window: Span::hours(1), wait: got.retry_after })
}

/// The digests under which this text would be kept if it were a key. None for what has not the form
/// of one, so that it costs no look-up.
fn digests(world: &World, text: &str) -> Vec<TokenHash> {
    under_peppers::digests(world, &under_peppers::forms(world, text))
}

/// Takes what somebody says they found, and ends every key among it: here before it is acknowledged,
/// on other nodes as with any revocation. What is no key is passed over.
///
/// # Errors
/// A fault of the store: then the same may be sent again.
pub async fn told(
    world: &Arc<World>,
    texts: &[String],
    (source, found_at): (&'static str, Option<String>),
    origin: &Origin,
) -> Result<(), Fault> {
    let wanted: Vec<TokenHash> = texts.iter().take(MOST).flat_map(|text| digests(world, text)).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    // To look costs no writer: of what is sent here most is nothing.
    let wanted = Arc::new(wanted);
    let looked_for = Arc::clone(&wanted);
    let look = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.api_keys().taken(&looked_for)?);
    if world.store.read("look_for_leaked_keys", look).await.map_err(only_fault)?.is_empty() {
        return Ok(());
    }
    let told = Told { source, found_at, done: Done { by: Actor::System, origin: origin.clone() } };
    let write = move |tx: &mut Tx<'_>| -> Result<(), Stop<Infallible>> {
        // Once more, for meanwhile a key may have been hashed anew under another pepper.
        let known = tx.api_keys().taken(&wanted)?;
        for digest in known.iter().filter_map(|digest| TokenHash::from_slice(digest)) {
            if let Some(KeyFacts { key, family, .. }) = tx.api_keys().by_digest(&digest)? {
                compromised(tx, key, &family.owner, &told)?;
            }
        }
        Ok(())
    };
    world.store.write("end_leaked_keys", write).await.map_err(only_fault)?;
    heard(world).await;
    Ok(())
}

/// Who told, and where they found it.
struct Told {
    source: &'static str,
    found_at: Option<String>,
    done: Done,
}

/// Ends a key that is known to others. One that was ended so before stays as it is: whoever tells
/// again and again fills nothing.
fn compromised(tx: &mut Tx<'_>, key: ApiKey, owner: &Owner, told: &Told) -> Result<(), Fault> {
    let (id, api) = (key.id.clone(), key.api.clone());
    let mut key = Some(key);
    // Where somebody else changed it meanwhile it is looked at anew.
    for _ in 0..3 {
        let Some(now) = key.take().filter(|key| key.state != State::Compromised) else { return Ok(()) };
        match stepped(tx, now, (Step::Compromise, Side::Administrator, Some(REASON.to_owned())), &told.done) {
            Ok(_) => {
                let (user, client) = super::create::parties(owner);
                let (source, found_at) = (told.source, told.found_at.clone());
                let event = Event::ApiKeyLeaked { api_key: id, api, user, client, source, found_at };
                return note(tx, &told.done.origin, event);
            }
            Err(Stop::Refusal(Refused::Changed)) => key = tx.api_keys().find(&id)?,
            // Nothing else refuses this step: no key is in a state from which it does not lead.
            Err(Stop::Refusal(_)) => return Err(Fault::bare("a key that cannot be ended")),
            Err(Stop::Fault(fault)) => return Err(fault),
        }
    }
    // It must not be lost: all of it is done again.
    Err(Fault::bare("a leaked key is changed all the time").passing())
}

/// Whether something that was found is a key that is still good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is.
    Live,
    /// It is none, or not good any more.
    Dead,
    /// Nobody looked: this address has asked for too much that is not there.
    TooMany(Exceeded),
}

/// Whether this text is a key that is still good. Its use is neither judged nor counted; that somebody
/// asked is recorded, for whoever has the text is not always its owner.
///
/// # Errors
/// A fault where that cannot be said.
pub async fn asked(world: &World, text: &str, origin: &Origin) -> Result<Asked, Fault> {
    let entry = match verify::find(world, text, origin.address).await? {
        Found::Key(entry) => entry,
        Found::Nothing => return Ok(Asked::Dead),
        Found::Unasked(wait) => return Ok(Asked::TooMany(guesses::exceeded(wait))),
    };
    let now = world.now();
    if stands(&entry.known(), &Call::of_some_api(now)).is_err() {
        return Ok(Asked::Dead);
    }
    let (every, burst) = ASKED;
    let bucket = format!("leaks asked of/{}", entry.key.id);
    if world.counters.take_here(&bucket, Rule::every(every, burst), now).allowed {
        world.note(origin, Event::ApiKeyLeakAsked { api_key: entry.key.id.clone() });
    }
    Ok(Asked::Live)
}
