//! The check of an access token at our own endpoints: one for all of them, so that none can
//! forget a part of it (RFC 6750, RFC 9068 §4).

use super::{dpop, world::World};
use crate::{
    base::{
        fault::{Fault, Stop},
        id::GrantId,
        moment::Moment,
        scope::Scope,
    },
    jose::{self, Profile, Verified},
    oauth::{
        bearer::{Challenge, token_of},
        code::ErrorCode::InvalidToken,
        dpop::{self as dpop_rule, BadProof, Proof, Shown},
        issue::TokenType,
        params::Params,
        refusal::Refusal,
    },
    oidc::subject::Subject,
};

/// What a good access token says.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// For whom it acts.
    pub subject: Subject,
    /// The grant that it hangs from; none where a client acts for itself.
    pub grant: Option<GrantId>,
    /// What it allows.
    pub scope: Scope,
    /// When it was issued, in whole seconds.
    pub issued: Moment,
    /// When the person behind it signed in, where there is one.
    pub signed_in: Option<Moment>,
}

/// Where an access token may be in a request.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The `Authorization` field.
    pub authorization: Option<&'a str>,
    /// The query, where it must not be.
    pub query: &'a Params,
    /// The form in the body, where there is one.
    pub body: Option<&'a Params>,
    /// The proof of possession beside it.
    pub dpop: &'a Shown<'a>,
}

/// Who else a token may be for that is for this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Besides {
    /// Resource servers, as a token that userinfo may be asked with: each of them could show it here.
    Others,
    /// Nobody: where more can be done with it than to be told about a person (RFC 9700 §2.3).
    Nobody,
}

/// Finds the access token of a request and proves it: ours, for this issuer itself and for nobody
/// besides that it may not be for, not expired, not revoked, and bound to nothing that was not shown.
///
/// # Errors
/// The [`Challenge`] to answer with; a fault that passes where this node has not heard of
/// revocations for too long to say that a token is good.
pub async fn check(world: &World, places: Places<'_>, besides: Besides) -> Result<Bearer, Stop<Challenge>> {
    let (bearer, proof) = judge(world, places, besides)?;
    match proof {
        Some(proof) if !dpop::first_use(world, &proof).await? => Err(bad_proof(world, BadProof::Used.into())),
        Some(_) | None => Ok(bearer),
    }
}

/// The same but for whether its proof was used before.
fn judge(world: &World, places: Places<'_>, besides: Besides) -> Result<(Bearer, Option<Proof>), Stop<Challenge>> {
    let policy = world.policy.load();
    let issuer = &policy.tokens.issuer;
    let (token, shown_as) = token_of(places.authorization, places.query, places.body)
        .map_err(|none| Stop::Refusal(none.challenge(issuer)))?;
    if !world.revocations.is_fresh(world.now()) {
        return Err(Fault::bare("no word of revocations from the database for too long").passing().into());
    }
    let us = issuer.as_str().to_owned();
    let audience = match besides {
        Besides::Others => jose::Audience::OneOf(vec![us]),
        Besides::Nobody => jose::Audience::Only(us),
    };
    let verified =
        jose::verify(&Profile::access_token(issuer, audience), world.keyring.load().keys(), token, world.now())
            .map_err(|bad| bad_token(world, bad.because()))?;
    let proof = bound(world, &verified, (token, shown_as), places.dpop)?;
    if verified.claims().contains_key("key_id") {
        // What an API key is exchanged for manages nothing here, as the key does not.
        return Err(bad_token(world, "the access token was issued for an API key, which is of no use here"));
    }
    let grant = verified.str("grant_id").and_then(GrantId::parse);
    if world.revocations.includes(verified.str("jti").unwrap_or_default(), grant.as_ref()) {
        return Err(bad_token(world, "the access token has been revoked"));
    }
    let subject = Subject::of(verified.str("sub").unwrap_or_default(), verified.str("client_id").unwrap_or_default())
        .map_err(|refusal| Stop::Refusal(Challenge::of(issuer, refusal)))?;
    let scope = Scope::parse(verified.str("scope").unwrap_or_default())
        .map_err(|_| bad_token(world, "the claim `scope` of the token is malformed"))?;
    let signed_in = verified.claims().get("auth_time").and_then(serde_json::Value::as_i64).map(Moment::from_unix);
    let issued = verified.moment("iat").unwrap_or(Moment::EPOCH);
    Ok((Bearer { subject, grant, scope, issued, signed_in }, proof))
}

/// The proof of a token that is bound to a key: without one it proves nothing. A token that is bound
/// to none must not be shown as one that is (RFC 9449 §7.2).
fn bound(
    world: &World,
    verified: &Verified,
    (token, shown_as): (&str, TokenType),
    shown: &Shown<'_>,
) -> Result<Option<Proof>, Stop<Challenge>> {
    let refused = |because| Err(bad_proof(world, Refusal::new(InvalidToken, because)));
    let Some(cnf) = verified.claims().get("cnf") else {
        return match shown_as {
            TokenType::Bearer => Ok(None),
            TokenType::Dpop => refused("the access token is bound to no key: show it as Bearer"),
        };
    };
    if shown_as == TokenType::Bearer {
        return refused("the access token is bound to a key that was not shown");
    }
    let proof = dpop_rule::judge(shown, Some(token), world.now()).map_err(|bad| bad_proof(world, bad.into()))?;
    match proof {
        Some(proof) if cnf.get("jkt").and_then(|jkt| jkt.as_str()) == Some(proof.jkt.as_str()) => Ok(Some(proof)),
        Some(_) => refused("the access token is bound to another key than the one shown"),
        None => refused("the access token is bound to a key: send a proof in the field DPoP"),
    }
}

/// The challenge for a token that lacks a good proof.
fn bad_proof(world: &World, refusal: Refusal) -> Stop<Challenge> {
    Stop::Refusal(Challenge::bound(&world.policy.load().tokens.issuer, refusal))
}

/// The challenge for a token that is not good.
pub(super) fn bad_token(world: &World, because: &'static str) -> Stop<Challenge> {
    let policy = world.policy.load();
    Stop::Refusal(Challenge::of(&policy.tokens.issuer, Refusal::new(InvalidToken, because)))
}

#[cfg(test)]
mod tests;
