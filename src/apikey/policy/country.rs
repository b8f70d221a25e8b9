//! Member `geo`: countries from which calls may come, and from which they may not.
//!
//! Which country an address is in is a guess of whoever made the table, so this keeps honest
//! people to an agreement and stops nobody who hires a machine elsewhere.

use super::{Call, Invalid, Otherwise, Reason, bounded};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;

/// The most countries in one list: there are some 250.
pub const MOST: usize = 300;

/// The member as written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Countries", extend("anyOf" = [{"required": ["allow"], "properties": {"allow": {"type": "array"}}}, {"required": ["deny"], "properties": {"deny": {"type": "array"}}}]))]
pub struct Written {
    /// The countries of ISO 3166-1, two capitals each, from which a call may come.
    #[schemars(length(min = 1, max = 300), inner(regex(pattern = "^[A-Z]{2}$")))]
    allow: Option<Vec<String>>,
    /// Those from which none may come.
    #[schemars(length(min = 1, max = 300), inner(regex(pattern = "^[A-Z]{2}$")))]
    deny: Option<Vec<String>>,
    /// What becomes of a call whose country is not known.
    #[serde(default)]
    unknown: Otherwise,
}

/// From where a call may come.
#[derive(Clone, Debug)]
pub struct Countries {
    allow: Option<BTreeSet<Code>>,
    deny: Option<BTreeSet<Code>>,
    unknown: Otherwise,
}

type Code = [u8; 2];

impl Countries {
    /// Reads the member.
    ///
    /// # Errors
    /// [`Invalid`] where a code is not two capital letters, or a list is empty or too long.
    pub fn read(written: &Written) -> Result<Self, Invalid> {
        let allow = written.allow.as_ref().map(|list| codes("geo.allow", list)).transpose()?;
        let deny = written.deny.as_ref().map(|list| codes("geo.deny", list)).transpose()?;
        if allow.is_none() && deny.is_none() {
            return Err(Invalid::new("geo", "says neither allow nor deny: leave it out"));
        }
        if let (Some(allow), Some(deny)) = (&allow, &deny)
            && allow.is_subset(deny)
        {
            return Err(Invalid::new("geo", "denies every country that it allows"));
        }
        Ok(Self { allow, deny, unknown: written.unknown })
    }

    /// Whether the country of the call may call.
    ///
    /// # Errors
    /// The [`Reason`] why not.
    pub fn find(&self, call: &Call<'_>) -> Result<(), Reason> {
        let Some(country) = call.country.and_then(known) else {
            return match self.unknown {
                Otherwise::Allow => Ok(()),
                Otherwise::Deny => Err(call.country.map_or(Reason::Missing, |_| Reason::Unreadable)),
            };
        };
        if self.deny.as_ref().is_some_and(|codes| codes.contains(&country)) {
            return Err(Reason::Denied);
        }
        if self.allow.as_ref().is_some_and(|codes| !codes.contains(&country)) {
            return Err(Reason::NotAllowed);
        }
        Ok(())
    }
}

fn codes(member: &str, list: &[String]) -> Result<BTreeSet<Code>, Invalid> {
    bounded(member, list, MOST)?;
    let one = |(n, text): (usize, &String)| {
        let capitals = text.bytes().all(|b| b.is_ascii_uppercase());
        known(text).filter(|_| capitals).ok_or_else(|| {
            Invalid::new(format!("{member}[{n}]"), format!("is no country of two capital letters: {text:?}"))
        })
    };
    list.iter().enumerate().map(one).collect()
}

/// The code in capitals. `XX` and `ZZ` are what networks say of addresses that they cannot place.
fn known(text: &str) -> Option<Code> {
    let code: Code = text.to_ascii_uppercase().into_bytes().try_into().ok()?;
    (code.iter().all(u8::is_ascii_uppercase) && code != *b"XX" && code != *b"ZZ").then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apikey::policy::sample::{call, found, refused};

    #[test]
    fn countries_are_found_as_the_table_says() {
        use Reason::{Denied, Missing, NotAllowed, Unreadable};
        let cases = [
            (r#"{"allow":["US","CA"]}"#, Some("US"), Ok(())),
            (r#"{"allow":["US","CA"]}"#, Some("us"), Ok(())),
            (r#"{"allow":["US","CA"]}"#, Some("RU"), Err(NotAllowed)),
            (r#"{"allow":["US"]}"#, None, Err(Missing)),
            (r#"{"allow":["US"]}"#, Some("XX"), Err(Unreadable)),
            (r#"{"allow":["US"]}"#, Some("USA"), Err(Unreadable)),
            (r#"{"allow":["US"]}"#, Some(""), Err(Unreadable)),
            (r#"{"allow":["US"],"unknown":"allow"}"#, None, Ok(())),
            (r#"{"allow":["US"],"unknown":"allow"}"#, Some("T1"), Ok(())),
            (r#"{"allow":["US"],"unknown":"allow"}"#, Some("RU"), Err(NotAllowed)),
            (r#"{"deny":["RU"]}"#, Some("US"), Ok(())),
            (r#"{"deny":["RU"]}"#, Some("RU"), Err(Denied)),
            (r#"{"deny":["RU"]}"#, None, Err(Missing)),
            (r#"{"allow":["US","RU"],"deny":["RU"]}"#, Some("RU"), Err(Denied)),
        ];
        for (written, country, wanted) in cases {
            let call = Call { country, ..call() };
            assert_eq!(found("geo", written, &call), wanted, "{written} {country:?}");
        }
    }

    #[test]
    fn what_names_no_country_is_refused_by_its_place() {
        let cases = [
            (r#"{}"#, "geo"),
            (r#"{"allow":[]}"#, "geo.allow"),
            (r#"{"allow":["US","usa"]}"#, "geo.allow[1]"),
            (r#"{"deny":["us"]}"#, "geo.deny[0]"),
            (r#"{"deny":["XX"]}"#, "geo.deny[0]"),
            (r#"{"allow":["US"],"deny":["US","CA"]}"#, "geo"),
            (r#"{"allow":["US"],"unknown":"maybe"}"#, "geo"),
            (r#"{"allow":["US"],"countries":[]}"#, "geo"),
        ];
        for (written, member) in cases {
            assert_eq!(refused("geo", written), member, "{written}");
        }
    }
}
