//! Reading `scope` (RFC 6749 §3.3) and `resource` (RFC 8707 §2), the same way at every endpoint.

use super::{
    code::ErrorCode::{InvalidScope, InvalidTarget},
    params::Params,
    refusal::{Refusal, refuse},
};
use crate::base::{scope::Scope, uri::Resource};
use std::collections::BTreeSet;

/// The most resources in one request.
const MAX_RESOURCES: usize = 16;

/// The scope asked for; `None` where the parameter is missing.
///
/// # Errors
/// `invalid_scope` where it is too long or has a character that is not allowed.
pub fn scope_of(params: &Params) -> Result<Option<Scope>, Refusal> {
    let Some(text) = params.once("scope")? else { return Ok(None) };
    match Scope::parse(text) {
        Ok(scope) if scope.is_empty() => Ok(None),
        Ok(scope) => Ok(Some(scope)),
        Err(bad) => refuse(InvalidScope, bad.to_string()),
    }
}

/// The resources asked for; empty where there is no such parameter.
///
/// # Errors
/// `invalid_target` where one is no absolute URI or has a fragment, or where there are too many.
pub fn resources_of(params: &Params) -> Result<BTreeSet<Resource>, Refusal> {
    let mut found = BTreeSet::new();
    for text in params.all("resource") {
        match Resource::parse(text) {
            Ok(resource) => found.insert(resource),
            Err(bad) => return refuse(InvalidTarget, format!("a resource {bad}")),
        };
        if found.len() > MAX_RESOURCES {
            return refuse(InvalidTarget, "more than 16 resources");
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_may_repeat_and_must_be_absolute() {
        let two = Params::from_pairs([("resource", "https://a.example"), ("resource", "https://b.example/x")]);
        assert_eq!(resources_of(&two).unwrap().len(), 2);
        for bad in ["/relative", "https://a.example#f", "a b", "javascript:alert(1)"] {
            let params = Params::from_pairs([("resource", bad)]);
            assert_eq!(resources_of(&params).unwrap_err().code, InvalidTarget, "{bad}");
        }
    }

    #[test]
    fn a22_a_very_long_scope_is_refused_unread() {
        let many = (0..65).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        for text in [&"a ".repeat(100_000), &many] {
            let params = Params::from_pairs([("scope", text.as_str())]);
            assert_eq!(scope_of(&params).unwrap_err().code, InvalidScope);
        }
    }
}
