//! `[outbound]`: what the server itself may call.

use super::{
    section::section,
    setting::{Setting, echo, quoted},
};
use crate::base::moment::Span;
use ipnet::IpNet;

/// A place inside that outgoing calls may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reachable {
    /// Every address of a network.
    Network(IpNet),
    /// A host by its name, lower-case, whatever address it has.
    Host(String),
}

impl Setting for Reachable {
    const WHAT: &'static str = "an IP network, an IP address or a host name";
    fn from_text(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.contains(['/', ':']) || text.parse::<std::net::IpAddr>().is_ok() {
            return IpNet::from_text(text).map(Self::Network);
        }
        match url::Host::parse(text) {
            Ok(url::Host::Domain(name)) if name.eq_ignore_ascii_case(text) => Ok(Self::Host(name)),
            _ => Err(format!("{} is neither a network nor a host name", echo(text))),
        }
    }
    fn to_toml(&self) -> Option<String> {
        match self {
            Self::Network(net) => net.to_toml(),
            Self::Host(name) => Some(quoted(name)),
        }
    }
}

section! {
    /// What the server itself may call: key sets of clients, and their back-channel logout addresses.
    Outbound = "outbound" {
        /// Private and loopback places that may be called all the same. Without an entry here, only public
        /// addresses are called, so that a client's metadata cannot turn the server against its own network.
        allow: Vec<Reachable>, Live;
        /// How long one call may take.
        timeout: Span = "5s" in "100ms" .. "60s", Live;
        /// The most bytes of an answer that are read.
        max_bytes: u64 = "65536" in "1024" .. "16777216", Live;
    }
}
