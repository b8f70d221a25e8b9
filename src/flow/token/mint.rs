//! Signing what was planned: access tokens and ID tokens.

use crate::{
    base::{
        entropy::Entropy,
        fault::Fault,
        id::KeyId,
        moment::{Moment, Span},
        scope::Scope,
        uri::Resource,
    },
    flow::{follow, rotate_keys, world::World},
    jose::{Alg, Typ},
    keyring::Keyring,
    oauth::{
        client::Client,
        grant::Grant,
        issue::{AccessToken, Audience, Policy, Terms, token_name},
    },
    oidc::{
        claims::{self, Person},
        id_token::{self, IdToken},
    },
};
use std::{collections::BTreeSet, sync::Arc};

/// An access token, with what the audit wants to know of it.
pub(super) struct Minted {
    pub(super) token: String,
    pub(super) jti: String,
    pub(super) kid: KeyId,
    pub(super) audience: Vec<String>,
    pub(super) lifetime: Span,
}

/// The keys to sign with, taken before a transaction begins: the one for access tokens, and the
/// one for this client's ID tokens, made now where its algorithm is used for the first time.
pub(super) async fn keyring(world: &Arc<World>, algs: [Alg; 2]) -> Result<Arc<Keyring>, Fault> {
    follow::awake(world).await;
    for alg in algs {
        rotate_keys::ensure(world, alg).await?;
    }
    Ok(world.keyring.load_full())
}

/// What signing needs, besides what is signed.
#[derive(Clone, Copy)]
pub(super) struct Press<'a> {
    pub(super) keyring: &'a Keyring,
    pub(super) policy: &'a Policy,
    pub(super) now: Moment,
    pub(super) dice: &'a dyn Entropy,
    /// The thumbprint of the key that access tokens are bound to, if to one.
    pub(super) jkt: Option<&'a str>,
}

impl Press<'_> {
    /// An access token: of a person's grant, or of the client's own. It gets the name that was
    /// recorded for it already, or a fresh one.
    pub(super) fn access_token(
        &self,
        client: &Client,
        grant: Option<&Grant>,
        (scope, resources): (&Scope, &BTreeSet<Resource>),
        name: Option<String>,
    ) -> Result<Minted, Fault> {
        let key = self.signer(self.policy.access_token_alg)?;
        let audience = Audience::of(resources, scope, self.policy);
        let terms = Terms { client, scope, audience: &audience, jkt: self.jkt };
        let jti = name.map_or_else(|| token_name(self.dice), Ok)?;
        let claims = match grant {
            Some(grant) => AccessToken::delegated(terms, grant, self.policy, jti, self.now),
            None => AccessToken::own(terms, self.policy, jti, self.now),
        };
        let token = key.sign(Typ::AccessToken, &claims)?;
        Ok(Minted {
            token,
            jti: claims.jti,
            kid: key.kid().clone(),
            audience: audience.iter().map(str::to_owned).collect(),
            lifetime: terms.lifetime(self.policy),
        })
    }

    /// An ID token (OpenID Connect Core §2), where the grant is one of OpenID Connect.
    pub(super) fn id_token(
        &self,
        client: &Client,
        grant: &Grant,
        (access_token, occasion): (&str, id_token::Occasion),
        person: Option<&Person>,
    ) -> Result<Option<String>, Fault> {
        if !grant.granted.scope.has("openid") {
            return Ok(None);
        }
        let key = self.signer(client.id_token_alg)?;
        let terms = id_token::Terms {
            issuer: &self.policy.issuer,
            lifetime: self.policy.id_token_lifetime,
            alg: client.id_token_alg,
            access_token,
            occasion,
        };
        let asked = grant.granted.claims.within(&client.scope);
        let person = person.map(|p| claims::in_id_token(p, &asked.id_token)).unwrap_or_default();
        key.sign(Typ::IdToken, &IdToken::of(&grant.granted, &terms, person, self.now)).map(Some)
    }

    fn signer(&self, alg: Alg) -> Result<&crate::jose::SigningKey, Fault> {
        signer_of(self.keyring, alg)
    }
}

/// The key that signs with this algorithm.
pub(super) fn signer_of(keyring: &Keyring, alg: Alg) -> Result<&crate::jose::SigningKey, Fault> {
    keyring.signer(alg).ok_or_else(|| no_signer(alg))
}

/// There is no key to sign with.
pub(super) fn no_signer(alg: Alg) -> Fault {
    Fault::bare(format!("there is no signing key for {alg}"))
}
