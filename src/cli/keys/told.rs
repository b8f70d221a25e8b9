//! Signing keys and those who fetch them, for people and as JSON.

use crate::{
    cli::{Answer, at_work::moment},
    flow::list_keys::{Held, Holder, Shown},
    jose::Outside,
    keyring::{Next, State},
};
use serde_json::{Value, json};

/// The name of where a key stands: that of its state, but for those that an operator ended.
fn standing(key: &Shown) -> &'static str {
    if key.revoked.is_some() { "revoked" } else { key.record.state.name() }
}

fn next_in_words(next: Option<Next>) -> String {
    match next {
        Some(Next::Signs(at)) => format!("signs from {at}"),
        Some(Next::Published(at)) => format!("published from {at}"),
        Some(Next::Succeeded(at)) => format!("successor published {at}"),
        Some(Next::Retires(at)) => format!("retires {at}"),
        Some(Next::Goes(at)) => format!("removed {at}"),
        None => String::new(),
    }
}

/// The keys as a table.
pub(super) fn keys(keys: &[Shown]) -> Answer {
    let row = |key: &Shown| {
        [
            key.record.kid.to_string(),
            key.record.alg.to_string(),
            key.outside.as_ref().map_or("here", Outside::word).to_owned(),
            standing(key).to_owned(),
            key.since.to_string(),
            next_in_words(key.next),
            key.uses.signed.to_string(),
            key.uses.seen_at.map_or_else(|| "never".to_owned(), |at| at.to_string()),
            key.why.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<[String; 9]> = keys.iter().map(row).collect();
    let headings = ["kid", "alg", "held", "state", "since", "next", "signatures", "last seen", "why"];
    Answer::table(headings, &rows, json!({ "keys": as_json(keys) }))
}

/// The keys as JSON.
pub(super) fn as_json(keys: &[Shown]) -> Vec<Value> {
    let one = |key: &Shown| {
        let (active_since, published_until) = match key.record.state {
            State::Active { since } => (Some(since), None),
            State::Retiring { until } => (None, Some(until).filter(|_| key.record.is_published())),
            State::Pending | State::Gone => (None, None),
        };
        let next = key.next.map_or(Value::Null, |next| json!({ "step": next.step(), "at": moment(Some(next.at())) }));
        json!({
            "kid": key.record.kid,
            "alg": key.record.alg.name(),
            "use": key.record.alg.public_use(),
            "state": standing(key),
            "since": moment(Some(key.since)),
            "why": key.why,
            "origin": key.origin.as_str(),
            "held": key.outside.as_ref().map_or("here", Outside::word),
            "held_at": key.outside,
            "created_at": moment(Some(key.record.created_at)),
            "known_at": moment(Some(key.record.known_at)),
            "active_since": moment(active_since),
            "published_until": moment(published_until),
            "revoked_at": moment(key.revoked),
            "next": next,
            "signatures": key.uses.signed,
            "last_signed_at": moment(key.uses.signed_at),
            "seen": key.uses.seen,
            "last_seen_at": moment(key.uses.seen_at),
        })
    };
    keys.iter().map(one).collect()
}

/// Those who fetched the set, as a table.
pub(super) fn fetches(holders: &[Holder]) -> Answer {
    let copy = |copy: Held| match copy {
        Held::Current => ("current", None, "the set as it is".to_owned()),
        Held::Old(until) => ("old", Some(until), format!("an older set, good until {until} at the latest")),
        Held::Expired => ("expired", None, "an older set that has expired".to_owned()),
    };
    let row = |one: &Holder| {
        let (address, agent) = one.who.clone();
        let n = &one.fetches;
        [address, agent, n.count.to_string(), n.last.to_string(), copy(one.copy).2]
    };
    let json = |one: &Holder| {
        let ((address, agent), n, (word, until, _)) = (&one.who, &one.fetches, copy(one.copy));
        json!({
            "address": address,
            "agent": agent,
            "fetches": n.count,
            "first_at": moment(Some(n.first)),
            "last_at": moment(Some(n.last)),
            "copy": word,
            "may_be_kept_until": moment(until),
        })
    };
    let rows: Vec<[String; 5]> = holders.iter().map(row).collect();
    let all: Vec<Value> = holders.iter().map(json).collect();
    Answer::table(["address", "agent", "fetches", "last", "has"], &rows, json!({ "fetches": all }))
}
