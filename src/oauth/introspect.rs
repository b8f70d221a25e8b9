//! Token introspection (RFC 7662): who may be told what of a token. Whoever may not is told the
//! same as of a token that does not exist: it is not active, and nothing else.

use super::{
    client::Client,
    code::ErrorCode::UnauthorizedClient,
    grant::Grant,
    issue::TokenType,
    refusal::{Refusal, refuse},
};
use crate::{base::moment::Moment, base::uri::Issuer, jose::Verified};
use serde_json::{Map, Value, json};

/// The claims of an access token that its answer repeats.
const REPEATED: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
    "client_id",
    "scope",
    "auth_time",
    "acr",
    "amr",
    "cnf",
    "key_id",
    "restrictions",
];

/// Refuses callers that could be anybody (RFC 7662 §2.1: protection against scanning).
///
/// # Errors
/// `unauthorized_client`.
pub fn may_ask(caller: &Client) -> Result<(), Refusal> {
    if caller.is_public() {
        return refuse(UnauthorizedClient, "introspection needs a client that authenticates");
    }
    Ok(())
}

/// The whole answer about a token that is unknown, ended, or none of the caller's business.
#[must_use]
pub fn inactive() -> Value {
    json!({ "active": false })
}

/// The answer about an access token that is verified and not revoked: for its own client, and
/// for a client that serves one of its audiences. Caller and token are judged together.
#[must_use]
pub fn access_token(caller: &Client, token: &Verified) -> Value {
    let own = token.str("client_id") == Some(caller.id.as_str());
    let audience = token.list("aud");
    let served = caller.protected_resources.iter().any(|resource| audience.contains(&resource.as_str()));
    if !own && !served {
        return inactive();
    }
    let claims = token.claims();
    let mut answer: Map<String, Value> =
        REPEATED.iter().filter_map(|name| Some(((*name).to_owned(), claims.get(*name)?.clone()))).collect();
    answer.insert("active".to_owned(), Value::Bool(true));
    let jkt = claims.get("cnf").and_then(|cnf| cnf.get("jkt")).and_then(Value::as_str);
    answer.insert("token_type".to_owned(), json!(TokenType::of(jkt).wire()));
    Value::Object(answer)
}

/// The answer about a refresh token that would be accepted now: for its own client only, since
/// nobody else ever sees one.
#[must_use]
pub fn refresh_token(caller: &Client, grant: &Grant, expires_at: Moment, issuer: &Issuer) -> Value {
    let granted = &grant.granted;
    if granted.client != caller.id {
        return inactive();
    }
    json!({
        "active": true,
        "iss": issuer.as_str(),
        "sub": granted.user,
        "client_id": granted.client,
        "scope": granted.scope,
        "iat": grant.created_at.unix(),
        "exp": expires_at.min(grant.expires_at).unix(),
        "auth_time": granted.authentication.at.unix(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{
            id::{ClientId, KeyId},
            uri::Resource,
        },
        jose::{Alg, Audience, Profile, SigningKey, Typ, VerifyingKey, verify},
        oauth::{
            client::AuthMethod,
            sample::{client, issuer},
        },
    };

    fn token() -> Verified {
        let private = SigningKey::generate(Alg::Es256).unwrap();
        let key = SigningKey::from_private(KeyId::parse("k").unwrap(), Alg::Es256, &private).unwrap();
        let keys = [VerifyingKey::from_jwk(key.public_jwk()).unwrap()].into_iter().collect();
        let claims = json!({
            "iss": "https://id.example", "sub": "usr_ada", "aud": ["https://rs1.example", "https://id.example"],
            "exp": 2000, "iat": 1000, "jti": "j", "client_id": "cli_app", "scope": "read", "grant_id": "gr_1",
        });
        let jwt = key.sign(Typ::AccessToken, &claims).unwrap();
        verify(&Profile::access_token(&issuer(), Audience::Judged), &keys, &jwt, Moment::from_unix(1500)).unwrap()
    }

    fn server(serves: &str) -> Client {
        let id = ClientId::parse("cli_rs").unwrap();
        Client { id, protected_resources: vec![Resource::parse(serves).unwrap()], ..client() }
    }

    #[test]
    fn a06_only_its_client_and_its_audience_hear_of_a_token() {
        let token = token();
        assert_eq!(access_token(&client(), &token)["active"], true);
        assert_eq!(access_token(&server("https://rs1.example"), &token)["scope"], "read");
        assert_eq!(access_token(&server("https://rs2.example"), &token), inactive());
        assert_eq!(access_token(&server("https://rs1.example/"), &token), inactive());
    }

    #[test]
    fn c21_the_answer_has_the_registered_members_and_nothing_of_ours() {
        let answer = access_token(&client(), &token());
        assert_eq!((answer["token_type"].clone(), answer["exp"].clone()), (json!("Bearer"), json!(2000)));
        assert!(answer.get("grant_id").is_none());
    }

    #[test]
    fn a_public_client_may_not_ask() {
        assert!(may_ask(&client()).is_ok());
        assert!(may_ask(&Client { auth_method: AuthMethod::None, ..client() }).is_err());
    }
}
