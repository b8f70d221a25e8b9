//! The keys that have ended of late, for resource servers that keep good verdicts for a while or verify
//! tokens by themselves: a page at a time, or as they end.

use super::ask::Asker;
use crate::{
    apikey::ended::Ended,
    base::{
        fault::{Fault, Stop},
        id::{ApiId, ApiKeyId},
        moment::{Moment, Span},
    },
    flow::world::{World, only_fault},
    store::Tx,
};
use std::collections::BTreeSet;

/// How far back a reader has to look: transactions show their keys late by at most this.
pub const LOOK_BACK: Span = Span::seconds(10);
/// How long an end is of interest: as long as a token of the key may be accepted somewhere, its
/// five minutes and a minute of clocks that differ.
pub const OF_INTEREST: Span = Span::minutes(6);
/// The most of one page.
pub const MOST: i64 = 500;

/// The place of a key in the order in which they ended.
pub type Place = (Moment, Option<ApiKeyId>);

/// At most [`MOST`] keys that have ended since a moment, and where the next begin, while there are
/// more. Whoever asks is told of the keys of their own APIs, and of no others where a page ends.
///
/// # Errors
/// A fault of the store.
pub async fn since(
    world: &World,
    asker: &Asker,
    (since, after): Place,
) -> Result<(Vec<Ended>, Option<(Moment, ApiKeyId)>), Fault> {
    let asker = asker.clone();
    let read = move |tx: &mut Tx<'_>| -> Result<_, Stop<std::convert::Infallible>> {
        let theirs: Vec<ApiId> = match &asker {
            Asker::Verifier(api) => vec![api.clone()],
            Asker::Client(audiences) => {
                let found: Result<Vec<_>, Fault> =
                    audiences.iter().map(|audience| tx.apis().by_audience(audience)).collect();
                found?.into_iter().flatten().map(|api| api.id).collect()
            }
        };
        let ended = tx.api_keys().ends_since(&theirs, (since, after.as_ref()), MOST)?;
        let full = i64::try_from(ended.len()) == Ok(MOST);
        let more = ended.last().filter(|_| full).map(|last| (last.at, last.id.clone()));
        Ok((ended, more))
    };
    world.store.read("ended_api_keys", read).await.map_err(only_fault)
}

/// Reads on and on: each end once, also those that are shown late.
#[derive(Debug)]
pub struct Reader {
    next: Place,
    told: BTreeSet<(Moment, ApiKeyId)>,
}

impl Reader {
    /// From this place on.
    #[must_use]
    pub const fn from(place: Place) -> Self {
        Self { next: place, told: BTreeSet::new() }
    }

    /// What has ended and was not told yet.
    ///
    /// # Errors
    /// A fault of the store; nothing is lost by it.
    pub async fn next(&mut self, world: &World, asker: &Asker) -> Result<Vec<Ended>, Fault> {
        let (began, mut place, mut fresh) = (world.now(), self.next.clone(), Vec::new());
        loop {
            let (page, more) = since(world, asker, place).await?;
            fresh.extend(page.into_iter().filter(|one| !self.told.contains(&(one.at, one.id.clone()))));
            match more {
                Some((at, id)) => place = (at, Some(id)),
                None => break,
            }
        }
        // What ended later than this look began comes again with the next.
        let from = began - LOOK_BACK;
        self.next = (from.max(self.next.0), None);
        self.told.extend(fresh.iter().map(|one| (one.at, one.id.clone())));
        self.told.retain(|(at, _)| *at >= from);
        Ok(fresh)
    }
}
