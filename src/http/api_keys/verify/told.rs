//! What is told of a key that was asked about.

use crate::{
    apikey::{
        key::Kind,
        verdict::Denied,
        words::{Identifier, Instant, KeyIdentifier, whole},
    },
    audit::Origin,
    base::{
        id::{ApiKeyId, ClientId, RequestId},
        moment::{Moment, Span},
    },
    flow::api_keys::{
        directory::Entry,
        told::Owner,
        verify::{LimitNow, QuotaNow, Verdict},
    },
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// A verdict, on the wire.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Verdict")]
pub(in crate::http::api_keys) struct Told<'v> {
    /// Whether the key is good for this call.
    valid: bool,
    /// `ok`, or why not.
    code: &'static str,
    /// What to quote to the operator of this server.
    #[schemars(with = "Option<Identifier>")]
    request_id: Option<&'v RequestId>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    good: Option<Good<'v>>,
    /// Of `restricted`: which restriction refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    /// Of `restricted`: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// Of `rate_limited`, `reduced_capacity` and `quota_exceeded`: the names of what is used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    violated: Option<Vec<&'v str>>,
    /// Seconds after which the same call can pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<i64>,
    /// Its limits of rate after this call, where they were asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    limits: Vec<LimitTold<'v>>,
    /// Its quotas after this call, where they were asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    quota: Vec<QuotaTold<'v>>,
}

/// What is told of a good key.
#[derive(Serialize, JsonSchema)]
struct Good<'v> {
    /// The key.
    key: KeyTold<'v>,
    /// Whose it is.
    owner: Owner<'v>,
    /// The application that uses it, where it is known.
    #[schemars(with = "Option<Identifier>")]
    client_id: Option<&'v ClientId>,
    /// The name of its plan.
    plan: Option<&'v str>,
    /// The scope tokens that it has.
    scopes: Vec<&'v str>,
    /// What its maker wants told.
    meta: &'v Map<String, Value>,
    /// How long this verdict may be kept.
    cache: CacheTold,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeyOfVerdict", transform = whole)]
struct KeyTold<'v> {
    /// Its identifier.
    #[schemars(with = "KeyIdentifier")]
    id: &'v ApiKeyId,
    /// What people know it by.
    hint: &'v str,
    /// What it is for.
    kind: Kind,
    /// Its environment.
    env: &'v str,
    /// Until when it is good.
    #[schemars(with = "Option<Instant>")]
    expires_at: Option<String>,
    /// The same, where it has a successor: whoever uses it should be reminded.
    #[schemars(with = "Option<Instant>")]
    deprecated_until: Option<String>,
    /// And since when: when its successor was made.
    #[schemars(with = "Option<Instant>")]
    deprecated_since: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Keeping", transform = whole)]
struct CacheTold {
    /// Seconds for which the verdict may be kept, and given to the same question.
    max_age: u8,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LimitNow", transform = whole)]
struct LimitTold<'v> {
    /// Its name.
    name: &'v str,
    /// Units in each period.
    limit: u32,
    /// The period, in seconds.
    per_s: i64,
    /// Units left.
    remaining: u32,
    /// Seconds until it is full again.
    reset_s: i64,
}

/// A quota, after the call.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "QuotaNow", transform = whole)]
pub(in crate::http::api_keys) struct QuotaTold<'v> {
    /// Its name.
    name: &'v str,
    /// What is counted: `requests`, or `content-bytes`.
    unit: &'static str,
    /// Units in the period, with what was topped up.
    limit: u64,
    /// Units left.
    remaining: u64,
    /// Seconds until it starts anew; null for never.
    reset_s: Option<i64>,
}

impl<'v> Told<'v> {
    pub(in crate::http::api_keys) fn of(verdict: &'v Verdict, origin: &'v Origin, now: Moment) -> Self {
        let mut told = Self {
            valid: verdict.outcome.is_ok(),
            code: verdict.code(),
            request_id: origin.request.as_ref(),
            good: None,
            rule: None,
            reason: None,
            violated: None,
            retry_after_s: None,
            limits: verdict.limits.iter().map(LimitTold::of).collect(),
            quota: verdict.quotas.iter().map(QuotaTold::of).collect(),
        };
        match &verdict.outcome {
            Ok(()) => told.good = verdict.entry.as_deref().map(|entry| Good::of(entry, now)),
            Err(denied) => told.say(denied),
        }
        told
    }

    /// Of every other reason than these the code says all that is told.
    fn say(&mut self, denied: &'v Denied) {
        if let Denied::Restricted { rule, reason, .. } = denied {
            (self.rule, self.reason) = (Some(rule.as_str()), Some(reason.as_str()));
        }
        if let Denied::Rate { names, retry_after } | Denied::Reduced { names, retry_after } = denied {
            self.violated = Some(names.iter().map(String::as_str).collect());
            self.retry_after_s = Some(seconds(*retry_after));
        }
        if let Denied::Quota { name, retry_after } = denied {
            self.violated = Some(vec![name.as_str()]);
            self.retry_after_s = retry_after.map(seconds);
        }
    }
}

impl<'v> Good<'v> {
    fn of(entry: &'v Entry, now: Moment) -> Self {
        let (key, owner) = (&entry.key, &entry.family.owner);
        let told = |at: Moment| at.to_string();
        Self {
            key: KeyTold {
                id: &key.id,
                hint: &key.hint,
                kind: key.kind,
                env: &key.environment,
                expires_at: key.expires_at.map(told),
                // That a key has a successor is told, so that whoever uses it is reminded in time.
                deprecated_until: key.successor.as_ref().and(key.expires_at).map(told),
                deprecated_since: key.successor.as_ref().map(|_| told(key.state_at)),
            },
            owner: Owner::of(owner),
            client_id: entry.family.client.as_ref(),
            plan: entry.shared.plan.as_ref().map(|plan| plan.name.as_str()),
            scopes: key.scope.tokens().collect(),
            meta: &key.meta,
            cache: CacheTold { max_age: max_age(entry, now) },
        }
    }
}

impl<'v> LimitTold<'v> {
    fn of(limit: &'v LimitNow) -> Self {
        Self {
            name: &limit.name,
            limit: limit.limit,
            per_s: limit.per.as_seconds(),
            remaining: limit.outcome.remaining,
            reset_s: seconds(limit.outcome.reset),
        }
    }
}

impl<'v> QuotaTold<'v> {
    pub(in crate::http::api_keys) fn of(quota: &'v QuotaNow) -> Self {
        Self {
            name: &quota.name,
            unit: quota.unit.as_str(),
            limit: quota.limit,
            remaining: quota.remaining,
            reset_s: quota.resets_in.map(seconds),
        }
    }
}

/// Seconds for which a verdict may be kept: never beyond the end of the key, so rounded down.
fn max_age(entry: &Entry, now: Moment) -> u8 {
    if entry.each_call {
        return 0;
    }
    let most = entry.api().settings.verdict_max_age;
    let left = entry.key.expires_at.map_or(i64::MAX, |end| end.since(now).as_seconds().max(0));
    u8::try_from(left).map_or(most, |left| left.min(most))
}

/// Whole seconds, rounded up.
fn seconds(span: Span) -> i64 {
    span.as_micros().saturating_add(999_999).div_euclid(1_000_000)
}
