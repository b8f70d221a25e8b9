//! How much of its limits each API gives at the moment: all of it, unless its servers report that
//! they have no room. Every node reads the same sums, so all come to the same.

use super::directory::Entry;
use crate::{
    apikey::capacity::{Course, FULL, Share, share},
    base::{
        fault::{Fault, Stop},
        id::ApiId,
        moment::{Moment, Span},
    },
    flow::world::{World, only_fault},
    store::Tx,
};
use arc_swap::ArcSwap;
use std::{collections::HashMap, convert::Infallible, sync::Arc};

/// How far back reports count, by the minutes in which their calls were made.
const WINDOW: Span = Span::minutes(2);

/// The APIs that do not give all.
#[derive(Debug, Default)]
pub struct Capacity {
    courses: ArcSwap<HashMap<ApiId, Course>>,
}

impl Capacity {
    /// The share of its limits that a key has now. Plans that are guaranteed have all.
    #[must_use]
    pub fn share(&self, entry: &Entry, now: Moment) -> Share {
        let courses = self.courses.load();
        if courses.is_empty() || entry.shared.guaranteed || !entry.api().settings.adaptive {
            return FULL;
        }
        courses.get(&entry.api().id).map_or(FULL, |course| course.share(now))
    }
}

/// Measures what is to be given, from what was reported.
///
/// # Errors
/// A fault of the store; what was measured before stands.
pub async fn measure(world: &World) -> Result<(), Fault> {
    let now = world.now();
    let read = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.usage_reports().loads(now - WINDOW)?);
    let loads = world.store.read("read_loads", read).await.map_err(only_fault)?;
    let before = world.api_keys.capacity.courses.load_full();
    let shares = loads.iter().filter_map(|(api, load)| Some((ApiId::parse(api)?, share(load.reported, load.rejected))));
    let mut wanted: HashMap<ApiId, Share> = shares.collect();
    for api in before.keys() {
        wanted.entry(api.clone()).or_insert(FULL);
    }
    let mut courses = HashMap::new();
    for (api, to) in wanted {
        let known = before.get(&api);
        let course = known.copied().unwrap_or(Course::full(now)).measured(to, now);
        if known.is_none() && to < FULL {
            tracing::warn!(%api, share = to, "an API has no room for most of its calls: its limits give less, in thousandths");
        }
        if !course.is_over(now) {
            courses.insert(api, course);
        } else if known.is_some() {
            tracing::info!(%api, "the limits of an API give all again");
        }
    }
    world.metrics.apis_throttled.set(courses.values().filter(|course| course.share(now) < FULL).count());
    world.api_keys.capacity.courses.store(Arc::new(courses));
    Ok(())
}
