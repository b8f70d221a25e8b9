//! Small databases of addresses, written for tests.

use crate::base::moment::Moment;

pub(crate) fn text(text: &str) -> Vec<u8> {
    [&[0x40 | u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}
pub(crate) fn map(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = vec![0xe0 | u8::try_from(members.len()).unwrap()];
    members.iter().for_each(|(name, value)| out.extend([text(name), value.clone()].concat()));
    out
}
fn u16_(n: u16) -> Vec<u8> {
    [&[0xa2], &n.to_be_bytes()[..]].concat()
}

/// A database in the format's version 2: a binary tree of addresses as IPv6 and what its leaves say.
pub(crate) fn database(built: Moment, networks: &[(&str, Vec<u8>)]) -> Vec<u8> {
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

pub(crate) fn country(code: &str) -> Vec<u8> {
    map(&[("country", map(&[("iso_code", text(code))]))])
}
