//! Who is at the other end: the address that counts, and the request's own id.

use crate::{audit::Origin, base::id::RequestId};
use actix_web::{HttpRequest, http::header::HeaderName};
use ipnet::IpNet;
use std::{net::IpAddr, sync::Arc};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Longest chain of forwarding that is read.
const MAX_HOPS: usize = 32;

/// A forwarding field from a trusted proxy that cannot be read: the request is refused, because
/// whatever would be decided by the address would be decided wrongly.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable;

/// The address that a request comes from: the peer's, or, where the peer is a trusted proxy, the
/// last address of `X-Forwarded-For` that is not a trusted proxy itself.
///
/// # Errors
/// [`Unreadable`] where a trusted proxy sent a field that is not a list of addresses.
pub fn address(peer: Option<IpAddr>, fields: &[&str], trusted: &[IpNet]) -> Result<Option<IpAddr>, Unreadable> {
    let Some(peer) = peer else { return Ok(None) };
    if !trusts(trusted, peer) {
        return Ok(Some(peer));
    }
    Ok(Some(forwarded(fields, trusted)?.unwrap_or(peer)))
}

/// Whether an address is one of these.
#[must_use]
pub fn trusts(trusted: &[IpNet], address: IpAddr) -> bool {
    trusted.iter().any(|net| net.contains(&address.to_canonical()))
}

/// The address that trusted proxies forward for: the last that is none of them, or the first where
/// all are; `None` where they name none.
///
/// # Errors
/// [`Unreadable`] where what would have to be read is not a list of addresses.
pub fn forwarded(fields: &[&str], trusted: &[IpNet]) -> Result<Option<IpAddr>, Unreadable> {
    let (mut at, mut hops) = (None, 0);
    for field in fields.iter().rev() {
        for text in field.rsplit(',') {
            hops += 1;
            if hops > MAX_HOPS {
                return Err(Unreadable);
            }
            let hop = parse(text.trim()).ok_or(Unreadable)?;
            at = Some(hop);
            if !trusts(trusted, hop) {
                return Ok(at);
            }
        }
    }
    Ok(at)
}

/// An address, bare or with a port, as proxies write them.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip()))
}

/// Where a request comes from, for the audit and for limits.
///
/// # Errors
/// As [`address`].
pub fn origin(request: &HttpRequest, id: RequestId, trusted: &[IpNet], node: &Arc<str>) -> Result<Origin, Unreadable> {
    let peer = request.peer_addr().map(|a| a.ip());
    let address = if trusted.is_empty() {
        peer
    } else {
        let fields: Result<Vec<&str>, _> =
            request.headers().get_all(FORWARDED_FOR).map(|v| v.to_str().map_err(|_| Unreadable)).collect();
        address(peer, &fields?, trusted)?
    };
    Ok(Origin { node: Arc::clone(node), request: Some(id), address })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(peer: &str, fields: &[&str]) -> Result<Option<IpAddr>, Unreadable> {
        address(Some(peer.parse().unwrap()), fields, &["10.0.0.0/8".parse().unwrap()])
    }
    fn ip(text: &str) -> Result<Option<IpAddr>, Unreadable> {
        Ok(Some(text.parse().unwrap()))
    }

    #[test]
    fn a54_only_a_trusted_peer_is_believed() {
        assert_eq!(at("203.0.113.9", &["198.51.100.1"]), ip("203.0.113.9"));
        assert_eq!(at("10.0.0.1", &["198.51.100.1"]), ip("198.51.100.1"));
        assert_eq!(at("::ffff:10.0.0.1", &["198.51.100.1"]), ip("198.51.100.1"));
    }

    #[test]
    fn what_a_client_wrote_in_front_of_the_proxy_does_not_count() {
        assert_eq!(at("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.2"]), ip("198.51.100.1"));
        assert_eq!(at("10.0.0.1", &["1.1.1.1", "198.51.100.1"]), ip("198.51.100.1"));
    }

    #[test]
    fn a03_an_unreadable_field_from_a_trusted_proxy_is_refused() {
        for field in ["a", "", "198.51.100.1,,10.0.0.2", "198.51.100.1;", "1.1.1.1, unknown"] {
            assert_eq!(at("10.0.0.1", &[field]), Err(Unreadable), "{field:?}");
        }
        let long = vec!["10.0.0.1"; 40].join(",");
        assert_eq!(at("10.0.0.1", &[&long]), Err(Unreadable));
    }

    #[test]
    fn ports_and_brackets_are_read() {
        assert_eq!(at("10.0.0.1", &["198.51.100.1:4711"]), ip("198.51.100.1"));
        assert_eq!(at("10.0.0.1", &["[2001:db8::1]:4711"]), ip("2001:db8::1"));
        assert_eq!(at("10.0.0.1", &["2001:db8::1"]), ip("2001:db8::1"));
    }
}
