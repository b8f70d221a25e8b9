//! Where the server may connect to on somebody's say-so: public addresses, and what the operator
//! lists. Pure. (RFC 9700 §4.14 names none of this; OWASP calls it server-side request forgery.)

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A place inside that may be called all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Every address of a network.
    Network(IpNet),
    /// A host by its name, in lower case, whatever address it has.
    Host(String),
}

/// Why a connection was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// The host has no public address, and the operator lists none of those it has.
    Private,
    /// Plain http, to a place that the operator does not list.
    Plain,
}

impl std::fmt::Display for Forbidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Private => "the address is not public; an operator can list it in the setting outbound.allow",
            Self::Plain => {
                "the scheme is http; https is needed except where the setting outbound.allow lists the place"
            }
        })
    }
}
impl std::error::Error for Forbidden {}

/// How a call would travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// In TLS.
    Https,
    /// In the clear.
    Http,
}

/// The addresses of a host that may be connected to.
///
/// # Errors
/// [`Forbidden`] where none may.
pub fn admit(
    allowed: &[Allowed],
    carrier: Carrier,
    host: &str,
    found: &[SocketAddr],
) -> Result<Vec<SocketAddr>, Forbidden> {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let by_name = allowed.iter().any(|place| matches!(place, Allowed::Host(listed) if *listed == name));
    let listed = |ip: IpAddr| {
        let ip = ip.to_canonical();
        by_name || allowed.iter().any(|place| matches!(place, Allowed::Network(net) if net.contains(&ip)))
    };
    let public: Vec<_> = found.iter().copied().filter(|at| listed(at.ip()) || is_public(at.ip())).collect();
    if public.is_empty() {
        return Err(Forbidden::Private);
    }
    match carrier {
        Carrier::Https => Ok(public),
        Carrier::Http => {
            let inside: Vec<_> = public.into_iter().filter(|at| listed(at.ip())).collect();
            if inside.is_empty() { Err(Forbidden::Plain) } else { Ok(inside) }
        }
    }
}

/// Whether anybody on the Internet could have this address: none of the special-purpose
/// registries (RFC 6890), no multicast, nothing that carries such an address inside.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4_is_public(v4),
        IpAddr::V6(v6) => v6_is_public(v6),
    }
}

/// Networks of IPv4 that are nobody's on the Internet, as (first address, length of prefix).
const SPECIAL_V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local, and with it the metadata services of most clouds.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, and all that is reserved above it.
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    // A public address by its number, and the metadata service of one cloud to those inside it.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
];

fn v4_is_public(ip: Ipv4Addr) -> bool {
    let bits = ip.to_bits();
    !SPECIAL_V4.iter().any(|(first, length)| (bits ^ first.to_bits()).checked_shr(32 - length).unwrap_or(0) == 0)
}

fn v6_is_public(ip: Ipv6Addr) -> bool {
    let [a, b, _, _, _, _, g, h] = ip.segments();
    // NAT64 (RFC 6052): in networks without IPv4 every name resolves into it; judge what it carries.
    if ip.to_bits() >> 32 == Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0).to_bits() >> 32 {
        let [g, h] = [g.to_be_bytes(), h.to_be_bytes()];
        return v4_is_public(Ipv4Addr::from([g[0], g[1], h[0], h[1]]));
    }
    // Only 2000::/3 is given out at all. Of it: 2001::/23 for protocols (Teredo among them),
    // 2001:db8::/32 and 3fff::/20 for documentation, 2002::/16 carries IPv4.
    let given_out = a & 0xe000 == 0x2000;
    let special = (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x2002 || (a == 0x3fff && b < 0x1000);
    given_out && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIVATE: [&str; 35] = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001::1",
        "2001:db8::1",
        "2002:a00:1::",
        "3fff::1",
    ];

    #[test]
    fn nothing_inside_is_public() {
        for text in PRIVATE {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "168.63.129.17", "223.255.255.255"]
            .into_iter()
            .chain(["2606:4700::1111", "2a00:1450::1", "::ffff:1.1.1.1", "64:ff9b::101:101", "2001:4860:4860::8888"])
        {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    fn at(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 443)
    }

    #[test]
    fn of_a_hosts_addresses_only_those_that_may_be_called_are_left() {
        let found = [at("10.0.0.1"), at("1.1.1.1"), at("::1")];
        assert_eq!(admit(&[], Carrier::Https, "host", &found), Ok(vec![at("1.1.1.1")]));
        assert_eq!(admit(&[], Carrier::Https, "host", &found[..1]), Err(Forbidden::Private));
        assert_eq!(admit(&[], Carrier::Https, "host", &[]), Err(Forbidden::Private));
        assert_eq!(admit(&[], Carrier::Http, "host", &found), Err(Forbidden::Plain));
    }

    #[test]
    fn what_the_operator_lists_may_be_called_in_the_clear_too() {
        let net = [Allowed::Network("10.0.0.0/8".parse().unwrap())];
        let name = [Allowed::Host("app.internal".into())];
        for carrier in [Carrier::Https, Carrier::Http] {
            assert!(admit(&net, carrier, "x", &[at("10.9.9.9")]).is_ok());
            assert!(admit(&net, carrier, "x", &[at("::ffff:10.9.9.9")]).is_ok());
            assert!(admit(&net, carrier, "x", &[at("192.168.0.1")]).is_err());
            assert!(admit(&name, carrier, "APP.internal.", &[at("192.168.0.1")]).is_ok());
            assert!(admit(&name, carrier, "app.internal.evil.example", &[at("192.168.0.1")]).is_err());
        }
    }
}
