//! Calls to other servers: key sets of clients, and logout tokens to them. Guarded against
//! being turned on our own network, bounded in time and size, never redirected, never proxied.
//!
//! Nothing here is called in a transaction. What failed and why is for logs and events: told
//! to a client, it would describe the network that the server stands in.

mod call;
pub mod egress;
mod keys;
mod lane;
pub mod named;
pub mod signers;
pub mod vault;

pub use call::{CallFailed, OutboundPolicy};
pub use egress::{Allowed, Forbidden};
pub use signers::Signers;

use crate::{
    base::{moment::Moment, secret::Secret, uri::WebUri},
    jose::KeySet,
};
use call::{Caller, Shared};
use keys::Keys;
use lane::Lane;
use std::{fmt, sync::Arc};

/// The most logout tokens that are under way at once, each on a thread of its own: more would wait for one.
pub const LOGOUTS_AT_ONCE: usize = 8;

/// Whoever calls other servers.
pub struct Outbound {
    caller: Shared,
    keys: Keys,
    logout: Lane,
}

impl Outbound {
    /// Under this policy. Its threads are started by the calls that need them.
    #[must_use]
    pub fn new(policy: &OutboundPolicy) -> Self {
        let caller: Shared = Arc::new(arc_swap::ArcSwap::from_pointee(Caller::new(policy)));
        let keys = Keys::new(Lane::new("jwks", 4, 64), Arc::clone(&caller));
        Self { caller, keys, logout: Lane::new("logout", LOGOUTS_AT_ONCE, 64) }
    }

    /// Takes another policy for calls from now on.
    pub fn apply(&self, policy: &OutboundPolicy) {
        self.caller.store(Arc::new(Caller::new(policy)));
    }

    /// The key set at this address (RFC 7517 §5), from memory where it is fresh. With `kid`, a set
    /// that lacks such a key is fetched again, once a minute at most; whether the key is in it
    /// then is for the caller to see.
    ///
    /// # Errors
    /// [`CallFailed`]; failures are remembered for ten seconds.
    pub async fn fetch_jwks(&self, uri: &WebUri, kid: Option<&str>, now: Moment) -> Result<Arc<KeySet>, CallFailed> {
        self.keys.get(uri, kid, now).await
    }

    /// Posts a logout token (OpenID Connect Back-Channel Logout 1.0 §2.5). It was delivered when
    /// the answer is 200 or 204 (§2.8).
    ///
    /// # Errors
    /// [`CallFailed`]; whether to try again is for the caller to decide.
    pub async fn post_logout_token(&self, uri: &WebUri, token: Secret<String>) -> Result<(), CallFailed> {
        let (caller, uri) = (self.caller.load_full(), uri.clone());
        let post = move || match caller.post_form(&uri, "logout_token", token.expose())? {
            200 | 204 => Ok(()),
            status => Err(CallFailed::Status(status)),
        };
        self.logout.run(post).await
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outbound")
    }
}

#[cfg(test)]
mod tests;
