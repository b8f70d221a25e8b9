//! Verifiers as they keep the key set: what common libraries do by default, simulated, each behind
//! an HTTP cache that hands out a copy until it is as old as the server allows.

use crate::{
    base::moment::{Moment, Span},
    jose::KeySet,
};
use std::sync::Arc;

/// What a library does when it meets a key that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unknown {
    /// It asks again, past its own copy, but not sooner than this after it asked last.
    AsksAgain(Span),
    /// It refuses, until its copy is too old.
    Refuses,
}

/// Somebody who verifies.
#[derive(Clone, Debug)]
pub struct Verifier {
    /// What it does it like.
    pub name: &'static str,
    /// For how long it keeps the set by itself.
    pub keeps: Span,
    unknown: Unknown,
    max_age: Span,
    /// What lies in the HTTP cache in front of it: the text, and since when.
    cached: Option<(Arc<str>, Moment)>,
    copy: Option<(Arc<KeySet>, Moment)>,
    /// Tokens it accepted.
    pub accepted: u64,
    /// Tokens it refused.
    pub refused: u64,
    /// How often it asked for the set because it met a key that it did not know.
    pub asked_again: u64,
}

/// One of each kind, where the set may be kept for so long.
pub(super) fn all(max_age: Span, library_cache: Span) -> Vec<Verifier> {
    let one = |name, keeps, unknown| Verifier {
        name,
        keeps,
        unknown,
        max_age,
        cached: None,
        copy: None,
        accepted: 0,
        refused: 0,
        asked_again: 0,
    };
    let again = |seconds| Unknown::AsksAgain(Span::seconds(seconds));
    vec![
        one("PyJWKClient (PyJWT)", Span::minutes(5), again(0)),
        one("createRemoteJWKSet (jose)", Span::minutes(10), again(30)),
        one("JWKSourceBuilder (Nimbus)", Span::minutes(5), again(30)),
        one("OIDCJWKSRefreshInterval (mod_auth_openidc)", Span::hours(1), again(0)),
        one("a cache that goes by max-age", Span::ZERO, Unknown::Refuses),
        one("a cache that keeps it for keys.library_cache", library_cache, Unknown::Refuses),
    ]
}

impl Verifier {
    /// Whether it accepts a token, by the copy that it has or fetches now.
    pub(super) fn check(&mut self, served: &str, now: Moment, good: impl Fn(&KeySet) -> bool) -> bool {
        let fresh = self.copy.as_ref().filter(|(_, since)| now.since(*since) < self.keeps);
        let keys = match fresh {
            Some((keys, _)) => Arc::clone(keys),
            None => self.fetch(served, now, Way::ThroughTheCache),
        };
        let mut accepts = good(&keys);
        if let (false, Unknown::AsksAgain(pause)) = (accepts, self.unknown) {
            let last = self.copy.as_ref().map(|(_, since)| *since);
            if last.is_none_or(|since| now.since(since) >= pause) {
                self.asked_again = self.asked_again.saturating_add(1);
                accepts = good(&self.fetch(served, now, Way::PastTheCache));
            }
        }
        if accepts {
            self.accepted = self.accepted.saturating_add(1);
        } else {
            self.refused = self.refused.saturating_add(1);
        }
        accepts
    }

    fn fetch(&mut self, served: &str, now: Moment, way: Way) -> Arc<KeySet> {
        let lies =
            self.cached.as_ref().filter(|(_, since)| way == Way::ThroughTheCache && now.since(*since) < self.max_age);
        let text = match lies {
            Some((text, _)) => Arc::clone(text),
            None => {
                let text: Arc<str> = served.into();
                self.cached = Some((Arc::clone(&text), now));
                text
            }
        };
        // What the server publishes can be read; a verifier that could not would accept nothing.
        let keys = Arc::new(KeySet::parse(text.as_bytes()).unwrap_or_default());
        self.copy = Some((Arc::clone(&keys), now));
        keys
    }
}

/// How the set is fetched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ThroughTheCache,
    PastTheCache,
}
