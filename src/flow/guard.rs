//! Limits of our own endpoints: how many requests an address may send, and a client that has
//! proven itself (a public client never has), whatever becomes of them. How often somebody may try
//! a password or a secret is not decided here.
//!
//! Every request passes, so this counts in memory, against this node's share, and allocates
//! nothing for an address that is known. Addresses of this machine are not counted: a proxy that
//! was not declared would make everybody one of them.

use super::world::World;
use crate::{
    base::{fault::Stop, moment::Span},
    limit::Rule,
    oauth::{
        client::Client,
        engine::Ended,
        refusal::{Exceeded, Refusal},
    },
};
use std::net::IpAddr;

/// What an operator decides.
#[derive(Clone, Debug)]
pub struct GuardPolicy {
    /// Pages, for each address.
    pub pages: Rule,
    /// Tokens, for each address.
    pub token: Rule,
    /// Revocation, for each address.
    pub revoke: Rule,
    /// Introspection and user info, for each address.
    pub introspect: Rule,
    /// Decrypting what was encrypted for us, for each address.
    pub decrypt: Rule,
    /// Tokens, for each client.
    pub token_of_client: Option<Rule>,
    /// Introspection and revocation, for each client.
    pub introspect_of_client: Option<Rule>,
}

impl Default for GuardPolicy {
    fn default() -> Self {
        let per_minute = |n| Rule::new(n, Span::minutes(1), n);
        Self {
            pages: per_minute(3000),
            token: per_minute(60_000),
            revoke: per_minute(60_000),
            introspect: per_minute(600_000),
            decrypt: per_minute(600),
            token_of_client: None,
            introspect_of_client: None,
        }
    }
}

/// What a request wants of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A page.
    Pages,
    /// A token.
    Token,
    /// Revocation.
    Revoke,
    /// Introspection or user info.
    Introspect,
    /// Decrypting what was encrypted for us, on top of what it is sent for.
    Decrypt,
}

impl Door {
    /// The name of its policy, as clients see it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pages => "pages",
            Self::Token => "token",
            Self::Revoke => "revoke",
            Self::Introspect => "introspect",
            Self::Decrypt => "decrypt",
        }
    }

    /// The letter that its counters begin with.
    const fn letter(self) -> u8 {
        match self {
            Self::Pages => b'p',
            Self::Token => b't',
            Self::Revoke => b'r',
            Self::Introspect => b'i',
            Self::Decrypt => b'd',
        }
    }

    const fn of_address(self, policy: &GuardPolicy) -> Rule {
        match self {
            Self::Pages => policy.pages,
            Self::Token => policy.token,
            Self::Revoke => policy.revoke,
            Self::Introspect => policy.introspect,
            Self::Decrypt => policy.decrypt,
        }
    }

    const fn of_client(self, policy: &GuardPolicy) -> Option<Rule> {
        match self {
            Self::Pages | Self::Decrypt => None,
            Self::Token => policy.token_of_client,
            Self::Revoke | Self::Introspect => policy.introspect_of_client,
        }
    }
}

/// Lets a request of this address through, or not.
///
/// # Errors
/// The limit that it met.
pub fn pass(world: &World, door: Door, address: Option<IpAddr>) -> Result<(), Exceeded> {
    let Some(address) = address.map(|address| address.to_canonical()).filter(|address| !address.is_loopback()) else {
        return Ok(());
    };
    let rule = door.of_address(&world.policy.load().guard);
    let key = key(door, address);
    take(world, door.name(), std::str::from_utf8(&key).unwrap_or_default(), rule)
}

/// Lets a request of this client, which has proven itself, through or not. One of a public client is not counted:
/// anybody may have sent it, and could so use up what is that client's.
///
/// # Errors
/// The refusal that tells the limit that it met.
pub async fn pass_client(world: &World, door: Door, client: &Client) -> Result<(), Ended> {
    let Some(rule) = door.of_client(&world.policy.load().guard).filter(|_| !client.is_public()) else { return Ok(()) };
    let (name, now) = (door.name(), world.now());
    let got = world.counters.take(&format!("client {name} {}", client.id), rule, now, 1).await;
    if got.allowed {
        return Ok(());
    }
    world.metrics.held.one(name);
    Err(Stop::Refusal(Refusal::too_many(exceeded(name, rule, got.retry_after))))
}

fn take(world: &World, name: &'static str, key: &str, rule: Rule) -> Result<(), Exceeded> {
    let got = world.counters.take_here(key, rule, world.now());
    if got.allowed { Ok(()) } else { Err(exceeded(name, rule, got.retry_after)) }
}

fn exceeded(policy: &'static str, rule: Rule, wait: Span) -> Exceeded {
    Exceeded { policy, quota: rule.burst(), window: rule.full_after(), wait }
}

/// The key of an address' counter: a letter for what, a digit for which IP, 16 for the address; of
/// IPv6 its /64, which is what one subscriber has.
fn key(door: Door, address: IpAddr) -> [u8; 18] {
    let (version, bits) = match address {
        IpAddr::V4(v4) => (b'4', u64::from(v4.to_bits())),
        IpAddr::V6(v6) => (b'6', u64::try_from(v6.to_bits() >> 64).unwrap_or(0)),
    };
    let mut key = [b'0'; 18];
    let [what, which, digits @ ..] = &mut key;
    (*what, *which) = (door.letter(), version);
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        let nibble = u8::try_from(bits >> (4 * place) & 15).unwrap_or(0);
        *digit = if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble };
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_is_one_and_doors_do_not_share() {
        let key = |door, address: &str| String::from_utf8(key(door, address.parse().unwrap()).to_vec()).unwrap();
        assert_eq!(key(Door::Token, "192.0.2.1"), "t400000000c0000201");
        assert_eq!(key(Door::Pages, "2001:db8:1:2::9"), "p620010db800010002");
        assert_eq!(key(Door::Pages, "2001:db8:1:2::9"), key(Door::Pages, "2001:db8:1:2:ffff::1"));
        assert_ne!(key(Door::Pages, "192.0.2.1"), key(Door::Token, "192.0.2.1"));
        // An IPv6 network whose digits are those of an IPv4 address.
        assert_ne!(key(Door::Token, "0:0:c000:201::"), key(Door::Token, "192.0.2.1"));
    }
}
