//! Claims about the person, for the client that they signed in at (OpenID Connect Core §5.3).

use super::{
    bearer::{Bearer, bad_token},
    world::{World, only_fault},
};
use crate::{
    account::user::User,
    base::{
        fault::{Fault, Stop},
        scope::Scope,
    },
    oauth::bearer::Challenge,
    oidc::{
        claims::{self, Person},
        subject::Subject,
    },
    store::Tx,
};
use serde_json::{Map, Value};
use std::{convert::Infallible, sync::Arc};

/// What the holder of an access token is told.
///
/// # Errors
/// `insufficient_scope` without `openid`; `invalid_token` where no person is behind the token,
/// where they were disabled, or where what they granted has ended; a fault of the store.
pub async fn run(world: &Arc<World>, bearer: Bearer) -> Result<Map<String, Value>, Stop<Challenge>> {
    let policy = world.policy.load();
    let issuer = &policy.tokens.issuer;
    if !bearer.scope.has("openid") {
        let openid = Scope::parse("openid").map_err(|e| Fault::new("naming a scope", e))?;
        return Err(Stop::Refusal(Challenge::lacking(issuer, openid)));
    }
    let (Subject::Person(user), Some(grant)) = (bearer.subject, bearer.grant) else {
        return Err(bad_token(world, "no person is behind this access token"));
    };
    let read = move |tx: &mut Tx<'_>| -> Result<_, Stop<Infallible>> {
        let Some(grant) = tx.grants().find(&grant)?.filter(|row| row.revoked.is_none()) else { return Ok(None) };
        let user = tx.users().find(&user)?.filter(|user| user.enabled() && user.id == grant.grant.granted.user);
        Ok(user.map(|user| (grant.grant.granted.claims, user)))
    };
    let found = world.store.read("userinfo", read).await.map_err(only_fault)?;
    let Some((asked, user)) = found else {
        return Err(bad_token(world, "what this access token was issued for has ended"));
    };
    claims::userinfo(&person(&user)?, &bearer.scope, &asked.userinfo)
        .map_err(|refusal| Stop::Refusal(Challenge::of(issuer, refusal)))
}

/// A person, as far as claims can be told.
///
/// # Errors
/// A fault where the profile is no object, which it is.
pub fn person(user: &User) -> Result<Person, Fault> {
    let profile = serde_json::to_value(&user.profile).map_err(|e| Fault::new("writing a profile", e))?;
    let Value::Object(mut known) = profile else { return Err(Fault::bare("a profile that is no object")) };
    known.insert("preferred_username".to_owned(), user.username.as_str().into());
    known.insert("updated_at".to_owned(), user.updated_at.unix().into());
    Ok(Person { sub: user.id.clone(), known })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        account::user::{Profile, Username},
        base::{id::UserId, moment::Moment},
    };

    #[test]
    fn a_person_is_known_by_the_names_of_the_standard_claims() {
        let user = User {
            id: UserId::parse("usr_ann").unwrap(),
            username: Username::parse("Ann").unwrap(),
            profile: Profile { email: Some("ann@shop.example".into()), ..Profile::default() },
            disabled_at: None,
            created_at: Moment::from_unix(1),
            updated_at: Moment::from_unix(2),
        };
        let person = person(&user).unwrap();
        assert_eq!(person.known["email_verified"], false);
        assert_eq!((&person.known["preferred_username"], &person.known["updated_at"]), (&"Ann".into(), &2.into()));
    }
}
