//! What has been revoked and may still be unexpired somewhere: kept in memory on every node, fed
//! by the change feed, so that introspection and userinfo ask no database.

use crate::base::{
    id::GrantId,
    moment::{Moment, Span},
};
use std::{
    collections::HashMap,
    sync::{
        RwLock,
        atomic::{AtomicI64, Ordering},
    },
};

/// How old the last look at the change feed may be. Beyond it nothing that depends on revocation
/// is answered any more: a node that is cut off from the database fails closed.
pub const STALE_MAX: Span = Span::seconds(10);

/// The set of revoked grants and access tokens, each until the last token of it has expired.
#[derive(Debug, Default)]
pub struct Revocations {
    grants: RwLock<HashMap<GrantId, Moment>>,
    tokens: RwLock<HashMap<String, Moment>>,
    looked_at: AtomicI64,
}

impl Revocations {
    /// Learns of a revoked grant, to be remembered until `until`.
    pub fn grant(&self, id: GrantId, until: Moment) {
        write(&self.grants, |set| set.insert(id, until));
    }

    /// Learns of a grant that this node has just revoked, to be remembered until `until`, unless the change feed
    /// has told of it before: that knows better for how long.
    pub fn own_grant(&self, id: GrantId, until: Moment) {
        write(&self.grants, |set| *set.entry(id).or_insert(until));
    }

    /// Learns of a revoked access token, by its `jti`, to be remembered until `until`.
    pub fn token(&self, jti: String, until: Moment) {
        write(&self.tokens, |set| set.insert(jti, until));
    }

    /// Whether an access token has been revoked: itself, or with its whole grant.
    #[must_use]
    pub fn includes(&self, jti: &str, grant: Option<&GrantId>) -> bool {
        let by_grant = grant.is_some_and(|id| read(&self.grants, |set| set.contains_key(id)));
        by_grant || read(&self.tokens, |set| set.contains_key(jti))
    }

    /// Says that the change feed was read at `now`.
    pub fn looked(&self, now: Moment) {
        self.looked_at.store(now.micros(), Ordering::Release);
    }

    /// Whether the change feed was read recently enough for "not revoked" to be true.
    #[must_use]
    pub fn is_fresh(&self, now: Moment) -> bool {
        let looked = Moment::from_micros(self.looked_at.load(Ordering::Acquire));
        // A clock that was set back must not make a node that is cut off look fresh.
        now.since(looked) <= STALE_MAX && looked.since(now) <= STALE_MAX
    }

    /// Forgets what has expired by itself.
    pub fn forget_expired(&self, now: Moment) {
        write(&self.grants, |set| set.retain(|_, until| *until > now));
        write(&self.tokens, |set| set.retain(|_, until| *until > now));
    }

    /// How many are remembered, for the metrics.
    #[must_use]
    pub fn len(&self) -> usize {
        read(&self.grants, HashMap::len) + read(&self.tokens, HashMap::len)
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

// A panic while the lock was held leaves the map usable: every change is a single insertion.
fn read<T, R>(lock: &RwLock<T>, f: impl FnOnce(&T) -> R) -> R {
    f(&lock.read().unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn write<T, R>(lock: &RwLock<T>, f: impl FnOnce(&mut T) -> R) {
    f(&mut lock.write().unwrap_or_else(std::sync::PoisonError::into_inner));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_revoked_by_itself_or_with_its_grant_until_it_has_expired() {
        let set = Revocations::default();
        let grant = GrantId::parse("gr_1").unwrap();
        set.token("a".to_owned(), Moment::from_unix(10));
        set.grant(grant.clone(), Moment::from_unix(20));
        assert!(set.includes("a", None));
        assert!(set.includes("b", Some(&grant)));
        assert!(!set.includes("b", None));
        set.forget_expired(Moment::from_unix(10));
        assert!(!set.includes("a", None));
        assert_eq!(set.len(), 1);
    }

    #[test]
    fn a_node_that_cannot_hear_stops_vouching() {
        let set = Revocations::default();
        assert!(!set.is_fresh(Moment::from_unix(100)));
        set.looked(Moment::from_unix(100));
        assert!(set.is_fresh(Moment::from_unix(110)));
        assert!(!set.is_fresh(Moment::from_unix(111)));
        assert!(!set.is_fresh(Moment::from_unix(89)), "the clock was set back");
    }
}
