//! What is known of keys, in words for people.

use crate::{
    apikey::{
        PolicyText,
        key::{ApiKey, State},
        policy::{Limit, rate::By},
        verdict::Denied,
    },
    base::moment::{Moment, Span},
    flow::api_keys::{
        days::Used,
        refused::Refused,
        rotation::{Place, Rotation, Seen},
        show::{Happened, Listed},
        verify::QuotaNow,
    },
    http::give::pages::{Badge, EventLine, PlaceLine, QuotaBar, Rotating, RotatingKey, Tone, When, wait_in_words},
};
use serde_json::Value;

/// The state of a key.
pub(super) fn badge(key: &ApiKey, now: Moment) -> Badge {
    let (word, tone) = match key.state {
        State::Revoked => ("revoked", Tone::Over),
        State::Compromised => ("compromised", Tone::Over),
        _ if key.expires_at.is_some_and(|until| until <= now) => ("expired", Tone::Over),
        State::Active => ("active", Tone::Good),
        State::Retiring => ("ending", Tone::Warn),
        State::Disabled => ("switched off", Tone::Warn),
        State::Suspended => ("suspended", Tone::Warn),
    };
    Badge { word, tone }
}

fn length(span: Span) -> String {
    wait_in_words(&u32::try_from(span.as_seconds()).unwrap_or(u32::MAX))
}

/// A length of time that may be long: `3 days`, `5 hours`.
fn long(span: Span) -> String {
    let hours = span.as_seconds() / 3600;
    if hours < 48 { length(span) } else { format!("{} days", hours / 24) }
}

/// A limit: `burst: 20 calls in 1 second, 40 at once, for all keys of this line`.
pub(super) fn limit(limit: &Limit) -> String {
    let rate = &limit.rate;
    let whom = match rate.by {
        By::Ip => "for each client address",
        By::Key => "for this key",
        By::Family => "for all keys of this line",
        By::User => "for all your keys",
        By::Client => "for the application",
        By::Api => "for all callers of the API together",
    };
    format!("{}: {} calls in {}, {} at once, {whom}", rate.name, rate.limit, length(rate.per), rate.burst)
}

/// What was reported of the calls of a key: `The API reported 120 of them: 2.5 % errors (2 with 4xx, 1 with 5xx), 4.5 MB
/// sent, 12.0 kB received; half took up to 12 ms, 99 of 100 up to 80 ms.`
pub(super) fn served(used: &Used) -> Option<String> {
    let n = used.served();
    let errors = n.errors_4.saturating_add(n.errors_5);
    let share = tenths(errors.saturating_mul(1000).checked_div(n.reported)?);
    let (sent, received) = (bytes(n.bytes_out), bytes(n.bytes_in));
    let mut said = format!(
        "The API reported {} of them: {share} % errors ({} with 4xx, {} with 5xx), {sent} sent, {received} received",
        n.reported, n.errors_4, n.errors_5
    );
    let millis = |span: Span| (span + Span::micros(999)).as_micros() / 1000;
    if let (Some(half), Some(most)) = (used.took(50), used.took(99)) {
        said.push_str(&format!("; half took up to {} ms, 99 of 100 up to {} ms", millis(half), millis(most)));
    }
    said.push('.');
    Some(said)
}

/// A number of tenths: `2.5`.
fn tenths(n: u64) -> String {
    format!("{}.{}", n / 10, n % 10)
}

/// A number of bytes: `999 B`, `12.0 kB`, `4.5 MB`.
fn bytes(n: u64) -> String {
    let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    let unit = units.into_iter().find(|(size, _)| n >= *size);
    unit.map_or_else(|| format!("{n} B"), |(size, name)| format!("{} {name}", tenths(n / (size / 10))))
}

/// A rotation.
pub(super) fn rotating(rotation: Rotation) -> Rotating {
    let key = |one: Listed| {
        let last = one.last_use;
        RotatingKey {
            id: one.key.id.to_string(),
            hint: one.key.hint,
            first: last.as_ref().map(|last| last.first.into()),
            last: last.as_ref().map(|last| last.at.into()),
            address: last.as_ref().and_then(|last| last.address).map(|address| address.to_string()),
            agent: last.and_then(|last| last.agent),
        }
    };
    let place = |(place, seen): (Place, Seen)| match place {
        Place::Of { address, agent } => {
            let address = address.map(|address| address.to_string());
            Some(PlaceLine { address, agent, calls: seen.calls, last: seen.last.into() })
        }
        Place::Others => None,
    };
    Rotating {
        ends: rotation.old.key.expires_at.map(Into::into),
        old: key(rotation.old),
        new: key(rotation.new),
        since: rotation.since.into(),
        places: rotation.places.into_iter().filter_map(place).collect(),
        others: rotation.others,
    }
}

/// A quota.
pub(super) fn quota(quota: &QuotaNow) -> QuotaBar {
    let used = quota.limit.saturating_sub(quota.remaining);
    let share = u128::from(used) * 1000 / u128::from(quota.limit.max(1));
    QuotaBar {
        name: quota.name.clone(),
        used,
        limit: quota.limit,
        share: u64::try_from(share).unwrap_or(1000).min(1000),
        resets: quota.resets_in.map_or_else(|| "once and for all".to_owned(), |span| format!("anew in {}", long(span))),
    }
}

/// What a policy says, member by member.
pub(in crate::http::portal) fn restrictions(policy: &PolicyText) -> Vec<(String, String)> {
    let said = policy.iter().filter(|(name, _)| !matches!(name.as_str(), "v" | "rate" | "quota"));
    said.map(|(name, value)| (title(name).to_owned(), told(value))).collect()
}

fn title(member: &str) -> &str {
    match member {
        "ip" => "Addresses",
        "geo" => "Countries",
        "time" => "Hours",
        "referrer" => "Pages",
        "user_agent" => "Programs",
        "routes" => "Methods and paths",
        "binding" => "Proof of possession",
        other => other,
    }
}

/// A value of a policy as a sentence without braces: `allow 203.0.113.9, 203.0.113.10; deny …`.
fn told(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let parts: Vec<String> = members.iter().map(|(name, value)| format!("{name} {}", told(value))).collect();
            parts.join("; ")
        }
        Value::Array(list) => list.iter().map(told).collect::<Vec<_>>().join(", "),
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Something that happened to a key.
pub(super) fn event(row: Happened) -> EventLine {
    let text = |name: &str| row.data.get(name).and_then(Value::as_str);
    let what = match row.kind.as_str() {
        "api_key.created" => "made".to_owned(),
        "api_key.claimed" => "made with a link".to_owned(),
        "api_key.imported" => "brought from elsewhere".to_owned(),
        "api_key.rotated" => "given a successor".to_owned(),
        "api_key.overlap_ended" => "the overlap with its successor was ended".to_owned(),
        "api_key.changed" => "its restrictions were changed".to_owned(),
        "api_key.disabled" => "switched off".to_owned(),
        "api_key.enabled" => "switched on".to_owned(),
        "api_key.revoked" => "revoked".to_owned(),
        "api_key.refused" => format!("refused: {}", text("code").unwrap_or("no reason kept").replace('_', " ")),
        "api_key.used_after_end" => "used after its end, and refused".to_owned(),
        "api_key.exchanged" => "exchanged for a token".to_owned(),
        "api_key.expiring" => "its end is near".to_owned(),
        "anomaly.opened" => match row.data.get("times").and_then(Value::as_u64) {
            Some(times) => format!("reads {times} times as much as it usually does"),
            None => "reads far more than it usually does".to_owned(),
        },
        "anomaly.closed" => "reads as much as it usually does again".to_owned(),
        "leak.reported" => match text("found_at") {
            Some(place) => format!("found where others can read it: {place}"),
            None => "found where others can read it".to_owned(),
        },
        "leak.asked" => "somebody who found it asked whether it is still good".to_owned(),
        other => other.strip_prefix("api_key.").unwrap_or(other).replace(['.', '_'], " "),
    };
    let what = text("reason").map_or_else(|| what.clone(), |reason| format!("{what}: {reason}"));
    // Who told of a key that they found need not be known to its owner.
    let address = row.address.filter(|_| !row.kind.starts_with("leak."));
    EventLine { at: row.at.into(), what, address: address.map(|address| address.to_canonical().to_string()) }
}

/// Why a request would not pass.
pub(super) fn denied(denied: &Denied) -> &'static str {
    match denied {
        Denied::NoKey | Denied::Unknown | Denied::WrongAudience => "not for this use",
        Denied::WrongEnvironment => "wrong environment",
        Denied::Revoked => "revoked",
        Denied::Disabled => "switched off",
        Denied::Suspended => "suspended",
        Denied::NotYetValid => "not good yet",
        Denied::Expired => "expired",
        Denied::Binding => "needs proof of possession",
        Denied::Restricted { reason, .. } => match reason.as_str() {
            "attribute_missing" => "not said, or cannot be read",
            "denied" => "denied",
            _ => "not allowed",
        },
        Denied::Scope { .. } => "lacks a scope",
        Denied::TooCostly { .. } => "costs too much",
        Denied::Rate { .. } | Denied::Reduced { .. } => "used up for the moment",
        Denied::Quota { .. } => "quota used up",
    }
}

/// A refusal, as a sentence of its own.
pub(in crate::http::portal) fn sentence(refused: &Refused) -> String {
    let text = if let Refused::InUse(at) = refused {
        let at = When::from(*at).text;
        format!("the old key was last used on {at}, within the last hour: tick the box if it may be cut off")
    } else {
        refused.to_string()
    };
    capital(&text)
}

/// With a capital letter in front and a full stop behind.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_policy_is_read_aloud() {
        let policy = json!({"v": 1, "ip": {"allow": ["203.0.113.9", "2001:db8::/48"]}, "rate": [{"limit": 1}],
            "routes": [{"methods": ["GET", "HEAD"], "path": "/**"}]});
        let told = restrictions(policy.as_object().unwrap());
        assert_eq!(
            told,
            [
                ("Addresses".to_owned(), "allow 203.0.113.9, 2001:db8::/48".to_owned()),
                ("Methods and paths".to_owned(), "methods GET, HEAD; path /**".to_owned()),
            ]
        );
    }

    #[test]
    fn a_quota_is_never_more_than_full() {
        for (limit, remaining, share) in [(100, 20, 800), (0, 0, 0), (100, 0, 1000), (10, 20, 0), (u64::MAX, 0, 1000)] {
            let now = QuotaNow { name: "month".into(), unit: Default::default(), limit, remaining, resets_in: None };
            assert_eq!(quota(&now).share, share, "{limit} {remaining}");
        }
        let now = QuotaNow {
            name: "month".into(),
            unit: Default::default(),
            limit: 1,
            remaining: 1,
            resets_in: Some(Span::days(12)),
        };
        assert_eq!(quota(&now).resets, "anew in 12 days");
    }
}
