//! Signing what was planned: access tokens and ID tokens.

use crate::{
    base::{
        fault::Fault,
        id::KeyId,
        moment::{Moment, Span},
        scope::Scope,
        uri::Resource,
    },
    flow::{follow, rotate_keys, signing, world::World},
    jose::{Alg, Draft, Drafted, SigningKey, Typ},
    keyring::Keyring,
    oauth::{
        client::Client,
        grant::Grant,
        issue::{AccessToken, Audience, Policy, Terms},
    },
    oidc::{
        claims::{self, Person},
        id_token::{self, IdToken},
    },
};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// So many signatures are fetched for one answer at most: two, unless what is signed changes meanwhile.
const SIGNATURES: usize = 8;

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

/// The tokens of one answer that were signed where their keys are. That happens between one attempt at the answer and the
/// next, so that no transaction and no thread of the database waits for it.
#[derive(Debug, Default)]
pub(super) struct Signed(Mutex<SignedSoFar>);

#[derive(Debug, Default)]
struct SignedSoFar {
    done: Vec<(Draft, String)>,
    wanted: Option<(KeyId, Draft)>,
}

impl Signed {
    fn so_far(&self) -> MutexGuard<'_, SignedSoFar> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token; a fault where it has to be signed elsewhere first, for [`Signed::more`] to do.
    fn token(&self, key: &SigningKey, typ: Typ, claims: &impl Serialize) -> Result<String, Fault> {
        let draft = match key.token(typ, claims)? {
            Drafted::Signed(token) => return Ok(token),
            Drafted::Unsigned(draft) => draft,
        };
        let mut so_far = self.so_far();
        if let Some((_, token)) = so_far.done.iter().find(|(done, _)| *done == draft) {
            return Ok(token.clone());
        }
        so_far.wanted = Some((key.kid().clone(), draft));
        Err(Fault::bare("a token that is to be signed elsewhere first").passing())
    }

    /// Whether the attempt lacked a signature: then nothing else of it counts.
    pub(super) fn lacks_one(&self) -> bool {
        self.so_far().wanted.is_some()
    }

    /// After an attempt: fetches the signature that it lacked. False where it lacked none, and its outcome counts.
    ///
    /// # Errors
    /// As [`signing::sign`].
    pub(super) async fn more(&self, world: &World, keyring: &Keyring) -> Result<bool, Fault> {
        let (wanted, done) = {
            let mut so_far = self.so_far();
            (so_far.wanted.take(), so_far.done.len())
        };
        let Some((kid, draft)) = wanted else { return Ok(false) };
        if done >= SIGNATURES {
            return Err(Fault::bare("what is to be signed changes all the time").passing());
        }
        let key = keyring.key(&kid).ok_or_else(|| Fault::bare(format!("signing key {kid} is not in hand")))?;
        let token = signing::complete(world, key, draft.clone()).await?;
        self.so_far().done.push((draft, token));
        Ok(true)
    }
}

/// What signing needs, besides what is signed.
#[derive(Clone, Copy)]
pub(super) struct Press<'a> {
    pub(super) keyring: &'a Keyring,
    pub(super) policy: &'a Policy,
    pub(super) now: Moment,
    /// The thumbprint of the key that access tokens are bound to, if to one.
    pub(super) jkt: Option<&'a str>,
    pub(super) signed: &'a Signed,
}

impl Press<'_> {
    /// An access token of this name: of a person's grant, or of the client's own.
    pub(super) fn access_token(
        &self,
        client: &Client,
        grant: Option<&Grant>,
        (scope, resources): (&Scope, &BTreeSet<Resource>),
        jti: String,
    ) -> Result<Minted, Fault> {
        let key = self.signer(self.policy.access_token_alg)?;
        let audience = Audience::of(resources, scope, self.policy);
        let terms = Terms { client, scope, audience: &audience, jkt: self.jkt };
        let claims = match grant {
            Some(grant) => AccessToken::delegated(terms, grant, self.policy, jti, self.now),
            None => AccessToken::own(terms, self.policy, jti, self.now),
        };
        let token = self.signed.token(key, Typ::AccessToken, &claims)?;
        Ok(Minted {
            token,
            jti: claims.jti,
            kid: key.kid().clone(),
            audience: audience.iter().map(str::to_owned).collect(),
            lifetime: terms.lifetime(self.policy),
        })
    }

    /// An ID token (OpenID Connect Core §2), where the grant is one of OpenID Connect and its client still may be.
    pub(super) fn id_token(
        &self,
        client: &Client,
        grant: &Grant,
        (access_token, occasion): (&str, id_token::Occasion),
        person: Option<&Person>,
    ) -> Result<Option<String>, Fault> {
        if !grant.granted.scope.and(&client.scope).has("openid") {
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
        self.signed.token(key, Typ::IdToken, &IdToken::of(&grant.granted, &terms, person, self.now)).map(Some)
    }

    /// Whether one of these algorithms is signed with elsewhere.
    pub(super) fn any_elsewhere(&self, algs: [Alg; 2]) -> bool {
        algs.into_iter().filter_map(|alg| self.keyring.signer(alg)).any(|key| key.outside().is_some())
    }

    fn signer(&self, alg: Alg) -> Result<&SigningKey, Fault> {
        signer_of(self.keyring, alg)
    }
}

/// The key that signs with this algorithm.
pub(super) fn signer_of(keyring: &Keyring, alg: Alg) -> Result<&SigningKey, Fault> {
    keyring.signer(alg).ok_or_else(|| no_signer(alg))
}

/// There is no key to sign with.
pub(super) fn no_signer(alg: Alg) -> Fault {
    Fault::bare(format!("there is no signing key for {alg}"))
}
