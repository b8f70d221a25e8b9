//! Member `quota`: amounts for each period of the calendar, counted for the family.

use super::{Invalid, bounded, named, written};
use crate::apikey::quota::Period;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The most quotas of one policy.
pub const MOST: usize = 8;
/// The most units of a quota: what both databases can count.
const LARGEST: u64 = 1 << 62;

/// What is counted (draft-ietf-httpapi-ratelimit-headers).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// The cost of each call, before it is served.
    #[default]
    Requests,
    /// The bytes of each response, after it was served and when they are reported: what is in
    /// flight meanwhile can go beyond the quota.
    ContentBytes,
}

impl Unit {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::ContentBytes => "content-bytes",
        }
    }
}

/// What happens at the end of a quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnExceed {
    /// Calls are refused.
    #[default]
    Deny,
    /// Calls pass, and an alert is raised.
    Alert,
}

/// A quota as written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Quota")]
pub struct Written {
    /// What it is called, within its policy.
    #[schemars(regex(pattern = "^[a-z0-9_-]{1,32}$"))]
    name: String,
    /// Units in each period, at most 2^62.
    #[schemars(range(min = 1, max = 4_611_686_018_427_387_904_u64))]
    limit: u64,
    /// `day`, `month`, `month@15` or `once`.
    #[schemars(regex(pattern = "^(day|once|month(@([1-9]|[12][0-9]|3[01]))?)$"))]
    per: String,
    /// What is counted.
    #[serde(default)]
    unit: Unit,
    /// What happens at its end.
    #[serde(default)]
    on_exceed: OnExceed,
}

/// A quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// What it is called, within its policy.
    pub name: String,
    /// Units in each period.
    pub limit: u64,
    /// When it starts anew.
    pub per: Period,
    /// What is counted.
    pub unit: Unit,
    /// What happens at its end.
    pub on_exceed: OnExceed,
}

impl Quota {
    /// The name of its counter among those of a family. Quotas of several levels that differ in
    /// nothing but their limits count in one, for the amounts are the same.
    #[must_use]
    pub fn counter(&self) -> String {
        let alert = match self.on_exceed {
            OnExceed::Deny => "",
            OnExceed::Alert => ".alert",
        };
        format!("{}.{}.{}{alert}", self.name, self.per, self.unit.as_str())
    }
}

/// Reads the member.
///
/// # Errors
/// [`Invalid`] where a name is no name or stands twice, a limit is zero or beyond counting, a
/// period is unknown, or there are none or too many.
pub fn read(list: &[Value]) -> Result<Vec<Quota>, Invalid> {
    bounded("quota", list, MOST)?;
    let quotas: Vec<Quota> =
        list.iter().enumerate().map(|(n, value)| quota(&format!("quota[{n}]"), value)).collect::<Result<_, _>>()?;
    for (n, one) in quotas.iter().enumerate() {
        if quotas.iter().take(n).any(|before| before.name == one.name) {
            return Err(Invalid::new(format!("quota[{n}].name"), format!("stands twice: {:?}", one.name)));
        }
    }
    Ok(quotas)
}

fn quota(member: &str, value: &Value) -> Result<Quota, Invalid> {
    let Written { name, limit, per, unit, on_exceed } = written(member, value)?;
    named(&format!("{member}.name"), &name)?;
    let Some(per) = Period::parse(&per) else {
        let why = format!("is no period, such as day, month, month@15 or once: {per:?}");
        return Err(Invalid::new(format!("{member}.per"), why));
    };
    if limit == 0 || limit > LARGEST {
        return Err(Invalid::new(format!("{member}.limit"), "must be from 1 to 2^62"));
    }
    Ok(Quota { name, limit, per, unit, on_exceed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apikey::policy::sample::{document, refused};

    #[test]
    fn quotas_are_read_as_written() {
        let document = document(
            r#"{"v":1,"quota":[{"name":"month","limit":1000000,"per":"month"},{"name":"egress","limit":1073741824,"per":"month@15","unit":"content-bytes","on_exceed":"alert"}]}"#,
        )
        .unwrap();
        let [month, egress] = document.quota.as_slice() else { panic!("two quotas") };
        assert_eq!(
            (month.unit, month.on_exceed, month.counter().as_str()),
            (Unit::Requests, OnExceed::Deny, "month.month.requests")
        );
        assert_eq!((egress.limit, egress.counter().as_str()), (1 << 30, "egress.month@15.content-bytes.alert"));
        assert_eq!(egress.on_exceed, OnExceed::Alert);
    }

    #[test]
    fn a_quota_that_cannot_be_meant_is_refused_by_its_place() {
        let one = |members: &str| format!(r#"[{{"name":"a",{members}}}]"#);
        let cases = [
            ("[]".to_owned(), "quota"),
            (one(r#""limit":0,"per":"day""#), "quota[0].limit"),
            (one(r#""limit":18446744073709551615,"per":"day""#), "quota[0].limit"),
            (one(r#""limit":1,"per":"year""#), "quota[0].per"),
            (one(r#""limit":1,"per":"month@0""#), "quota[0].per"),
            (one(r#""limit":1,"per":"month@32""#), "quota[0].per"),
            (one(r#""limit":1.5,"per":"day""#), "quota[0]"),
            (one(r#""limit":1,"per":"day","unit":"tokens""#), "quota[0]"),
            (
                r#"[{"name":"a","limit":1,"per":"day"},{"name":"a","limit":1,"per":"month"}]"#.to_owned(),
                "quota[1].name",
            ),
        ];
        for (written, member) in cases {
            assert_eq!(refused("quota", &written), member, "{written}");
        }
    }
}
