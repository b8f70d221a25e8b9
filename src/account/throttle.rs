//! How often somebody may try a password (ASVS 5.0 6.3.1), without a lock-out that strangers can
//! cause: a browser in which this person signed in before has a budget of its own.
//!
//! Each attempt is charged to its budgets before the password is looked at, so that many at once
//! cannot slip through together; a success gets its charge back.

use crate::base::{digest, moment::Span};
use std::net::{IpAddr, Ipv6Addr};

/// This many attempts at once, and then one more each time `every` has gone by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Attempts at once.
    pub burst: u32,
    /// Time until one more.
    pub every: Span,
}

/// What an operator decides about attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottlePolicy {
    /// In a browser where the person signed in before.
    pub known_browser: Allowance,
    /// For one person, from one address.
    pub account_and_address: Allowance,
    /// From one address, for anybody: an office or a carrier may be behind it.
    pub address: Allowance,
    /// For one person, from all unknown browsers together: the ceiling for a botnet.
    pub account: Allowance,
}

impl Default for ThrottlePolicy {
    fn default() -> Self {
        Self {
            known_browser: Allowance { burst: 10, every: Span::minutes(1) },
            account_and_address: Allowance { burst: 5, every: Span::minutes(1) },
            address: Allowance { burst: 50, every: Span::seconds(5) },
            account: Allowance { burst: 30, every: Span::minutes(10) },
        }
    }
}

/// What is known of the browser that tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Browser<'a> {
    /// It holds proof that this person signed in with it before; the text tells it from others.
    Known(&'a str),
    /// It holds none.
    Unknown,
}

/// An attempt to sign in.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The user name as typed, whether or not anybody has it.
    pub username: &'a str,
    /// The peer's address, where there is one.
    pub address: Option<IpAddr>,
    /// The browser.
    pub browser: Browser<'a>,
}

/// A counter that an attempt is charged to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Which it is: for events and metrics.
    pub name: &'static str,
    /// The counter's key: of fixed length, and nobody's name can be read from it.
    pub key: String,
    /// What it allows.
    pub allowance: Allowance,
}

impl ThrottlePolicy {
    /// The budgets of an attempt, in the order in which they are to be charged. The first that is
    /// used up ends the attempt and those behind it are not charged: a stranger who has used up
    /// their own share takes nothing more from everybody's.
    #[must_use]
    pub fn budgets(&self, attempt: &Attempt<'_>) -> Vec<Budget> {
        let account = attempt.username.trim().to_lowercase();
        if let Browser::Known(browser) = attempt.browser {
            return vec![budget("known_browser", &[&account, browser], self.known_browser)];
        }
        let mut budgets = Vec::with_capacity(3);
        if let Some(address) = attempt.address.map(network) {
            budgets.push(budget("account_and_address", &[&account, &address], self.account_and_address));
            budgets.push(budget("address", &[&address], self.address));
        }
        budgets.push(budget("account", &[&account], self.account));
        budgets
    }
}

fn budget(name: &'static str, parts: &[&str], allowance: Allowance) -> Budget {
    let text = parts.iter().fold(String::from(name), |text, part| format!("{text}\0{part}"));
    Budget { name, key: format!("signin:{}", digest::base64url(&digest::sha256(text.as_bytes()))), allowance }
}

/// Whom an address stands for: itself; for IPv6 its /64, which is what one subscriber has.
#[must_use]
pub fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(username: &str, address: &str, browser: Browser<'_>) -> Vec<(&'static str, String)> {
        let attempt = Attempt { username, address: address.parse().ok(), browser };
        ThrottlePolicy::default().budgets(&attempt).into_iter().map(|b| (b.name, b.key)).collect()
    }

    #[test]
    fn a_known_browser_shares_no_budget_with_strangers() {
        let own = keys("ann", "198.51.100.7", Browser::Known("b1"));
        let strange = keys("ann", "198.51.100.7", Browser::Unknown);
        assert_eq!(own.len(), 1);
        assert!(own.iter().all(|k| !strange.contains(k)));
        assert_ne!(own, keys("ann", "198.51.100.7", Browser::Known("b2")));
    }

    #[test]
    fn strangers_share_the_ceiling_of_an_account_whatever_their_address() {
        let (a, b) = (keys("ann", "198.51.100.7", Browser::Unknown), keys("ANN ", "203.0.113.9", Browser::Unknown));
        assert_eq!(a.iter().map(|k| k.0).collect::<Vec<_>>(), ["account_and_address", "address", "account"]);
        assert_eq!(a[2], b[2]);
        assert_ne!(a[0], b[0]);
        assert_ne!(a[1], b[1]);
    }

    #[test]
    fn a_subscriber_cannot_walk_through_their_ipv6_addresses() {
        let (a, b) =
            (keys("ann", "2001:db8:1:2::1", Browser::Unknown), keys("ann", "2001:db8:1:2:ffff::", Browser::Unknown));
        assert_eq!(a, b);
        assert_ne!(a, keys("ann", "2001:db8:1:3::1", Browser::Unknown));
        assert_eq!(keys("x", "::ffff:192.0.2.1", Browser::Unknown), keys("x", "192.0.2.1", Browser::Unknown));
    }

    #[test]
    fn names_and_addresses_cannot_be_shifted_into_one_another() {
        let all = keys("ann\u{0}10.0.0.1", "10.0.0.2", Browser::Unknown);
        assert_ne!(all[2].1, keys("ann", "10.0.0.1", Browser::Unknown)[0].1);
        assert!(all.iter().all(|(_, key)| key.len() == 50));
    }
}
