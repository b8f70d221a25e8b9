//! What is told of a person: the claims that a scope stands for, and those that were asked for
//! by name (OpenID Connect Core §5.3, §5.4, §5.5).

use crate::{
    base::{id::UserId, scope::Scope},
    oauth::{
        code::ErrorCode::InsufficientScope,
        grant::ClaimRequest,
        refusal::{Refusal, refuse},
        standard_claims::{SCOPES, scope_of},
    },
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A person, as far as claims can be told: under their names in OpenID Connect Core §5.1.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their subject.
    pub sub: UserId,
    /// Everything known of them. Values that are `null` or empty are not told (Core §5.3.2).
    pub known: Map<String, Value>,
}

impl Person {
    fn tell(&self, claim: &str) -> Option<Value> {
        let value = self.known.get(claim)?;
        let silent = match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        (!silent && self.has_base_of(claim)).then(|| value.clone())
    }

    /// Whether something is verified is told only where there is something.
    fn has_base_of(&self, claim: &str) -> bool {
        claim.strip_suffix("_verified").is_none_or(|base| self.tell(base).is_some())
    }
}

/// The answer of the userinfo endpoint: always `sub`, the claims of the scope, and those asked
/// for by name.
///
/// # Errors
/// `insufficient_scope` without `openid`.
pub fn userinfo(
    person: &Person,
    scope: &Scope,
    asked: &BTreeMap<String, ClaimRequest>,
) -> Result<Map<String, Value>, Refusal> {
    if !scope.has("openid") {
        return refuse(InsufficientScope, "the access token needs the scope openid");
    }
    let mut told = named(person, asked);
    for row in SCOPES.iter().filter(|row| scope.has(row.scope)) {
        told.extend(row.claims.iter().filter_map(|claim| Some(((*claim).to_owned(), person.tell(claim)?))));
    }
    told.insert("sub".to_owned(), Value::String(person.sub.as_str().to_owned()));
    Ok(told)
}

/// The claims about a person that an ID token carries: those asked for by name only, since a
/// code flow always has a userinfo endpoint beside it (Core §5.4).
#[must_use]
pub fn in_id_token(person: &Person, asked: &BTreeMap<String, ClaimRequest>) -> Map<String, Value> {
    named(person, asked)
}

/// A claim asked for with values is told only where it has one of them.
fn named(person: &Person, asked: &BTreeMap<String, ClaimRequest>) -> Map<String, Value> {
    let wanted = asked.iter().filter(|(claim, _)| scope_of(claim).is_some());
    wanted
        .filter_map(|(claim, request)| {
            let value = person.tell(claim)?;
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let fits = request.values.is_empty() || request.values.contains(&text);
            fits.then(|| (claim.clone(), value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn person() -> Person {
        let known = json!({
            "name": "Ada Lovelace", "preferred_username": "ada", "nickname": "", "picture": null,
            "email": "ada@example.com", "email_verified": true, "phone_number_verified": false,
            "updated_at": 1000, "password": "never", "sub": "usr_other",
        });
        Person { sub: UserId::parse("usr_ada").unwrap(), known: known.as_object().unwrap().clone() }
    }

    fn told(scope: &str, asked: &[(&str, &[&str])]) -> Vec<String> {
        let asked = asked.iter().map(|(claim, values)| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            ((*claim).to_owned(), ClaimRequest { essential: true, values })
        });
        let info = userinfo(&person(), &Scope::parse(scope).unwrap(), &asked.collect()).unwrap();
        assert_eq!(info["sub"], "usr_ada");
        info.keys().filter(|name| *name != "sub").cloned().collect()
    }

    #[test]
    fn each_scope_tells_its_claims_and_nothing_else() {
        for (scope, claims) in [
            ("openid", &[][..]),
            ("openid email", &["email", "email_verified"]),
            ("openid profile", &["name", "preferred_username", "updated_at"]),
            ("openid phone address", &[]),
        ] {
            let mut found = told(scope, &[]);
            found.sort();
            assert_eq!(found, claims, "{scope}");
        }
    }

    #[test]
    fn c33_claims_asked_for_by_name_are_told_if_they_are_claims() {
        assert_eq!(told("openid", &[("email", &[])]), ["email"]);
        assert_eq!(told("openid", &[("email", &["bob@example.com"])]), [""; 0]);
        assert_eq!(told("openid", &[("updated_at", &["1000"])]), ["updated_at"]);
        assert_eq!(told("openid", &[("password", &[])]), [""; 0]);
        assert_eq!(told("openid", &[("sub", &[])]), [""; 0]);
    }

    #[test]
    fn a_token_without_openid_opens_no_userinfo() {
        let refused = userinfo(&person(), &Scope::parse("profile").unwrap(), &BTreeMap::new()).unwrap_err();
        assert_eq!(refused.code, InsufficientScope);
    }
}
