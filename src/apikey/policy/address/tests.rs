//! Tests of addresses: families, odd spellings, long lists.

use super::*;
use crate::apikey::policy::sample::{call, found, refused};
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

const POLICY: &str = r#"{"allow":["203.0.113.0/24","2001:db8::/48"],"deny":["203.0.113.66"]}"#;

#[test]
fn addresses_are_found_as_the_table_says() {
    use Reason::{Denied, Missing, NotAllowed, Unreadable};
    let everything_v6 = r#"{"allow":["::/0"]}"#;
    let mapped = r#"{"allow":["::ffff:203.0.113.0/120"]}"#;
    let deny = r#"{"deny":["10.0.0.0/8"]}"#;
    let cases = [
        (POLICY, Some("203.0.113.9"), Ok(())),
        (POLICY, Some("203.0.113.0"), Ok(())),
        (POLICY, Some("203.0.113.255"), Ok(())),
        (POLICY, Some("203.0.114.0"), Err(NotAllowed)),
        (POLICY, Some("203.0.112.255"), Err(NotAllowed)),
        (POLICY, Some("203.0.113.66"), Err(Denied)),
        (POLICY, Some("2001:db8::1"), Ok(())),
        (POLICY, Some("2001:DB8:0:FFFF::1"), Ok(())),
        (POLICY, Some("2001:db8:1::1"), Err(NotAllowed)),
        // IPv4 inside IPv6 is IPv4.
        (POLICY, Some("::ffff:203.0.113.9"), Ok(())),
        (POLICY, Some("::ffff:cb00:7142"), Err(Denied)),
        (POLICY, Some("::203.0.113.9"), Err(NotAllowed)),
        (mapped, Some("203.0.113.9"), Ok(())),
        (mapped, Some("203.0.114.9"), Err(NotAllowed)),
        (everything_v6, Some("2001:db8::1"), Ok(())),
        (everything_v6, Some("203.0.113.9"), Err(NotAllowed)),
        (everything_v6, Some("::ffff:203.0.113.9"), Err(NotAllowed)),
        (r#"{"allow":["0.0.0.0/0"]}"#, Some("255.255.255.255"), Ok(())),
        (deny, Some("11.0.0.0"), Ok(())),
        (deny, Some("10.255.255.255"), Err(Denied)),
        (deny, None, Err(Missing)),
        (deny, Some("unknown"), Err(Unreadable)),
        (deny, Some(""), Err(Unreadable)),
        (deny, Some("11.0.0.1:443"), Err(Unreadable)),
        (deny, Some("[2001:db8::1]"), Err(Unreadable)),
        (deny, Some("fe80::1%eth0"), Err(Unreadable)),
        (deny, Some("11.0.0.1, 12.0.0.1"), Err(Unreadable)),
        (deny, Some(" 11.0.0.1"), Err(Unreadable)),
        // What some readers take for octal.
        (deny, Some("013.0.0.1"), Err(Unreadable)),
        (deny, Some("11.1"), Err(Unreadable)),
    ];
    for (written, address, wanted) in cases {
        assert_eq!(found("ip", written, &Call { address, ..call() }), wanted, "{written} {address:?}");
    }
}

#[test]
fn a_range_that_cannot_be_meant_is_refused_by_its_place() {
    let many = format!(r#"{{"allow":{:?}}}"#, vec!["10.0.0.0/8"; MOST + 1]);
    let cases = [
        (r#"{}"#, "ip"),
        (r#"{"allow":[]}"#, "ip.allow"),
        (r#"{"deny":[]}"#, "ip.deny"),
        (r#"{"allow":["10.0.0.0/8","10.0.0.0/33"]}"#, "ip.allow[1]"),
        (r#"{"allow":["10.0.0.1/8"]}"#, "ip.allow[0]"),
        (r#"{"allow":["2001:db8::1/32"]}"#, "ip.allow[0]"),
        (r#"{"allow":["example.com"]}"#, "ip.allow[0]"),
        (r#"{"allow":["10.0.0.0-10.0.0.9"]}"#, "ip.allow[0]"),
        (r#"{"allow":["10.0.0.0/8"],"except":[]}"#, "ip"),
        (r#"{"allow":"10.0.0.0/8"}"#, "ip"),
        (&many, "ip.allow"),
    ];
    for (written, member) in cases {
        assert_eq!(refused("ip", written), member, "{}", written.get(..60).unwrap_or(written));
    }
}

#[test]
fn ten_thousand_ranges_are_read_and_cost_a_call_next_to_nothing() {
    let list: Vec<String> =
        (0..10_000u32).map(|n| format!("{}/30", Ipv4Addr::from_bits(0x0a00_0000 + n * 64))).collect();
    let addresses = Addresses::read(&Written { allow: Some(list), deny: None }).unwrap();
    let started = std::time::Instant::now();
    let mut passed = 0;
    for n in 0..100_000u32 {
        let text = Ipv4Addr::from_bits(0x0a00_0000 + n * 7).to_string();
        passed += u32::from(addresses.find(&Call { address: Some(&text), ..call() }).is_ok());
    }
    // Of 640,000 addresses in reach a sixteenth is allowed.
    assert!((5_600..=5_800).contains(&passed), "{passed}");
    // Without optimisation some 0.1 s; a walk over the list would be a thousand million steps.
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

proptest! {
    /// Held against each range by itself.
    #[test]
    fn an_address_is_in_the_ranges_where_it_is_in_one(
        v4 in proptest::collection::vec((0u32..0x2000, 16u8..=32), 1..20),
        v6 in proptest::collection::vec((0u128..0x2000, 112u8..=128), 1..20),
        probes in proptest::collection::vec(0u32..0x3000, 50),
    ) {
        let v4: Vec<IpNet> = v4.into_iter().map(|(a, p)| IpNet::new(Ipv4Addr::from_bits(a).into(), p).unwrap().trunc()).collect();
        let v6: Vec<IpNet> = v6.into_iter().map(|(a, p)| IpNet::new(Ipv6Addr::from_bits(a).into(), p).unwrap().trunc()).collect();
        let nets: Vec<IpNet> = v4.into_iter().chain(v6).collect();
        let ranges = Ranges::read("ip.allow", &nets.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        for probe in probes {
            for address in [IpAddr::from(Ipv4Addr::from_bits(probe)), Ipv6Addr::from_bits(probe.into()).into()] {
                prop_assert_eq!(ranges.hold(address), nets.iter().any(|net| net.contains(&address)), "{}", address);
            }
        }
    }
}
