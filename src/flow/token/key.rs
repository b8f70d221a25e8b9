//! An API key is exchanged for an access token (RFC 8693). Of a key in memory it runs in memory:
//! no database but for a quota, and its event is written with the next batch.

use super::mint;
use crate::{
    apikey::family::Owner,
    audit::{Event, Origin},
    base::id::ClientId,
    flow::{
        api_keys::exchange::{Asking, Exchangeable, issued_to, permit},
        authenticate, clients, dpop,
        guard::{self, Door},
        signing,
        world::World,
    },
    jose::Typ,
    oauth::{
        engine::Ended,
        grant::token_exchange::{KeyToken, Request, end, not_good},
        issue::{Confirmation, Issued, TokenType, token_name},
        params::Params,
    },
};
use std::sync::Arc;

/// The parameters with which a client shows itself.
const CLIENT: [&str; 4] = ["client_id", "client_secret", "client_assertion", "client_assertion_type"];

/// The client that a request names, proven; none where it names none.
pub(super) async fn client(
    world: &Arc<World>,
    authorization: Option<&str>,
    params: &Params,
    origin: &Origin,
) -> Result<Option<ClientId>, Ended> {
    if authorization.is_none() && !CLIENT.iter().any(|name| params.has(name)) {
        return Ok(None);
    }
    let proven = authenticate::run(world, authorization, params, origin).await?;
    guard::pass_client(world, Door::Token, proven.client()).await?;
    Ok(Some(proven.client().id.clone()))
}

pub(super) async fn exchange(
    world: &Arc<World>,
    proven: Option<&ClientId>,
    request: &Request,
    asking: Asking<'_>,
    origin: &Origin,
) -> Result<Issued, Ended> {
    let policy = world.policy.load();
    let alg = policy.tokens.access_token_alg;
    let keyring = mint::keyring(world, [alg; 2]).await?;
    let signer = keyring.signer(alg).ok_or_else(|| mint::no_signer(alg))?;
    let Exchangeable { entry, scope, restrictions, proof } = permit(world, request, asking, origin).await?;
    dpop::used(world, proof.as_ref()).await?;
    let jkt = proof.as_ref().map(|proof| proof.jkt.as_str());
    let client = issued_to(&entry, proven);
    let listed = match client {
        Some(id) => clients::find(world, id).await?,
        None => None,
    };
    let now = listed.map_or(world.now(), |client| client.issues_at(world.now()));
    let end = end(entry.key.expires_at, policy.tokens.access_token_lifetime, now).ok_or_else(not_good)?;
    let jti = token_name(&*world.dice)?;
    let claims = KeyToken {
        iss: &policy.tokens.issuer,
        sub: entry.family.owner.id(),
        aud: &entry.api().audience,
        exp: end.unix(),
        iat: now.unix(),
        jti: &jti,
        client_id: client.map_or(entry.key.id.as_str(), ClientId::as_str),
        scope: &scope,
        amr: ["api_key"],
        key_id: &entry.key.id,
        fam: &entry.family.id,
        cnf: jkt.map(|jkt| Confirmation { jkt }),
        restrictions,
    };
    let access_token = signing::sign(world, signer, Typ::AccessToken, &claims).await?;
    let user = if let Owner::User(user) = &entry.family.owner { Some(user.clone()) } else { None };
    world.note(
        origin,
        Event::ApiKeyExchanged {
            api_key: entry.key.id.clone(),
            client: client.cloned(),
            user,
            scope: scope.clone(),
            audience: vec![entry.api().audience.as_str().to_owned()],
            jti: jti.clone(),
            kid: signer.kid().clone(),
        },
    );
    Ok(Issued {
        access_token,
        expires_in: crate::base::moment::Span::seconds(end.unix().saturating_sub(now.unix())),
        scope,
        refresh_token: None,
        id_token: None,
        token_type: TokenType::of(jkt),
        issued_token_type: Some(request.issued_type),
    })
}
