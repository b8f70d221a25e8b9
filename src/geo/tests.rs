//! Tests of the reading of databases, with small ones written here.

use super::*;
use std::net::Ipv6Addr;

const NOW: Moment = Moment::from_unix(1_770_000_000);

fn text(text: &str) -> Vec<u8> {
    [&[0x40 | u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}
fn map(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = vec![0xe0 | u8::try_from(members.len()).unwrap()];
    members.iter().for_each(|(name, value)| out.extend([text(name), value.clone()].concat()));
    out
}
fn u16_(n: u16) -> Vec<u8> {
    [&[0xa2], &n.to_be_bytes()[..]].concat()
}

/// A database in the format's version 2: a binary tree of addresses as IPv6 and what its leaves say.
fn database(built: Moment, networks: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut data, mut leaves): (Vec<u8>, _) = (Vec::new(), Vec::new());
    let mut nodes: Vec<[Option<usize>; 2]> = vec![[None, None]];
    for (network, says) in networks {
        let network: ipnet::IpNet = network.parse().unwrap();
        let (bits, length) = match network {
            ipnet::IpNet::V4(v4) => (u128::from(v4.addr().to_bits()), 96 + v4.prefix_len()),
            ipnet::IpNet::V6(v6) => (v6.addr().to_bits(), v6.prefix_len()),
        };
        let mut at = 0;
        for depth in 0..length {
            let side = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                leaves.push((at, side, data.len()));
            } else {
                at = nodes[at][side].unwrap_or_else(|| {
                    nodes.push([None, None]);
                    let new = nodes.len() - 1;
                    nodes[at][side] = Some(new);
                    new
                });
            }
        }
        data.extend(says);
    }
    let count = nodes.len();
    leaves.iter().for_each(|(at, side, offset)| nodes[*at][*side] = Some(count + 16 + offset));
    let records = nodes.iter().flatten().map(|record| u32::try_from(record.unwrap_or(count)).unwrap());
    let mut out: Vec<u8> = records.flat_map(|record| record.to_be_bytes()[1..].to_vec()).collect();
    out.extend([0; 16]);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    let epoch = u64::try_from(built.unix()).unwrap().to_be_bytes();
    out.extend(map(&[
        ("binary_format_major_version", u16_(2)),
        ("binary_format_minor_version", u16_(0)),
        ("build_epoch", [&[0x08, 0x02], &epoch[..]].concat()),
        ("database_type", text("Sample-Country")),
        ("description", map(&[])),
        ("ip_version", u16_(6)),
        ("languages", vec![0x00, 0x04]),
        ("node_count", [&[0xc4], &u32::try_from(count).unwrap().to_be_bytes()[..]].concat()),
        ("record_size", u16_(24)),
    ]));
    out
}

fn country(code: &str) -> Vec<u8> {
    map(&[("country", map(&[("iso_code", text(code))]))])
}

fn sample(built: Moment) -> Vec<u8> {
    database(
        built,
        &[
            ("192.0.2.0/24", country("DE")),
            ("198.51.100.0/25", country("FR")),
            ("203.0.113.0/24", map(&[("registered_country", map(&[("iso_code", text("BR"))]))])),
            ("100.64.0.0/10", country("not a country")),
            ("2001:db8::/32", country("JP")),
        ],
    )
}

fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    file
}

#[test]
fn an_address_is_in_the_country_of_its_network() {
    let file = written(&sample(NOW));
    let geo = Geo::open(file.path(), NOW).unwrap();
    for (address, wanted) in [
        ("192.0.2.77", Some("DE")),
        ("::ffff:192.0.2.77", Some("DE")),
        ("198.51.100.1", Some("FR")),
        ("198.51.100.200", None),
        ("203.0.113.5", Some("BR")),
        ("100.64.1.1", None),
        ("2001:db8:1::1", Some("JP")),
        ("127.0.0.1", None),
        ("::", None),
    ] {
        let found = geo.country(address.parse().unwrap());
        assert_eq!(found.as_ref().map(Country::as_str), wanted, "{address}");
    }
}

#[test]
fn what_cannot_be_read_is_an_error_that_names_the_file_and_the_old_one_stays() {
    let missing = Geo::open(Path::new("/nowhere/geo.mmdb"), NOW).unwrap_err().to_string();
    assert!(missing.contains("/nowhere/geo.mmdb") && missing.contains("geo.database"), "{missing}");
    let file = written(&sample(NOW));
    let geo = Geo::open(file.path(), NOW).unwrap();
    let address = "192.0.2.1".parse().unwrap();
    let whole = sample(NOW);
    for broken in [&b"no database"[..], b"", &whole[..whole.len() - 40]] {
        fs::write(file.path(), broken).unwrap();
        assert!(geo.reload(Some(file.path()), NOW).is_err());
        assert!(geo.country(address).is_some());
    }
    fs::write(file.path(), database(NOW, &[("192.0.2.0/24", country("IT"))])).unwrap();
    geo.reload(Some(file.path()), NOW).unwrap();
    assert_eq!(geo.country(address).unwrap().as_str(), "IT");
    geo.reload(None, NOW).unwrap();
    assert_eq!(geo.country(address), None);
}

#[test]
fn it_knows_its_age() {
    let file = written(&sample(NOW - Span::days(50)));
    let geo = Geo::open(file.path(), NOW).unwrap();
    assert!(geo.age(NOW).unwrap() > OLD);
    assert_eq!(Geo::default().age(NOW), None);
}

#[test]
fn a_broken_database_never_panics() {
    let whole = sample(NOW);
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        let file = written(&bytes);
        let Ok(geo) = Geo::open(file.path(), NOW) else { continue };
        for last in 0..=255u8 {
            let _ = geo.country([192, 0, 2, last].into());
            let _ = geo.country(Ipv6Addr::from([0x2001, 0xdb8, u16::from(last), 0, 0, 0, 0, 1]).into());
        }
    }
}
