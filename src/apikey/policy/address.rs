//! Member `ip`: ranges of addresses that may call, and ranges that may not.
//!
//! An IPv4 address written as IPv6 (`::ffff:203.0.113.9`) is the IPv4 address, in policies and in
//! calls alike; a range of IPv6 never holds one. Ranges are kept sorted and merged, so that ten
//! thousand of them cost a call some fourteen comparisons.

use super::{Call, Invalid, Reason, bounded};
use crate::apikey::words::RangeText;
use ipnet::{IpNet, Ipv4Net};
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::IpAddr;

/// The most ranges in one list.
pub const MOST: usize = 10_000;

/// The member as written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Addresses", extend("anyOf" = [{"required": ["allow"], "properties": {"allow": {"type": "array"}}}, {"required": ["deny"], "properties": {"deny": {"type": "array"}}}]))]
pub struct Written {
    /// Ranges that may call; at most 10,000. An address alone is a range of one.
    #[schemars(with = "Option<Vec<RangeText>>", length(min = 1, max = 10_000))]
    allow: Option<Vec<String>>,
    /// Ranges that may not.
    #[schemars(with = "Option<Vec<RangeText>>", length(min = 1, max = 10_000))]
    deny: Option<Vec<String>>,
}

/// Who may call, by address.
#[derive(Clone, Debug)]
pub struct Addresses {
    allow: Option<Ranges>,
    deny: Option<Ranges>,
}

impl Addresses {
    /// Whether there is a list of those that may call.
    #[must_use]
    pub const fn names_some(&self) -> bool {
        self.allow.is_some()
    }

    /// Reads the member.
    ///
    /// # Errors
    /// [`Invalid`] where a range cannot be read or has bits beyond its prefix, or a list is empty
    /// or too long.
    pub fn read(written: &Written) -> Result<Self, Invalid> {
        let list = |name: &str, list: &Option<Vec<String>>| list.as_ref().map(|l| Ranges::read(name, l)).transpose();
        let this = Self { allow: list("ip.allow", &written.allow)?, deny: list("ip.deny", &written.deny)? };
        if this.allow.is_none() && this.deny.is_none() {
            return Err(Invalid::new("ip", "says neither allow nor deny: leave it out"));
        }
        Ok(this)
    }

    /// Whether the address of the call is in no list that denies and, where one allows, in that.
    ///
    /// # Errors
    /// The [`Reason`] why not.
    pub fn find(&self, call: &Call<'_>) -> Result<(), Reason> {
        let address: IpAddr = call.address.ok_or(Reason::Missing)?.parse().map_err(|_| Reason::Unreadable)?;
        let address = address.to_canonical();
        if self.deny.as_ref().is_some_and(|ranges| ranges.hold(address)) {
            return Err(Reason::Denied);
        }
        if self.allow.as_ref().is_some_and(|ranges| !ranges.hold(address)) {
            return Err(Reason::NotAllowed);
        }
        Ok(())
    }
}

/// Ranges of addresses, from first to last, sorted and apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ranges {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Ranges {
    fn read(member: &str, list: &[String]) -> Result<Self, Invalid> {
        bounded(member, list, MOST)?;
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (n, text) in list.iter().enumerate() {
            let range = range(text).map_err(|why| Invalid::new(format!("{member}[{n}]"), why))?;
            match range {
                IpNet::V4(net) => v4.push((net.network().to_bits(), net.broadcast().to_bits())),
                IpNet::V6(net) => v6.push((net.network().to_bits(), net.broadcast().to_bits())),
            }
        }
        Ok(Self { v4: merged(v4), v6: merged(v6) })
    }

    fn hold(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(a) => holds(&self.v4, a.to_bits()),
            IpAddr::V6(a) => holds(&self.v6, a.to_bits()),
        }
    }
}

/// A range in its plain form: one address is a range of one; IPv4 inside IPv6 is IPv4.
fn range(text: &str) -> Result<IpNet, String> {
    let range = if text.contains('/') {
        text.parse::<IpNet>().map_err(|_| format!("is no range of addresses: {text:?}"))?
    } else {
        IpNet::from(text.parse::<IpAddr>().map_err(|_| format!("is no address: {text:?}"))?)
    };
    if range.trunc() != range {
        return Err(format!("has bits beyond its prefix: {text:?}; is {} meant?", range.trunc()));
    }
    let IpNet::V6(wide) = range else { return Ok(range) };
    let mapped = wide.network().to_ipv4_mapped().zip(wide.prefix_len().checked_sub(96));
    let narrow = mapped.and_then(|(network, prefix)| Ipv4Net::new(network, prefix).ok());
    Ok(narrow.map_or(range, IpNet::V4))
}

fn merged<T: Ord + Copy>(mut ranges: Vec<(T, T)>) -> Vec<(T, T)> {
    ranges.sort_unstable();
    let mut apart: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match apart.last_mut() {
            Some(before) if first <= before.1 => before.1 = before.1.max(last),
            _ => apart.push((first, last)),
        }
    }
    apart.shrink_to_fit();
    apart
}

fn holds<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, last)| address <= *last)
}

#[cfg(test)]
mod tests;
