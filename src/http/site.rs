//! What every handler shares: the world, and what the edge itself needs to know.

use super::{
    give::pages::Shell,
    take::{cookies::Cookies, peer},
};
use crate::{
    audit::Origin,
    base::{fault::Fault, id::RequestId, uri::Issuer},
    flow::world::World,
};
use actix_web::{HttpMessage, HttpRequest, web};
use arc_swap::ArcSwap;
use ipnet::IpNet;
use std::sync::{Arc, OnceLock};

/// What every handler shares.
pub struct Site {
    /// The world that the flows act in.
    pub world: Arc<World>,
    /// Who we are; never derived from a request.
    pub issuer: Issuer,
    /// How our cookies are named.
    pub cookies: Cookies,
    /// The proxies whose forwarding fields count. May change while running.
    pub trusted_proxies: ArcSwap<Vec<IpNet>>,
    /// The discovery document, ready to send; see [`Site::policy_changed`].
    pub metadata: ArcSwap<super::give::document::Document>,
    /// What `/v1` takes and gives: made for the first who asks, as few servers are ever asked.
    pub openapi: OnceLock<super::give::document::Document>,
}

impl Site {
    /// Of a world, under its issuer.
    #[must_use]
    pub fn new(world: Arc<World>, trusted_proxies: Vec<IpNet>) -> Self {
        let issuer = world.policy.load().tokens.issuer.clone();
        let metadata = super::oauth::metadata::document(&world);
        Self {
            cookies: Cookies::of(&issuer),
            trusted_proxies: ArcSwap::from_pointee(trusted_proxies),
            metadata: ArcSwap::from_pointee(metadata),
            openapi: OnceLock::new(),
            issuer,
            world,
        }
    }

    /// Makes anew what was made of the policy. To be called when that has changed.
    pub fn policy_changed(&self) {
        self.metadata.store(Arc::new(super::oauth::metadata::document(&self.world)));
    }

    /// What every page of ours shows around its content.
    #[must_use]
    pub fn shell(&self) -> Shell {
        Shell::new(&self.issuer, &self.world.policy.load().service_name)
    }

    /// Names a request, and finds out where it comes from.
    ///
    /// # Errors
    /// `Ok(Err(_))` where a trusted proxy sent a forwarding field that cannot be read; a fault
    /// where randomness fails.
    pub fn receive(&self, request: &HttpRequest) -> Result<Result<Origin, peer::Unreadable>, Fault> {
        let id = RequestId::mint(self.world.now(), &*self.world.dice)?;
        Ok(peer::origin(request, id, &self.trusted_proxies.load(), &self.world.node))
    }
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Site({})", self.issuer)
    }
}

/// The site, as handlers take it.
pub type Here = web::Data<Site>;

/// Where a request comes from, as the edge found out. Outside the edge's routes it is nowhere.
#[must_use]
pub fn origin(request: &HttpRequest) -> Origin {
    request.extensions().get::<Origin>().cloned().unwrap_or_default()
}

/// The name of a request, for people to quote.
#[must_use]
pub fn reference(request: &HttpRequest) -> String {
    origin(request).request.map(|id| id.to_string()).unwrap_or_default()
}
