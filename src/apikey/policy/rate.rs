//! Member `rate`: limits that refill evenly, each under a name and counted for somebody.

use super::{Call, Invalid, bounded, named, written};
use crate::{base::moment::Span, limit};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The most limits of one policy.
pub const MOST: usize = 16;
/// The longest time in which a limit refills.
const LONGEST: Span = Span::days(31);
/// The most units in a second: one each microsecond.
const FASTEST: i64 = 1_000_000;

/// Whom a limit is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "CountedFor")]
pub enum By {
    /// Each address that calls. People behind one address share it.
    Ip,
    /// Each key.
    Key,
    /// Each family.
    Family,
    /// Each owner.
    User,
    /// Each application; each family where the application is not known.
    Client,
    /// All of an API together.
    Api,
}

/// A time of at most 31 days.
const PER: &str = "^(([1-9][0-9]{0,5}|1[0-9]{6}|2[0-5][0-9]{5}|26[0-6][0-9]{4}|267[0-7][0-9]{3}|2678[0-3][0-9]{2}|2678400)s|\
     ([1-9][0-9]{0,3}|[1-3][0-9]{4}|4[0-3][0-9]{3}|44[0-5][0-9]{2}|446[0-3][0-9]|44640)m|\
     ([1-9][0-9]?|[1-6][0-9]{2}|7[0-3][0-9]|74[0-4])h|([1-9]|[12][0-9]|3[01])d)$";

/// A limit as written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rate")]
pub struct Written {
    /// What it is called, within its policy.
    #[schemars(regex(pattern = "^[a-z0-9_-]{1,32}$"))]
    name: String,
    /// Whom it is counted for.
    by: By,
    /// Units in each `per`.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    limit: u32,
    /// A time of at most 31 days, as `1s`, `15m`, `1h` or `1d`.
    #[schemars(regex(pattern = PER))]
    per: String,
    /// Units at once; `limit` where nothing is said.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    burst: Option<u32>,
}

/// A limit. In any stretch of time no more units pass than `burst` and what the rate adds in it:
/// with a burst as large as the limit, up to twice the limit in the first `per`. Whoever means at
/// most *n* in any stretch of `per` writes half of *n* for both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What it is called, within its policy.
    pub name: String,
    /// Whom it is counted for.
    pub by: By,
    /// Units in each [`Rate::per`].
    pub limit: u32,
    /// Time in which [`Rate::limit`] units are added, evenly.
    pub per: Span,
    /// Units at once.
    pub burst: u32,
}

impl Rate {
    /// What families get whose plan says nothing of rate: 20 units a second, 40 at once.
    #[must_use]
    pub fn usual() -> Self {
        Self { name: "default".to_owned(), by: By::Family, limit: 20, per: Span::seconds(1), burst: 40 }
    }

    /// What keys get beside all other limits that were brought from elsewhere and may be easy to guess: 5 units a second.
    #[must_use]
    pub fn weak() -> Self {
        Self { name: "weak".to_owned(), by: By::Key, limit: 5, per: Span::seconds(1), burst: 10 }
    }

    /// The arithmetic.
    #[must_use]
    pub fn rule(&self) -> limit::Rule {
        limit::Rule::new(self.limit, self.per, self.burst)
    }

    /// Whether a call could ever pass it.
    #[must_use]
    pub const fn admits(&self, call: &Call<'_>) -> bool {
        call.cost <= self.burst
    }
}

/// Reads the member. A limit without `burst` lets all its units through at once.
///
/// # Errors
/// [`Invalid`] where a name is no name or stands twice, a number is zero, a time cannot be read,
/// or there are none or too many.
pub fn read(list: &[Value]) -> Result<Vec<Rate>, Invalid> {
    bounded("rate", list, MOST)?;
    let rates: Vec<Rate> =
        list.iter().enumerate().map(|(n, value)| rate(&format!("rate[{n}]"), value)).collect::<Result<_, _>>()?;
    for (n, one) in rates.iter().enumerate() {
        if rates.iter().take(n).any(|before| before.name == one.name) {
            return Err(Invalid::new(format!("rate[{n}].name"), format!("stands twice: {:?}", one.name)));
        }
    }
    Ok(rates)
}

fn rate(member: &str, value: &Value) -> Result<Rate, Invalid> {
    let Written { name, by, limit, per, burst } = written(member, value)?;
    let bad = |name: &str, why: String| Err(Invalid::new(format!("{member}.{name}"), why));
    named(&format!("{member}.name"), &name)?;
    let Some(per) = span(&per).filter(|per| *per <= LONGEST) else {
        return bad("per", format!("is no time of at most 31 days, such as 1s, 15m, 1h or 1d: {per:?}"));
    };
    if limit == 0 {
        return bad("limit", "is 0, which would refuse every call".into());
    }
    if i64::from(limit) > FASTEST.saturating_mul(per.as_seconds()) {
        return bad("limit", "is more than a million a second".into());
    }
    match burst.unwrap_or(limit) {
        0 => bad("burst", "is 0, which would refuse every call".into()),
        burst => Ok(Rate { name, by, limit, per, burst }),
    }
}

/// A whole number of seconds, minutes, hours or days, at least one: `1s`, `15m`, `1h`, `1d`.
fn span(text: &str) -> Option<Span> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let n: i64 = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
    let span = match unit {
        "s" => Span::seconds(n),
        "m" => Span::minutes(n),
        "h" => Span::hours(n),
        "d" => Span::days(n),
        _ => return None,
    };
    (span > Span::ZERO).then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apikey::policy::sample::{document, refused};

    #[test]
    fn limits_are_read_as_written() {
        let document = document(
            r#"{"v":1,"rate":[{"name":"burst","by":"family","limit":20,"per":"1s","burst":40},{"name":"hour","by":"ip","limit":1000,"per":"1h"}]}"#,
        )
        .unwrap();
        let [burst, hour] = document.rate.as_slice() else { panic!("two limits") };
        assert_eq!((burst.by, burst.limit, burst.per, burst.burst), (By::Family, 20, Span::seconds(1), 40));
        assert_eq!((hour.by, hour.burst, hour.rule().interval()), (By::Ip, 1000, Span::millis(3600)));
    }

    #[test]
    fn a_limit_that_cannot_be_meant_is_refused_by_its_place() {
        let one = |members: &str| format!(r#"[{{"name":"a","by":"key",{members}}}]"#);
        let cases = [
            ("[]".to_owned(), "rate"),
            (one(r#""limit":0,"per":"1s""#), "rate[0].limit"),
            (one(r#""limit":1,"per":"1s","burst":0"#), "rate[0].burst"),
            (one(r#""limit":1,"per":"0s""#), "rate[0].per"),
            (one(r#""limit":1,"per":"1w""#), "rate[0].per"),
            (one(r#""limit":1,"per":"32d""#), "rate[0].per"),
            (one(r#""limit":1,"per":"-1s""#), "rate[0].per"),
            (one(r#""limit":1,"per":"é""#), "rate[0].per"),
            (one(r#""limit":1,"per":"99999999999999999999d""#), "rate[0].per"),
            (one(r#""limit":1000001,"per":"1s""#), "rate[0].limit"),
            (one(r#""limit":-1,"per":"1s""#), "rate[0]"),
            (one(r#""limit":1,"per":"1s","window":2"#), "rate[0]"),
            (r#"[{"name":"A B","by":"key","limit":1,"per":"1s"}]"#.to_owned(), "rate[0].name"),
            (r#"[{"name":"a","by":"tenant","limit":1,"per":"1s"}]"#.to_owned(), "rate[0]"),
            (
                r#"[{"name":"a","by":"key","limit":1,"per":"1s"},{"name":"a","by":"ip","limit":1,"per":"1s"}]"#
                    .to_owned(),
                "rate[1].name",
            ),
        ];
        for (written, member) in cases {
            assert_eq!(refused("rate", &written), member, "{written}");
        }
    }
}
