//! Key sets of others, fetched from their `jwks_uri` (OpenID Connect Core §10.1.1) and kept.
//!
//! A set is kept as long as its server says, within bounds; an unknown key has it fetched again,
//! once a minute at most, so that a rotation is noticed and a stranger's invented `kid` costs
//! nothing; and while its server is away, the last set serves a while longer.

use super::{
    call::{Answer, CallFailed, Shared},
    lane::Lane,
};
use crate::{
    base::{
        moment::{Moment, Span},
        uri::WebUri,
    },
    jose::KeySet,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

const SHORTEST: Span = Span::seconds(60);
const LONGEST: Span = Span::hours(1);
/// Where the server says nothing.
const USUAL: Span = Span::minutes(5);
/// How often an unknown key may have a set fetched again.
const UNKNOWN_EVERY: Span = Span::seconds(60);
/// How long a failure is remembered.
const FAILURE: Span = Span::seconds(10);
/// How long a set outlives its time while its server is away.
const STALE: Span = Span::hours(1);
/// How far a clock may be set back without that being noticed.
const SKEW: Span = Span::minutes(1);

#[derive(Default)]
struct Known {
    held: Option<Held>,
    tried_at: Option<Moment>,
    failed: Option<CallFailed>,
}

struct Held {
    keys: Arc<KeySet>,
    fresh_until: Moment,
}

enum Plan {
    Use(Arc<KeySet>),
    Fail(CallFailed),
    Fetch,
}

impl Known {
    fn plan(&self, kid: Option<&str>, now: Moment) -> Plan {
        // What lies further ahead than it can was written down by a clock that was set back since.
        let before = |end: Moment, longest: Span| now < end && end <= now + longest + SKEW;
        let tried_within = |span: Span| self.tried_at.is_some_and(|at| before(at + span, span));
        match (&self.held, &self.failed) {
            (Some(held), _) if before(held.fresh_until, LONGEST) => {
                let known = kid.is_none_or(|kid| held.keys.names(kid));
                if known || tried_within(UNKNOWN_EVERY) { Plan::Use(Arc::clone(&held.keys)) } else { Plan::Fetch }
            }
            (Some(held), Some(_)) if tried_within(FAILURE) && before(held.fresh_until + STALE, LONGEST + STALE) => {
                Plan::Use(Arc::clone(&held.keys))
            }
            (_, Some(failed)) if tried_within(FAILURE) => Plan::Fail(failed.clone()),
            (_, _) => Plan::Fetch,
        }
    }

    /// The last set, where it may serve while it cannot be fetched.
    fn last(&self, now: Moment) -> Option<Arc<KeySet>> {
        let held = self.held.as_ref().filter(|held| now < held.fresh_until + STALE);
        held.map(|held| Arc::clone(&held.keys))
    }

    fn note(&mut self, fetched: Result<Held, CallFailed>, now: Moment) {
        self.tried_at = Some(now);
        self.failed = fetched.map(|held| self.held = Some(held)).err();
    }
}

#[derive(Default)]
struct Slot {
    // Held while one caller fetches; the others wait and then find the set.
    gate: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
}

impl Slot {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Key sets of others, by address.
pub(super) struct Keys {
    slots: moka::sync::Cache<WebUri, Arc<Slot>>,
    lane: Lane,
    caller: Shared,
}

impl Keys {
    pub(super) fn new(lane: Lane, caller: Shared) -> Self {
        let slots = moka::sync::Cache::builder().max_capacity(10_000).time_to_idle(Duration::from_secs(86_400)).build();
        Self { slots, lane, caller }
    }

    /// The set at this address, in which a key of the name `kid` is looked for.
    pub(super) async fn get(&self, uri: &WebUri, kid: Option<&str>, now: Moment) -> Result<Arc<KeySet>, CallFailed> {
        let slot = self.slots.get_with_by_ref(uri, Arc::default);
        match slot.known().plan(kid, now) {
            Plan::Use(keys) => return Ok(keys),
            Plan::Fail(failed) => return Err(failed),
            Plan::Fetch => {}
        }
        let _gate = slot.gate.lock().await;
        match slot.known().plan(kid, now) {
            Plan::Use(keys) => return Ok(keys),
            Plan::Fail(failed) => return Err(failed),
            Plan::Fetch => {}
        }
        let (caller, uri, noted) = (self.caller.load_full(), uri.clone(), Arc::clone(&slot));
        let fetch = move || {
            let fetched = caller.get(&uri, "application/jwk-set+json, application/json").and_then(|a| read(&a, now));
            if let Err(failed) = &fetched {
                tracing::warn!(jwks.uri = %uri, jwks.failure = %failed, "a client's key set could not be fetched");
            }
            // Noted here and not by who waits: they may hang up, and the answer is good all the same.
            noted.known().note(fetched, now);
            Ok(())
        };
        if let Err(busy) = self.lane.run(fetch).await {
            return slot.known().last(now).ok_or(busy);
        }
        match slot.known().plan(kid, now) {
            Plan::Use(keys) => Ok(keys),
            Plan::Fail(failed) => Err(failed),
            Plan::Fetch => Err(CallFailed::Busy),
        }
    }
}

fn read(answer: &Answer, now: Moment) -> Result<Held, CallFailed> {
    let keys = KeySet::parse(&answer.body).map_err(CallFailed::NotAKeySet)?;
    Ok(Held { keys: Arc::new(keys), fresh_until: now + lifetime(answer.cache_control.as_deref()) })
}

/// How long an answer with this `Cache-Control` field is kept (RFC 9111 §5.2.2).
fn lifetime(field: Option<&str>) -> Span {
    let Some(field) = field else { return USUAL };
    let mut age = None;
    for directive in field.split(',').map(str::trim) {
        if directive.eq_ignore_ascii_case("no-store") || directive.eq_ignore_ascii_case("no-cache") {
            return SHORTEST;
        }
        match directive.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("max-age") => age = value.trim_matches('"').parse().ok(),
            Some(_) | None => {}
        }
    }
    age.map_or(USUAL, Span::seconds).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::call::{Caller, OutboundPolicy};

    fn held(until: Moment) -> Held {
        Held { keys: Arc::default(), fresh_until: until }
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_last_for_longer() {
        let (then, day) = (Moment::from_unix(1_800_000_000), Span::days(1));
        let mut known = Known::default();
        known.note(Err(CallFailed::TimedOut), then);
        assert!(matches!(known.plan(None, then + Span::seconds(9)), Plan::Fail(_)));
        assert!(matches!(known.plan(None, then - day), Plan::Fetch), "a failure is forgotten");
        known.note(Ok(held(then + LONGEST)), then);
        assert!(matches!(known.plan(None, then), Plan::Use(_)));
        assert!(matches!(known.plan(Some("new"), then + Span::seconds(59)), Plan::Use(_)));
        assert!(matches!(known.plan(None, then - day), Plan::Fetch), "a set is fetched again");
        // A few seconds are nothing.
        assert!(matches!(known.plan(None, then - Span::seconds(10)), Plan::Use(_)));
        assert!(matches!(known.plan(Some("new"), then - Span::seconds(10)), Plan::Use(_)));
    }

    #[tokio::test]
    async fn while_too_many_calls_wait_the_last_set_serves_a_while_longer() {
        let now = Moment::from_unix(1_800_000_000);
        let caller = Arc::new(arc_swap::ArcSwap::from_pointee(Caller::new(&OutboundPolicy::default())));
        // Nobody takes a call from it.
        let keys = Keys::new(Lane::new("nobody", 0, 0), caller);
        let uri = WebUri::parse("https://app.example/jwks").unwrap();
        assert_eq!(keys.get(&uri, None, now).await.err(), Some(CallFailed::Busy));
        let slot = keys.slots.get(&uri).unwrap();
        slot.known().note(Ok(held(now)), now - Span::minutes(5));
        assert!(keys.get(&uri, None, now + Span::minutes(1)).await.is_ok());
        assert_eq!(keys.get(&uri, None, now + STALE).await.err(), Some(CallFailed::Busy), "not for ever");
    }

    #[test]
    fn the_servers_word_counts_within_bounds() {
        for (field, seconds) in [
            (None, 300),
            (Some("max-age=600"), 600),
            (Some("public, Max-Age=\"900\""), 900),
            (Some("max-age=1"), 60),
            (Some("max-age=31536000, immutable"), 3600),
            (Some("max-age=-5"), 60),
            (Some("max-age=99999999999999999999"), 300),
            (Some("no-store, max-age=600"), 60),
            (Some("private"), 300),
        ] {
            assert_eq!(lifetime(field), Span::seconds(seconds), "{field:?}");
        }
    }
}
