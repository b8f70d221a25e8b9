//! The one rule that says whether a key is good for a call.
//!
//! It asks in one fixed order and the first failure decides, so that nobody learns more of a key
//! than the first thing that is wrong. Nothing is spent here: what a call costs is in the
//! [`Permit`], for whoever asked to take. [`explain`] asks the very same questions, all of them.

use super::{
    api::Api,
    call::{Call, Possession, Purpose},
    family::{Family, Owner},
    key::{ApiKey, Kind, State},
    policy::{Budget, Compiled, Level, Limit, Reason, Rule, rate::By},
    verdict::Denied,
};
use std::net::IpAddr;

/// Whether those may act whom a key hangs from: its owner, and the application that uses it where
/// one is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They may.
    Active,
    /// One of them is disabled or gone.
    Inactive,
}

/// All that is known of a key that was found.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The key.
    pub key: &'a ApiKey,
    /// Its family.
    pub family: &'a Family,
    /// The API it is for.
    pub api: &'a Api,
    /// Whether its owner, and the application that uses it, may act.
    pub owner: Standing,
    /// What restricts it.
    pub policy: &'a Compiled,
}

/// A key that is good for a call if nothing that the call costs is used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit<'a> {
    /// Units to take from each limit and each quota of unit `requests`.
    pub cost: u32,
    /// What to take from, all or none, before the quotas.
    pub buckets: Vec<Bucket<'a>>,
    /// What to count in.
    pub budgets: &'a [Budget],
}

/// A bucket of a limit of rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket<'a> {
    /// Its name: of whose policy, which limit, and for whom.
    pub name: String,
    /// The limit.
    pub limit: &'a Limit,
}

/// Whether the key is good for the call, so far as that can be said without counting.
///
/// # Errors
/// The first reason why not.
pub fn judge<'a>(known: &Known<'a>, call: &Call<'_>) -> Result<Permit<'a>, Denied> {
    for check in [meant, alive, in_time, bound] {
        check(known, call)?;
    }
    for rule in Rule::ORDER {
        for (level, found) in known.policy.findings(*rule, call) {
            found.map_err(|reason| Denied::Restricted { rule: *rule, level, reason })?;
        }
    }
    scoped(known, call)?;
    payable(known, call)?;
    let limits = known.policy.limits().iter();
    let buckets = limits.map(|limit| bucket(known, call, limit)).collect::<Result<_, _>>()?;
    Ok(Permit { cost: call.cost, buckets, budgets: known.policy.budgets() })
}

/// Whether the key may be used at all now, whatever for: what a token that it was exchanged for
/// hangs from.
///
/// # Errors
/// The first reason why not.
pub fn stands(known: &Known<'_>, call: &Call<'_>) -> Result<(), Denied> {
    alive(known, call).and_then(|()| in_time(known, call))
}

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was asked: `key`, `state`, `validity`, `binding`, the word of a restriction, `scope`, `cost` or `rate`.
    pub asked: &'static str,
    /// Whose policy asked it; `None` where none did.
    pub level: Option<Level>,
    /// The answer.
    pub answer: Result<(), Denied>,
}

/// Every question and its answer, in the order in which [`judge`] asks: the first that is an
/// error is its verdict. Nothing is spent, so what is used up is not seen.
#[must_use]
pub fn explain(known: &Known<'_>, call: &Call<'_>) -> Vec<Finding> {
    let plain = |asked, answer| Finding { asked, level: None, answer };
    let mut all = vec![
        plain("key", meant(known, call)),
        plain("state", alive(known, call)),
        plain("validity", in_time(known, call)),
        plain("binding", bound(known, call)),
    ];
    for rule in Rule::ORDER {
        all.extend(known.policy.findings(*rule, call).map(|(level, found)| Finding {
            asked: rule.as_str(),
            level: Some(level),
            answer: found.map_err(|reason| Denied::Restricted { rule: *rule, level, reason }),
        }));
    }
    all.push(plain("scope", scoped(known, call)));
    all.push(plain("cost", payable(known, call)));
    all.extend(known.policy.limits().iter().map(|limit| Finding {
        asked: Rule::Rate.as_str(),
        level: Some(limit.level),
        answer: bucket(known, call, limit).map(|_| ()),
    }));
    all
}

/// Whether it is for this API, this purpose and this environment. The API comes first: whoever
/// serves another must not even learn the environment.
fn meant(known: &Known<'_>, call: &Call<'_>) -> Result<(), Denied> {
    if call.api != Some(&known.key.api) || call.api != Some(&known.api.id) {
        return Err(Denied::WrongAudience);
    }
    if (known.key.kind == Kind::Verifier) != (call.purpose == Purpose::Ask) {
        return Err(Denied::Unknown);
    }
    let offered = known.api.environments.contains(&known.key.environment);
    let served = call.environment.is_none_or(|one| known.key.environment == one);
    if offered && served { Ok(()) } else { Err(Denied::WrongEnvironment) }
}

fn alive(known: &Known<'_>, _: &Call<'_>) -> Result<(), Denied> {
    match known.key.state {
        State::Active | State::Retiring => {}
        State::Disabled => return Err(Denied::Disabled),
        State::Suspended => return Err(Denied::Suspended),
        State::Revoked | State::Compromised => return Err(Denied::Revoked),
    }
    if known.owner == Standing::Inactive || known.api.disabled_at.is_some() {
        return Err(Denied::Disabled);
    }
    Ok(())
}

fn in_time(known: &Known<'_>, call: &Call<'_>) -> Result<(), Denied> {
    if known.key.not_before.is_some_and(|from| call.at < from) {
        return Err(Denied::NotYetValid);
    }
    if known.key.expires_at.is_some_and(|until| call.at >= until) {
        return Err(Denied::Expired);
    }
    Ok(())
}

/// A proof that is shown must be good, also where none is needed: whoever shows one relies on it.
fn bound(known: &Known<'_>, call: &Call<'_>) -> Result<(), Denied> {
    let holds = call.dpop != Possession::Disproven && known.policy.binding_holds(call);
    if holds { Ok(()) } else { Err(Denied::Binding) }
}

fn scoped(known: &Known<'_>, call: &Call<'_>) -> Result<(), Denied> {
    if call.scope.within(&known.key.scope) { Ok(()) } else { Err(Denied::Scope { wanted: call.scope.clone() }) }
}

/// Whether each limit could ever let it through.
fn payable(known: &Known<'_>, call: &Call<'_>) -> Result<(), Denied> {
    match known.policy.limits().iter().find(|limit| !limit.rate.admits(call)) {
        Some(Limit { rate, .. }) => Err(Denied::TooCostly { name: rate.name.clone(), burst: rate.burst }),
        None => Ok(()),
    }
}

/// The bucket of a limit that this call takes from.
fn bucket<'a>(known: &Known<'_>, call: &Call<'_>, limit: &'a Limit) -> Result<Bucket<'a>, Denied> {
    let of_address;
    let whom = match limit.rate.by {
        By::Ip => {
            let refused = |reason| Denied::Restricted { rule: Rule::Rate, level: limit.level, reason };
            of_address = address(call).map_err(refused)?;
            &of_address
        }
        By::Key => known.key.id.as_str(),
        By::Family => known.family.id.as_str(),
        By::User => known.family.owner.id(),
        By::Client => match (&known.family.client, &known.family.owner) {
            (Some(client), _) | (None, Owner::Client(client)) => client.as_str(),
            (None, Owner::User(_)) => known.family.id.as_str(),
        },
        By::Api => known.api.id.as_str(),
    };
    let family = match limit.level {
        Level::Key => known.family.id.as_str(),
        Level::Api | Level::Plan | Level::Family => "",
    };
    Ok(Bucket { name: [family, &limit.bucket, "/", whom].concat(), limit })
}

/// The address as one text for all its spellings. Of IPv6 the network of 64 bits: whoever has one
/// address there has all.
fn address(call: &Call<'_>) -> Result<String, Reason> {
    let address: IpAddr = call.address.ok_or(Reason::Missing)?.parse().map_err(|_| Reason::Unreadable)?;
    Ok(match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => std::net::Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).to_string(),
    })
}

#[cfg(test)]
mod tests;
