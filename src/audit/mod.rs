//! What is worth recording: typed events, redacted by construction, and the record around each.
//!
//! An event carries identifiers, enums and text fixed at compile time; no password, token, code
//! or secret has a field it could travel in. Events are not logs: they are written in the
//! transaction of what they record, and kept for people who ask later what happened
//! (ASVS 5.0, 16.2 and 16.3).

mod also;
mod event;
mod word;

pub use also::{Also, Asker};
pub use event::{Event, Facets, KINDS, Kind, docs_events};
pub use word::{Actor, Attempted, GrantEnd, SignInFailure, SignOutKind};

use crate::base::{
    entropy::Entropy,
    fault::Fault,
    id::{EventId, RequestId},
    moment::Moment,
};
use std::{net::IpAddr, sync::Arc};

/// An event with where and when it happened, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its own identifier, ordered by time.
    pub id: EventId,
    /// When it happened, by the clock of the node that saw it.
    pub at: Moment,
    /// The node that saw it, as named in its configuration.
    pub node: Arc<str>,
    /// What happened.
    pub event: Event,
    /// The request it happened in, as the logs name it; none for work of our own.
    pub request: Option<RequestId>,
    /// The address of the peer, forwarded addresses of trusted proxies resolved.
    pub address: Option<IpAddr>,
}

/// Where events of one piece of work come from: set once at the edge, then shared by all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The node.
    pub node: Arc<str>,
    /// The request.
    pub request: Option<RequestId>,
    /// The peer's address.
    pub address: Option<IpAddr>,
}

impl Default for Origin {
    fn default() -> Self {
        Self { node: Arc::from(""), request: None, address: None }
    }
}

impl Origin {
    /// The record of an event that happened here and now.
    ///
    /// # Errors
    /// As [`Entropy::fill`].
    pub fn record(&self, event: Event, now: Moment, dice: &dyn Entropy) -> Result<Record, Fault> {
        let id = EventId::mint(now, dice)?;
        Ok(Record {
            id,
            at: now,
            node: Arc::clone(&self.node),
            event,
            request: self.request.clone(),
            address: self.address,
        })
    }
}
