//! `[gateway]`: gateways that ask whether a request may pass.

use super::{
    section::section,
    setting::{Setting, quoted},
};
use crate::base::secret::Secret;
use ipnet::IpNet;
use std::net::SocketAddr;

/// The fewest characters of a gateway's secret.
const SHORTEST: usize = 16;

/// What a gateway shows in `X-Gateway-Secret`.
#[derive(Clone, Debug)]
pub struct GatewaySecret(pub Secret<String>);

impl Setting for GatewaySecret {
    const WHAT: &'static str = "at least 16 visible ASCII characters (`openssl rand -hex 32`)";
    const SECRET: bool = true;
    fn from_text(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() < SHORTEST {
            return Err("is shorter than 16 characters".into());
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("has a character that is not visible ASCII".into());
        }
        Ok(Self(Secret::new(text.to_owned())))
    }
    fn to_toml(&self) -> Option<String> {
        Some(quoted("[secret]"))
    }
    fn same(&self, other: &Self) -> bool {
        self.0.matches(other.0.expose().as_bytes())
    }
    fn holds_secret(&self) -> bool {
        true
    }
}

section! {
    /// A listener of its own for gateways (nginx, Traefik, Caddy, Envoy, APISIX) that ask whether a request
    /// with an API key may pass.
    Gateway = "gateway" {
        /// Where to listen for them, over plain HTTP: usually "127.0.0.1:8081", beside the gateway. Only
        /// gateways should reach it. Unset: nowhere.
        listen: Option<SocketAddr>, Restart;
        /// The gateways that may ask, by the addresses they ask from. Others are refused, and what they say
        /// is not read. In `X-Forwarded-For` these are passed over: the client is the last that is none of them.
        trusted_peers: Vec<IpNet>, Restart;
        /// What gateways must also send, in `X-Gateway-Secret`: where other programs share their addresses.
        /// Give it by `KEYWRIGHT_GATEWAY_SECRET_FILE`. Unset: nothing.
        secret: Option<GatewaySecret>, Restart;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateways_secret_is_long_visible_and_never_shown() {
        let read = GatewaySecret::from_text(" 0123456789abcdef\n").unwrap();
        assert!(read.0.matches(b"0123456789abcdef"));
        assert_eq!(read.to_toml().unwrap(), "\"[secret]\"");
        for bad in ["", "0123456789abcde", "0123456789 abcdef", "0123456789abcdéf"] {
            assert!(GatewaySecret::from_text(bad).is_err(), "{bad:?}");
        }
    }
}
