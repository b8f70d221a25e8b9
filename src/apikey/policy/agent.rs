//! Member `user_agent`: the programs that may call, by what they call themselves.
//!
//! A program may call itself what it likes: this keeps out those that do not bother.

use super::{
    Call, Invalid, Reason, bounded,
    glob::{Glob, LONGEST},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The most patterns in one list.
pub const MOST: usize = 64;
/// The longest field that is looked at.
const LONGEST_FIELD: usize = 1024;

/// The member as written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UserAgents")]
pub struct Written {
    /// Whether a call must name its program; yes where nothing is said.
    require: Option<bool>,
    /// Patterns of those that may call; `*` stands for anything.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 256), regex(pattern = "^[ -~]+$")))]
    allow: Option<Vec<String>>,
    /// Patterns of those that may not.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 256), regex(pattern = "^[ -~]+$")))]
    deny: Option<Vec<String>>,
}

/// Which programs may call. Patterns do not tell capitals from small letters.
#[derive(Clone, Debug)]
pub struct Agents {
    missing: Result<(), Reason>,
    allow: Option<Vec<Glob>>,
    deny: Option<Vec<Glob>>,
}

impl Agents {
    /// Reads the member. A call must say what makes it unless `require` is false, which only a
    /// deny-list by itself leaves a meaning.
    ///
    /// # Errors
    /// [`Invalid`] where a pattern is empty, too long or not ASCII, a list is empty or too long,
    /// or the member restricts nothing.
    pub fn read(written: &Written) -> Result<Self, Invalid> {
        let allow = written.allow.as_ref().map(|list| globs("user_agent.allow", list)).transpose()?;
        let deny = written.deny.as_ref().map(|list| globs("user_agent.deny", list)).transpose()?;
        let required = written.require.unwrap_or(true);
        if !required && allow.is_some() {
            return Err(Invalid::new("user_agent.require", "is false, which leaves the allow-list without effect"));
        }
        if allow.is_none() && deny.is_none() && written.require != Some(true) {
            return Err(Invalid::new("user_agent", "restricts nothing: leave it out"));
        }
        Ok(Self { missing: if required { Err(Reason::Missing) } else { Ok(()) }, allow, deny })
    }

    /// Whether the program that calls may.
    ///
    /// # Errors
    /// The [`Reason`] why not.
    pub fn find(&self, call: &Call<'_>) -> Result<(), Reason> {
        let Some(text) = call.user_agent.filter(|t| !t.is_empty()) else { return self.missing };
        if text.len() > LONGEST_FIELD || text.bytes().any(|b| b.is_ascii_control()) {
            return Err(Reason::Unreadable);
        }
        let text = text.to_ascii_lowercase();
        let fits = |globs: &Vec<Glob>| globs.iter().any(|glob| glob.fits(&text));
        if self.deny.as_ref().is_some_and(fits) {
            return Err(Reason::Denied);
        }
        if self.allow.as_ref().is_some_and(|globs| !fits(globs)) {
            return Err(Reason::NotAllowed);
        }
        Ok(())
    }
}

fn globs(member: &str, list: &[String]) -> Result<Vec<Glob>, Invalid> {
    bounded(member, list, MOST)?;
    let one = |(n, text): (usize, &String)| {
        let fits = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b));
        let why = format!("is no pattern of 1 to {LONGEST} printable ASCII characters: {text:?}");
        fits.then(|| Glob::new(&text.to_ascii_lowercase())).ok_or_else(|| Invalid::new(format!("{member}[{n}]"), why))
    };
    list.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apikey::policy::sample::{call, found, refused};

    #[test]
    fn programs_are_found_as_the_table_says() {
        use Reason::{Denied, Missing, NotAllowed, Unreadable};
        let both = r#"{"require":true,"allow":["partner-sync/*"],"deny":["*sqlmap*"]}"#;
        let deny = r#"{"deny":["*sqlmap*"]}"#;
        let lenient = r#"{"require":false,"deny":["*sqlmap*"]}"#;
        let long = "x".repeat(1025);
        let cases = [
            (both, Some("partner-sync/2"), Ok(())),
            (both, Some("Partner-Sync/2 (linux)"), Ok(())),
            (both, Some("curl/8"), Err(NotAllowed)),
            (both, Some("partner-sync/2 SQLMap"), Err(Denied)),
            (both, Some(""), Err(Missing)),
            (both, None, Err(Missing)),
            (deny, Some("curl/8"), Ok(())),
            (deny, Some("sqlmap/1.8"), Err(Denied)),
            (deny, None, Err(Missing)),
            (deny, Some(&long), Err(Unreadable)),
            (deny, Some("curl\r\nX: y"), Err(Unreadable)),
            (lenient, None, Ok(())),
            (lenient, Some("sqlmap/1.8"), Err(Denied)),
            (r#"{"require":true}"#, Some("anything"), Ok(())),
            (r#"{"require":true}"#, None, Err(Missing)),
        ];
        for (written, user_agent, wanted) in cases {
            let call = Call { user_agent, ..call() };
            assert_eq!(found("user_agent", written, &call), wanted, "{written} {user_agent:?}");
        }
    }

    #[test]
    fn what_restricts_nothing_or_cannot_be_meant_is_refused() {
        let cases = [
            (r#"{}"#, "user_agent"),
            (r#"{"require":false}"#, "user_agent"),
            (r#"{"require":false,"allow":["a"]}"#, "user_agent.require"),
            (r#"{"allow":["a",""]}"#, "user_agent.allow[1]"),
            (r#"{"deny":["é"]}"#, "user_agent.deny[0]"),
            (r#"{"deny":[]}"#, "user_agent.deny"),
            (r#"{"deny":["a"],"regex":"b"}"#, "user_agent"),
        ];
        for (written, member) in cases {
            assert_eq!(refused("user_agent", written), member, "{written}");
        }
    }
}
